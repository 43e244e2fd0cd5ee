import { expect, test } from "vitest"
import type { Step } from "syris/records"
import { attemptInWords, labelsFrom, labelsOf, movesOf, progressInWords, sinceOf, stagesOf } from "./taskWords.ts"
import { waitOf } from "../../parts/waits.ts"

const step = (position: number, stage: number, more: Partial<Step> = {}): Step => ({
  step_id: `s${position}`,
  task_id: "t",
  position,
  stage,
  name: `step ${position}`,
  kind: "tool",
  status: "pending",
  attempt: 0,
  max_attempts: 3,
  retry: { strategy: "none", base_delay_ms: 0, max_delay_ms: 0, jitter: 0 },
  input: {},
  checkpoint: {},
  ...more
})

test("the operator reads what a task waits for, and where to do something about it", () => {
  expect(waitOf({ status: "waiting", waits_for: "approval" })).toEqual({
    words: "for your yes",
    to: "approval",
    at: "end"
  })
  expect(waitOf({ status: "waiting", waits_for: "time" })?.at).toBe("next")
  expect(waitOf({ status: "waiting", waits_for: "person" })?.to).toBe("trace")
  expect(waitOf({ status: "paused", waits_for: "pause" })?.words).toBe("until you resume it")
  expect(waitOf({ status: "running" })).toBeUndefined()
  expect(waitOf({ status: "succeeded" })).toBeUndefined()
})

test("how far a task is: of a list all steps are known, of a model's plan they are not", () => {
  const progress = { done: 3, steps: 5, step: "settle" }
  expect(progressInWords({ kind: "steps", status: "waiting", progress })).toBe("3 of 5 steps done, now at settle")
  expect(progressInWords({ kind: "llm_plan", status: "running", progress })).toBe("3 steps done, now at settle")
  expect(progressInWords({ kind: "steps", status: "failed", progress })).toBe("3 of 5 steps done, failed at settle")
  expect(progressInWords({ kind: "steps", status: "canceled", progress })).toBe("3 of 5 steps done")
  expect(progressInWords({ kind: "steps", status: "succeeded", progress: { done: 1, steps: 1 } })).toBe(
    "1 of 1 step done"
  )
})

test("only the moves that a task's state allows are offered", () => {
  expect(movesOf("running")).toEqual(["pause", "cancel"])
  expect(movesOf("paused")).toEqual(["resume", "cancel"])
  expect(movesOf("failed")).toEqual(["retry"])
  expect(movesOf("succeeded")).toEqual([])
  expect(movesOf("canceled")).toEqual([])
})

test("steps of one stage stand together, stages in their order, whatever order they came in", () => {
  const stages = stagesOf([step(4, 2), step(2, 1), step(0, 0), step(1, 1)])
  expect(stages.map(({ steps }) => steps.map(({ position }) => position))).toEqual([[0], [1, 2], [4]])
})

test("attempts are counted from one, and not named before the first", () => {
  expect(attemptInWords(step(0, 0))).toBeUndefined()
  expect(attemptInWords(step(0, 0, { status: "running" }))).toBe("attempt 1 of 3")
  expect(attemptInWords(step(0, 0, { attempt: 1 }))).toBe("attempt 2 of 3 comes next")
  expect(attemptInWords(step(0, 0, { kind: "wait", status: "waiting" }))).toBeUndefined()
})

test("labels are words or words with values, and are typed with commas", () => {
  expect(labelsOf({ labels: ["a", "b"] })).toEqual(["a", "b"])
  expect(labelsOf({ labels: { animal: "cat" } })).toEqual(["animal: cat"])
  expect(labelsFrom(" backup, nightly ,,")).toEqual(["backup", "nightly"])
})

test("a time that is looked for begins so many hours ago", () => {
  const now = Date.parse("2026-06-02T12:00:00Z")
  expect(sinceOf("24", now)).toBe("2026-06-01T12:00:00.000Z")
  expect(sinceOf("any", now)).toBeUndefined()
})
