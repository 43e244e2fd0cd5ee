/**
 * `syris audit`: the audit log, oldest row first as logs are read, once or live.
 */
import { Console, Effect, Option } from "effect"
import { Command, Flag, TerminalCapabilities } from "effect/cli"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import { type Filter, instant, rows } from "./auditRows.ts"
import { follow } from "./auditStream.ts"
import { Client } from "./client.ts"
import { misused } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { duration, localTime, padded, type Paints, paints } from "./layout.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

export const audit = Command.make(
  "audit",
  {
    trace: Flag.String("trace").pipe(Flag.withDescription("Only this trace"), Flag.optional),
    type: Flag.String("type").pipe(Flag.withDescription("Only this type, such as tool_call.failed"), Flag.optional),
    since: Flag.String("since").pipe(
      Flag.withDescription("Only from then on: a time (2026-11-22T08:00:00Z) or an age (90s, 15m, 1h, 2d)"),
      Flag.optional
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription(
        "At most this many rows, the newest ones (default: 50, 10 with --follow); of a trace the first ones (default: 500)"
      ),
      Flag.optional
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Go on with new rows as they are written"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn(function*(given) {
    const limit = Option.getOrElse(given.limit, () => Option.isSome(given.trace) ? 500 : given.follow ? 10 : 50)
    if (limit < 0 || limit > 100_000) return yield* misused("--limit takes 0 to 100000.")
    const since = Option.isSome(given.since) ? yield* instant(given.since.value) : undefined
    const filter: Filter = {
      ...(Option.isSome(given.trace) ? { trace_id: given.trace.value } : {}),
      ...(Option.isSome(given.type) ? { type: given.type.value } : {}),
      ...(since === undefined ? {} : { since })
    }
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const print = (row: AuditEvent) =>
      Console.log(given.json ? visibleJson(row) : line(row, filter.trace_id === undefined, paint))
    if (given.follow) return yield* follow(filter, limit, print)
    const found = yield* rows(filter, limit)
    if (found.length === 0 && !given.json) return yield* Console.log("No audit rows fit.")
    for (const row of found) yield* print(row)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Show the audit log, oldest row first; with --json one object a line"),
  Command.withShortDescription("Show the audit log"),
  Command.withExamples([
    { command: "syris audit --since 1h --type tool_call.failed" },
    { command: "syris audit --follow" }
  ])
)

const line = (row: AuditEvent, withTrace: boolean, paint: Paints): string => {
  const mark = row.outcome === "failure"
    ? paint.red
    : row.outcome === "suppressed"
    ? paint.yellow
    : row.outcome === "success"
    ? paint.green
    : paint.dim
  return [
    paint.dim(localTime(row.timestamp)),
    // The end of the id is its random part, and `syris trace` takes it.
    ...(withTrace ? [paint.dim(visible(row.trace_id.slice(-12)))] : []),
    mark(padded(visible(row.outcome), 10)),
    padded(visible(row.type), 22),
    clipped(row.summary, 300),
    row.latency_ms === undefined || row.latency_ms === null ? "" : paint.dim(`(${duration(row.latency_ms)})`)
  ].join("  ").trimEnd()
}
