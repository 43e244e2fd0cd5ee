/**
 * Calls that a tool or a job has made on its behalf (`ctx.call`). Whoever runs the pipeline says how (`provide`); a call that
 * comes before waits for that.
 */
import { Context, Effect, Layer } from "effect"
import type { Trust } from "../contract/Enums.ts"
import type { Origin } from "../plugin/CallOrigin.ts"
import { NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import { worst } from "../safety/Provenance.ts"
import { hashOf } from "./InputHash.ts"

export interface NestedCall {
  /** The plugin that wants it. */
  readonly plugin: string
  readonly tool: string
  /** Not checked yet. */
  readonly input: unknown
  /** The call or the job that wants it, and which of its calls this is: the same in a later attempt. */
  readonly key: string
  readonly ordinal: number
  readonly origin: Pick<Origin, "event_id" | "trace_id"> & { readonly depth: number }
  /** The worst of all that it rests on. */
  readonly trust: Trust
  /** Whoever wants it may be tried again after its end, and would want it again: its calls are left then. */
  readonly repeats: boolean
  /** Aborted when nobody waits for it any more. */
  readonly signal: AbortSignal
  /** Told how far what comes back can be trusted, before it does. */
  readonly heard: (trust: Trust) => void
}

export class NestedCalls extends Context.Service<NestedCalls, {
  /**
   * The output as it is stored; rejects with `ToolRefused` or `ToolUnknown`. After an abort it rejects when what can be taken
   * back was.
   */
  readonly call: (call: NestedCall) => Promise<unknown>
  readonly provide: (how: (call: NestedCall) => Promise<unknown>) => void
}>()("syris/tools/NestedCalls") {
  static readonly layer = Layer.sync(NestedCalls, () => {
    const ready = Promise.withResolvers<(call: NestedCall) => Promise<unknown>>()
    return NestedCalls.of({
      call: async (call) => {
        const how = await Promise.race([ready.promise, aborted(call.signal)])
        return how === undefined ? Promise.reject(new ToolRefused(`${call.tool} was not called.`)) : how(call)
      },
      provide: ready.resolve
    })
  })
}

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener("abort", () => resolve(undefined), { once: true })
  })

/** What is the same for all calls of one run. */
export type Caller = Pick<NestedCall, "plugin" | "key" | "origin" | "trust" | "repeats">

export interface CallsOfRun {
  /** For `ctx.call`. */
  readonly call: (tool: string, input: unknown, signal: AbortSignal) => Promise<unknown>
  /** The worst of all that the run has got back: what it makes from then on is no better. */
  readonly heard: () => Trust
  /** After the run was cut short: ends when what it waited for is given up, at most 2 seconds later. */
  readonly letGo: Effect.Effect<void>
}

/** How many calls one run has made at most. */
const maximumCalls = 1_000

/**
 * The calls of one run, each with its number: among calls of the same tool with the same input it is the order, so that a
 * later attempt finds them again, in whatever order they are made.
 */
export const callsOfRun = (calls: Pick<NestedCalls["Service"], "call">, caller: Caller): CallsOfRun => {
  const ordinals = new Map<string, number>()
  const open = new Set<Promise<unknown>>()
  let [made, cut] = [0, false]
  let got: Trust = "operator"
  const heard = (given: Trust): void => {
    got = worst(got, given)
  }

  const call = async (tool: string, given: unknown, signal: AbortSignal) => {
    if (typeof tool !== "string") throw new ToolRefused("ctx.call takes the name of a tool, and its input.")
    if (++made > maximumCalls) {
      throw new ToolRefused(`${tool} was not called: one run has at most ${maximumCalls} calls made.`)
    }
    const input = plain(tool, given)
    const which = hashOf([tool, input])
    const ordinal = ordinals.get(which) ?? 0
    ordinals.set(which, ordinal + 1)
    signal.addEventListener("abort", () => {
      cut = true
    }, { once: true })
    const answer = calls.call({ ...caller, trust: worst(caller.trust, got), tool, input, ordinal, signal, heard })
    open.add(answer)
    return answer.finally(() => open.delete(answer))
  }

  const letGo = Effect.suspend(() =>
    cut && open.size > 0
      ? Effect.asVoid(Effect.timeoutOption(Effect.promise(() => Promise.allSettled(open)), "2 seconds"))
      : Effect.void
  )
  return { call, letGo, heard: () => got }
}

const plain = (tool: string, input: unknown): unknown => {
  try {
    return toPlainJson(input ?? {})
  } catch (error) {
    if (error instanceof NotPlainJson) throw new ToolRefused(`The input of ${tool} ${error.message}.`)
    throw error
  }
}
