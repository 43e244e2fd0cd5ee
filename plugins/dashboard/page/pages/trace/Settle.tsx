/** The operator's word on a call of which nobody knows whether it was done. It says what each word causes, before it is said. */
import { useId, useState } from "react"
import type { ToolCall } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Confirm, NoteField, noted } from "../../parts/Confirm.tsx"
import { Facts } from "../../parts/Page.tsx"
import { Json, short, Words } from "../../parts/Words.tsx"

const outcomes = ["happened", "not_happened", "retry"] as const
type Outcome = (typeof outcomes)[number]

const again = ({ effect, guarantee }: ToolCall): string =>
  effect === "read" || guarantee === "transactional"
    ? "It is called again, which does no harm if it had been done."
    : guarantee === "native_key"
    ? "It is called again under the same key, by which the other side knows it: it is done once even if it had been done."
    : "It is called again with the same input. If it had been done after all, it may be done twice."

const causes = (call: ToolCall): Readonly<Record<Outcome, readonly [name: string, meaning: string]>> => ({
  happened: [
    "It happened",
    `It counts as done, without an output. ${
      call.task_id === undefined ? "What comes after it goes on." : "Its step has succeeded, and its task goes on."
    }`
  ],
  not_happened: [
    "It did not happen",
    `It counts as not done and is not repeated. ${
      call.task_id === undefined
        ? "Its event has failed."
        : "Its step has failed, and its task with it; the task can be retried then."
    }`
  ],
  retry: ["Do it again", again(call)]
})

const done: Readonly<Record<Outcome, string>> = {
  happened: "counts as done",
  not_happened: "counts as not done",
  retry: "will be done again"
}

/** The button, and the question that it opens. */
export const Settle = ({ call }: { readonly call: ToolCall }) => {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button onClick={() => setOpen(true)} label={`Settle ${short(call.tool)}`}>Settle</Button>
      {open && <SettleDialog call={call} onClose={() => setOpen(false)} />}
    </>
  )
}

const SettleDialog = ({ call, onClose }: { readonly call: ToolCall; readonly onClose: () => void }) => {
  const id = useId()
  const [outcome, setOutcome] = useState<Outcome>()
  const [note, setNote] = useState("")
  const words = causes(call)
  const settle = useAction({
    run: (given: Outcome) =>
      post(`/tool-calls/${encodeURIComponent(call.tool_call_id)}/settle`, {
        outcome: given,
        ...noted("note", note)
      }),
    touches: ["trace", "tool-calls", "tasks", "state"],
    done: (_, given) => `${short(call.tool)} ${done[given]}.`,
    onDone: onClose,
    tellsRefusal: false
  })
  return (
    <Confirm
      title={`What became of ${short(call.tool)}?`}
      tone="main"
      yes={outcome === undefined ? "Choose what became of it" : words[outcome][0]}
      no="Not now"
      act={settle}
      disabled={outcome === undefined}
      onYes={() => {
        if (outcome !== undefined) settle.mutate(outcome)
      }}
      onClose={onClose}
    >
      <p>
        Nobody knows whether it was done. Look there yourself, on the other side, then say it here: until then what
        depends on it waits.
      </p>
      <Facts
        of={[
          ["Input", <Json key="input" value={call.input} most={600} />],
          [
            "What is known",
            call.error === undefined ? undefined : <Words key="error" text={call.error.message} lines />
          ]
        ]}
      />
      <fieldset className="settle-words">
        <legend>What you say</legend>
        {outcomes.map((one) => (
          <label key={one} className="settle-word">
            <input type="radio" name={id} checked={outcome === one} onChange={() => setOutcome(one)} />
            <span>
              <strong>{words[one][0]}</strong>
              <br />
              <span className="faint">{words[one][1]}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <NoteField
        label="How you know it"
        hint="Kept with the call. It may stay empty."
        value={note}
        onChange={setNote}
      />
    </Confirm>
  )
}
