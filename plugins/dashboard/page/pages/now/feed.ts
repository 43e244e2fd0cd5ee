/** The rows of the live feed: what came by the stream and what was there before it, each once, the newest first. */
import type { AuditEvent } from "syris/records"

type Rows = ReadonlyArray<AuditEvent>

/** A watcher that looked and found nothing: several a minute, and no news. */
export const isIdleTick = ({ data, type }: AuditEvent): boolean =>
  type === "watcher.tick" &&
  typeof data === "object" && data !== null && (data as { readonly events?: unknown }).events === 0

/** Of both, at most `most`. */
export const merged = (live: Rows, stored: Rows, most: number): Rows => {
  const seen = new Set<string>()
  const all: Array<AuditEvent> = []
  for (const rows of [live, stored]) {
    for (const row of rows) {
      if (seen.has(row.audit_id)) continue
      seen.add(row.audit_id)
      all.push(row)
    }
  }
  return all.sort((a, b) => b.seq - a.seq).slice(0, most)
}
