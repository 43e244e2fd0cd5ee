/** The contexts of a plugin's functions, as their authors know them: what they ask for crosses to the host. */
import { NotPlainJson, toPlainJson } from "../../core/plugin/PlainJson.ts"
import { type ChannelContext, type JobContext } from "../../core/plugin/Plugin.ts"
import { answerOf, attemptsOf, callOf, untilOf, waitOf } from "../../core/plugin/TaskCall.ts"
import type { CallOptions, TaskContext } from "../../core/plugin/TaskDefinition.ts"
import { type Log, type ToolContext, type ToolDefinition, ToolRefused } from "../../core/plugin/Tool.ts"
import type { TaskAnswer } from "../protocol/Answers.ts"
import { askArtifact, askSecret, type Host, seen } from "./Asking.ts"
import { encodeBytes } from "../protocol/Values.ts"
import { plain } from "./Boundary.ts"

export interface Surroundings {
  readonly host: Host
  readonly signal: AbortSignal
  readonly fetch: typeof globalThis.fetch
  readonly log: Log
}

export const basics = ({ fetch, host, log, signal }: Surroundings) => ({
  signal,
  log,
  secret: askSecret(host),
  fetch
})

const working = (around: Surroundings) => ({
  ...basics(around),
  artifact: askArtifact(around.host),
  call:
    (<O>(tool: string, input: unknown = {}) =>
      seen((async () => await around.host.ask("call", tool, callInput(tool, input)))()) as Promise<O>) as ToolContext[
        "call"
      ],
  progress: (progress: { readonly percent?: number; readonly message?: string }) =>
    around.host.tell("progress", plain("The progress", progress))
})

/** A call with what JSON can't carry is refused, as the host would. */
const callInput = (tool: string, input: unknown): unknown => {
  try {
    return toPlainJson(input)
  } catch (error) {
    throw error instanceof NotPlainJson ? new ToolRefused(`The input of ${tool} ${error.message}.`) : error
  }
}

/** What the host said of the invocation, but for `now`. */
const said = ({ now: _now, ...facts }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => facts

export const toolContext = (facts: Readonly<Record<string, unknown>>, around: Surroundings): ToolContext => {
  const ahead = typeof facts["now"] === "number" ? facts["now"] - Date.now() : 0
  return {
    ...said(facts),
    ...working(around),
    now: () => new Date(Date.now() + ahead),
    emit: (event) => around.host.tell("emit", plain("An event that it emitted", event))
  } as ToolContext
}

export const jobContext = (facts: Readonly<Record<string, unknown>>, around: Surroundings): JobContext =>
  ({ ...said(facts), ...working(around), emit: emitter(around.host) }) as JobContext

const emitter = (host: Host): ChannelContext["emit"] => (event) =>
  seen((async () => await host.ask("emit", plain("An event that it emitted", event)))()) as ReturnType<
    ChannelContext["emit"]
  >

/** An event, and what came with it, in one message. */
const channelEmitter = (host: Host): ChannelContext["emit"] => (event, options = {}) =>
  seen((async () => {
    const { attachments = [], doubt, raise } = options
    if (raise !== undefined) throw new Error("In an isolate no event has more trust than its channel.")
    const bytes = attachments.reduce((sum, { data }) => sum + data.length, 0)
    if (bytes > mostAttached) throw new Error("In an isolate an event brings at most 512 KiB of attachments.")
    const besides = {
      ...(doubt === undefined ? {} : { doubt }),
      attachments: attachments.map(({ data, ...about }) => ({
        ...about,
        data: typeof data === "string" ? data : encodeBytes(data)
      }))
    }
    return await host.ask("emit", plain("An event that it emitted", event), plain("What comes with an event", besides))
  })()) as ReturnType<ChannelContext["emit"]>

/** Bytes, or characters. */
const mostAttached = 524_288

export const channelContext = ({ host, log, signal }: Surroundings): ChannelContext => ({
  emit: channelEmitter(host),
  log,
  signal,
  secret: (ref) => askSecret(host)(ref),
  connected: () => host.tell("connected"),
  recall: () => seen((async () => (await host.ask("recall")) ?? undefined)()),
  remember: (state) => seen((async () => void await host.ask("remember", plain("What it keeps", state)))()),
  reject: (refused) => seen((async () => void await host.ask("reject", plain("What it refused", refused)))()),
  answer: () => Promise.resolve({ outcome: "unknown", message: "In an isolate nothing is asked." })
})

export const taskContext = (
  facts: Readonly<Record<string, unknown>>,
  { host, log, signal }: Surroundings
): TaskContext => {
  let clock = typeof facts["now"] === "number" ? facts["now"] : Date.now()
  const answered = async (asked: Promise<unknown>): Promise<unknown> => {
    const { now, output } = await asked as TaskAnswer
    if (typeof now === "number") clock = Math.max(clock, now)
    return output
  }
  const call = async (tool: string | ToolDefinition, input: unknown, options: CallOptions = {}): Promise<unknown> => {
    const called = callOf(tool, input)
    const { max_attempts, retry } = attemptsOf(options)
    // The message leaves when the call is made, so that calls made at once keep their order.
    const asked = answered(host.ask("call", called.tool, called.input, {
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(max_attempts === undefined ? {} : { maxAttempts: max_attempts }),
      ...(retry === undefined ? {} : { retry: authored(retry) })
    }))
    return answerOf(tool, await asked)
  }
  return {
    taskId: String(facts["taskId"]),
    traceId: String(facts["traceId"]),
    call: call as TaskContext["call"],
    sleep: async (duration, name = "sleep") => void await answered(host.ask("sleep", waitOf(duration).delay_ms, name)),
    sleepUntil: async (at, name = "sleep") => void await answered(host.ask("sleepUntil", untilOf(at).until, name)),
    now: () => new Date(clock),
    log,
    signal
  }
}

/** As an author writes it, in milliseconds. */
const authored = (
  { base_delay_ms, jitter, max_delay_ms, strategy }: ReturnType<typeof attemptsOf>["retry"] & object
): object => ({
  ...(strategy === undefined ? {} : { strategy }),
  ...(base_delay_ms === undefined ? {} : { baseDelay: base_delay_ms }),
  ...(max_delay_ms === undefined ? {} : { maxDelay: max_delay_ms }),
  ...(jitter === undefined ? {} : { jitter })
})
