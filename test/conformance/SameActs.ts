/**
 * What is told to a plugin to see whether it answers the same: each act gives back all that came of it, and a word of each that
 * is looked at for itself, so that nothing is the same only because nothing happened.
 */
import { ended, tick } from "../../core/watchers/TestWatchers.ts"
import { until } from "../storms/Until.ts"
import { ways } from "./plugin/tools.ts"
import type { Remote, RuntimeHouse } from "./RuntimeHouse.ts"

export type Act = (house: RuntimeHouse, remote: Remote) => Promise<Readonly<Record<string, any>>>

/** All at once, by name. */
const together = async <A>(
  names: ReadonlyArray<string>,
  ask: (name: string) => Promise<A>
): Promise<Record<string, A>> =>
  Object.fromEntries(await Promise.all(names.map(async (name) => [name, await ask(name)] as const)))

const approve = async (house: RuntimeHouse, trace: any): Promise<any> => {
  for (const { approval_id, status } of trace.approvals) {
    if (status === "pending") await house.post(`/approvals/${approval_id}/approve`)
  }
  return until("what was approved", async () => {
    const after = await house.traceOf(trace.trace_id)
    return after.outcome !== "waiting" && after
  })
}

export const parts: Act = async ({ request }) => {
  const own = ({ name = "", tool = name }: { readonly name?: string; readonly tool?: string }): boolean =>
    /same|street|alley/.test(tool)
  const { body: { items: tools } } = await request("/tools")
  const { body: { items: watchers } } = await request("/watchers?limit=500")
  const { body: { items: rules } } = await request("/rules?limit=500")
  return {
    // What it gives back is untrusted in an isolate, which is told with the tool.
    tools: tools.filter(own).map(({ pin: _pin, trust: _trust, ...tool }: any) => tool),
    watchers: watchers.flatMap(({ interval_ms, watcher_id: id }: any) =>
      id.startsWith("same.") ? [[id, interval_ms]] : []
    ).toSorted(),
    rules: rules.map(({ rule_id, when, then }: any) => [rule_id, when, then]),
    told: (await request("/plugins/same/told")).body
  }
}

export const entry: Act = async (house) => ({ entry: (await house.call("same.entry")).tool_calls })

export const endings: Act = async (house) => {
  const host = house.host()
  const ask = async (effect: string, how: string) => {
    const { outcome, reply, trace_id } = await host.send({
      channel: "chat",
      structured: { intent: `same.end.${effect}`, input: { how } }
    })
    const calls = await host.sql`select status, error, output, labels from tool_calls where trace_id = ${trace_id}`
    const events = await host.sql`
      select channel, text, structured, links, trust from events where trace_id = ${trace_id} order by event_id`
    return { outcome, reply, calls, events }
  }
  return {
    ...await together(ways, (how) => ask("write", how)),
    // What a read makes of it is the host's business: one of each kind.
    ...await together(["read: unknown", "read: a date"], (name) => ask("read", name.slice("read: ".length)))
  }
}

const inputs: Readonly<Record<string, readonly [string, unknown]>> = {
  "a date": ["same.look", { at: "2001-02-03T04:05:06.000Z", words: "a date" }],
  "no date": ["same.look", { at: "yesterday" }],
  "too many": ["same.look", { count: 10 }],
  "half": ["same.look", { count: 1.5 }],
  "a typing error": ["same.look", { word: "a" }],
  "missing": ["same.brew", {}],
  "of another type": ["same.brew", { cups: "two" }],
  "null": ["same.brew", { cups: null }],
  "several": ["same.brew", { cups: "two", sugar: 1 }],
  "a prototype": ["same.look", JSON.parse("{\"__proto__\": {\"words\": \"x\"}}")],
  "a long one": ["same.look", { words: "w".repeat(20_000) }],
  "a list": ["same.look", []],
  "words": ["same.look", "words"],
  "nothing": ["same.look", undefined]
}
export const readings: Act = (house) =>
  together(Object.keys(inputs), async (name) => {
    const [intent, input] = inputs[name]!
    const { body, status } = await house.post("/events", {
      channel: "chat",
      structured: { intent, ...(input === undefined ? {} : { input }) }
    })
    return { status, ...(status < 300 ? await house.traceOf(body.trace_id) : body) }
  })

