/** The feed has each row once and the newest first, whichever way it came. */
import { assert, describe, it } from "@effect/vitest"
import type { AuditEvent } from "syris/records"
import { isIdleTick, merged } from "./feed.ts"

const row = (seq: number, rest: Partial<AuditEvent> = {}): AuditEvent => ({
  seq,
  audit_id: `audit-${seq}`,
  timestamp: "2026-11-30T12:00:00.000Z",
  trace_id: "trace",
  stage: "system",
  type: "system.started",
  outcome: "info",
  summary: "It started.",
  refs: {},
  data: {},
  ...rest
})
const seqs = (rows: ReadonlyArray<AuditEvent>) => rows.map(({ seq }) => seq)

describe("the live feed", () => {
  it("has a row once that came by the stream and was asked for, too", () => {
    assert.deepEqual(seqs(merged([row(4), row(5), row(6)], [row(5), row(4), row(3)], 10)), [6, 5, 4, 3])
  })

  it("keeps the newest where there are too many", () => {
    assert.deepEqual(seqs(merged([row(7), row(8)], [row(6), row(5)], 3)), [8, 7, 6])
  })

  it("has its order from the rows, not from the way that they came", () => {
    // The stream began anew after a gap: what was asked for since is newer than what it brought before.
    assert.deepEqual(seqs(merged([row(1), row(9)], [row(8), row(7)], 10)), [9, 8, 7, 1])
  })

  it("tells a tick that found nothing from one that did", () => {
    assert.isTrue(isIdleTick(row(1, { type: "watcher.tick", data: { events: 0 } })))
    assert.isFalse(isIdleTick(row(1, { type: "watcher.tick", data: { events: 2 } })))
    assert.isFalse(isIdleTick(row(1, { data: { events: 0 } })))
    assert.isFalse(isIdleTick(row(1, { type: "watcher.tick", data: null })))
  })
})
