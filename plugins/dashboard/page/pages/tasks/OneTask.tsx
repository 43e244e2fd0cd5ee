/** One task: where it stands, what it was given, and its steps. */
import { getRouteApi, Link } from "@tanstack/react-router"
import type { TaskWithSteps } from "syris/records"
import { useTask } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { StatusBadge } from "../../parts/Badge.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { Card, Facts, Page } from "../../parts/Page.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { ErrorWords } from "../../parts/ErrorWords.tsx"
import { waitOf } from "../../parts/waits.ts"
import { Steps } from "./Steps.tsx"
import { TaskActions } from "./TaskActions.tsx"
import { kinds, labelsOf } from "./taskWords.ts"
import { WaitsFor } from "./WaitsFor.tsx"
import "./tasks.css"

const route = getRouteApi("/tasks/$id")

export const OneTask = () => {
  const { id } = route.useParams()
  const task = useTask(id)
  return (
    <Page title={task.data === undefined ? "Task" : `Task ${short(task.data.name)}`}>
      <p>
        <Link to="/tasks">All tasks</Link>
      </p>
      <Answered answer={task}>{(data) => <Shown task={data} />}</Answered>
    </Page>
  )
}

const Shown = ({ task }: { readonly task: TaskWithSteps }) => {
  const labels = labelsOf(task)
  return (
    <div className="stack">
      <Card
        title="Where it stands"
        tone={task.status === "failed"
          ? "bad"
          : task.status === "waiting" && task.waits_for !== "time" && task.waits_for !== "job"
          ? "warn"
          : "plain"}
        actions={<TaskActions task={task} />}
      >
        {task.error !== undefined && <ErrorWords error={task.error} />}
        <Facts
          of={[
            ["Status", <StatusBadge key="status" status={task.status} />],
            ["Waits", waitOf(task) === undefined ? undefined : <WaitsFor key="waits" task={task} />],
            [
              "Canceled because",
              task.cancel_reason === undefined ? undefined : <Words key="why" text={task.cancel_reason} />
            ],
            ["Kind", kinds[task.kind]],
            [
              "Defined by",
              task.definition === undefined ? undefined : <code key="by">{short(task.definition, 200)}</code>
            ],
            [
              "Labels",
              labels.length === 0 ? undefined : (
                <span key="labels" className="tags">
                  {labels.map((label) => (
                    <span key={label} className="tag">
                      <bdi>{short(label)}</bdi>
                    </span>
                  ))}
                </span>
              )
            ],
            ["Priority", `${task.priority} of 9, the highest first`],
            ["Autonomy when it began", task.autonomy_at_start],
            [
              "Made",
              <span key="made">
                <Time at={task.created_at} /> (<Relative at={task.created_at} />)
              </span>
            ],
            [
              "Last change",
              <span key="changed">
                <Time at={task.updated_at} /> (<Relative at={task.updated_at} />)
              </span>
            ],
            [
              "Trace",
              <Link key="trace" to="/trace/$traceId" params={{ traceId: task.trace_id }}>
                What led to it, and all that it did
              </Link>
            ]
          ]}
        />
        <OpenedJson label="Input" value={task.input} />
        <OpenedJson label="Output" value={task.output} />
        <OpenedJson label="Details of the error" value={task.error?.details} />
      </Card>
      <Card title="Steps">
        <Steps task={task} />
      </Card>
    </div>
  )
}
