import { expect, test } from "vitest"
import { attemptsInWords, inputSchemaOf, isOver, kindOfTool, limitsInWords, progressOf, tookMs } from "./jobWords.ts"

test("the operator reads how far a job is, and that it does not say so where it does not", () => {
  expect(progressOf({ status: "running", progress: { percent: 33.9, message: "page 1 of 3" } }))
    .toEqual({ percent: 33.9, words: "33 %: page 1 of 3" })
  expect(progressOf({ status: "running", progress: { message: "reading" } })).toEqual({
    percent: undefined,
    words: "reading"
  })
  expect(progressOf({ status: "running", progress: {} })?.percent).toBeUndefined()
  expect(progressOf({ status: "queued", progress: {} })).toBeUndefined()
})

test("what a plugin says of its progress is bounded, and what is done is all done", () => {
  expect(progressOf({ status: "running", progress: { percent: 900 } })).toEqual({ percent: 100, words: "100 %" })
  expect(progressOf({ status: "failed", progress: { percent: -3 } })?.percent).toBe(0)
  expect(progressOf({ status: "succeeded", progress: { percent: 40, message: "nearly" } })?.percent).toBe(100)
})

test("limits, attempts and times are words", () => {
  expect(limitsInWords({ timeout_ms: 600_000, memory_mb: 1024 })).toBe("at most 10 min and 1,024 MiB of memory")
  expect(attemptsInWords({ attempt: 0, max_attempts: 3 })).toBe("0 of 3")
  expect(attemptsInWords({ attempt: 2, max_attempts: 3 })).toBe("2 of 3")
  const started_at = "2026-06-01T12:00:00Z"
  expect(tookMs({ started_at }, Date.parse("2026-06-01T12:00:05Z"))).toBe(5_000)
  expect(tookMs({ started_at, ended_at: "2026-06-01T12:00:02Z" }, Date.parse("2026-06-01T13:00:00Z"))).toBe(2_000)
  expect(tookMs({}, 0)).toBeUndefined()
  expect(isOver("waiting")).toBe(false)
  expect(isOver("timed_out")).toBe(true)
})

test("kinds of jobs are found by the tools that start them", () => {
  expect(kindOfTool("job.run.report.render")).toBe("report.render")
  expect(kindOfTool("noop.run")).toBeUndefined()
  expect(inputSchemaOf({ properties: { input: { type: "object" }, limits: {} } })).toEqual({ type: "object" })
  expect(inputSchemaOf(null)).toBeUndefined()
})
