/**
 * For tests: the state machine of tasks as a person reads it in `docs/tasks.md`, without a database. Each function is one
 * statement: it changes the task that it is given, and answers what whoever sent it is answered.
 */
import type { StepStatus, TaskStatus, ToolCallStatus } from "../contract/Enums.ts"
import type { Advance } from "./Checkpoints.ts"
import { endedTask, mayFollow, stepMoves, taskMoves } from "./TaskState.ts"

export interface ModelStep {
  readonly step_id: string
  readonly stage: number
  status: StepStatus
  attempt: number
  ordinal: number
  call: string | null
  asleep: boolean
  ended: boolean
}

export interface ModelCall {
  readonly key: string
  readonly tool: string
  status: ToolCallStatus
  attempts: number
  /** Attempts whose effect could still land. */
  open: number
  fence: number
  /** Nothing of it can land any more. */
  quiet: boolean
  /** The operator has decided about it. */
  word: boolean
}

export interface ModelWork {
  holder: string | null
  fence: number
  checkpoint: number
  wish: "pause" | "cancel" | null
  parked: boolean
  waits_for: string | null
  /** The operator has spoken since it was claimed. */
  decided: boolean
}

export interface ModelTask {
  readonly task_id: string
  readonly trace_id: string
  readonly kind: "steps" | "code"
  status: TaskStatus
  /** Of the claim under which it ended. */
  fence: number
  failedAt: number | undefined
  readonly steps: Record<string, ModelStep>
  readonly calls: Record<string, ModelCall>
  work: ModelWork | null
  /** How often each end, and what leads to one, is told. */
  readonly told: Record<string, number>
}

export class Illegal extends Error {}

const tell = (task: ModelTask, what: string): void => {
  task.told[what] = (task.told[what] ?? 0) + 1
}

const moveTask = (task: ModelTask, to: TaskStatus): void => {
  if (task.status !== to && !mayFollow(taskMoves, task.status, to)) throw new Illegal(`task: ${task.status} → ${to}`)
  if (task.status !== to && endedTask(to)) tell(task, `task.${to}`)
  task.status = to
}

const moveStep = (task: ModelTask, position: string, to: StepStatus, attempt: number): void => {
  const step = task.steps[position]
  if (step === undefined) throw new Illegal(`There is no step ${position}.`)
  const from = step.status
  if (from !== to && !mayFollow(stepMoves, from, to)) throw new Illegal(`step ${position}: ${from} → ${to}`)
  if (from !== to && (to === "succeeded" || to === "failed")) tell(task, `step_${to} ${position}`)
  if (to === "pending" && attempt > step.attempt) tell(task, `step_retried ${position}`)
  step.status = to
  step.attempt = attempt
}

const final = (status: ToolCallStatus): boolean =>
  status === "succeeded" || status === "failed" || status === "canceled"
const harmless = (call: ModelCall): boolean => call.tool === "t.read" || call.tool === "t.transactional"

export const openCalls = (task: ModelTask): ReadonlyArray<ModelCall> =>
  Object.values(task.calls).filter((call) => !final(call.status))

/** A host takes the work that is free. */
export const claim = (task: ModelTask, holder: string, fence: number): void => {
  const { work } = task
  if (work === null || work.holder !== null || work.parked) throw new Illegal("It is not free.")
  Object.assign(work, { holder, fence, waits_for: null, decided: false })
}

/** The work of a host that has ended, or whose lease has lapsed, is free again, unless it is paused. */
export const free = (task: ModelTask): void => {
  const { work } = task
  if (work === null) return
  const paused = work.wish === "pause"
  Object.assign(work, { holder: null, parked: paused, waits_for: paused ? "pause" : null })
  if (task.status !== "running") return
  moveTask(task, "pending")
  tell(task, "task.interrupted")
}

