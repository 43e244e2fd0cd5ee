/** What happened, in a few sentences, and what of it waits for the operator. */
import { Link } from "@tanstack/react-router"
import type { Trace } from "syris/records"
import { Badge, StatusBadge } from "../../parts/Badge.tsx"
import { Card } from "../../parts/Page.tsx"
import { Relative } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { waitOf } from "../../parts/waits.ts"
import { Settle } from "./Settle.tsx"
import { rootOf, type Sentence, storyOf } from "./story.ts"

const Said = ({ sentence }: { readonly sentence: Sentence }) => (
  <li>
    {sentence.map((part, index) =>
      typeof part === "string" ? <bdi key={index}>{short(part, 600)}</bdi> : (
        <q key={index}>
          <Words text={part.words} lines />
        </q>
      )
    )}
  </li>
)

/** What nothing but the operator, or time, lets go on. */
const Waiting = ({ trace }: { readonly trace: Trace }) => {
  const approvals = trace.approvals.filter(({ status }) => status === "pending")
  const unknown = trace.tool_calls.filter(({ status }) => status === "unknown")
  const tasks = trace.tasks.filter(({ status, waits_for }) =>
    (status === "waiting" && waits_for !== "approval") || status === "paused"
  )
  if (approvals.length + unknown.length + tasks.length === 0) return null
  return (
    <ul className="trace-waits">
      {approvals.map(({ approval_id, expires_at, number, tool }) => (
        <li key={approval_id}>
          <Badge tone="warn">waits for you</Badge>{" "}
          <span>
            Whether <bdi>{short(tool)}</bdi> may run: it lapses <Relative at={expires_at} />.
          </span>{" "}
          <Link to="/approvals/$id" params={{ id: approval_id }} className="button button-main">
            Decide approval {number}
          </Link>
        </li>
      ))}
      {unknown.map((call) => (
        <li key={call.tool_call_id}>
          <Badge tone="bad">waits for you</Badge>{" "}
          <span>
            Nobody knows whether <bdi>{short(call.tool)}</bdi> was done. Look there, and say what happened.
          </span>{" "}
          <Settle call={call} />
        </li>
      ))}
      {tasks.map((task) => (
        <li key={task.task_id}>
          <StatusBadge status={task.status} />{" "}
          <span>
            The task{" "}
            <Link to="/tasks/$id" params={{ id: task.task_id }}>
              <bdi>{short(task.name)}</bdi>
            </Link>{" "}
            waits {waitOf(task)?.words}
            {waitOf(task)?.at === "next" && task.next_wake_at !== undefined && (
              <>
                , goes on <Relative at={task.next_wake_at} />
              </>
            )}.
          </span>
        </li>
      ))}
    </ul>
  )
}

export const Story = ({ trace }: { readonly trace: Trace }) => {
  const notes = trace.decisions.find(({ event_id }) => event_id === rootOf(trace)?.event_id)?.notes ?? []
  const isBad = trace.outcome === "unknown" || trace.outcome === "failed"
  return (
    <Card
      title="What happened"
      tone={isBad ? "bad" : trace.outcome === "waiting" ? "warn" : "plain"}
      actions={
        <>
          {trace.outcome !== undefined && <StatusBadge status={trace.outcome} />}
          {!trace.settled && <Badge tone="busy">still going on</Badge>}
        </>
      }
    >
      <Waiting trace={trace} />
      <ul className="trace-story">
        {storyOf(trace).map((sentence, index) => <Said key={index} sentence={sentence} />)}
      </ul>
      {notes.length > 0 && (
        <details>
          <summary>Why it went there</summary>
          <ul className="entry-more">
            {notes.map((note, index) => (
              <li key={index}>
                <Words text={note} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </Card>
  )
}
