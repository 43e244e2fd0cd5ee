/** What became of an approval, in a sentence. */
import { Link } from "@tanstack/react-router"
import type { Approval, ApprovalStatus } from "syris/records"
import { Badge, type Tone } from "../../parts/Badge.tsx"
import { Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"

const statusWords: Readonly<Record<ApprovalStatus, string>> = {
  pending: "It waits for you.",
  approved: "It was approved, and is about to run.",
  consumed: "It was approved, and its call was begun.",
  denied: "It was denied: nothing runs.",
  expired: "Nobody said yes in time: nothing runs. If you still want it, ask for it again.",
  superseded: "Its input was edited: another approval took its place.",
  revoked: "It was called off: its call is not wanted any more, or is not what was shown."
}

const badges: Readonly<Record<ApprovalStatus, readonly [words: string, tone: Tone]>> = {
  pending: ["waits", "warn"],
  approved: ["approved", "good"],
  consumed: ["approved and begun", "good"],
  denied: ["denied", "bad"],
  expired: ["expired", "plain"],
  superseded: ["edited", "plain"],
  revoked: ["called off", "plain"]
}

export const ApprovalBadge = ({ status }: { readonly status: ApprovalStatus }) => {
  const [words, tone] = badges[status]
  return <Badge tone={tone}>{words}</Badge>
}

export const Outcome = ({ approval, isOver }: { readonly approval: Approval; readonly isOver: boolean }) => {
  const { decision, trace_id } = approval
  const status = approval.status === "pending" && isOver ? "expired" : approval.status
  return (
    <div className="outcome">
      <p role="status">
        <ApprovalBadge status={status} /> {statusWords[status]}
      </p>
      {decision !== undefined && (
        <p>
          By <bdi>{short(decision.by)}</bdi>, <Time at={decision.at} />
          {decision.reason !== undefined && (
            <>
              : <Words text={decision.reason} />
            </>
          )}
        </p>
      )}
      <p>
        <Link to="/trace/$traceId" params={{ traceId: trace_id }}>What became of it</Link>
      </p>
    </div>
  )
}
