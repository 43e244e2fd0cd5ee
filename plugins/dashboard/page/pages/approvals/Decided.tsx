/** What was decided, or is over, the newest first. */
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type { Approval, ApprovalStatus } from "syris/records"
import { useApprovals } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { RiskBadge } from "../../parts/Badge.tsx"
import { Card, Nothing } from "../../parts/Page.tsx"
import { columnsOf, More, Table } from "../../parts/Table.tsx"
import { Time } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { ApprovalBadge } from "./Outcome.tsx"

const choices: ReadonlyArray<readonly [ApprovalStatus | "", string]> = [
  ["", "All"],
  ["consumed", "Approved and begun"],
  ["approved", "Approved, about to run"],
  ["denied", "Denied"],
  ["expired", "Expired"],
  ["superseded", "Edited"],
  ["revoked", "Called off"]
]

const columns = columnsOf<Approval>()((column) => [
  column.display({
    id: "number",
    header: "No.",
    cell: ({ row: { original: { approval_id, number } } }) => (
      <Link to="/approvals/$id" params={{ id: approval_id }} aria-label={`Approval ${number}`}>{number}</Link>
    )
  }),
  column.display({
    id: "tool",
    header: "Tool",
    cell: ({ row }) => <bdi className="tool-name">{short(row.original.tool)}</bdi>
  }),
  column.display({
    id: "what",
    header: "With",
    cell: ({ row }) => <bdi>{short(JSON.stringify(row.original.what) ?? "nothing", 100)}</bdi>
  }),
  column.display({ id: "risk", header: "Risk", cell: ({ row }) => <RiskBadge risk={row.original.risk} /> }),
  column.display({ id: "status", header: "Became", cell: ({ row }) => <ApprovalBadge status={row.original.status} /> }),
  column.display({
    id: "decision",
    header: "By",
    cell: ({ row: { original: { created_at, decision } } }) =>
      decision === undefined
        ? (
          <>
            nobody; asked <Time at={created_at} />
          </>
        )
        : (
          <>
            <bdi>{short(decision.by)}</bdi>, <Time at={decision.at} />
          </>
        )
  })
])

export const Decided = () => {
  const [status, setStatus] = useState<ApprovalStatus | "">("")
  const list = useApprovals({ status: status === "" ? undefined : status })
  const rows = list.items.filter(({ status }) => status !== "pending")
  return (
    <Card
      title="Decided"
      actions={
        <label className="row">
          <span className="faint">Show</span>
          <select
            value={status}
            onChange={({ target: { value } }) => setStatus(choices.find(([name]) => name === value)?.[0] ?? "")}
          >
            {choices.map(([name, words]) => <option key={name} value={name}>{words}</option>)}
          </select>
        </label>
      }
    >
      <Answered answer={list}>
        {() => (
          <div className="stack">
            {rows.length === 0
              ? (
                <Nothing>
                  {status === "" ? "Nothing was decided yet. What you approve or deny is kept here." : "None of these."}
                </Nothing>
              )
              : (
                <Table
                  caption="What was decided"
                  columns={columns}
                  rows={rows}
                  idOf={({ approval_id }) => approval_id}
                />
              )}
            <More list={list} />
          </div>
        )}
      </Answered>
    </Card>
  )
}
