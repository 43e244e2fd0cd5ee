/** What a task waits for, in words, with the way to where it can be answered. */
import { Link } from "@tanstack/react-router"
import type { Task } from "syris/records"
import { useApprovals } from "../../api/queries.ts"
import { Relative } from "../../parts/Time.tsx"
import { waitOf } from "../../parts/waits.ts"

export const WaitsFor = ({ task }: { readonly task: Task }) => {
  const wait = waitOf(task)
  if (wait === undefined) return <span className="faint">for nothing</span>
  const { next_wake_at } = task
  return (
    <span>
      {wait.to === "approval"
        ? <ForApproval task={task} words={wait.words} />
        : wait.to === "chat"
        ? <Link to="/chat">{wait.words}</Link>
        : wait.to === "trace"
        ? <Link to="/trace/$traceId" params={{ traceId: task.trace_id }}>{wait.words}</Link>
        : wait.to === "jobs"
        ? <Link to="/jobs">{wait.words}</Link>
        : wait.words}
      {wait.at === "next" && next_wake_at !== undefined && (
        <>
          , <Relative at={next_wake_at} />
        </>
      )}
      {wait.at === "end" && next_wake_at !== undefined && (
        <>
          ; the question ends <Relative at={next_wake_at} />
        </>
      )}
    </span>
  )
}

/** All tasks of a screen look it up in one answer. */
const ForApproval = ({ task, words }: { readonly task: Task; readonly words: string }) => {
  const { items } = useApprovals({ status: "pending" })
  const found = items.find(({ task_id }) => task_id === task.task_id)
  return found === undefined
    ? <Link to="/approvals">{words}</Link>
    : <Link to="/approvals/$id" params={{ id: found.approval_id }}>{`${words}: approval ${found.number}`}</Link>
}
