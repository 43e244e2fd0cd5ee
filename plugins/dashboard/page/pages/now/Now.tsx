/** One glance: is it well, what does it want from me, what is it doing. On a phone in this order. */
import { Link } from "@tanstack/react-router"
import type { Integration, Job, PluginRecord, Schedule, ToolCall, WatcherState } from "syris/records"
import {
  type PageOf,
  useAlarms,
  useAnswer,
  useApprovals,
  useHealth,
  useList,
  useQuestions,
  useSystemState,
  useTasks
} from "../../api/queries.ts"
import { useConnection } from "../../live/Live.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Page } from "../../parts/Page.tsx"
import { Relative, useZone } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { type Ailment, ailmentsOf } from "./ailments.ts"
import { Alarms } from "./Alarms.tsx"
import { Doing, dueOf, Next } from "./Doing.tsx"
import { Feed } from "./Feed.tsx"
import { HostFacts } from "./HostFacts.tsx"
import "./now.css"
import { PauseButton } from "./Pause.tsx"
import { doingOf, sentenceOf } from "./sentence.ts"
import { Standing } from "./Standing.tsx"
import { ApprovalsWaiting, CallsToSettle, QuestionsWaiting } from "./Wants.tsx"

/** What is known of the parts that are not well; asked for only where some are. */
const useAilments = (
  names: ReadonlyArray<string>,
  alarms: ReturnType<typeof useAlarms>["items"]
): ReadonlyArray<Ailment> => {
  const any = names.length > 0
  const integrations = useAnswer<PageOf<Integration>>(["integrations"], any ? "/integrations" : null)
  const watchers = useAnswer<PageOf<WatcherState>>(["watchers", "all"], any ? "/watchers" : null, { limit: 500 })
  const plugins = useAnswer<PageOf<PluginRecord>>(["plugins"], any ? "/plugins" : null)
  return ailmentsOf(names, {
    alarms,
    integrations: integrations.data?.items ?? [],
    watchers: watchers.data?.items ?? [],
    plugins: plugins.data?.items ?? []
  })
}

export const Now = () => {
  const zone = useZone()
  const connection = useConnection()
  const health = useHealth()
  const state = useSystemState()
  const approvals = useApprovals({ status: "pending" })
  const questions = useQuestions()
  const open = useAlarms({ status: "open" })
  const acked = useAlarms({ status: "acked" })
  const calls = useList<ToolCall>(["tool-calls"], "/tool-calls", { status: "unknown" })
  const tasks = useTasks({ status: "open" })
  const jobs = useList<Job>(["jobs"], "/jobs", { status: "open" })
  const schedules = useList<Schedule>(["schedules"], "/schedules", {}, 500)
  const alarms = [...open.items, ...acked.items]
  const ailments = useAilments(health.data?.degraded ?? [], alarms)
  const due = dueOf(schedules.items)
  const asked = questions.data?.items ?? []
  const approvalCount = state.data?.counts.approvals ?? approvals.items.length

  if (health.data === undefined || state.data === undefined) {
    return (
      <Page title="Now">
        <Refusal error={health.error ?? state.error} />
        {health.error === null && state.error === null && <p className="faint" aria-busy="true">Asking the host …</p>}
      </Page>
    )
  }

  const since = (at: string | undefined) =>
    at === undefined ? "" : ` since ${zone.time.format(new Date(at)).slice(0, 5)}`
  const sentence = sentenceOf({
    status: health.data.status,
    ailing: ailments.map((one) => one.clause + since(one.since)),
    paused: state.data.paused,
    approvals: approvalCount,
    questions: asked.length,
    calls: calls.items.length,
    alarms: open.items.filter(({ type }) => !ailments.some(({ alarm }) => alarm === type)).length,
    namesAlarm: ailments.some(({ alarm }) => alarm !== undefined),
    connected: connection.is !== "lost"
  })
  const running = tasks.items.filter(({ status }) => status === "running").length
  const running_jobs = jobs.items.filter(({ status }) => status === "running").length
  const { tasks: taskCount } = state.data.counts
  const [next] = due
  return (
    <Page title="Now" actions={<PauseButton state={state.data} />}>
      <div className={`now-sentence now-${sentence.tone}`}>
        <p role="status">{sentence.text}</p>
        <p className="now-doing">
          {doingOf({
            running,
            waiting: Math.max(0, Math.max(taskCount, tasks.items.length) - running),
            jobs: running_jobs
          })}
          {next !== undefined && (
            <>
              {" "}Next: <Link to="/schedules/$id" params={{ id: next.schedule_id }}>{short(next.name, 60)}</Link>{" "}
              <Relative at={next.next_run_at} />.
            </>
          )}
        </p>
      </div>
      <div className="now">
        <div className="now-wants stack">
          {calls.items.length > 0 && <CallsToSettle calls={calls.items} isMore={calls.isMore} />}
          {approvals.items.length > 0 && approvalCount > 0 && (
            <ApprovalsWaiting approvals={approvals.items} count={approvalCount} />
          )}
          {asked.length > 0 && <QuestionsWaiting questions={asked} />}
          {alarms.length > 0 && <Alarms alarms={alarms} count={state.data.counts.alarms} />}
          <Refusal error={approvals.error ?? open.error ?? calls.error ?? questions.error} />
        </div>
        <div className="now-doing-now stack">
          <Doing tasks={tasks} jobs={jobs} taskCount={taskCount} jobCount={state.data.counts.jobs} />
          <Refusal error={tasks.error ?? jobs.error} />
        </div>
        <div className="now-side stack">
          <Standing state={state.data} health={health.data} ailments={ailments} />
          <Next due={due} isPending={schedules.isPending} paused={state.data.paused} />
        </div>
        <div className="now-live">
          <Feed />
        </div>
        <div className="now-host">
          <HostFacts state={state.data} health={health.data} />
        </div>
      </div>
    </Page>
  )
}