/** What a holder writes. Nothing when the claim is not its own any more, or when it has been written. */
export const write = (
  task: ModelTask,
  host: string,
  { calls, ended, fresh, row, steps }: Advance,
  alive: boolean
): { readonly wish: ModelWork["wish"]; readonly attempted: ReadonlyArray<string> } | undefined => {
  const { work } = task
  if (work?.holder !== host || work.fence !== row.fence || work.checkpoint !== row.checkpoint - 1) return undefined
  const { wish } = work
  const wanted = wish === null
  for (const { begins, ...step } of fresh) {
    if (begins && !wanted) continue
    const { stage, step_id } = step
    task.steps[step.position] = {
      step_id,
      stage,
      status: "pending",
      attempt: 0,
      ordinal: 0,
      call: null,
      asleep: false,
      ended: false
    }
  }
  for (const { begins, ...step } of [...fresh, ...steps]) {
    if (begins && !wanted) continue
    // What was left out stays so; what was put back to be tried again is not, once nobody wants it.
    if (wish === "cancel" && task.steps[step.position]?.status === "skipped") continue
    const givenUp = wish === "cancel" && step.status === "pending"
    moveStep(task, String(step.position), givenUp ? "failed" : step.status, step.attempt)
    Object.assign(task.steps[step.position] ?? {}, {
      call: step.tool_call_id ?? null,
      asleep: step.wake_at !== undefined && !givenUp,
      ended: step.ended_at !== undefined || givenUp
    })
  }
  const attempted: Array<string> = []
  for (const put of calls) {
    if ((put.intent || put.attempts === 0) && !wanted) continue
    const go = put.intent && alive
    const call = task.calls[put.tool_call_id] ??= {
      key: put.idempotency_key,
      tool: put.tool,
      status: "planned",
      attempts: 0,
      open: 0,
      fence: row.fence,
      quiet: false,
      word: false
    }
    if (call.status !== "planned") throw new Illegal(`A call that is ${call.status} is put.`)
    if (put.intent && !go) continue
    call.fence = row.fence
    call.attempts += put.attempts
    if (put.attempts > 0) tell(task, `attempted ${put.tool_call_id}`)
    if (go) {
      Object.assign(call, { status: "attempted", open: call.open + 1, quiet: false })
      attempted.push(put.tool_call_id)
    } else {
      call.status = put.status === "planned" && wish === "cancel" ? "failed" : put.status
      tell(task, `end ${put.tool_call_id}`)
    }
  }
  for (const { status, tool_call_id } of ended) {
    const call = task.calls[tool_call_id]
    if (call === undefined || final(call.status)) continue
    const was = call.status
    call.status = status === "planned" && wish === "cancel" ? "failed" : status
    call.fence = row.fence
    if (status === "succeeded" || (status === "failed" && was === "unknown")) call.open = 0
    else if (was === "attempted" && (status === "failed" || status === "planned")) call.open -= 1
    tell(task, `${status === "unknown" ? "unknown" : "end"} ${tool_call_id}`)
  }
  if (wanted && row.status !== undefined) moveTask(task, row.status)
  if (wanted && row.closes) {
    task.fence = row.fence
    task.failedAt = (row.error?.details as { readonly position?: number } | undefined)?.position
    task.work = null
  } else if (wish === "cancel" && row.known_wish === "cancel" && row.idle && !row.put_off) {
    task.work = null
  } else {
    work.checkpoint = row.checkpoint
    const paused = wish === "pause" && row.idle
    // Whoever did not know that it was canceled can't say what is left of it.
    const deaf = wish === "cancel" && row.known_wish !== "cancel" && row.idle
    if (paused || deaf || row.put_off) {
      Object.assign(work, {
        holder: null,
        parked: paused || (row.put_off && row.parked && !deaf && !work.decided),
        waits_for: paused ? "pause" : deaf || work.decided ? null : row.waits_for ?? null
      })
    }
  }
  return { wish, attempted: attempted.sort() }
}

const claimed = (task: ModelTask, host: string, fence: number): boolean =>
  task.work?.holder === host && task.work.fence === fence

/** What was in flight when its holder went is not known. */
export const lose = (task: ModelTask, host: string, id: string, fence: number): void => {
  const call = task.calls[id]
  if (call?.status !== "attempted" || call.fence >= fence || !claimed(task, host, fence)) return
  Object.assign(call, { status: "unknown", fence })
  tell(task, `unknown ${id}`)
}

/** A call that is not known is to be repeated under its key. */
export const replan = (task: ModelTask, host: string, id: string, fence: number): void => {
  const call = task.calls[id]
  if (call?.status !== "unknown" || !claimed(task, host, fence)) return
  call.status = "planned"
  if (harmless(call) || (call.tool === "t.probed" && call.quiet)) call.open = 0
}

/** What the operator says of a call that is not known. `busy`: a host that lives holds the work. */
export const settle = (
  task: ModelTask,
  id: string,
  outcome: "happened" | "not_happened" | "retry",
  busy: boolean
): boolean => {
  const call = task.calls[id]
  const { work } = task
  if (call?.status !== "unknown" || busy) return false
  call.word = true
  if (outcome === "retry") {
    call.status = "planned"
    if (harmless(call) || (call.tool === "t.probed" && call.quiet)) call.open = 0
  } else {
    Object.assign(call, { status: outcome === "happened" ? "succeeded" : "failed", open: 0 })
    tell(task, `end ${id}`)
  }
  if (work !== null && work.waits_for !== "pause") {
    Object.assign(work, { parked: false, waits_for: null, decided: true })
  }
  return true
}

export type Command = "cancel" | "pause" | "resume" | "retry"

const from: Record<Command, ReadonlyArray<TaskStatus>> = {
  cancel: ["pending", "running", "waiting", "paused"],
  pause: ["pending", "running", "waiting"],
  resume: ["paused"],
  retry: ["failed"]
}

