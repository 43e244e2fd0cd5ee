/** A job to be started by hand: one of the kinds that plugins bring. Where it is asked about first, the question is shown. */
import { useNavigate } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import type { Approval, Job } from "syris/records"
import { post } from "../../api/client.ts"
import { useTools } from "../../api/queries.ts"
import { useAction } from "../../parts/Action.tsx"
import { Answered, Refusal } from "../../parts/Answer.tsx"
import { RiskBadge } from "../../parts/Badge.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Field, JsonField } from "../../parts/Field.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { Nothing } from "../../parts/Page.tsx"
import { readJson } from "../../parts/readJson.ts"
import { short, Words } from "../../parts/Words.tsx"
import { inputSchemaOf, kindOfTool } from "./jobWords.ts"

/** 201: the job; 202: it has not begun, and a question may say why. */
type Started = Job | { readonly trace_id: string; readonly approval?: Approval }

const told = (started: Started): string =>
  "job_id" in started
    ? "The job is started."
    : started.approval === undefined
    ? "The job is asked for and begins later: its trace tells what follows."
    : "You are asked first: nothing has run yet."

export const NewJob = ({ onClose }: { readonly onClose: () => void }) => {
  const navigate = useNavigate()
  const tools = useTools()
  const [kind, setKind] = useState("")
  const [input, setInput] = useState("{}")
  const start = useAction({
    run: (body: unknown) => post<Started>("/jobs", body),
    touches: ["jobs", "approvals", "state"],
    done: told,
    tellsRefusal: false,
    onDone: (started) => {
      onClose()
      if ("job_id" in started) void navigate({ to: "/jobs", hash: started.job_id })
      else if (started.approval !== undefined) {
        void navigate({ to: "/approvals/$id", params: { id: started.approval.approval_id } })
      } else void navigate({ to: "/trace/$traceId", params: { traceId: started.trace_id } })
    }
  })
  const read = readJson(input)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (read.ok) start.mutate({ kind, input: read.value })
  }
  return (
    <Dialog title="Start a job" onClose={onClose}>
      <Answered answer={tools}>
        {({ items }) => {
          const kinds = items.filter(({ name }) => kindOfTool(name) !== undefined)
          const chosen = kinds.find(({ name }) => kindOfTool(name) === kind)
          if (kinds.length === 0) {return (
              <Nothing>No plugin brings jobs. docs/jobs.md says how a plugin brings one.</Nothing>
            )}
          return (
            <form className="stack" onSubmit={submit}>
              <p className="faint">
                It is judged like everything else: what is too risky for the autonomy level waits for your yes first.
              </p>
              <Field label="Kind" hint={chosen === undefined ? undefined : <Words text={chosen.description} />}>
                {(parts) => (
                  <select {...parts} required value={kind} onChange={(event) => setKind(event.target.value)}>
                    <option value="">Choose one …</option>
                    {kinds.map(({ name }) => (
                      <option key={name} value={kindOfTool(name)}>{short(kindOfTool(name) ?? name)}</option>
                    ))}
                  </select>
                )}
              </Field>
              {chosen !== undefined && chosen.risk !== null && (
                <p>
                  <RiskBadge risk={chosen.risk} />
                </p>
              )}
              {chosen !== undefined && (
                <OpenedJson label="What its input may be (JSON Schema)" value={inputSchemaOf(chosen.input_schema)} />
              )}
              <JsonField label="Input" hint="JSON, as this kind takes it." value={input} onChange={setInput} />
              <Refusal error={start.error} />
              <div className="actions">
                <button
                  type="submit"
                  className="button button-main"
                  disabled={!read.ok || start.isPending}
                  aria-busy={start.isPending}
                >
                  Start it
                </button>
              </div>
            </form>
          )
        }}
      </Answered>
    </Dialog>
  )
}
