/** What waits for the operator: approvals, questions of servers, calls that nobody knows the end of. */
import { Link } from "@tanstack/react-router"
import type { Approval, Question, ToolCall } from "syris/records"
import { RiskBadge } from "../../parts/Badge.tsx"
import { Card } from "../../parts/Page.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { counted } from "../../parts/counted.ts"
import { Glimpse } from "../approvals/Preview.tsx"

const first = 5

const Left = ({ count, to, what }: { readonly count: number; readonly to: "/approvals"; readonly what: string }) =>
  count <= first ? null : <Link to={to}>All {counted(count, what)}</Link>

/** The one that expires first on top. */
export const ApprovalsWaiting = (
  { approvals, count }: { readonly approvals: ReadonlyArray<Approval>; readonly count: number }
) => (
  <Card title={`${counted(count, "approval")} to decide`} tone="warn">
    <ul className="now-list">
      {approvals.toSorted((a, b) => a.expires_at.localeCompare(b.expires_at)).slice(0, first).map((one) => (
        <li key={one.approval_id}>
          <span className="now-line">
            <Link to="/approvals/$id" params={{ id: one.approval_id }}>
              {one.number}: {short(one.tool, 80)}
            </Link>
            <RiskBadge risk={one.risk} />
            <span className="faint now-end">
              expires <Relative at={one.expires_at} />
            </span>
          </span>
          <Glimpse text={one.preview ?? one.why} />
        </li>
      ))}
    </ul>
    <Left count={count} to="/approvals" what="approval" />
  </Card>
)

export const QuestionsWaiting = ({ questions }: { readonly questions: ReadonlyArray<Question> }) => (
  <Card title={`${counted(questions.length, "question")} to answer`} tone="warn">
    <ul className="now-list">
      {questions.slice(0, first).map((one) => (
        <li key={one.question_id}>
          <span className="now-line">
            <Link to="/approvals">Question {one.number} of {short(one.server, 40)}</Link>
            <Link to="/trace/$traceId" params={{ traceId: one.trace_id }} className="now-small">its trace</Link>
            <span className="faint now-end">
              asked <Relative at={one.asked_at} />
            </span>
          </span>
          <Words text={one.message} most={200} />
        </li>
      ))}
    </ul>
    <Left count={questions.length} to="/approvals" what="question" />
  </Card>
)

export const CallsToSettle = (
  { calls, isMore }: { readonly calls: ReadonlyArray<ToolCall>; readonly isMore: boolean }
) => (
  <Card
    title={isMore
      ? `More than ${counted(calls.length, "call")} to settle`
      : `${counted(calls.length, "call")} to settle`}
    tone="bad"
  >
    <p className="now-note">
      SYRIS was cut off in the middle of these and can’t find out by itself whether they happened. Look, then say it in
      the trace; what depends on them waits until then.
    </p>
    <ul className="now-list">
      {calls.slice(0, first).map((one) => (
        <li key={one.tool_call_id}>
          <span className="now-line">
            <Link to="/trace/$traceId" params={{ traceId: one.trace_id }}>
              Settle {short(one.tool, 80)}
            </Link>
            <RiskBadge risk={one.risk} />
            <span className="faint now-end">
              begun <Time at={one.created_at} />
            </span>
          </span>
          {one.error !== undefined && <Words text={one.error.message} most={200} />}
        </li>
      ))}
    </ul>
    {calls.length > first && (
      <p className="now-note">And {counted(calls.length - first, "more call")}: settle these first.</p>
    )}
  </Card>
)
