/**
 * Says each line of the table to a whole host with the model that is to be judged, and reads from the trace what came of it:
 * the lane, the calls of the ledger with their inputs, the question, the answer, and what it took.
 */
import type { LlmConfiguration } from "syris"
import { testHost, type TestHost } from "syris/testing"
import { type Case, type Got, judge, type MadeCall, type Turn } from "./Case.ts"
import { houseConfiguration } from "./House.ts"

/** What a turn took. `usd` only where the configuration has a price. */
export interface Took {
  readonly questions: number
  readonly input_tokens: number
  readonly output_tokens: number
  readonly usd?: number
  readonly ms: number
}

export interface Judged {
  readonly group: string
  readonly turn: Turn
  readonly got: Got | undefined
  /** What is wrong; nothing where it is as expected. */
  readonly wrong: ReadonlyArray<string>
  readonly took: Took
}

export interface EvaluateOptions {
  readonly cases: ReadonlyArray<Case>
  /**
   * The model, for which each case has a host of its own, so that none sees what was done before it; or one host for all of
   * them, which is faster.
   */
  readonly by: LlmConfiguration | TestHost
  /** Cases at the same time. Default 1. */
  readonly jobs?: number
  /** Told when a turn is over. */
  readonly onJudged?: (judged: Judged) => void
}

/** What of `GET /traces/{id}` is looked at. */
interface Trace {
  readonly decisions: ReadonlyArray<
    { readonly event_id: string; readonly lane: string; readonly match: { readonly rule_ids: ReadonlyArray<string> } }
  >
  readonly events: ReadonlyArray<{ readonly event_id: string; readonly ingested_at: string }>
  readonly tool_calls: ReadonlyArray<Omit<MadeCall, "stage"> & { readonly step_id?: string }>
  readonly tasks: ReadonlyArray<{
    readonly status: string
    readonly waits_for?: string
    readonly error?: { readonly message: string }
    readonly steps: ReadonlyArray<
      {
        readonly step_id: string
        readonly stage: number
        readonly kind: string
        readonly input?: unknown
        readonly status: string
      }
    >
  }>
  readonly replies: ReadonlyArray<{ readonly text: string }>
}

interface Ids {
  readonly event_id: string
  readonly trace_id: string
}

/** The tool that brings an answer to the task that asked. */
const answerTool = "task.answer"

const readTrace = async (host: TestHost, { trace_id }: Ids): Promise<Trace> => {
  const { token, url } = host.http!
  const response = await fetch(`${url}/traces/${trace_id}`, { headers: { authorization: `Bearer ${token}` } })
  if (!response.ok) throw new Error(`The trace ${trace_id} can't be read: ${response.status} ${await response.text()}`)
  return await response.json() as Trace
}

/** What the questions of these traces used. */
const usedBy = async (host: TestHost, { trace_id }: Ids): Promise<Omit<Took, "ms">> => {
  const [row] = await host.sql<{ questions: number; input_tokens: number; output_tokens: number; usd: number | null }>`
    select count(*)::int as questions, coalesce(sum(input_tokens), 0)::int as input_tokens,
           coalesce(sum(output_tokens), 0)::int as output_tokens, sum(usd)::float8 as usd
    from completions where trace_id = ${trace_id}::uuid`
  const { usd = null, ...used } = row ?? { questions: 0, input_tokens: 0, output_tokens: 0 }
  return { ...used, ...(usd === null ? {} : { usd }) }
}

const callsOf = (trace: Trace): ReadonlyArray<MadeCall> => {
  const stages = new Map(
    trace.tasks.flatMap(({ steps }) => steps.map(({ stage, step_id }) => [step_id, stage] as const))
  )
  return trace.tool_calls.filter(({ tool }) => tool !== answerTool).map(({ effect, input, status, step_id, tool }) => {
    const stage = step_id === undefined ? undefined : stages.get(step_id)
    return { tool, input, effect, status, ...(stage === undefined ? {} : { stage }) }
  })
}

