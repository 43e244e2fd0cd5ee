import { expect, test } from "vitest"
import type { AuditEvent, WatcherState } from "syris/records"
import { inOrder, intervalInWords, leftOutOf, outcomeInWords } from "./watcherWords.ts"

const watcher = (watcher_id: string, more: Partial<WatcherState> = {}): WatcherState => ({
  watcher_id,
  enabled: true,
  interval_ms: 1_000,
  consecutive_errors: 0,
  state: null,
  ...more
})

test("how often a watcher looks is said in the unit that fits", () => {
  expect(intervalInWords(300_000)).toBe("every 5 minutes")
  expect(intervalInWords(60_000)).toBe("every minute")
  expect(intervalInWords(90_000)).toBe("every 90 seconds")
  expect(intervalInWords(86_400_000)).toBe("every day")
})

test("a watcher that fails stands first, unless it is off", () => {
  const ids = inOrder([
    watcher("b"),
    watcher("off", { enabled: false, last_outcome: "failure" }),
    watcher("z", { last_outcome: "failure" }),
    watcher("a")
  ]).map(({ watcher_id }) => watcher_id)
  expect(ids).toEqual(["z", "a", "b", "off"])
})

test("errors in a row are counted", () => {
  expect(outcomeInWords({ consecutive_errors: 0 })).toBe("It has not looked yet.")
  expect(outcomeInWords({ last_outcome: "failure", consecutive_errors: 1 })).toBe("It failed.")
  expect(outcomeInWords({ last_outcome: "failure", consecutive_errors: 6 })).toContain("6 times in a row")
})

test("what a throttle left out is counted for each watcher", () => {
  const row = (watcher_id: string, suppressed: unknown, timestamp: string) =>
    ({ refs: { watcher_id }, data: { suppressed }, timestamp }) as unknown as AuditEvent
  const found = leftOutOf([
    row("a", 3, "2026-06-01T12:00:00.000Z"),
    row("a", 4, "2026-06-01T11:00:00.000Z"),
    row("b", "many", "2026-06-01T10:00:00.000Z")
  ])
  expect(found.get("a")).toEqual({ count: 7, at: "2026-06-01T12:00:00.000Z" })
  expect(found.get("b")?.count).toBe(0)
})
