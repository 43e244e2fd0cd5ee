/** A task of one call, or of steps as JSON. What the host finds wrong with it is said in its own words. */
import { useNavigate } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import type { TaskWithSteps } from "syris/records"
import { post } from "../../api/client.ts"
import { useTools } from "../../api/queries.ts"
import { useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Field, JsonField } from "../../parts/Field.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { readJson } from "../../parts/readJson.ts"
import { short, Words } from "../../parts/Words.tsx"
import { labelsFrom } from "./taskWords.ts"

const example = `[
  {"name": "first", "tool": "…", "input": {}},
  [{"name": "here", "tool": "…", "input": {}},
   {"name": "there", "tool": "…", "input": {}}],
  {"name": "settle", "kind": "wait", "input": {"delay_ms": 60000}}
]`

export const NewTask = ({ onClose }: { readonly onClose: () => void }) => {
  const navigate = useNavigate()
  const tools = useTools()
  const [of, setOf] = useState<"call" | "steps">("call")
  const [name, setName] = useState("")
  const [labels, setLabels] = useState("")
  const [tool, setTool] = useState("")
  const [input, setInput] = useState("{}")
  const [steps, setSteps] = useState("")
  const make = useAction({
    run: (body: unknown) => post<TaskWithSteps>("/tasks", body),
    touches: ["tasks", "state"],
    done: "The task is made.",
    tellsRefusal: false,
    onDone: ({ task_id }) => void navigate({ to: "/tasks/$id", params: { id: task_id } })
  })
  const chosen = tools.data?.items.find((one) => one.name === tool)
  const read = of === "call" ? readJson(input) : readJson(steps, [])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!read.ok) return
    const made = labelsFrom(labels)
    make.mutate({
      steps: of === "call" ? [{ name: name.trim() === "" ? tool : name.trim(), tool, input: read.value }] : read.value,
      ...(name.trim() === "" ? {} : { name: name.trim() }),
      ...(made.length === 0 ? {} : { labels: made })
    })
  }
  return (
    <Dialog title="Make a task" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <p className="faint">
          It begins at once and is judged like everything else: what is too risky for the autonomy level waits for your
          yes first.
        </p>
        <fieldset className="choices">
          <legend>What it does</legend>
          <label>
            <input type="radio" name="of" checked={of === "call"} onChange={() => setOf("call")} /> One call of a tool
          </label>
          <label>
            <input type="radio" name="of" checked={of === "steps"} onChange={() => setOf("steps")} />{" "}
            Several steps, as JSON
          </label>
        </fieldset>
        {of === "call"
          ? (
            <>
              <Field label="Tool" hint={chosen === undefined ? undefined : <Words text={chosen.description} />}>
                {(parts) => (
                  <select {...parts} required value={tool} onChange={(event) => setTool(event.target.value)}>
                    <option value="">Choose one …</option>
                    {tools.data?.items.map((one) => <option key={one.name} value={one.name}>{short(one.name)}</option>)}
                  </select>
                )}
              </Field>
              <Refusal error={tools.error} />
              {chosen !== undefined && (
                <OpenedJson label="What its input may be (JSON Schema)" value={chosen.input_schema} />
              )}
              <JsonField label="Input" hint="JSON, as the tool takes it." value={input} onChange={setInput} rows={4} />
            </>
          )
          : (
            <JsonField
              label="Steps"
              hint={
                <>
                  One after the other; those of a list in the list run at the same time. Such as:{" "}
                  <code className="steps-example">{example}</code>
                </>
              }
              value={steps}
              onChange={setSteps}
              rows={10}
            />
          )}
        <Field label="Name" hint="What you call it. Without one it is called after its step or its first label.">
          {(parts) => (
            <input
              {...parts}
              value={name}
              maxLength={200}
              autoComplete="off"
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Labels" hint="Words to find it by, with commas between them.">
          {(parts) => (
            <input
              {...parts}
              value={labels}
              autoComplete="off"
              onChange={(event) => setLabels(event.target.value)}
            />
          )}
        </Field>
        <Refusal error={make.error} />
        <div className="actions">
          <button
            type="submit"
            className="button button-main"
            disabled={!read.ok || make.isPending}
            aria-busy={make.isPending}
          >
            Make it
          </button>
        </div>
      </form>
    </Dialog>
  )
}