export const sentences: Act = (house) =>
  together(
    [
      "look at the moon",
      "LOOK AT   THE MOON",
      "the moon",
      "moon is looked at",
      "brew 2 cups",
      "brew 3 cups for anna",
      "break it",
      "strange words",
      "brew 99999999999999999999 cups"
    ],
    house.tell
  )

export const gates: Act = async (house) => {
  const asked = await house.call("same.brew", { cups: 6, who: "six" })
  const wiped = await house.call("same.brew", { cups: 1, who: "#everybody", rinse: true })
  return {
    asked,
    wiped,
    approved: await approve(house, asked),
    critical: await house.call("same.brew", { cups: 11 }),
    "a risk that throws": await house.call("same.brew", { cups: 13 }),
    once: await house.call("same.brew", { cups: 4, who: "bob" }),
    "once more": await house.call("same.brew", { cups: 5, who: "bob" }),
    keyed: await house.call("same.keyed"),
    scoped: await house.call("same.scoped"),
    preview: await preview(house)
  }
}

const preview = async (house: RuntimeHouse): Promise<any> => {
  await house.post("/controls/autonomy", { level: "A0" })
  const shown = await house.call("same.brew", { cups: 2, who: "nobody" })
  await house.post("/controls/autonomy", { level: "A3" })
  return shown
}

export const runs: Act = async (house, remote) => {
  const at = (path: string): string => `http://127.0.0.1:${remote.port}${path}`
  const kept = await house.call("same.keep")
  const [{ output }] = kept.tool_calls
  return {
    context: audited(await house.call("same.context")),
    calls: await house.call("same.calls"),
    kept,
    ...await together(["text", "bytes", "bare"], async (name) => {
      const { body, headers } = await house.request(`/artifacts/${output[name].artifact_id}`)
      return [headers.get("content-type"), body]
    }),
    found: await house.call("same.get", { address: at("/found") }),
    gone: await house.call("same.get", { address: at("/gone") }),
    cut: outcomesOf(await house.call("same.get", { address: at("/cut") })),
    closed: outcomesOf(await house.call("same.get", { address: `http://127.0.0.1:${remote.closed}/` }))
  }
}

/** Only how it ended: the words are those of the runtime's client. */
const outcomesOf = ({ tool_calls }: any): any =>
  tool_calls.map(({ error, status }: any) => [status, error?.code, error?.retryable])

export const bounds: Act = (house) =>
  together(
    [
      "slow.read",
      "slow.write",
      "slow.read deaf",
      "narrow.read",
      "narrow.write",
      "narrow.read well",
      "narrow.write many"
    ],
    async (name) => {
      const [tool, how] = name.split(" ")
      return house.call(`same.${tool}`, how === undefined ? {} : { how })
    }
  )

/** As if the time had passed in which an attempt can still land. */
const makeQuiet = async (house: RuntimeHouse): Promise<void> => {
  const host = house.host()
  await host.sql`update tool_calls set quiet_at = clock_timestamp() where status in ('attempted', 'unknown')`
  await host.sql`update work set due_at = clock_timestamp() where due_at > clock_timestamp()`
  host.clock.advance("5 seconds")
}

const callOf = async (house: RuntimeHouse, { trace_id }: { readonly trace_id: string }) => {
  const [call] = await house.host().sql<{ readonly status: string; readonly attempts: number }>`
    select status, attempts, error, output from tool_calls where trace_id = ${trace_id}`
  return call
}

const reconciled = (house: RuntimeHouse, trace: { readonly trace_id: string }) =>
  until("the answer of the probe", async () => {
    await makeQuiet(house)
    return (await callOf(house, trace))?.status === "succeeded" && house.traceOf(trace.trace_id)
  })

