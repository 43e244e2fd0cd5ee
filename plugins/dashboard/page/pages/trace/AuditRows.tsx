/**
 * Every row of the audit of a trace, in order. A row opens to its data and has an address of its own, which opens it, brings it
 * into view and marks it.
 */
import { Link, useRouterState } from "@tanstack/react-router"
import { memo, type ReactNode, useEffect, useRef, useState } from "react"
import type { AuditEvent, AuditRefs } from "syris/records"
import { OutcomeBadge, RiskBadge } from "../../parts/Badge.tsx"
import { Facts } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import { Json, short, Words } from "../../parts/Words.tsx"
import { took } from "./took.ts"

const refsOf = (refs: AuditRefs): ReadonlyArray<readonly [string, ReactNode]> => {
  const { approval_id, event_id, job_id, rule_id, schedule_id, step_id, task_id, tool_call_id, watcher_id } = refs
  return [
    ["Task", task_id && <Link key="task" to="/tasks/$id" params={{ id: task_id }}>{short(task_id)}</Link>],
    [
      "Approval",
      approval_id && <Link key="approval" to="/approvals/$id" params={{ id: approval_id }}>{short(approval_id)}</Link>
    ],
    ["Rule", rule_id && <Link key="rule" to="/rules/$id" params={{ id: rule_id }}>{short(rule_id)}</Link>],
    [
      "Schedule",
      schedule_id && <Link key="schedule" to="/schedules/$id" params={{ id: schedule_id }}>{short(schedule_id)}</Link>
    ],
    ["Watcher", watcher_id && <Link key="watcher" to="/watchers">{short(watcher_id)}</Link>],
    ["Job", job_id && <Link key="job" to="/jobs" hash={job_id}>{short(job_id)}</Link>],
    ["Call", tool_call_id && short(tool_call_id)],
    ["Step", step_id && short(step_id)],
    ["Event", event_id && short(event_id)]
  ]
}

const Row = memo(({ marked, row }: { readonly row: AuditEvent; readonly marked: boolean }) => {
  const [open, setOpen] = useState(marked)
  const element = useRef<HTMLDetailsElement>(null)
  useEffect(() => {
    if (!marked) return
    setOpen(true)
    element.current?.scrollIntoView({ block: "center" })
  }, [marked])
  const { actor, autonomy, data, latency_ms, refs, risk, tool } = row
  return (
    <details
      ref={element}
      id={row.audit_id}
      className={marked ? "trace-row trace-row-marked" : "trace-row"}
      open={open}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary aria-current={marked ? "true" : undefined}>
        <span className="audit-time">
          <Time at={row.timestamp} />
        </span>
        <span className="audit-type">{short(row.type)}</span>
        <OutcomeBadge outcome={row.outcome} />
        <bdi className="trace-row-summary">{short(row.summary, 300)}</bdi>
      </summary>
      {open && (
        <div className="entry-details">
          {row.summary.length > 300 && <Words text={row.summary} most={1_000} lines />}
          <Facts
            of={[
              ["By", actor === undefined ? undefined : short(actor, 200)],
              ["Tool", tool === undefined ? undefined : short(tool)],
              ["Risk", risk === undefined ? undefined : <RiskBadge key="risk" risk={risk} />],
              ["Autonomy level", autonomy],
              ["Took", latency_ms === undefined ? undefined : took(latency_ms)],
              ...refsOf(refs)
            ]}
          />
          <Json value={data} />
          <p>
            <Link to="." search={true} hash={row.audit_id} replace>Link to this row</Link>
          </p>
        </div>
      )}
    </details>
  )
})

export const AuditRows = ({ rows }: { readonly rows: ReadonlyArray<AuditEvent> }) => {
  const hash = useRouterState({ select: ({ location }) => location.hash })
  // Of a row, or of a call: then it is the last one that speaks of it.
  const marked = rows.find(({ audit_id }) => audit_id === hash) ??
    rows.findLast(({ refs }) => refs.tool_call_id === hash)
  const isMissing = /^[0-9a-f-]{36}$/.test(hash) && marked === undefined
  return (
    <>
      {isMissing && <p role="status">The row that this link speaks of is not among those shown here.</p>}
      <ol className="trace-rows">
        {rows.map((row) => (
          <li key={row.audit_id}>
            <Row row={row} marked={row === marked} />
          </li>
        ))}
      </ol>
    </>
  )
}
