/** One approval under its own address, whatever became of it. */
import { Link, useParams } from "@tanstack/react-router"
import type { Approval } from "syris/records"
import { type PageOf, useAnswer } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { Page } from "../../parts/Page.tsx"
import { short } from "../../parts/Words.tsx"
import { ApprovalCard } from "./ApprovalCard.tsx"

export const OneApproval = () => {
  const { id } = useParams({ from: "/approvals/$id" })
  const found = useAnswer<Approval>(["approvals", "one", id], `/approvals/${encodeURIComponent(id)}`)
  const { data } = found
  return (
    <Page title={data === undefined ? "Approval" : `Approval ${data.number}: ${short(data.tool, 60)}`}>
      <p>
        <Link to="/approvals">All approvals</Link>
      </p>
      <Answered answer={found}>
        {(approval) => (
          <div className="stack">
            <ApprovalCard key={approval.approval_id} approval={approval} level={2} />
            {approval.status === "superseded" && <Next approval={approval} />}
          </div>
        )}
      </Answered>
    </Page>
  )
}

/** The one that took its place: of the same trace. */
const Next = ({ approval: { approval_id, trace_id } }: { readonly approval: Approval }) => {
  const { data } = useAnswer<PageOf<Approval>>(["approvals", "trace"], "/approvals", { trace_id, limit: 500 })
  const next = data?.items.find(({ supersedes }) => supersedes === approval_id)
  return next === undefined ? null : (
    <p>
      In its place: <Link to="/approvals/$id" params={{ id: next.approval_id }}>approval {next.number}</Link>, which is
      {" "}
      {next.status}.
    </p>
  )
}