/** Whether the task's status allows it, and what becomes of it. */
export const command = (task: ModelTask, name: Command): boolean => {
  if (!from[name].includes(task.status)) return false
  const { work } = task
  const held = work !== null && work.holder !== null
  switch (name) {
    case "cancel": {
      moveTask(task, "canceled")
      const owed = new Set<ModelStep>()
      for (const step of Object.values(task.steps)) {
        if (step.status === "running") owed.add(step)
        const call = step.call === null ? undefined : task.calls[step.call]
        if (call === undefined || final(call.status)) continue
        if (call.status !== "planned" || call.open > 0 || step.status === "running") {
          owed.add(step)
          continue
        }
        call.status = call.attempts === 0 ? "canceled" : "failed"
        tell(task, `end ${step.call}`)
      }
      for (const step of Object.values(task.steps)) {
        if ((step.status !== "pending" && step.status !== "waiting") || owed.has(step)) continue
        Object.assign(step, { status: "skipped", asleep: false, ended: true })
      }
      // Somebody has still to say what became of it.
      if (work !== null && held) work.wish = "cancel"
      else if (work !== null && owed.size > 0) Object.assign(work, { wish: "cancel", parked: false, waits_for: null })
      else task.work = null
      return true
    }
    case "pause":
      task.status = "paused"
      tell(task, "task.paused")
      if (work === null) throw new Illegal("An open task without work.")
      work.wish = "pause"
      if (!held) Object.assign(work, { parked: true, waits_for: "pause" })
      return true
    case "resume":
      task.status = held ? "running" : "pending"
      tell(task, "task.resumed")
      Object.assign(work ?? {}, { wish: null, parked: false, waits_for: null })
      return true
    case "retry":
      task.status = "pending"
      tell(task, "task.retried")
      for (const [position, step] of Object.entries(task.steps)) {
        const failed = step.status === "failed" && (task.kind === "steps" || Number(position) === task.failedAt)
        if (step.status !== "skipped" && !failed) continue
        Object.assign(step, { status: "pending", attempt: 0, asleep: false, ended: false })
        if (failed) Object.assign(step, { ordinal: step.ordinal + 1, call: null })
      }
      task.work = { holder: null, fence: 0, checkpoint: 0, wish: null, parked: false, waits_for: null, decided: false }
      return true
  }
}

/** What must hold whatever happens. `due`: its work can be taken within a minute. `outside`: how often a key has had its effect. */
export const broken = (
  task: ModelTask,
  due: boolean,
  outside: ReadonlyMap<string, number>
): ReadonlyArray<string> => {
  const found: Array<string> = []
  const steps = Object.values(task.steps)
  const open = openCalls(task)
  const { status, work } = task
  const say = (rule: string, holds: boolean) => void (holds || found.push(rule))
  const ended = (step: ModelStep) =>
    step.status === "succeeded" || step.status === "failed" || step.status === "skipped"

  say("an open task is owed", endedTask(status) || work !== null)
  say("a task that has ended is owed by nobody", (status !== "succeeded" && status !== "failed") || work === null)
  say(
    "succeeded: every step has",
    status !== "succeeded" || task.kind === "code" || steps.every((step) => step.status === "succeeded")
  )
  say("failed: a step has", status !== "failed" || steps.some((step) => step.status === "failed"))
  say("ended: every step has", work !== null || steps.every(ended))
  // What was put back beside a step that failed is made when the task is retried.
  const putBack = open.filter((call) => status === "failed" && call.status === "planned" && call.open === 0)
  say("ended: every call has", work !== null || open.length === putBack.length)
  say(
    "canceled and owed: somebody holds it or can take it, or a call is open",
    status !== "canceled" || work === null || work.holder !== null || due || open.length > 0
  )
  say("paused: and only then for a pause", (status === "paused") === (work?.wish === "pause"))
  say(
    "parked: for a person or a pause",
    work === null || !work.parked || work.waits_for === "person" || work.waits_for === "pause"
  )
  say("parked for a pause: paused", work?.waits_for !== "pause" || (status === "paused" && work.parked))
  say("parked: nobody holds it", work === null || !work.parked || work.holder === null)
  say("running: somebody holds it", status !== "running" || work?.holder !== null)
  for (const [position, step] of Object.entries(task.steps)) {
    say(`step ${position}: has its end when it has ended`, step.ended === ended(step))
    const before = steps.filter((other) => other.stage < step.stage)
    const begun = step.status !== "pending" && step.status !== "skipped"
    // Code says itself what comes after what.
    say(
      `step ${position}: in its turn`,
      !begun || task.kind === "code" || before.every((other) => other.status === "succeeded")
    )
  }
  for (const [id, call] of Object.entries(task.calls)) {
    const happened = outside.get(call.key) ?? 0
    if (harmless(call) || call.word) continue
    say(`${call.tool} ${id}: succeeded, so it has happened`, call.status !== "succeeded" || happened > 0)
    say(
      `${call.tool} ${id}: ${call.status}, so it has not happened`,
      (call.status !== "failed" && call.status !== "canceled") || happened === 0
    )
    say(`${call.tool} ${id}: has happened once`, happened <= 1)
    say(`${call.tool} ${id}: was attempted before it happened`, happened === 0 || call.attempts > 0)
  }
  return found
}
