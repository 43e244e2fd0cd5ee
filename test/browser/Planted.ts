/** Hostile texts in every field that somebody else can fill, and where the page has to show them. */
import { until } from "../storms/Until.ts"
import { allOf, deep } from "./Hostile.ts"
import { askedFor, atticTools, type PageHouse, settled } from "./PageHouse.ts"

export interface Planted {
  readonly field: string
  readonly text: string
}

/** A screen, and what it has to show. */
export interface Screen {
  readonly at: string
  readonly planted: ReadonlyArray<Planted>
  /** The button that leads to it. */
  readonly button?: string
}

const times = <A>(count: number, make: (i: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, i) => make(i))

/** Longer than anything that a screen lays out at once. */
export const huge = `The beginning of it. ${
  "A long story, told by somebody who had much time. ".repeat(18_000)
}The end of it.`

/** What a server writes on its standard error. */
export const whisperOf = (texts: ReadonlyMap<string, string>): string =>
  ["a script", "an image that fails", "control characters", "a line that runs backwards"].map((name) =>
    texts.get(name)!
  )
    .join("\n")

export const plant = async (house: PageHouse, texts: ReadonlyMap<string, string>): Promise<ReadonlyArray<Screen>> => {
  const all = allOf(texts)
  const names = [...texts.values()]
  const name = (i: number): string => names[i % names.length]!
  const { host, leave, post } = house
  for (const file of ["well", "cellar", "ledger", "photographs", "all"]) leave(file, all)
  leave("huge", huge)

  const attic = (what: string, is: (one: any) => boolean) =>
    until(`the tools of the attic to be ${what}`, async () => is(await host().get("/integrations/attic")), 60_000)
  await attic("known", ({ state }) => state === "connected")
  // What changed is found at a start.
  house.vane(all)
  await host().kill()
  house.attic([{ ...atticTools()[0], description: all }, ...atticTools().slice(1)])
  await house.start()

  const traceScreen = async (field: string, ids: { readonly trace_id: string }, ...more: ReadonlyArray<Planted>) => ({
    at: `/trace/${ids.trace_id}`,
    planted: [{ field, text: all }, ...more]
  })
  const reason = all.slice(0, 1_000)
  const intent = (intent: string, input: object) => ({ channel: "porch", structured: { intent, input } })

  const events = times(6, async (i) => {
    const fields = {
      actor_id: name(4 * i),
      thread_id: name(4 * i + 1),
      message_id: name(4 * i + 2),
      connector_id: name(4 * i + 3)
    }
    const ids = await house.send(all, {
      channel: "letterbox",
      structured: { note: all, [name(i)]: "a key", deep: deep(50) },
      links: [`javascript:alert(${i})`, `data:text/html,<script>ran</script>`],
      ...fields
    })
    return traceScreen("content.text", ids, ...Object.entries(fields).map(([field, text]) => ({ field, text })))
  })
  const tools = [
    settled(house, "hear", intent("hear", { what: "all" })).then((ids) => traceScreen("the output of a tool", ids)),
    settled(house, "refuse", intent("refuse", { what: "all" })).then((ids) => ({
      // The host keeps the beginning of it.
      at: `/trace/${ids.trace_id}`,
      planted: [{ field: "the error of a tool", text: all.slice(0, 400) }]
    })),
    settled(house, "tell me").then((ids) => traceScreen("a reply", ids))
  ]
  const approval = async (): Promise<Screen> => {
    const ids = await post("/events", { text: "pay", ...intent("pay", { what: "text:all", to: all }) })
    const { approval_id } = await askedFor(house, ids)
    return {
      at: `/approvals/${approval_id}`,
      planted: [{ field: "the input of an approval", text: all }, { field: "the preview of an approval", text: all }]
    }
  }
  const tasks = times(3, async (i): Promise<Screen> => {
    const task = await post("/tasks", {
      name: name(4 * i),
      labels: [name(4 * i + 1)],
      steps: [
        { name: name(4 * i + 2), tool: "house.refuse", input: { what: "all" }, max_attempts: 1 },
        { name: name(4 * i + 3), tool: "house.look", input: {} }
      ]
    })
    return {
      at: `/tasks/${task.task_id}`,
      planted: [0, 1, 2, 3].map((n) => ({ field: ["name", "label", "step", "step"][n]!, text: name(4 * i + n) }))
    }
  })
  const canceled = async (): Promise<ReadonlyArray<Screen>> => {
    const wait = { name: "wait", kind: "wait", input: { delay_ms: 3_600_000 } }
    const [task, job] = await Promise.all([
      post("/tasks", { name: "canceled", steps: [wait] }),
      post("/jobs", { kind: "photographs" })
    ])
    await Promise.all([
      post(`/tasks/${task.task_id}/cancel`, { reason }),
      post(`/jobs/${job.job_id}/cancel`, { reason })
    ])
    return [
      { at: `/tasks/${task.task_id}`, planted: [{ field: "why a task was canceled", text: reason }] },
      { at: "/jobs", planted: [{ field: "why a job was canceled", text: reason }] }
    ]
  }
  const jobs = async (): Promise<Screen> => {
    await Promise.all([post("/jobs", { kind: "ledger" }), post("/jobs", { kind: "photographs" })])
    await until("the jobs to have said it", async () => {
      const { items } = await host().get("/jobs?limit=100")
      return items.some(({ error }: any) => error !== undefined) &&
        items.some(({ progress, status }: any) => status === "running" && progress.message !== undefined)
    })
    return {
      at: "/jobs",
      planted: [
        { field: "how far a job is", text: all.slice(0, 200) },
        { field: "the error of a job", text: all.slice(0, 1_500) }
      ]
    }
  }
  const lists = [
    ...times(names.length, (i) =>
      post("/schedules", {
        name: name(i),
        type: "interval",
        spec: "P1D",
        payload: { channel: "porch", text: all }
      })),
    ...times(names.length, (i) =>
      post("/rules", {
        name: name(i).slice(0, 80).trim(),
        when: { path: "content.text", op: "eq", value: all.slice(0, 400) },
        then: [{ notify: { text: all.slice(0, 1_000) } }]
      })),
    ...names.map((text) => house.send("remember", { structured: { intent: "memory.remember", input: { text } } }))
  ]
  const every = (field: string): ReadonlyArray<Planted> => names.map((text) => ({ field, text }))
  const [made, ended] = await Promise.all([
    Promise.all([...events, ...tools, approval(), jobs(), ...tasks]),
    canceled(),
    Promise.all(lists)
  ])
  await until("all to be remembered", async () => (await host().get("/memory?limit=500")).items.length === names.length)
  await attic("in quarantine", ({ quarantined }) => quarantined.length > 0)
  for (const level of ["A1", "A2"]) await post("/controls/autonomy", { level, reason })
  return [
    ...made,
    ...ended,
    { at: "/", button: "Change the autonomy level", planted: [{ field: "why the level was changed", text: reason }] },
    { at: "/schedules", planted: every("the name of a schedule") },
    {
      at: "/rules",
      planted: names.map((text) => ({ field: "the name of a rule", text: text.slice(0, 80).trim() }))
    },
    { at: "/memory", planted: every("a memory") },
    { at: "/chat", planted: [{ field: "a reply", text: all }] },
    {
      at: "/integrations",
      planted: [{ field: "the description of a tool", text: all.split("\n")[0]! }, {
        field: "the error of a channel",
        text: name(1)
      }, { field: "the standard error of a server", text: whisperOf(texts) }]
    },
    { at: "/plugins", planted: [{ field: "the difference of a plugin's code", text: name(0).slice(0, 20) }] },
    { at: "/watchers", planted: [{ field: "the error of a watcher", text: name(1) }] },
    ...["/", "/activity", "/tasks", "/approvals", "/jobs", "/costs", "/settings"].map((at) => ({ at, planted: [] }))
  ]
}
