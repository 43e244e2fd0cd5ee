/**
 * One attempt of a job: an isolate that loads its plugin, one invocation, and an end within its bounds, whatever the code does.
 * Knows no database: what it is heard of and what it asks goes through `RunServices`.
 *
 * When it is to stop (its time is over, it was canceled, the host ends) its signal is aborted, and after the grace nothing of it
 * is left.
 */
import type { Schema } from "effect"
import { defaultGraceMs, type Hearing, type Invocation, type Isolate } from "../../sandbox/Isolate.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { isTooLong, NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"
import type { RegisteredJob } from "../plugin/Registry.ts"
import type { HeldJob } from "./HeldJob.ts"
import { failureOf, outputInvalid, startFailure, timedOut } from "./JobFailure.ts"
import { type JobLines, makeLines } from "./JobLines.ts"

/** Why a run is to stop. `lost`: the host has lost its lease, so others may run it. */
export type StopReason = "cancel" | "host" | "lost"

/** How an attempt ended. */
export type RunEnd =
  | { readonly is: "done"; readonly output: unknown }
  | { readonly is: "failed"; readonly error: ErrorDetail }
  | { readonly is: "timed_out"; readonly error: ErrorDetail }
  /** It was stopped. */
  | { readonly is: "stopped"; readonly why: StopReason }

export interface RunServices {
  /** Aborting the signal ends what is still being loaded. */
  readonly start: (hearing: Hearing, signal: AbortSignal) => Promise<Isolate>
  readonly asks: (signal: AbortSignal) => Invocation["asks"]
  readonly redact: { readonly redactText: (text: string) => string }
  readonly graceMs?: number
}

export interface JobRun {
  /** Of one that did not end by itself: when nothing of it is left. */
  readonly ended: Promise<RunEnd>
  /** When nothing of it is left. */
  readonly gone: Promise<void>
  readonly log: JobLines
  readonly stop: (why: StopReason) => void
}

/** Of a `RunAnswer` (`sandbox/protocol/Answers.ts`), checked anew: an isolate is believed nothing. */
const outputOf = (kind: string, answer: unknown): RunEnd => {
  const { invalid, output } = (answer ?? {}) as { readonly invalid?: unknown; readonly output?: unknown }
  if (typeof invalid === "string") return { is: "failed", error: outputInvalid(invalid.slice(0, 2_000)) }
  try {
    const plain = toPlainJson(output ?? null)
    if (!isTooLong(plain)) return { is: "done", output: plain }
    return { is: "failed", error: outputInvalid(`The output of ${kind} is longer than 1 MiB`) }
  } catch (error) {
    if (!(error instanceof NotPlainJson)) throw error
    return { is: "failed", error: outputInvalid(`The output of ${kind} ${error.message}`) }
  }
}

export const runJob = (job: HeldJob, { kind }: Pick<RegisteredJob, "kind">, services: RunServices): JobRun => {
  const { asks, graceMs = defaultGraceMs, redact, start } = services
  const log = makeLines(redact)
  const abort = new AbortController()
  const halted = Promise.withResolvers<undefined>()
  const gone = Promise.withResolvers<void>()
  let stopped: RunEnd | undefined

  const halt = (end: RunEnd): void => {
    if (stopped !== undefined) return
    stopped = end
    abort.abort()
    halted.resolve(undefined)
  }
  const timer = setTimeout(
    () => halt({ is: "timed_out", error: timedOut(job.limits.timeout_ms) }),
    job.limits.timeout_ms
  )

  const invoke = async (isolate: Isolate): Promise<RunEnd> => {
    try {
      const answer = await isolate.invoke({
        part: "job",
        name: kind,
        member: "run",
        args: [job.input as Schema.Json],
        facts: {
          jobId: job.job_id,
          traceId: job.trace_id,
          attempt: job.attempt,
          trust: job.labels.trust
        },
        asks: asks(abort.signal),
        signal: abort.signal
      })
      return stopped ?? outputOf(kind, answer)
    } catch (error) {
      return stopped ?? { is: "failed", error: failureOf(error) }
    }
  }

  const run = async (): Promise<RunEnd> => {
    const starting = start({ log: (line) => log.add(line) }, abort.signal)
    let isolate: Isolate | undefined
    try {
      isolate = await Promise.race([starting, halted.promise])
    } catch (error) {
      return stopped ?? { is: "failed", error: startFailure(error) }
    }
    if (isolate === undefined) {
      // It is still being loaded, and is told to end: whatever comes of that is ended.
      await starting.then((late) => late.stop(0), () => undefined)
      return stopped ?? { is: "stopped", why: "host" }
    }
    const end = await invoke(isolate)
    clearTimeout(timer)
    // Others may run it from now on: it has no grace.
    const grace = stopped?.is === "stopped" && stopped.why === "lost" ? 0 : graceMs
    const left = isolate.stop(grace).then(() => gone.resolve(), () => gone.resolve())
    if (end.is !== "done") await left
    return end
  }

  const whole = async (): Promise<RunEnd> => {
    const end = await run().catch((error: unknown): RunEnd => stopped ?? { is: "failed", error: failureOf(error) })
    clearTimeout(timer)
    // Where it never ran, nothing is left.
    if (end.is !== "done") gone.resolve()
    return end
  }

  return { ended: whole(), gone: gone.promise, log, stop: (why) => halt({ is: "stopped", why }) }
}
