/**
 * Jobs: long work apart from the host. The open ones, live, then those that have ended. What is shown of them is in the
 * address, and its `#job_id` shows one of them first.
 */
import { useNavigate, useRouterState, useSearch } from "@tanstack/react-router"
import { type ReactNode, useState } from "react"
import type { Job } from "syris/records"
import { useAnswer, useList, useTools } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Field } from "../../parts/Field.tsx"
import { Card, Nothing, Page } from "../../parts/Page.tsx"
import { More } from "../../parts/Table.tsx"
import { short } from "../../parts/Words.tsx"
import type { JobsSearch } from "../../router.tsx"
import { kindOfTool, statusChoices, statusInWords } from "./jobWords.ts"
import { NewJob } from "./NewJob.tsx"
import { OneJob } from "./OneJob.tsx"
import "./jobs.css"

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const inWords: Readonly<Record<string, string>> = statusInWords

const useJobs = (query: { readonly status?: string; readonly kind: string }) => useList<Job>(["jobs"], "/jobs", query)

export const Jobs = () => {
  const hash = useRouterState({ select: ({ location }) => location.hash })
  const [starting, setStarting] = useState(false)
  const search = useSearch({ from: "/jobs" })
  const navigate = useNavigate({ from: "/jobs" })
  const { kind = "", status = "" } = search
  const show = (next: JobsSearch): void => {
    const wanted = Object.entries({ ...search, ...next }).filter(([, value]) => value !== undefined && value !== "")
    void navigate({ search: Object.fromEntries(wanted), hash: true, replace: true, resetScroll: false })
  }
  const tools = useTools()
  const kinds = tools.data?.items.flatMap(({ name }) => kindOfTool(name) ?? []) ?? []
  return (
    <Page title="Jobs" actions={<Button tone="main" onClick={() => setStarting(true)}>Start a job</Button>}>
      {starting && <NewJob onClose={() => setStarting(false)} />}
      <div className="filter-row" role="search" aria-label="Jobs">
        <Field label="Status">
          {(parts) => (
            <select {...parts} value={status} onChange={(event) => show({ status: event.target.value })}>
              <option value="">Any: open ones first</option>
              {Object.entries(statusChoices).map(([value, words]) => <option key={value} value={value}>{words}
              </option>)}
              {status !== "" && !Object.hasOwn(statusChoices, status) && <option value={status}>{short(status)}
              </option>}
            </select>
          )}
        </Field>
        {(kinds.length > 0 || kind !== "") && (
          <Field label="Kind">
            {(parts) => (
              <select {...parts} value={kind} onChange={(event) => show({ kind: event.target.value })}>
                <option value="">Any</option>
                {[...new Set([...kinds, ...(kind === "" ? [] : [kind])])].map((one) => (
                  <option key={one} value={one}>{short(one)}</option>
                ))}
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
          : <OfStatus key={status} kind={kind} status={status} />}
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
  const list = useJobs({ status: "ended", kind })
  return <Listed title="Ended" list={list} jobs={list.items}>No job has ended yet.</Listed>
}

const OfStatus = ({ kind, status }: { readonly kind: string; readonly status: string }) => {
  const list = useJobs({ status, kind })
  return (
    <Listed
      title={Object.hasOwn(inWords, status) ? `Those of which each ${inWords[status]}` : `Jobs: ${short(status)}`}
      list={list}
      jobs={list.items}
    >
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
