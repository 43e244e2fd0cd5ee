/** The whole way of one event: what happened in a few sentences, along the time, by what led to what, and row by row. */
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router"
import { useMemo } from "react"
import type { Artifact, CompletionRecord, Trace } from "syris/records"
import { addressOf, Problem } from "../../api/client.ts"
import { useAnswer, useEvent, useTrace } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { TrustBadge } from "../../parts/Badge.tsx"
import { Card, Nothing, Page } from "../../parts/Page.tsx"
import { Tabs } from "../../parts/Tabs.tsx"
import { short } from "../../parts/Words.tsx"
import { counted } from "../../parts/counted.ts"
import { AuditRows } from "./AuditRows.tsx"
import { entriesOf } from "./entries.ts"
import { Story } from "./Story.tsx"
import { subjectOf } from "./story.ts"
import "./trace.css"
import { Tree } from "./Tree.tsx"
import { Waterfall } from "./Waterfall.tsx"

/** Questions to models that are read with a trace: each has all that was sent. */
const mostQuestions = 100

export const TracePage = () => {
  const { traceId } = useParams({ from: "/trace/$traceId" })
  const trace = useTrace(traceId)
  const isNone = trace.error instanceof Problem && (trace.error.status === 404 || trace.error.status === 400)
  if (isNone && trace.data === undefined) return <NoTrace id={traceId} />
  const title = trace.data === undefined ? "Trace" : `Trace: ${short(subjectOf(trace.data), 60)}`
  return (
    <Page
      title={title}
      actions={trace.data !== undefined && (
        <a
          className="button"
          href={addressOf(`/traces/${encodeURIComponent(traceId)}`)}
          download={`trace-${traceId}.json`}
        >
          Save the trace
        </a>
      )}
    >
      <Answered answer={trace}>{(found) => <Whole trace={found} />}</Answered>
    </Page>
  )
}

/** Perhaps it is the id of an event. */
const NoTrace = ({ id }: { readonly id: string }) => {
  const event = useEvent(/^[0-9a-f-]{36}$/i.test(id) ? id : "")
  return (
    <Page title="Trace">
      <p>
        No trace has the id <bdi>{short(id, 100)}</bdi>.
      </p>
      {event.data === undefined
        ? (
          <p>
            What happened lately is in <Link to="/activity">Activity</Link>; each row there leads to its trace.
          </p>
        )
        : (
          <p>
            It is the id of an event:{" "}
            <Link to="/trace/$traceId" params={{ traceId: event.data.correlation.trace_id }}>go to its trace</Link>.
          </p>
        )}
    </Page>
  )
}

const views = [["waterfall", "Along the time"], ["tree", "What led to what"]] as const

const Whole = ({ trace }: { readonly trace: Trace }) => {
  const { view = "waterfall" } = useSearch({ from: "/trace/$traceId" })
  const navigate = useNavigate({ from: "/trace/$traceId" })
  const isAsked = (trace.costs?.questions ?? 0) > 0
  const questions = useAnswer<{ readonly completions: ReadonlyArray<CompletionRecord>; readonly next_cursor?: string }>(
    ["trace", trace.trace_id, "questions"],
    isAsked ? "/llm/context" : null,
    { trace_id: trace.trace_id, limit: mostQuestions }
  )
  const entries = useMemo(() => entriesOf(trace, questions.data?.completions), [trace, questions.data])
  return (
    <div className="stack">
      <Story trace={trace} />
      {trace.truncated !== undefined && (
        <p className="trace-cut" role="status">
          Not all {trace.truncated.join(" and ")} are shown: there are too many for one answer.{" "}
          <a href={addressOf("/export", { trace_id: trace.trace_id })} download>Save all of it as JSON lines</a>.
        </p>
      )}
      {questions.data?.next_cursor !== undefined && (
        <p className="faint">Of the questions to models the first {mostQuestions} are shown.</p>
      )}
      <Card title="The way of it">
        <Tabs
          label="Views of the trace"
          views={views}
          chosen={view}
          onChoose={(chosen) =>
            void navigate({
              search: { view: chosen === "tree" ? chosen : undefined },
              hash: true,
              replace: true,
              resetScroll: false
            })}
        >
          {entries.length === 0
            ? <Nothing>Nothing but the rows below is recorded of this trace.</Nothing>
            : view === "tree"
            ? <Tree entries={entries} />
            : <Waterfall entries={entries} />}
        </Tabs>
      </Card>
      <Artifacts traceId={trace.trace_id} />
      <Card title={`The audit, ${counted(trace.audit.length, "row")}`}>
        <AuditRows rows={trace.audit} />
      </Card>
    </div>
  )
}

const sizeOf = (bytes: number): string =>
  bytes < 1_024
    ? `${bytes} bytes`
    : bytes < 1_048_576
    ? `${(bytes / 1_024).toFixed(1)} kB`
    : `${(bytes / 1_048_576).toFixed(1)} MB`

/** Files that calls gave back, to be saved: they are never shown here, whatever they say that they are. */
const Artifacts = ({ traceId }: { readonly traceId: string }) => {
  const { data } = useAnswer<{ readonly items: ReadonlyArray<Artifact> }>(
    ["trace", traceId, "artifacts"],
    "/artifacts",
    {
      trace_id: traceId
    }
  )
  if (data === undefined || data.items.length === 0) return null
  return (
    <Card title="Files that it gave back">
      <ul className="trace-files">
        {data.items.map(({ artifact_id, bytes, labels, media_type, name }) => (
          <li key={artifact_id}>
            <a href={`/artifacts/${encodeURIComponent(artifact_id)}`} download>
              <bdi>{short(name, 120)}</bdi>
            </a>{" "}
            <span className="faint">{short(media_type, 60)}, {sizeOf(bytes)}</span> <TrustBadge trust={labels.trust} />
          </li>
        ))}
      </ul>
    </Card>
  )
}
