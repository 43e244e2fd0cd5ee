/**
 * A task gone through again. The engine's own code says what begins, what an ending means, what is tried again and how the
 * task ends; the records say how calls ended, what the model answered, what a person said and that a time was over. Nothing is
 * run: what has no record is where the replay ends.
 */
import canonicalize from "canonicalize"
import { Effect, FiberSet } from "effect"
import { Audit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { EventRow } from "../contract/Rows.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import type { Admission } from "../safety/Admission.ts"
import { Control } from "../safety/Control.ts"
import { Gates } from "../safety/Gates.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { makeCode } from "../tasks/CodeRunner.ts"
import type { PutCall } from "../tasks/CheckpointStatement.ts"
import { type Decided as ModelDecided, LlmRunner } from "../tasks/LlmRunner.ts"
import { attemptedRow, beginStep, endCall, endStep, refuseCall, type StepServices } from "../tasks/StepRunner.ts"
import { complete } from "../tasks/TaskProgress.ts"
import type { CreatedTask, StepRow } from "../tasks/TaskRows.ts"
import { apply, change, type Draft, makeDraft, makeRun, type Start, store, type TaskRun } from "../tasks/TaskRun.ts"
import { inputOf, noted } from "../tasks/TaskTrust.ts"
import { chosenByModel } from "../tasks/LlmSteps.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import type { ToolExecutor } from "../tools/ToolExecutor.ts"
import type { Decided, Replayed } from "./Compare.ts"
import { begunUnheard, namesOf, operatorEnds, recordedDecisions, rowsOfTask, wayOf } from "./Recorded.ts"
import type { AuditLine, CallRecord } from "./Records.ts"
import { Recollection } from "./Recollection.ts"
import { afterApproval, afterEdit } from "./ReplayedApproval.ts"
import { sayCall, sayStep, type Told } from "./Sayings.ts"
import { Scene } from "./Scene.ts"
import { standing } from "./StillClock.ts"

/** Slots are always free, and nothing is run. */
const noTools = {
  takeIfFree: () => Effect.succeed(true),
  take: () => Effect.void,
  giveBack: () => Effect.void
} as unknown as ToolExecutor["Service"]

/** The microtasks of code that has got an answer. */
const breath = Effect.callback<void>((resume) => {
  setImmediate(() => setImmediate(() => setImmediate(() => resume(Effect.void))))
})

export const replayTask = Effect.fnUntraced(function*(event: EventRow, created: CreatedTask) {
  const audit = yield* Audit
  const control = yield* Control
  const gates = yield* Gates
  const llm = yield* LlmRunner
  const planner = yield* CallPlanner
  const recollection = yield* Recollection
  const redactor = yield* Redactor
  const registry = yield* Registry
  const scene = yield* Scene
  const settings = yield* Settings
  const context = yield* Effect.context<CallPlanner | Gates | Registry | Scene>()
  const records = scene.records()
  const names = namesOf(records)
  const about = names.task(event.event_id)
  const out: Array<Replayed> = []
  const recordedTask = records.tasks.find(({ trigger_event_id }) => trigger_event_id === event.event_id)
  if (recordedTask === undefined) {
    out.push({ about, diverges: "No such task was begun: what its steps would have come to is not on record." })
    return out
  }
  const { task_id } = recordedTask
  const rows = rowsOfTask(records, task_id)
  const stored = new Map(
    records.steps.filter((step) => step.task_id === task_id).map((step) => [step.position, step])
  )
  const positions = new Map([...stored.values()].map(({ position, step_id }) => [step_id, position]))
  const callsOf = (position: number): ReadonlyArray<CallRecord> =>
    records.calls.filter(({ step_id }) => step_id === stored.get(position)?.step_id)

  const known = (step: StepRow): StepRow => ({
    ...step,
    task_id,
    step_id: stored.get(step.position)?.step_id ?? step.step_id
  })
  const run = makeRun({
    task: { ...created.task, task_id },
    event,
    fence: 0,
    status: "running",
    steps: created.steps.map(known)
  })

  let now = new Date(recordedTask.created_at)
  let current: Draft | undefined
  let putOff = false
  let diverged: string | undefined
  /** Ids of steps that the replay has made, before they had those of the records. */
  const aliases = new Map<string, number>()
  const started = new Map<number, { readonly start: Start; readonly stored: boolean }>()
  const begun = new Set<string>()

  const positionOf = (step_id: string | undefined): number | undefined => {
    if (step_id === undefined) return undefined
    for (const { row } of current?.steps.values() ?? []) if (row.step_id === step_id) return row.position
    for (const step of run.steps.values()) if (step.step_id === step_id) return step.position
    return aliases.get(step_id) ?? positions.get(step_id)
  }

  /** A step that code has just asked for is known by what it asks. */
  const askedBy = (tool: string, input: unknown): number | undefined =>
    [...stored.values()].find((step) =>
      stepAt(step.position) === undefined && step.tool === tool && canonicalize(step.input) === canonicalize(input)
    )?.position

  /** A call is judged at the moment and the level that are on record for it. */
  const plan: CallPlanner["Service"]["plan"] = (request) => {
    const position = positionOf(request.step?.step_id) ??
      askedBy(request.tool.definition.name, request.input) ?? -1
    const [first] = callsOf(position)
    const again = callsOf(position).find(({ tool_call_id }) => tool_call_id === request.tool_call_id)
    const call = again ?? first
    const at = call === undefined ? now : new Date(call.created_at)
    scene.at(at, call?.autonomy ?? scene.levelAt(at))
    return planner.plan({ ...request, at, tool_call_id: request.tool_call_id ?? call?.tool_call_id, dry: true })
  }

  const services: StepServices = {
    admission: undefined as unknown as Admission["Service"],
    audit,
    control,
    gates,
    planner: { ...planner, plan },
    redactor,
    registry,
    settings,
    tools: noTools,
    stopping: false
  }

  const emit = (row: Told): void => {
    const step = sayStep(row)
    if (step !== undefined) out.push({ about: wayOf(names, event.event_id, run.task.kind, step), says: step })
    const says = sayCall(row)
    const position = positionOf(row.refs.step_id)
    if (
      says === undefined || position === undefined || row.data["attempt"] !== undefined && says["decided"] === "refuse"
    ) {
      return
    }
    if (row.type === "tool_call.attempted") {
      const id = row.refs.tool_call_id ?? ""
      if (begun.has(id)) return
      begun.add(id)
    }
    out.push({ about: names.step(event.event_id, position), says })
  }

  const isHeld = (position: number): boolean =>
    rows.some(({ refs, type }) =>
      (type === "gate.antiflap_block" || type === "gate.storm_block") && positions.get(refs.step_id ?? "") === position
    )

  /** As the engine commits a draft: completed, told, applied. */
  const write = Effect.fnUntraced(function*(draft: Draft) {
    for (const [position, step] of draft.steps) {
      if (!step.fresh) continue
      aliases.set(step.row.step_id, position)
      draft.steps.set(position, { ...step, row: known(step.row) })
    }
    yield* complete(services, run, draft)
    // What is told where a task was canceled is not: nobody did.
    for (const { row, told_when } of draft.tellings) if (told_when !== "canceled") emit(row as unknown as Told)
    for (const start of draft.starts) {
      started.set(start.position, { start, stored: start._tag !== "Direct" })
      if (start._tag === "Direct" || (start._tag === "Queued" && !isHeld(start.position))) {
        emit(attemptedRow(start.work, run, start.position, now) as unknown as Told)
      }
    }
    apply(run, draft, run.wish)
    putOff = draft.row.put_off
    for (const { row } of draft.steps.values()) if (row.ended_at !== undefined) run.code?.answer(row)
    if (draft.end !== undefined) run.gone = true
  })

  const commit = (of: TaskRun, changing: (draft: Draft) => Effect.Effect<void, unknown> | void) =>
    of.lock.withPermit(Effect.gen(function*() {
      if (of.gone) return
      const draft = makeDraft(of, now)
      current = draft
      if (putOff) draft.row = { ...draft.row, status: "running" }
      const changed = changing(draft)
      if (changed !== undefined) yield* changed
      yield* write(draft)
    })).pipe(Effect.orDie)

  const fibers = yield* FiberSet.make<void>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  const code = makeCode({
    services,
    commit,
    fork: (effect) => void fork(effect),
    direct: (of, start) => {
      const unstored = of.unstored.get(start.position)
      if (unstored !== undefined) {
        aliases.set(unstored.row.step_id, start.position)
        of.unstored.set(start.position, { ...unstored, row: known(unstored.row) })
      }
      started.set(start.position, { start, stored: false })
      emit(attemptedRow(start.work, of, start.position, now) as unknown as Told)
    }
  })

  const stepAt = (position: number): StepRow | undefined => run.steps.get(position) ?? run.unstored.get(position)?.row

  /** Whether the call that is on record is the one that the replay has made. */
  const isSameCall = (position: number, call: PutCall, record: CallRecord | undefined): boolean =>
    record !== undefined && record.tool === call.tool &&
    canonicalize(redactor.redactJson(call.input)) === canonicalize(record.input ?? null)

  const ended = (row: AuditLine, position: number) => {
    const begunHere = started.get(position)
    if (!run.flight.has(position) || begunHere === undefined || begunHere.start._tag === "Decide") return Effect.void
    const { start } = begunHere
    const record = records.calls.find(({ tool_call_id }) => tool_call_id === row.refs.tool_call_id)
    if (!isSameCall(position, start.call, record)) {
      diverged = `What ${start.call.tool} would have answered to this input is not on record.`
      return Effect.void
    }
    const status = row.type.slice("tool_call.".length) as "succeeded" | "failed" | "unknown"
    const error = row.data["error"] as ErrorDetail | undefined
    const waits = rows.some(({ data, seq, type }) =>
      seq > row.seq && type === "task.waiting" && data["position"] === position && data["waits_for"] === "person"
    )
    return commit(run, (draft) => {
      store(run, draft, position)
      draft.flight.delete(position)
      endCall(services, run, draft, position, start.call, begunHere.stored, {
        status,
        output: status === "succeeded" ? record?.output : undefined,
        error: status === "succeeded" ? record?.error : error,
        latency_ms: 0,
        ...(waits ? {} : { again_ms: 1_000 })
      })
    })
  }

  const asked = (row: AuditLine, position: number) => {
    const record = records.calls.find(({ tool_call_id }) => tool_call_id === row.refs.tool_call_id)
    const approval = records.approvals.find(({ approval_id }) => approval_id === row.refs.approval_id)
    const step = run.steps.get(position)
    if (record === undefined || approval === undefined || step === undefined) return undefined
    return {
      about: names.step(event.event_id, position),
      approval,
      call: record,
      event,
      rows,
      step: { task_id, step_id: step.step_id },
      by_model: chosenByModel(step)
    }
  }

  const approved = Effect.fnUntraced(function*(row: AuditLine, position: number) {
    const step = run.steps.get(position)
    const question = asked(row, position)
    if (question === undefined || step === undefined || run.waits.get(position)?.for !== "approval") return
    const verdict = yield* afterApproval(question).pipe(Effect.provide(context))
    out.push(...verdict)
    const [first] = verdict
    if (first === undefined) return
    if ("diverges" in first) {
      diverged = first.diverges
      return
    }
    const { call } = question
    if (first.says["decided"] === "call") {
      begun.add(call.tool_call_id)
      const tool = registry.tool(call.tool)
      if (tool === undefined) return
      const put = { ...call, input: inputOf(step) } as unknown as PutCall
      const start = { _tag: "Attempted", position, call: put } as unknown as Start
      started.set(position, { start, stored: true })
      yield* commit(run, (draft) => {
        const checkpoint = noted(step, { approved: call.tool_call_id })
        const to = { status: "running", tool_call_id: call.tool_call_id, wake_at: undefined, checkpoint } as const
        change(run, draft, position, to, true)
        draft.waits.delete(position)
        draft.flight.add(position)
      })
      return
    }
    const { code, message } = first.says["error"] as { readonly code: string; readonly message: string }
    yield* commit(
      run,
      (draft) => endStep(services, run, draft, position, { error: { code, message, retryable: false } })
    )
  })

  const edited = Effect.fnUntraced(function*(row: AuditLine, position: number) {
    const question = asked(row, position)
    if (question === undefined || run.waits.get(position)?.for !== "approval") return
    out.push(...(yield* afterEdit(question).pipe(Effect.provide(context))))
    yield* commit(run, (draft) => {
      const step = run.steps.get(position)
      if (step === undefined) return
      change(run, draft, position, {
        tool_call_id: question.call.tool_call_id,
        checkpoint: noted(step, { edited: { input: question.approval.what } })
      })
    })
  })

  const answered = Effect.fnUntraced(function*(row: AuditLine, position: number) {
    if (!run.flight.has(position) || started.get(position)?.start._tag !== "Decide") return
    const step = run.steps.get(position)
    scene.at(now, scene.levelAt(now))
    const { usage } = (step?.checkpoint ?? {}) as { readonly usage?: { readonly calls: number } }
    recollection.question = usage?.calls ?? 0
    recollection.unanswerable()
    let decided: ModelDecided = yield* standing(llm.decide(run, position), now)
    const without = recollection.unanswerable()
    if (without?.because === "other") {
      diverged = without.why
      return
    }
    if (without !== undefined) {
      // It was not asked: what counts across traces, or the database, had no room for the question.
      if (row.type === "llm.step_decided" || step === undefined) {
        diverged = "The answer of the model is not on record."
        return
      }
      decided = unasked(row, step, stored.get(position))
    }
    const { wish } = run
    if (begunUnheard(rows, row, stored, position)) run.wish = null
    yield* commit(run, (draft) => llm.apply(run, draft, position, decided))
    run.wish = wish
  })

  const took = Effect.fnUntraced(function*(row: AuditLine) {
    const position = row.refs.step_id === undefined ? undefined : positions.get(row.refs.step_id)
    now = new Date(row.timestamp)
    if (row.type === "task.paused") run.wish = "pause"
    if (row.type === "task.resumed") {
      run.wish = null
      yield* commit(run, (draft) => {
        draft.row = { ...draft.row, status: "running" }
      })
    }
    if (row.type === "task.recovered") return yield* commit(run, beginAnew)
    if (position === undefined) return
    const step = stepAt(position)
    if (step === undefined) return
    switch (row.type) {
      case "tool_call.succeeded":
      case "tool_call.failed":
      case "tool_call.unknown":
        return row.data["attempt"] === undefined ? undefined : yield* ended(row, position)
      case "gate.approved":
        return yield* approved(row, position)
      case "gate.denied":
      case "gate.expired": {
        const error = row.data["error"] as ErrorDetail | undefined
        if (run.waits.get(position)?.for !== "approval" || error === undefined) return
        return yield* commit(run, (draft) => endStep(services, run, draft, position, { error }))
      }
      case "gate.required":
        return row.data["supersedes"] === undefined ? undefined : yield* edited(row, position)
      case "gate.antiflap_block":
      case "gate.storm_block": {
        const begunHere = started.get(position)
        if (!run.flight.has(position) || begunHere?.start._tag !== "Queued") return
        const { call } = begunHere.start
        const error = row.data["error"] as ErrorDetail
        return yield* commit(run, (draft) => {
          draft.flight.delete(position)
          const reasons = row.data["reasons"] as ReadonlyArray<string>
          refuseCall(services, run, draft, step, call, {
            type: row.type as "gate.storm_block",
            error,
            reasons,
            verdict: "HARD_BLOCK"
          })
        })
      }
      case "llm.step_decided":
      case "llm.failed":
      case "llm.budget_exceeded":
        return yield* answered(row, position)
      case "task.step_started":
        if (run.waits.get(position)?.for !== "retry" || step.status !== "pending") return
        return yield* commit(run, (draft) => {
          draft.waits.delete(position)
          return run.task.kind === "code" ? beginStep(services, run, draft, step) : undefined
        })
      case "task.step_succeeded":
      case "task.step_failed": {
        // A time was over, a question was answered, a person settled what nobody knew.
        const wait = run.waits.get(position)
        if (wait === undefined || wait.for === "approval" || step.status !== "waiting") return
        const record = stored.get(position)
        return yield* commit(run, (draft) =>
          endStep(
            services,
            run,
            draft,
            position,
            row.type === "task.step_succeeded"
              ? { output: record?.output }
              : { error: row.data["error"] as ErrorDetail }
          ))
      }
    }
  })

  /** After a crash: what left no trace is begun again. */
  const beginAnew = (draft: Draft): void => {
    for (const position of run.flight) {
      const tag = started.get(position)?.start._tag
      if (!run.steps.has(position) || (tag !== "Decide" && tag !== "Direct")) continue
      draft.flight.delete(position)
      change(run, draft, position, { status: "pending" }, true)
    }
  }

  if (run.task.kind === "code") {
    code.prepare(run)
    code.start(run)
    yield* breath
  } else {
    yield* commit(run, () => {})
  }
  for (const row of rows) {
    if (operatorEnds.has(row.type) || run.gone || diverged !== undefined) break
    yield* took(row)
    if (run.task.kind === "code") yield* breath
  }
  if (rows.some(({ type }) => operatorEnds.has(type))) return untilTold(finish(false), recordedDecisions(records))
  return finish(recordedTask.status === "succeeded" || recordedTask.status === "failed")

  /** What code asked for, and where the records ended. */
  function finish(isOver: boolean): ReadonlyArray<Replayed> {
    if (run.task.kind === "code") {
      for (
        const { input, kind, name, position, tool } of [...run.steps.values()].toSorted((a, b) =>
          a.position - b.position
        )
      ) {
        out.push({ about: names.code(event.event_id), says: { decided: "ask", position, kind, name, tool, input } })
      }
    }
    const why = diverged ?? (run.gone || !isOver ? undefined : openEnd())
    run.gone = true
    if (why !== undefined) out.push({ about, diverges: why })
    return out
  }

  function openEnd(): string {
    const [position] = [...run.flight, ...run.waits.keys()]
    const step = position === undefined ? undefined : stepAt(position)
    const name = step?.tool ?? step?.name ?? run.task.name
    return position !== undefined && run.waits.get(position)?.for === "approval"
      ? `What a person would have said to ${name} is not on record: nobody was asked.`
      : `What ${name} would have come to is not on record.`
  }
}, Effect.scoped)

/** Where the operator's word came first, nothing follows what was told before it: how far the host had come is not on record. */
const untilTold = (
  replayed: ReadonlyArray<Replayed>,
  recorded: ReadonlyArray<Decided>
): ReadonlyArray<Replayed> => {
  const left = new Map<string, number>()
  for (const { about, says } of recorded) {
    if (says["decided"] !== "task") left.set(about, (left.get(about) ?? 0) + 1)
  }
  return replayed.filter((one) => {
    if ("diverges" in one) return true
    const more = (left.get(one.about) ?? 0) - 1
    left.set(one.about, more)
    return more >= 0
  })
}

/** What became of a question that was not asked, as its row has it. */
const unasked = (row: AuditLine, step: StepRow, stored: StepRow | undefined): ModelDecided => {
  const checkpoint = (step.checkpoint ?? {}) as ModelDecided["checkpoint"]
  const told = [{ type: row.type as "llm.failed", summary: row.summary, data: { error: row.data["error"] } }]
  if (row.data["asked"] === true) {
    const decision = stored?.output as ModelDecided["decision"]
    const asks_over = String(row.data["budget"])
    return { ...(decision === undefined ? {} : { decision }), checkpoint: { ...checkpoint, asks_over }, told }
  }
  return { error: row.data["error"] as ErrorDetail, checkpoint, told }
}
