/** What opens of an entry in both views: its lines, where it leads, what can be done with it, and its whole record. */
import { Link } from "@tanstack/react-router"
import type { Approval, CompletionRecord, Job, TaskWithSteps, ToolCall } from "syris/records"
import { StatusBadge } from "../../parts/Badge.tsx"
import { Time } from "../../parts/Time.tsx"
import { Json, short, Words } from "../../parts/Words.tsx"
import type { Entry } from "./entry.ts"
import { Settle } from "./Settle.tsx"

/** What an entry is, on one line. */
export const EntryName = ({ entry }: { readonly entry: Entry }) => (
  <>
    <bdi className={`entry-name entry-${entry.kind}`}>{short(entry.name, 120)}</bdi>
    {entry.status !== undefined && <StatusBadge status={entry.status} />}
  </>
)

const Way = ({ entry }: { readonly entry: Entry }) => {
  switch (entry.kind) {
    case "task":
      return <Link to="/tasks/$id" params={{ id: (entry.record as TaskWithSteps).task_id }}>The task</Link>
    case "approval": {
      const { approval_id, status } = entry.record as Approval
      return (
        <Link to="/approvals/$id" params={{ id: approval_id }}>
          {status === "pending" ? "Decide it" : "The approval"}
        </Link>
      )
    }
    case "job":
      return <Link to="/jobs" hash={(entry.record as Job).job_id}>The job</Link>
    case "call": {
      const call = entry.record as ToolCall
      return call.status === "unknown" ? <Settle call={call} /> : null
    }
    default:
      return null
  }
}

const Question = ({ question }: { readonly question: CompletionRecord }) => {
  const { answer, error, messages, parts, tools } = question
  const leftOut = parts.filter(({ left_out }) => left_out > 0)
  return (
    <>
      {leftOut.length > 0 && (
        <p className="faint">
          Left out, since there was no room: {leftOut.map(({ left_out, part }) => `${left_out} of ${part}`).join(", ")}.
        </p>
      )}
      <h3>What it was sent</h3>
      <Json value={messages} />
      <h3>The tools that it was offered</h3>
      <Json value={tools} most={400} />
      <h3>What it answered</h3>
      <Json value={answer ?? error} />
    </>
  )
}

export const EntryDetails = ({ entry }: { readonly entry: Entry }) => (
  <div className="entry-details">
    <p className="row">
      {Number.isFinite(entry.from) && <Time at={new Date(entry.from).toISOString()} />}
      {entry.facts.map((fact) => <span key={fact} className="trace-fact">{short(fact, 200)}</span>)}
      <Way entry={entry} />
    </p>
    {entry.words !== undefined && entry.words !== "" && (
      <p>
        <Words text={entry.words} lines most={600} />
      </p>
    )}
    {entry.more.length > 0 && (
      <ul className="entry-more">
        {entry.more.map((line, index) => (
          <li key={index}>
            <Words text={line} />
          </li>
        ))}
      </ul>
    )}
    {entry.kind === "question"
      ? <Question question={entry.record as CompletionRecord} />
      : <Json value={entry.record} most={1_200} />}
  </div>
)
