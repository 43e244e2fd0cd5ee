/** What is being worked on: tasks and jobs that have not ended, and what comes next by the clock. */
import { Link } from "@tanstack/react-router"
import type { Job, ListedTask, Schedule } from "syris/records"
import { StatusBadge } from "../../parts/Badge.tsx"
import { Bar } from "../../parts/Bar.tsx"
import { Card, Nothing } from "../../parts/Page.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { counted } from "../../parts/counted.ts"
import { waitOf } from "../../parts/waits.ts"

const first = 8

/** What runs before what waits. */
const order = ["running", "waiting", "queued", "paused", "pending"]
const byOrder = <A extends { readonly status: string }>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  all.toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status))

interface OpenList<A> {
  readonly items: ReadonlyArray<A>
  readonly isPending: boolean
}

export const Doing = (
  { jobCount, jobs, taskCount, tasks }: {
    readonly tasks: OpenList<ListedTask>
    readonly jobs: OpenList<Job>
    readonly taskCount: number
    readonly jobCount: number
  }
) => (
  <Card title="Doing">
    {tasks.items.length + jobs.items.length === 0
      ? (
        <Nothing>
          {tasks.isPending || jobs.isPending
            ? "Asking the host …"
            : "Nothing is being done. A message, a schedule or a rule starts something; it shows here until it has ended."}
        </Nothing>
      )
      : (
        <ul className="now-list">
          {byOrder(tasks.items).slice(0, first).map((one) => <TaskItem key={one.task_id} task={one} />)}
          {byOrder(jobs.items).slice(0, first).map((one) => <JobItem key={one.job_id} job={one} />)}
        </ul>
      )}
    {taskCount > first && <Link to="/tasks">All {counted(taskCount, "open task")}</Link>}{" "}
    {jobCount > first && <Link to="/jobs">All {counted(jobCount, "open job")}</Link>}
  </Card>
)

const TaskItem = ({ task }: { readonly task: ListedTask }) => {
  const { done, step, steps } = task.progress
  const name = short(task.name, 80)
  const wait = waitOf(task)
  return (
    <li>
      <span className="now-line">
        <Link to="/tasks/$id" params={{ id: task.task_id }}>{name}</Link>
        <StatusBadge status={task.status} />
        <span className="faint now-end">
          {wait !== undefined && `waits ${wait.words}`}
          {task.next_wake_at !== undefined && (
            <>
              , <Relative at={task.next_wake_at} />
            </>
          )}
        </span>
      </span>
      {/* A model adds steps as it goes, so of its tasks nobody knows how far they are. */}
      {task.kind === "steps" && steps > 0
        ? (
          <Bar
            label={`Progress of the task ${name}`}
            part={done / steps}
            words={`${done} of ${counted(steps, "step")}`}
          />
        )
        : steps > 0 && <span className="faint">{counted(done, "step")} done</span>}
      {step !== undefined && <span className="faint">Step: {short(step, 100)}</span>}
    </li>
  )
}

const JobItem = ({ job }: { readonly job: Job }) => {
  const name = short(job.kind, 80)
  const { message, percent } = job.progress
  return (
    <li>
      <span className="now-line">
        <Link to="/jobs" hash={job.job_id}>Job {name}</Link>
        <StatusBadge status={job.status} />
        <span className="faint now-end">
          {job.status === "running" && job.started_at !== undefined && (
            <>
              begun <Relative at={job.started_at} />
            </>
          )}
          {job.status === "waiting" && job.next_attempt_at !== undefined && (
            <>
              tries again <Relative at={job.next_attempt_at} />
            </>
          )}
        </span>
      </span>
      {percent !== undefined && (
        <Bar label={`Progress of the job ${name}`} part={percent / 100} words={`${Math.round(percent)} %`} />
      )}
      {message !== undefined && (
        <span className="faint">
          <Words text={message} most={160} />
        </span>
      )}
    </li>
  )
}

const isDue = (one: Schedule): one is Schedule & { readonly next_run_at: string } =>
  one.enabled && one.next_run_at !== undefined

/** The first that is due on top. */
export const dueOf = (schedules: ReadonlyArray<Schedule>): ReadonlyArray<Schedule & { readonly next_run_at: string }> =>
  schedules.filter(isDue).sort((a, b) => a.next_run_at.localeCompare(b.next_run_at))

export const Next = (
  { due, isPending, paused }: {
    readonly due: ReturnType<typeof dueOf>
    readonly isPending: boolean
    readonly paused: boolean
  }
) => (
  <Card title="Next">
    {due.length === 0
      ? (
        <Nothing>
          {isPending
            ? "Asking the host …"
            : "Nothing is planned. Say “set a timer for 5 minutes” in the chat, or make a schedule."}
        </Nothing>
      )
      : (
        <>
          {paused && <p className="now-note">While it is paused, none of these begins.</p>}
          <ul className="now-list">
            {due.slice(0, 6).map((one) => (
              <li key={one.schedule_id}>
                <Link to="/schedules/$id" params={{ id: one.schedule_id }}>{short(one.name, 80)}</Link>
                <span className="faint">
                  <Relative at={one.next_run_at} />, <Time at={one.next_run_at} />
                </span>
              </li>
            ))}
          </ul>
          {due.length > 6 && <Link to="/schedules">All {due.length} that are planned</Link>}
        </>
      )}
  </Card>
)
