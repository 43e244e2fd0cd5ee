/**
 * What rows of the audit are asked for.
 */
import { Clock, Effect } from "effect"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import { misused } from "./CommandFailed.ts"
import { listed } from "./list.ts"
import { visible } from "../contract/Visible.ts"

export interface Filter {
  readonly trace_id?: string
  readonly type?: string
  readonly since?: string
}

/** The newest rows that fit (of a trace the first), the oldest of them first. */
export const rows = Effect.fn("audit.rows")(function*(filter: Filter, limit: number) {
  const { items } = yield* listed<AuditEvent>("/audit", { ...filter }, limit)
  return filter.trace_id === undefined ? items.toReversed() : items
})

const units: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }

/** `--since` as an ISO instant. */
export const instant = Effect.fn("audit.instant")(function*(text: string) {
  const age = /^(\d{1,9})\s*([smhdw])$/.exec(text)
  const at = age === null
    ? Date.parse(text)
    : (yield* Clock.currentTimeMillis) - Number(age[1]) * (units[age[2] ?? ""] ?? Number.NaN) * 1_000
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) {
    return yield* misused(
      `--since takes a time (2026-11-22T08:00:00Z) or an age (90s, 15m, 1h, 2d), and "${visible(text)}" is neither.`
    )
  }
  return date.toISOString()
})
