/** One job: how far it is, what became of it, its log, and the way to stop it. */
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type { Job } from "syris/records"
import { addressOf, post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { StatusBadge } from "../../parts/Badge.tsx"
import { Confirm, NoteField, noted } from "../../parts/Confirm.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { inWords, Relative, Time, useNow } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { ErrorWords } from "../../parts/ErrorWords.tsx"
import {
  attemptsInWords,
  isOver,
  limitsInWords,
  progressOf,
  runtimesInWords,
  statusInWords,
  tookMs
} from "./jobWords.ts"

export const OneJob = ({ job }: { readonly job: Job }) => {
  const [asks, setAsks] = useState(false)
  const progress = progressOf(job)
  const name = short(job.kind)
  return (
    <article className="job" aria-label={`Job ${name}, ${statusInWords[job.status]}`}>
      <header className="card-header">
        <h3 className="job-name">
          <Link to="/jobs" hash={job.job_id} aria-label={`The address of this job ${name}`}>
            <bdi>{name}</bdi>
          </Link>
          <StatusBadge status={job.status} />
        </h3>
        <div className="actions">
          {job.log_artifact_id !== undefined && (
            <a
              href={addressOf(`/artifacts/${encodeURIComponent(job.log_artifact_id)}`)}
              download
              aria-label={`The log of ${name}`}
            >
              Log
            </a>
          )}
          <Link to="/trace/$traceId" params={{ traceId: job.trace_id }} aria-label={`The trace of ${name}`}>Trace</Link>
          {!isOver(job.status) && (
            <Button tone="bad" label={`Cancel ${name}`} onClick={() => setAsks(true)}>Cancel</Button>
          )}
        </div>
      </header>
      {progress !== undefined && (
        <p className="job-progress">
          {(progress.percent !== undefined || job.status === "running") && (
            <progress
              aria-label={`Progress of ${name}`}
              max={100}
              {...(progress.percent === undefined ? {} : { value: progress.percent })}
            />
          )}
          <Words text={progress.words} most={200} />
        </p>
      )}
      {job.error !== undefined && <ErrorWords error={job.error} />}
      {job.cancel_reason !== undefined && (
        <p className="faint">
          Canceled because: <Words text={job.cancel_reason} />
        </p>
      )}
      <p className="fact-line">
        {!isOver(job.status) && job.status !== "running" && <span>{statusInWords[job.status]}</span>}
        {job.next_attempt_at !== undefined && (
          <span>
            next attempt <Relative at={job.next_attempt_at} />
          </span>
        )}
        <span>{runtimesInWords[job.runtime]}</span>
        <span>
          of the plugin <bdi>{short(job.plugin)}</bdi>
        </span>
        <span>attempt {attemptsInWords(job)}</span>
        <span>{limitsInWords(job.limits)}</span>
        <span>
          asked for <Time at={job.created_at} />
        </span>
        {job.started_at !== undefined && <Ran job={job} from={job.started_at} />}
      </p>
      <OpenedJson label="Input" value={job.input} />
      <OpenedJson label="Output" value={job.output} />
      <OpenedJson label="Details of the error" value={job.error?.details} />
      {asks && <CancelJob job={job} onClose={() => setAsks(false)} />}
    </article>
  )
}

const Ran = ({ from, job }: { readonly job: Job; readonly from: string }) => (
  <span>
    {job.ended_at === undefined
      ? (
        <>
          runs since <Time at={from} />, <Running job={job} /> so far
        </>
      )
      : (
        <>
          ran until <Time at={job.ended_at} />, for {inWords(tookMs(job, 0) ?? 0)}
        </>
      )}
  </span>
)

const Running = ({ job }: { readonly job: Job }) => <>{inWords(tookMs(job, useNow()) ?? 0)}</>

const CancelJob = ({ job, onClose }: { readonly job: Job; readonly onClose: () => void }) => {
  const [reason, setReason] = useState("")
  const cancel = useAction({
    run: () => post<Job>(`/jobs/${encodeURIComponent(job.job_id)}/cancel`, noted("reason", reason)),
    touches: ["jobs", "state"],
    done: ({ status }) =>
      status === "canceled" ? "The job is canceled." : "The job is told to stop; it is ended within seconds.",
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title="Cancel this job?"
      tone="bad"
      yes="Cancel the job"
      no="Leave it running"
      act={cancel}
      onYes={() => cancel.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        <strong>
          <bdi>{short(job.kind)}</bdi>
        </strong>{" "}
        {job.status === "running"
          ? "is told to stop and ended two seconds later. What it has already done stays done; the rest is not done."
          : "is never run."} This can't be taken back.
      </p>
      <NoteField label="Reason" hint="Kept with the job. It may stay empty." value={reason} onChange={setReason} />
    </Confirm>
  )
}