export const probes: Act = async (house) => {
  const start = (answer: string) =>
    house.host().submit({ channel: "chat", structured: { intent: "same.probed", input: { answer } } })
  return {
    done: await reconciled(house, await start("done")),
    "not done": await reconciled(house, await start("not_done"))
  }
}

export const doors: Act = async (house) => {
  const hook = async (body: string, sign = "right") => {
    const answer = await house.request("/hooks/street", { method: "POST", headers: { "x-sign": sign }, body })
    return { status: answer.status, type: answer.headers.get("content-type"), body: answer.body }
  }
  const heard = await until("what the channel heard", async () => {
    const { body } = await house.request("/events?channel=street&limit=50")
    const told = body.items.filter(({ content, source }: any) =>
      content.structured.told === "heard" || source.message_id === "m-1"
    )
    return told.length === 2 && told.toReversed()
  })
  const first = await house.traceOf(heard[0].correlation.trace_id)
  const came = await hook("hello from the street")
  const asked = await hook("look at the stars ü")
  const looked = await house.traceOf(asked.body.trace_id)
  return {
    heard,
    first: audited(first),
    "first answer": audited(await approve(house, first)),
    came,
    "what came": audited(await house.traceOf(came.body.trace_id)),
    asked,
    looked: audited(looked),
    answered: audited(await approve(house, looked)),
    wrong: await hook("hello", "wrong"),
    ping: await hook("ping"),
    bad: await hook("bad"),
    broken: await hook("broken"),
    nonsense: await hook("nonsense"),
    empty: await hook(""),
    ...await together([
      "GET /told",
      "POST /echo/a%20b?c=d",
      "DELETE /nothing",
      "GET /moved",
      "GET /broken",
      "GET /odd",
      "PUT /told"
    ], async (name) => {
      const [method = "", at] = name.split(" ")
      const answer = await house.request(`/plugins/same${at}`, {
        method,
        headers: { "x-asked": "yes" },
        ...(method === "POST" ? { body: new Uint8Array([0, 1, 2, 200]) } : {})
      })
      return {
        status: answer.status,
        headers: ["content-type", "x-seen", "location"].map((key) => answer.headers.get(key)),
        body: answer.body
      }
    }),
    rule: inAnyOrder(await house.tell({ channel: "alley", text: "ring twice" })),
    "no rule": await house.tell({ channel: "alley", text: "knock" })
  }
}

export const watching: Act = async (house) => {
  const host = house.host()
  const stateOf = async (name: string) => {
    const [row] = await host.sql<
      {
        readonly state: unknown
        readonly last_error: string | null
        readonly consecutive_errors: number
        readonly throttled: number
      }
    >`
      select state, last_error, last_outcome, consecutive_errors, throttled_events::int as throttled from watchers where watcher_id = ${name}`
    return row
  }
  const ticks: Array<unknown> = []
  await until("the first tick", async () => (await ended(host, "same.lamp")).length > 0)
  for (let n = 0; n < 5; n++) {
    ticks.push(await stateOf("same.lamp"))
    const { trace } = await tick(host, "same.lamp")
    ticks.push((await house.traceOf(trace)).events.length, (await house.traceOf(trace)).audit)
  }
  const others = await together(["same.odd", "same.keeps", "same.speaks"], async (name) => {
    const { trace } = await tick(host, name)
    return [await stateOf(name), (await house.traceOf(trace)).audit]
  })
  return { ticks, ...others }
}

export const tasks: Act = async (house) => {
  const ofTask = (trace: { readonly trace_id: string }) =>
    until("the end of a task", async () => {
      const { body } = await house.request(`/traces/${trace.trace_id}`)
      return body.tasks.length > 0 && body.tasks.every(({ status }: any) => /succeeded|failed|canceled/.test(status)) &&
        body.settled && body
    })
  const make = async (task: string, input: object) => {
    const { body, status } = await house.post("/tasks", { task, input })
    return status >= 300 ? { status, body } : inAnyOrder(await ofTask(body))
  }
  return {
    steps: await make("same.steps", { at: "1970-01-01T00:00:00.000Z" }),
    said: inAnyOrder(await ofTask(await house.host().submit({ channel: "chat", text: "do the steps" }))),
    none: await make("same.steps", { words: "none" }),
    wrong: await make("same.steps", { at: "soon" }),
    code: await make("same.code", { since: "1970-01-01T00:00:00.000Z" }),
    ...await together(["output", "step", "missing", "words", "refused"], (how) => make("same.fails", { how }))
  }
}

