/** One event on one line: when, by which channel, whose words, and the way to its trace. */
import { memo } from "react"
import { LineLink } from "../../parts/AuditLine.tsx"
import { Badge } from "../../parts/Badge.tsx"
import { Time } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import type { ShownEvent } from "./filter.ts"

export const EventLine = memo(({ event }: { readonly event: ShownEvent }) => (
  <LineLink traceId={event.trace_id}>
    <span className="audit-time">
      <Time at={event.at} />
    </span>
    <span className="audit-type">{short(event.channel)}</span>
    <Badge tone={event.trust === "untrusted" ? "warn" : "plain"}>{short(event.trust)}</Badge>
    <bdi className="audit-summary">{event.text === "" ? "without words" : short(event.text, 200)}</bdi>
  </LineLink>
))
