/**
 * Which answers a row of the audit makes old. The words are the first parts of the keys in `api/queries.ts`; a screen that
 * shows something new adds its word here.
 */
import type { QueryClient } from "@tanstack/react-query"
import type { AuditEvent } from "syris/records"

/** By the type of a row, the longest beginning that fits; what has none changes nothing but traces and what shows rows as they come. */
const touched: Readonly<Record<string, ReadonlyArray<string>>> = {
  "gate.": ["approvals", "state"],
  "task.": ["tasks", "state"],
  "tool_call.": ["tool-calls", "state"],
  // An approval is used up when its call begins, and called off with it: of neither there is a row of its own.
  "tool_call.attempted": ["tool-calls", "state", "approvals"],
  "tool_call.canceled": ["tool-calls", "state", "approvals"],
  // Those that set timers, reminders and rules, and remember something, write no row of their own.
  "tool_call.succeeded": ["tool-calls", "state", "schedules", "rules", "memory"],
  "tool_call.reconciled": ["tool-calls", "state", "schedules", "rules", "memory"],
  "tool_call.unknown": ["tool-calls", "state", "tasks"],
  "response.": ["chat"],
  "llm.": ["costs"],
  "mcp.": ["integrations", "tools", "health", "questions"],
  "memory.": ["memory"],
  "schedule.": ["schedules", "state"],
  "watcher.": ["watchers", "state"],
  // The watchers of the host itself look every few seconds; `state` is asked for from time to time.
  "watcher.tick": ["watchers"],
  "rule.": ["rules"],
  "worker.job": ["jobs", "state"],
  "worker.plugin": ["plugins", "health", "tools"],
  "alarm.": ["alarms", "state", "health"],
  "system.": ["state", "health", "settings"],
  "operator.schedule": ["schedules", "state"],
  "operator.watcher": ["watchers", "state"],
  "operator.rule": ["rules"],
  "operator.integration": ["integrations", "health"],
  "operator.mcp": ["integrations", "tools"],
  "operator.question": ["questions"],
  "operator.call_settled": ["tool-calls", "tasks", "state"],
  "operator.autonomy": ["controls", "state"],
  "operator.paused": ["controls", "state"],
  "operator.resumed": ["controls", "state"],
  "operator.policy": ["policy"],
  "operator.quiet_hours": ["quiet-hours"],
  "operator.plugin": ["plugins"]
}
const beginnings = Object.keys(touched).sort((a, b) => b.length - a.length)

/** The words that a row's type touches. */
export const touchedBy = (type: string): ReadonlyArray<string> => {
  const found = beginnings.find((beginning) => type.startsWith(beginning))
  return found === undefined ? [] : touched[found] ?? []
}

/** At most one time in so long an answer is asked for again, however many rows touch it. */
const everyMs = 1_000

/** Has answers asked for again when rows touch them; answers what takes rows. */
export const makeRefresh = (client: QueryClient): (rows: ReadonlyArray<AuditEvent>) => void => {
  const words = new Set<string>()
  const traces = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let last = 0
  const run = (): void => {
    timer = undefined
    last = performance.now()
    for (const word of words) void client.invalidateQueries({ queryKey: [word] })
    // Once for all of them: there may be hundreds a second, and few are shown.
    const told = new Set<unknown>(traces)
    void client.invalidateQueries({ predicate: ({ queryKey: [word, id] }) => word === "trace" && told.has(id) })
    words.clear()
    traces.clear()
  }
  return (rows) => {
    for (const row of rows) {
      for (const word of touchedBy(row.type)) words.add(word)
      traces.add(row.trace_id)
    }
    if (words.size + traces.size === 0) return
    timer ??= setTimeout(run, Math.max(50, last + everyMs - performance.now()))
  }
}
