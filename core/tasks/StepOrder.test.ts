/**
 * Which steps come next: compared with the rule in `docs/tasks.md`, read as a person reads it.
 */
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { StepKind, StepStatus } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { nextSteps } from "./StepOrder.ts"
import { defaultRetry } from "./TaskPlan.ts"
import type { StepRow } from "./TaskRows.ts"

const task_id = newId()

interface Given {
  readonly stage: number
  readonly status: StepStatus
  readonly kind?: StepKind
  /** Under way here, or waiting for something. */
  readonly busy?: boolean
  /** A model chose it. */
  readonly chosen?: true
}

const rowsOf = (steps: ReadonlyArray<Given>): ReadonlyArray<StepRow> =>
  steps.map(({ chosen, kind = "tool", stage, status }, position) => ({
    task_id,
    position,
    step_id: newId(),
    stage,
    name: `step ${position}`,
    kind,
    status,
    attempt: 0,
    max_attempts: 3,
    retry: defaultRetry,
    input: {},
    checkpoint: chosen === undefined ? {} : { decided_by: 0 },
    ordinal: 0
  }))

/** `begin 0 2`, `wait`, `failed 1`, `succeeded`. */
const next = (steps: ReadonlyArray<Given>): string => {
  const found = nextSteps(rowsOf(steps), (position) => steps[position]?.busy === true)
  switch (found._tag) {
    case "Begin":
      return `begin ${found.steps.map(({ position }) => position).join(" ")}`
    case "Wait":
      return "wait"
    case "Failed":
      return `failed ${found.step.position}`
    case "Succeeded":
      return "succeeded"
  }
}

const pending = (stage: number): Given => ({ stage, status: "pending" })
const running = (stage: number): Given => ({ stage, status: "running", busy: true })
const done = (stage: number): Given => ({ stage, status: "succeeded" })
const failed = (stage: number): Given => ({ stage, status: "failed" })
const refused = (stage: number): Given => ({ ...failed(stage), chosen: true })

describe("the steps of a task", () => {
  it.each<readonly [string, ReadonlyArray<Given>]>([
    ["succeeded", []],
    ["begin 0", [pending(0), pending(1)]],
    ["begin 0 1", [pending(0), pending(0), pending(1)]],
    ["wait", [running(0), pending(1)]],
    ["begin 1", [running(0), pending(0), pending(1)]],
    ["wait", [done(0), running(0), pending(1)]],
    ["begin 2", [done(0), done(0), pending(1)]],
    ["begin 1", [done(0), pending(5)]],
    ["succeeded", [done(0), done(1)]],
    ["succeeded", [done(0), { stage: 1, status: "skipped" }]],
    // One that is put back waits for its time, and is not begun meanwhile.
    ["wait", [{ ...pending(0), busy: true }, pending(1)]],
    ["begin 1", [{ ...pending(0), busy: true }, pending(0)]],
    ["wait", [{ stage: 0, status: "waiting", busy: true }, pending(1)]]
  ])("%s", (expected, steps) => assert.strictEqual(next(steps), expected))

  it.each<readonly [string, ReadonlyArray<Given>]>([
    ["failed 0", [failed(0), pending(1)]],
    // What runs beside it is awaited, and nothing more begins.
    ["wait", [failed(0), running(0), pending(1)]],
    ["wait", [failed(0), running(0), pending(0)]],
    ["wait", [failed(0), { stage: 0, status: "waiting", busy: true }]],
    ["failed 1", [done(0), failed(0), pending(0)]],
    ["failed 1", [done(0), failed(1)]]
  ])("that failed: %s", (expected, steps) => assert.strictEqual(next(steps), expected))

  it.each<readonly [string, ReadonlyArray<Given>]>([
    ["begin 2", [{ ...done(0), kind: "llm_decide" }, refused(1), { ...pending(2), kind: "llm_decide", chosen: true }]],
    ["begin 2", [{ ...done(0), kind: "llm_decide" }, refused(1), { ...pending(1), chosen: true }]],
    ["failed 0", [{ ...failed(0), kind: "llm_decide" }]],
    ["failed 1", [{ ...done(0), kind: "llm_decide" }, { ...refused(1), kind: "wait" }]],
    ["succeeded", [{ ...done(0), kind: "llm_decide" }, refused(1)]],
    // In a list: what the model chose may fail, what the list has may not.
    ["begin 1", [{ ...done(0), kind: "llm_decide" }, pending(1), refused(-1)]],
    ["failed 1", [{ ...done(0), kind: "llm_decide" }, failed(1), refused(-1)]]
  ])("where a model chose a call and hears of its failure: %s", (expected, steps) => {
    assert.strictEqual(next(steps), expected)
  })

  it("name the last one when all are done", () => {
    const found = nextSteps(rowsOf([done(0), done(1)]), () => false)
    assert.strictEqual(found._tag === "Succeeded" ? found.last?.position : undefined, 1)
  })

  it("come stage by stage, and end once, whatever becomes of each", () => {
    const plan = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 0, maxLength: 4 })
    const fates = fc.infiniteStream(
      fc.record({ pick: fc.nat(), to: fc.constantFrom("succeeded", "failed", "pending") })
    )
    fc.assert(fc.property(plan, fates, (sizes, lots) => {
      const steps: Array<{ stage: number; status: StepStatus; busy: boolean }> = sizes.flatMap((size, stage) =>
        Array.from({ length: size }, () => ({ stage, status: "pending" as const, busy: false }))
      )
      let retries = 20
      for (let moves = 0;; moves++) {
        assert.isBelow(moves, 200, "it goes on for ever")
        const found = nextSteps(rowsOf(steps), (position) => steps[position]?.busy === true)
        const open = steps.filter(({ status }) => status !== "succeeded")
        if (found._tag === "Succeeded") return assert.lengthOf(open, 0)
        if (found._tag === "Failed") {
          assert.strictEqual(found.step.status, "failed")
          return assert.isFalse(steps.some(({ busy }) => busy), "something is still under way")
        }
        if (found._tag === "Begin") {
          const stage = Math.min(...open.map((step) => step.stage))
          assert.isFalse(open.some(({ status }) => status === "failed"), "nothing begins after a failure")
          for (const { position } of found.steps) {
            const step = steps[position]!
            assert.deepInclude(step, { stage, status: "pending", busy: false })
            Object.assign(step, { status: "running", busy: true })
          }
          continue
        }
        const busy = steps.filter((step) => step.busy)
        assert.isNotEmpty(busy, "it waits for nothing")
        const [lot] = lots.take(1)
        const step = busy[(lot?.pick ?? 0) % busy.length]!
        if (step.status === "pending") step.busy = false
        else if (lot?.to === "pending" && retries-- > 0) step.status = "pending"
        else Object.assign(step, { status: lot?.to === "failed" ? "failed" : "succeeded", busy: false })
      }
    }))
  })
})
