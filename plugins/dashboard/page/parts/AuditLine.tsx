/** One row of the audit on one line: when, what, how it went, and the way to its trace. */
import { useRouter } from "@tanstack/react-router"
import { memo, type MouseEvent, type ReactNode } from "react"
import type { AuditEvent } from "syris/records"
import { OutcomeBadge } from "./Badge.tsx"
import { Time } from "./Time.tsx"
import { short } from "./Words.tsx"

export interface LineLinkProps {
  readonly traceId: string
  /** Which of its rows is to be marked there. */
  readonly auditId?: string
  readonly children: ReactNode
}

/** A line that leads to a trace. Lighter than `Link`: of these there are many, and they come and go as fast as one scrolls. */
export const LineLink = ({ auditId, children, traceId }: LineLinkProps) => {
  const router = useRouter()
  const go = (event: MouseEvent) => {
    // A new tab is the browser's own business.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    void router.navigate({
      to: "/trace/$traceId",
      params: { traceId },
      ...(auditId === undefined ? {} : { hash: auditId })
    })
  }
  const hash = auditId === undefined ? "" : `#${encodeURIComponent(auditId)}`
  return (
    <a href={`${router.basepath}/trace/${encodeURIComponent(traceId)}${hash}`} className="audit-line" onClick={go}>
      {children}
    </a>
  )
}

export const AuditLine = memo(({ row }: { readonly row: AuditEvent }) => (
  <LineLink traceId={row.trace_id} auditId={row.audit_id}>
    <span className="audit-time">
      <Time at={row.timestamp} />
    </span>
    <span className="audit-type">{short(row.type)}</span>
    <OutcomeBadge outcome={row.outcome} />
    <bdi className="audit-summary">{short(row.summary, 200)}</bdi>
  </LineLink>
))
