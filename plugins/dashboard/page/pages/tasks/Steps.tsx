/** The steps of a task in their order; those that run at the same time stand together. */
import { Link } from "@tanstack/react-router"
import type { Step, TaskWithSteps } from "syris/records"
import { Badge, StatusBadge } from "../../parts/Badge.tsx"
import { Nothing } from "../../parts/Page.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { ErrorWords } from "../../parts/ErrorWords.tsx"
import { attemptInWords, stagesOf, stepKinds } from "./taskWords.ts"

export const Steps = ({ task }: { readonly task: TaskWithSteps }) => {
  if (task.steps.length === 0) return <Nothing>It has no step yet: they are made as it goes.</Nothing>
  return (
    <ol className="stages">
      {stagesOf(task.steps).map(({ stage, steps }) => (
        <li key={stage} className="stage">
          {steps.length > 1 && <p className="stage-words">{steps.length} steps at the same time</p>}
          <ol className="stage-steps" aria-label={steps.length > 1 ? "At the same time" : undefined}>
            {steps.map((step) => <OneStep key={step.step_id} step={step} task={task} />)}
          </ol>
        </li>
      ))}
    </ol>
  )
}

const OneStep = ({ step, task }: { readonly step: Step; readonly task: TaskWithSteps }) => {
  const attempt = attemptInWords(step)
  const isOpen = step.status === "pending" || step.status === "waiting" || step.status === "running"
  return (
    <li className="step">
      <div className="step-head">
        <strong>
          <span className="faint">{step.position + 1}.</span> <bdi>{short(step.name)}</bdi>
        </strong>
        <StatusBadge status={step.status} />
        {step.kind !== "tool" && <Badge>{stepKinds[step.kind]}</Badge>}
      </div>
      <div className="fact-line">
        {step.tool !== undefined && (
          <code>
            <bdi>{short(step.tool, 100)}</bdi>
          </code>
        )}
        {attempt !== undefined && <span>{attempt}</span>}
        {step.ended_at !== undefined
          ? (
            <span>
              ended <Time at={step.ended_at} />
            </span>
          )
          : step.started_at !== undefined && (
            <span>
              began <Time at={step.started_at} />
            </span>
          )}
        {isOpen && step.wake_at !== undefined && (
          <span>
            {step.kind === "wait" ? "over" : "next"} <Relative at={step.wake_at} />
          </span>
        )}
        {step.tool_call_id !== undefined && (
          <Link
            to="/trace/$traceId"
            params={{ traceId: task.trace_id }}
            hash={step.tool_call_id}
            aria-label={`Its call, of ${short(step.name)}, in the trace`}
          >
            Its call
          </Link>
        )}
      </div>
      {step.error !== undefined && <ErrorWords error={step.error} />}
      <OpenedJson label="Input" value={step.input} />
      <OpenedJson label="Output" value={step.output} />
      <OpenedJson label="Details of the error" value={step.error?.details} />
      <OpenedJson label="Checkpoint: where it goes on after a crash" value={step.checkpoint} />
    </li>
  )
}