/** What is at work beside a call writes its audit in any order: that of its events, that of the channel. */
const audited = ({ audit, ...trace }: any): any => ({ ...trace, audit: audit.map(toldOf).toSorted() })

const toldOf = ({ outcome, stage, summary, type }: any): string => `${stage} ${type} ${outcome}: ${summary}`

/** What runs at the same time is told in any order. */
const inAnyOrder = ({ audit, tasks, tool_calls }: any): any => ({
  tasks: tasks.map(({ steps, ...task }: any) => ({
    ...task,
    steps: steps.map(({ error, input, name, output, status }: any) => ({ name, status, input, output, error }))
  })),
  calls: tool_calls.map(({ error, input, output, status, tool }: any) =>
    JSON.stringify([tool, status, input, output, error])
  )
    .toSorted(),
  // A short wait may be over before there is nothing else to do.
  audit: audit.filter(({ type }: any) => type !== "task.waiting" && type !== "task.resumed").map(toldOf).toSorted()
})

/** The host ends in the midst of a call, and another one takes it up. */
export const crash: Act = async (house) => {
  const started = await house.host().submit({
    channel: "chat",
    structured: { intent: "same.hangs", input: { answer: "done" } }
  })
  await until("the call to run", async () => (await callOf(house, started))?.status === "attempted")
  await house.restart()
  return { done: await reconciled(house, started) }
}

const ofJob = (house: RuntimeHouse, id: string): Promise<any> =>
  until("the end of a job", async () => {
    const { body } = await house.request(`/jobs/${id}`)
    return body.ended_at !== undefined && body
  }, 60_000)

/** Where it would run is said in the question, and is another everywhere. */
const asked = (given: unknown): unknown =>
  JSON.parse(JSON.stringify(given).replaceAll(/ in a (thread|process isolate|deno isolate),/g, " somewhere,"))

export const working: Act = async (house) => {
  const start = (name: string, input: object) => house.post("/jobs", { kind: `same.${name}`, input })
  const logOf = async ({ log_artifact_id }: any) => (await house.request(`/artifacts/${log_artifact_id}`)).body
  const run = async (name: string, input: object) => {
    const { body, status } = await start(name, input)
    if (status !== 201) return asked({ status, body })
    const job = await ofJob(house, body.job_id)
    const { events, ...trace } = audited(await house.traceOf(body.trace_id))
    // What a job of the host's own plugin hands over is trusted as it is.
    const untrusting = events.map(({ security: { trust: _trust, ...security }, ...event }: any) => ({
      ...event,
      security
    }))
    return { job, log: await logOf(job), trace: { ...trace, events: untrusting } }
  }
  const cancel = async () => {
    const { body } = await start("waits", { how: "canceled" })
    await until(
      "its progress",
      async () => (await house.request(`/jobs/${body.job_id}`)).body.progress.message === "waiting"
    )
    const told = await house.post(`/jobs/${body.job_id}/cancel`, { reason: "not today" })
    const job = await ofJob(house, body.job_id)
    return { told: told.status, job, log: await logOf(job) }
  }
  const [count, refused, canceled, wrong, risky] = await Promise.all([
    run("count", { to: 10, since: "1970-01-01T00:00:00.000Z" }),
    run("ends", { how: "refused" }),
    cancel(),
    run("count", { to: "many" }),
    run("count", { to: 2_000 })
  ])
  return { count, refused, canceled, wrong, risky, said: asked(await house.tell("count to 2000")) }
}
