/** Jobs: long work apart from the host. The open ones, live, then those that have ended. `#job_id` shows one of them first. */
import { useRouterState } from "@tanstack/react-router"
import { type ReactNode, useState } from "react"
import type { Job, JobStatus } from "syris/records"
import { useAnswer, useList, useTools } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Field } from "../../parts/Field.tsx"
import { Card, Nothing, Page } from "../../parts/Page.tsx"
import { More } from "../../parts/Table.tsx"
import { short } from "../../parts/Words.tsx"
import { isOver, kindOfTool, statusInWords } from "./jobWords.ts"
import { NewJob } from "./NewJob.tsx"
import { OneJob } from "./OneJob.tsx"
import "./jobs.css"

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const useJobs = (query: { readonly status?: string; readonly kind: string }) => useList<Job>(["jobs"], "/jobs", query)

export const Jobs = () => {
  const hash = useRouterState({ select: ({ location }) => location.hash })
  const [starting, setStarting] = useState(false)
  const [status, setStatus] = useState<JobStatus | "">("")
  const [kind, setKind] = useState("")
  const tools = useTools()
  const kinds = tools.data?.items.flatMap(({ name }) => kindOfTool(name) ?? []) ?? []
  return (
    <Page title="Jobs" actions={<Button tone="main" onClick={() => setStarting(true)}>Start a job</Button>}>
      {starting && <NewJob onClose={() => setStarting(false)} />}
      <div className="filter-row" role="search" aria-label="Jobs">
        <Field label="Status">
          {(parts) => (
            <select
              {...parts}
              value={status}
              onChange={(event) => setStatus(event.target.value as JobStatus | "")}
            >
              <option value="">Any: open ones first</option>
              {Object.entries(statusInWords).map(([value, words]) => (
                <option key={value} value={value}>{`${value.replace("_", " ")}: ${words}`}</option>
              ))}
            </select>
          )}
        </Field>
        {kinds.length > 0 && (
          <Field label="Kind">
            {(parts) => (
              <select {...parts} value={kind} onChange={(event) => setKind(event.target.value)}>
                <option value="">Any</option>
                {kinds.map((one) => <option key={one} value={one}>{short(one)}</option>)}
              </select>
            )}
          </Field>
        )}
      </div>
      <div className="stack">
        {id.test(hash) && <Chosen key={hash} id={hash} />}
        {status === ""
          ? (
            <>
              <Open kind={kind} />
              <Ended kind={kind} />
            </>
          )
          : <OfStatus kind={kind} status={status} />}
      </div>
    </Page>
  )
}

const Chosen = ({ id }: { readonly id: string }) => {
  const job = useAnswer<Job>(["jobs", id], `/jobs/${encodeURIComponent(id)}`)
  return (
    <Card title="The job of this address">
      <Answered answer={job}>{(data) => <OneJob job={data} />}</Answered>
    </Card>
  )
}

const Open = ({ kind }: { readonly kind: string }) => {
  const list = useJobs({ status: "open", kind })
  return (
    <Listed title="Open" list={list} jobs={list.items}>
      No job is open. A job is started by a plugin's tools, by a task, or here with “Start a job”.
    </Listed>
  )
}

const Ended = ({ kind }: { readonly kind: string }) => {
  const list = useJobs({ kind })
  return (
    <Listed title="Ended" list={list} jobs={list.items.filter(({ status }) => isOver(status))}>
      {list.isMore ? "None of the newest jobs has ended yet." : "No job has ended yet."}
    </Listed>
  )
}

const OfStatus = ({ kind, status }: { readonly kind: string; readonly status: JobStatus }) => {
  const list = useJobs({ status, kind })
  return (
    <Listed title={`Those of which each ${statusInWords[status]}`} list={list} jobs={list.items}>
      There is none now.
    </Listed>
  )
}

interface ListedProps {
  readonly title: string
  readonly list: ReturnType<typeof useJobs>
  readonly jobs: ReadonlyArray<Job>
  readonly children: ReactNode
}

const Listed = ({ children, jobs, list, title }: ListedProps) => (
  <Card title={title}>
    <Answered answer={list}>
      {() =>
        jobs.length === 0 ? <Nothing>{children}</Nothing> : (
          <ul className="jobs">
            {jobs.map((job) => (
              <li key={job.job_id}>
                <OneJob job={job} />
              </li>
            ))}
          </ul>
        )}
    </Answered>
    <More list={list} />
  </Card>
)
