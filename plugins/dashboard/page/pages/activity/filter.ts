/** What is looked for: as the host is asked for it, and whether a row that comes live is of it. Pure. */
import type { AuditEvent, MessageEvent } from "syris/records"
import type { Query } from "../../api/client.ts"
import { wordsOf } from "../../parts/wordsOf.ts"
import type { ActivitySearch } from "../../router.tsx"

/** What the list of events can be searched by; the audit by all. */
const ofEvents = ["text", "channel", "since", "until"] as const
export const ofAudit = [...ofEvents, "type", "stage", "outcome", "tool", "risk"] as const

export const stages = [
  "normalize",
  "route",
  "execute",
  "tool_call",
  "gate",
  "respond",
  "task",
  "llm",
  "scheduler",
  "watcher",
  "rule",
  "mcp",
  "worker",
  "operator",
  "system"
] as const
export const outcomes = ["success", "failure", "suppressed", "info"] as const
export const risks = ["low", "medium", "high", "critical"] as const

/** The host takes no longer text. */
export const longestText = 200

/** The filters that the host is asked with. */
export const queryOf = (search: ActivitySearch): Query => {
  const known = search.kind === "events" ? ofEvents : ofAudit
  return Object.fromEntries(known.flatMap((name) => search[name] === undefined ? [] : [[name, search[name]]]))
}

/** Whether anything is looked for in particular. */
export const isFiltered = (search: ActivitySearch): boolean => Object.keys(queryOf(search)).length > 0

const has = (value: string | undefined, text: string): boolean =>
  value !== undefined && value.toLowerCase().includes(text)

const hasInJson = (value: unknown, text: string): boolean => {
  const json = (JSON.stringify(value) ?? "").toLowerCase()
  return json.includes(text) || json.includes(JSON.stringify(text).slice(1, -1))
}

const mayBeId = (text: string): boolean => /^[0-9a-f-]{4,36}$/.test(text)

const hasText = (row: AuditEvent, text: string): boolean =>
  [row.summary, row.type, row.tool, row.actor].some((value) => has(value, text)) ||
  hasInJson(row.refs, text) || hasInJson(row.data, text) ||
  (mayBeId(text) && (has(row.trace_id, text) || has(row.audit_id, text)))

const channelIn = (row: AuditEvent): string | undefined => {
  const { channel } = (row.data ?? {}) as { readonly channel?: unknown }
  return row.type === "event.ingested" && typeof channel === "string" ? channel : undefined
}

/** Traces whose channel is remembered. */
const mostTraces = 5_000

/**
 * Says of each live row, in the order in which they come, whether it is of a search. A row names no channel but where an event
 * came in: of the others it is known only where that was seen.
 */
export const matcherOf = (search: ActivitySearch): (row: AuditEvent) => boolean => {
  const channels = new Map<string, string>()
  const text = search.text?.toLowerCase()
  const since = Date.parse(search.since ?? "")
  const until = Date.parse(search.until ?? "")
  const { channel, kind, outcome, risk, stage, tool, type } = search
  return (row) => {
    const named = channelIn(row)
    if (named !== undefined && channel !== undefined) {
      channels.set(row.refs.event_id ?? row.trace_id, named)
      if (!channels.has(row.trace_id)) channels.set(row.trace_id, named)
      for (const key of channels.keys()) {
        if (channels.size <= mostTraces) break
        channels.delete(key)
      }
    }
    const at = Date.parse(row.timestamp)
    if (at < since || at >= until) return false
    if (
      channel !== undefined &&
      (channels.get(row.refs.event_id ?? row.trace_id) ?? channels.get(row.trace_id)) !== channel
    ) {
      return false
    }
    if (kind === "events") return row.type === "event.ingested" && (text === undefined || has(row.summary, text))
    return (type === undefined || row.type === type) &&
      (stage === undefined || row.stage === stage) &&
      (outcome === undefined || row.outcome === outcome) &&
      (tool === undefined || row.tool === tool) &&
      (risk === undefined || row.risk === risk) &&
      (text === undefined || hasText(row, text))
  }
}

/** An event on one line. */
export interface ShownEvent {
  readonly id: string
  readonly trace_id: string
  readonly at: string
  readonly channel: string
  readonly trust: string
  readonly text: string
}

export const shownEvent = (event: MessageEvent): ShownEvent => ({
  id: event.event_id,
  trace_id: event.correlation.trace_id,
  at: event.ingested_at,
  channel: event.source.channel,
  trust: event.security.trust,
  text: wordsOf(event.content)
})

/** Of the row that says that an event came in. */
export const eventOfRow = (row: AuditEvent): ShownEvent => {
  const { channel = "", trust = "" } = row.data as { readonly channel?: string; readonly trust?: string }
  const lead = `${channel}: `
  return {
    id: row.refs.event_id ?? row.audit_id,
    trace_id: row.trace_id,
    at: row.timestamp,
    channel,
    trust,
    text: row.summary.startsWith(lead) ? row.summary.slice(lead.length) : row.summary
  }
}
