/**
 * Tasks that are code. It runs from its beginning each time that the task is taken up; a call that has ended answers at once
 * with what was recorded, the first that has not is where it goes on. So the code may be left at any wait and at any crash.
 *
 * The n-th call of the code is the step at position n. Code that took another way than what is recorded fails its task:
 * nothing is guessed.
 */
import { Cause, Effect } from "effect"
import type { SqlError } from "effect/sql"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { answerOf, attemptsOf, callOf, untilOf, waitOf } from "../plugin/TaskCall.ts"
import { type CallOptions, type TaskContext, TaskStepFailed } from "../plugin/TaskDefinition.ts"
import type { ToolDefinition } from "../plugin/Tool.ts"
import { beginStep, type StepServices } from "./StepRunner.ts"
import { defaultMaxAttempts, defaultRetry, maximumSteps, type NewStep } from "./TaskPlan.ts"
import { type StepRow, stepRow } from "./TaskRows.ts"
import { type Code, type Draft, type Ended, makeDraft, type Start, type TaskRun } from "./TaskRun.ts"
import { wordsOf } from "./TaskProgress.ts"

interface Engine {
  readonly services: StepServices
  readonly commit: (
    run: TaskRun,
    change: (draft: Draft) => Effect.Effect<void, SqlError.SqlError> | void
  ) => Effect.Effect<void>
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Runs a call that is stored only with its end. */
  readonly direct: (run: TaskRun, start: Extract<Start, { _tag: "Direct" }>) => void
}

type Open = { readonly resolve: (value: unknown) => void; readonly reject: (error: unknown) => void }

const never = new Promise<never>(() => {})

const callStep = (called: { readonly tool: string; readonly input: unknown }, options: CallOptions): NewStep => {
  const { max_attempts = defaultMaxAttempts, retry } = attemptsOf(options)
  return {
    name: options.name ?? called.tool,
    kind: "tool",
    stage: 0,
    ...called,
    max_attempts,
    retry: { ...defaultRetry, ...retry }
  }
}

const waitStep = (name: string, input: unknown): NewStep => ({
  name,
  kind: "wait",
  stage: 0,
  input,
  max_attempts: 1,
  retry: { ...defaultRetry, strategy: "none" }
})

const failure = (error: unknown, redact: (text: string) => string): ErrorDetail => {
  // Before it is cut: what is left of a secret would not be known as one.
  const message = redact(error instanceof Error ? error.message || error.name : String(error))
  return {
    code: error instanceof TaskStepFailed ? error.code : "task.failed",
    message: message.slice(0, 2_000).replaceAll("\0", "␀").toWellFormed(),
    retryable: false,
    // Where a retry by the operator begins.
    ...(error instanceof TaskStepFailed ? { details: { position: error.position } } : {})
  }
}

