/**
 * The tasks of the storms: how they are made, and what a person says of the calls of which nobody knows.
 */
import { assert } from "vitest"
import type { Eyes } from "./Databases.ts"
import type { Host } from "./Hosts.ts"
import type { Send } from "./Load.ts"
import { quiet } from "./Reckoning.ts"
import type { Remote } from "./Remote.ts"
import { kinds } from "./StormPlugin.ts"
import { until } from "./Until.ts"

/** A list of one step after the other, one with stages, code; by HTTP, and by an event that an intent makes a task of. */
export const shapes = ["list", "stages", "code", "said_steps", "said_code"] as const
export type Shape = (typeof shapes)[number]

const pick = <A>(from: ReadonlyArray<A>, random: () => number): A => from[Math.floor(random() * from.length)] as A

const toolStep = (id: string, name: string, random: () => number) => {
  const kind = pick(kinds, random)
  const fate = random()
  const never = fate < 0.02
  const refuse = never ? 99 : fate < 0.25 ? 1 + Math.floor(random() * 2) : undefined
  return {
    name,
    tool: `storm.${kind}`,
    input: { id: `${id}/${name}`, ...(refuse === undefined ? {} : { refuse }) },
    max_attempts: never ? 2 : 4,
    retry: { base_delay_ms: 20 + Math.floor(random() * 150) }
  }
}

/** A few milliseconds, seldom two seconds. */
const waitStep = (name: string, random: () => number) => ({
  name,
  kind: "wait",
  input: { delay_ms: 5 + Math.floor(random() ** 4 * 2_000) }
})

const stepsOf = (shape: "list" | "stages", id: string, random: () => number): ReadonlyArray<unknown> =>
  Array.from({ length: 2 + Math.floor(random() * 3) }, (_, stage) => {
    if (stage > 0 && random() < 0.2) return waitStep(`wait-${stage}`, random)
    if (shape === "list" || random() < 0.4) return toolStep(id, `step-${stage}`, random)
    return Array.from({ length: 2 + Math.floor(random() * 2) }, (_, i) => toolStep(id, `step-${stage}-${i}`, random))
  })

/** Makes a task by HTTP. Answers what a load wants to know of it. */
export const makeTask = async (host: Host, id: string, body: object, signal?: AbortSignal) => {
  const { body: made, status } = await host.request(
    "POST",
    "/tasks",
    { name: id, ...body },
    signal === undefined ? {} : { signal }
  )
  return {
    status,
    id,
    task_id: made.task_id as string,
    event_id: made.trigger_event_id as string,
    trace_id: made.trace_id as string,
    deduped: false,
    ...(status === 201 ? {} : { problem: made, log: host.log().slice(-4_000) })
  }
}

/** Sends a task of a shape. What `POST /tasks` did not answer is sent anew, as another task: it has no message_id. */
export const sendTask = (random: () => number): Send<Shape> => async (host, { again, id, kind }, signal) => {
  if (kind === "said_steps" || kind === "said_code") {
    const text = `storm task ${kind === "said_steps" ? "steps" : "code"} ${id}`
    return await host.send({ channel: "storm", message_id: id, text }, { signal })
  }
  const label = again === 0 ? id : `${id}.${again}`
  return await makeTask(
    host,
    label,
    kind === "code" ? { task: "storm.code", input: { id: label } } : { steps: stepsOf(kind, label, random) },
    signal
  )
}

export const nextShape = (random: () => number) => (): Shape => pick(shapes, random)

/** All pages of a list. */
export const all = async (host: Host, path: string): Promise<ReadonlyArray<any>> => {
  const items: Array<any> = []
  for (let cursor: string | undefined = "";;) {
    const page: { items: ReadonlyArray<any>; next_cursor?: string } = await host.get(
      `${path}&limit=500${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`
    )
    items.push(...page.items)
    cursor = page.next_cursor
    if (cursor === undefined) return items
  }
}

/** How often a person said what. */
interface Verdicts {
  happened: number
  not_happened: number
  retry: number
}

/** One round of `settleUnknown`; answers how many there were. */
const settleOnce = async (host: Host, remote: Remote, said: Verdicts, round: number): Promise<number> => {
  const open = await all(host, "/tool-calls?status=unknown")
  for (const [n, call] of open.entries()) {
    const id = (call.input as { readonly id: string }).id
    const outcome = remote.effects(id) > 0 ? "happened" : (n + round) % 2 === 0 ? "not_happened" : "retry"
    const status = await until(`the word on ${call.tool_call_id}`, async () => {
      const settled = await host.request("POST", `/tool-calls/${call.tool_call_id}/settle`, {
        outcome,
        note: "as the other side has it"
      })
      // A host may be looking at it.
      return settled.body.code !== "tool_call.busy" && settled.status
    })
    assert.strictEqual(status, 200, `${outcome} of ${JSON.stringify(call)}`)
    said[outcome]++
  }
  return open.length
}

/**
 * A person looks at the other side for each call of which nobody knows, and says what is true of it: it was done, it was
 * not, or do it again (of what was not done). That brings all tasks to their ends.
 */
export const settleUnknown = async (host: Host, remote: Remote, eyes: Eyes): Promise<Verdicts> => {
  const said: Verdicts = { happened: 0, not_happened: 0, retry: 0 }
  remote.calm()
  // What is repeated may be refused, and what was sent before is not known by that.
  for (let round = 0; await settleOnce(host, remote, said, round) > 0; round++) {
    assert.isBelow(round, 8, "what is repeated stays unknown")
    await quiet(eyes)
  }
  return said
}