const questionOf = ({ tasks }: Trace): string | undefined => {
  const asking = tasks.find(({ waits_for }) => waits_for === "answer")
  const step = asking?.steps.findLast(({ kind, status }) => kind === "wait" && status === "waiting")
  return (step?.input as { readonly question?: string } | undefined)?.question
}

/** `asked`: whose lane it is; `done`: in whose trace the work is. They differ where a question was answered. */
const gotOf = (asked: Trace, done: Trace, { event_id }: Ids): Got => {
  const decision = asked.decisions.find((one) => one.event_id === event_id)
  const question = questionOf(done)
  const reply = done.replies.at(-1)?.text
  const failed = done.tasks.find(({ status }) => status === "failed")
  return {
    lane: decision?.lane ?? "none",
    rules: (decision?.match.rule_ids ?? []).map((id) => id.replace(/^config\./, "")),
    calls: callsOf(done),
    ...(question === undefined ? {} : { question }),
    ...(reply === undefined ? {} : { reply }),
    ...(failed === undefined ? {} : { failure: failed.error?.message ?? "the task failed" }),
    at: new Date(asked.events.find((event) => event.event_id === event_id)?.ingested_at ?? Date.now())
  }
}

const less = (after: Omit<Took, "ms">, before: Omit<Took, "ms">): Omit<Took, "ms"> => ({
  questions: after.questions - before.questions,
  input_tokens: after.input_tokens - before.input_tokens,
  output_tokens: after.output_tokens - before.output_tokens,
  ...(after.usd === undefined ? {} : { usd: after.usd - (before.usd ?? 0) })
})

const nothing: Omit<Took, "ms"> = { questions: 0, input_tokens: 0, output_tokens: 0 }

/** Says the lines of a case one after the other. */
const play = async (host: TestHost, one: Case, thread_id: string): Promise<ReadonlyArray<Judged>> => {
  const judged: Array<Judged> = []
  let before: { readonly ids: Ids; readonly used: Omit<Took, "ms"> } | undefined
  for (const turn of one.turns) {
    const began = performance.now()
    const { channel = "chat", structured } = turn.event ?? {}
    const asked = await host.submit({
      channel,
      thread_id,
      text: turn.say,
      ...(structured === undefined ? {} : { structured })
    })
    await host.settled(asked)
    const goesOn = turn.answers === true && before !== undefined ? before.ids : undefined
    if (goesOn !== undefined) await host.settled({ ...goesOn, deduped: false })
    const ms = Math.round(performance.now() - began)
    const done = goesOn ?? asked
    const trace = await readTrace(host, asked)
    const got = gotOf(trace, goesOn === undefined ? trace : await readTrace(host, goesOn), asked)
    const used = await usedBy(host, done)
    const took = { ...less(used, goesOn === undefined ? nothing : before?.used ?? nothing), ms }
    judged.push({ group: one.group, turn, got, wrong: judge(turn.expect, got), took })
    before = { ids: done, used }
  }
  return judged
}

/** A house with this model. Stop it at the end. */
export const startHouse = (llm: LlmConfiguration): Promise<TestHost> =>
  testHost({ ...houseConfiguration, llm, http: true })

const playAlone = async (by: LlmConfiguration | TestHost, one: Case, thread_id: string) => {
  if ("stop" in by) return play(by, one, thread_id)
  const host = await startHouse(by)
  try {
    return await play(host, one, thread_id)
  } finally {
    await host.stop()
  }
}

let threads = 0

/** Runs all cases; in the order of the table. A case in which the host itself fails is wrong, and says why. */
export const evaluate = async (options: EvaluateOptions): Promise<ReadonlyArray<Judged>> => {
  const { by, cases, jobs = 1, onJudged = () => {} } = options
  const results: Array<ReadonlyArray<Judged>> = []
  const left = [...cases.entries()]
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, one] = next
      const judged = await playAlone(by, one, `case-${++threads}`).catch((error: unknown) =>
        one.turns.map((turn) => ({
          group: one.group,
          turn,
          got: undefined,
          wrong: [`it could not be played: ${error instanceof Error ? error.message : String(error)}`],
          took: { ...nothing, ms: 0 }
        }))
      )
      results[index] = judged
      for (const each of judged) onJudged(each)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return results.flat()
}