export const makeCode = ({ commit, direct, fork, services }: Engine) => {
  /** What the code asks for and gives back is stored without known secrets. */
  const withoutSecrets = <A>({ task }: TaskRun, what: string, given: A): A =>
    services.redactor.watched(given, services.redactor.redactJson(given), () => ({
      where: `${what} of the task ${task.definition ?? task.name} gave back`,
      trace_id: task.trace_id
    }))

  /** Marks a task whose code is about to run, so that nothing takes it for idle. */
  const prepare = (run: TaskRun): void => {
    if (run.code === undefined) run.code = { busy: true, result: undefined, answer: () => {} } satisfies Code
  }

  const start = (run: TaskRun): void => {
    const open = new Map<number, Open>()
    let position = 0
    let clock = Date.parse(run.task.created_at)
    let looking = false
    const code: Code = {
      busy: true,
      result: undefined,
      answer: (step) => {
        const waiting = open.get(step.position)
        if (waiting === undefined) return
        open.delete(step.position)
        deliver(step, waiting)
        look()
      }
    }
    run.code = code

    const deliver = (step: StepRow, { reject, resolve }: Open): void => {
      if (step.ended_at !== undefined) clock = Math.max(clock, Date.parse(step.ended_at))
      if (step.status === "succeeded") return resolve(step.output)
      const { code: failed = "task.failed", message = "It was not done." } = step.error ?? {}
      reject(new TaskStepFailed(message, { step: step.name, position: step.position, code: failed }))
    }

    const end = (result: Ended): void => {
      if (run.gone || code.result !== undefined) return
      code.result = withoutSecrets(run, "what the code", result)
      code.busy = false
      fork(commit(run, () => {}))
    }

    /** When the code has had time to go on: does it only wait for what is recorded as waiting? */
    const look = (): void => {
      code.busy = true
      if (looking) return
      looking = true
      setImmediate(() => {
        looking = false
        if (run.gone || code.result !== undefined || open.size === 0) return
        if (!held(run) && [...open.keys()].some((one) => !run.flight.has(one) && !run.waits.has(one))) return
        code.busy = false
        if (run.flight.size === 0) fork(commit(run, () => {}))
      })
    }

    const held = (of: TaskRun): boolean => of.wish !== null || services.stopping || services.control.current().paused

    /** Begins a step that is not stored. A call that leaves no trace is stored with its end alone. */
    const begin = (step: StepRow): void =>
      fork(
        commitOrRun(run, step).pipe(Effect.andThen(Effect.sync(look)))
      )

    const commitOrRun = (of: TaskRun, step: StepRow): Effect.Effect<void> =>
      Effect.suspend(() => {
        const stored = of.steps.has(step.position)
        if (of.gone) return Effect.void
        return Effect.flatMap(alone(of, step), (begun) =>
          begun ? Effect.void : commit(of, (draft) => {
            if (held(of)) {
              of.stale = true
              return
            }
            if (!stored) draft.steps.set(step.position, { row: step, fresh: true, begins: true })
            return beginStep(services, of, draft, step)
          }))
      })

    const alone = (of: TaskRun, step: StepRow) =>
      of.lock.withPermit(
        Effect.gen(function*() {
          if (of.gone || held(of) || step.kind !== "tool" || of.steps.has(step.position)) return false
          const draft = makeDraft(of, new Date())
          draft.steps.set(step.position, { row: step, fresh: true, begins: true })
          yield* beginStep(services, of, draft, step)
          const [first] = draft.starts
          if (first?._tag === "Direct" && draft.calls.length === 0) {
            const row = draft.steps.get(step.position)?.row ?? step
            of.unstored.set(step.position, { row, tellings: draft.tellings })
            of.flight.add(step.position)
            direct(of, first)
            return true
          }
          if (first?._tag === "Attempted") yield* services.tools.giveBack(first.work.tool)
          return false
          // What could not be planned is planned with its write, and fails with it.
        }).pipe(Effect.catch(() => Effect.succeed(false)))
      )

    const ask = (asked: NewStep): Promise<unknown> => {
      if (run.gone || code.result !== undefined) return never
      const at = position++
      const known = run.steps.get(at)
      if (known !== undefined && (known.kind !== asked.kind || known.tool !== asked.tool)) {
        const message = `The code of ${run.task.name} asked for ${asked.tool ?? asked.kind} where ${
          known.tool ?? known.kind
        } is recorded: it is not the code that the task began with, or it decides by what is not recorded.`
        end({ status: "failed", error: { code: "task.changed", message, retryable: false }, reply: message })
        return never
      }
      if (known === undefined && at >= maximumSteps) {
        const message = `A task has at most ${maximumSteps} steps.`
        end({ status: "failed", error: { code: "task.too_long", message, retryable: false }, reply: message })
        return never
      }
      return new Promise((resolve, reject) => {
        if (known?.status === "succeeded" || known?.status === "failed") {
          return deliver(known, { resolve, reject })
        }
        open.set(at, { resolve, reject })
        const step = known ?? { ...stepRow(run.task.task_id, at, asked), stage: at }
        if (!run.flight.has(at) && !run.waits.has(at)) begin(step)
        else look()
      })
    }

    const definition = run.task.definition === undefined
      ? undefined
      : services.registry.task(run.task.definition)
    if (definition === undefined || definition.definition.run === undefined) {
      const message = `The task ${run.task.definition} is not there any more: no plugin defines it.`
      return end({ status: "failed", error: { code: "task.not_found", message, retryable: false }, reply: message })
    }
    const context: TaskContext = {
      taskId: run.task.task_id,
      traceId: run.task.trace_id,
      // The position is taken when the call is made, so that calls made at once keep their order.
      call: (async (tool: string | ToolDefinition, input: unknown, options: CallOptions = {}) =>
        await answerOf(
          tool,
          await ask(withoutSecrets(run, "a call", callStep(callOf(tool, input), options)))
        )) as TaskContext["call"],
      sleep: async (duration, name = "sleep") => void await ask(waitStep(name, waitOf(duration))),
      sleepUntil: async (at, name = "sleep") => void await ask(waitStep(name, untilOf(at))),
      now: () => new Date(clock),
      log: definition.log.with({ task_id: run.task.task_id, trace_id: run.task.trace_id }),
      signal: run.abort.signal
    }
    const body = definition.definition.run
    const whole = Effect.gen(function*() {
      const input: unknown = yield* definition.decodeInput(run.task.input ?? {})
      const value: unknown = yield* fromPlugin(() => body(input, context))
      return yield* definition.encodeOutput(value)
    })
    fork(Effect.matchCause(whole, {
      onSuccess: (output) =>
        end({ status: "succeeded", output, reply: wordsOf(output) ?? `${run.task.name} is done.` }),
      onFailure: (cause) => {
        const error = failure(Cause.squash(cause), services.redactor.redactText)
        end({ status: "failed", error, reply: `${run.task.name} failed: ${error.message}` })
      }
    }))
    look()
  }

  return { prepare, start }
}
