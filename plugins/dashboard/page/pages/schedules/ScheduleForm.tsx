/** A schedule to be made or changed: when in words, with the slots that this means, and what a slot does. */
import { useNavigate } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import type { QuietHoursRecord, Schedule } from "syris/records"
import { visible } from "syris/visible"
import { patch, post } from "../../api/client.ts"
import { useList } from "../../api/queries.ts"
import { useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Field, JsonField } from "../../parts/Field.tsx"
import { useZone } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { bodyOf, fieldsOf, newFields, patchOf, type RequestBody, type ScheduleFields } from "./scheduleFields.ts"
import { catchUps, overruns } from "./scheduleWords.ts"
import { WhenPreview } from "./WhenPreview.tsx"

export interface ScheduleFormProps {
  /** That is changed; without it one is made. */
  readonly before?: Schedule
  readonly onClose: () => void
}

export const ScheduleForm = ({ before, onClose }: ScheduleFormProps) => {
  const navigate = useNavigate()
  const { timezone } = useZone()
  const [fields, setFields] = useState<ScheduleFields>(() =>
    before === undefined ? newFields(timezone) : fieldsOf(before)
  )
  const [mistake, setMistake] = useState<string>()
  const set = (more: Partial<ScheduleFields>) => setFields((was) => ({ ...was, ...more }))
  const send = useAction({
    run: (body: RequestBody) =>
      before === undefined
        ? post<Schedule>("/schedules", body)
        : patch<Schedule>(`/schedules/${encodeURIComponent(before.schedule_id)}`, body),
    touches: ["schedules", "state"],
    done: ({ name }) => `The schedule ${short(name)} is ${before === undefined ? "made" : "changed"}.`,
    tellsRefusal: false,
    onDone: ({ schedule_id }) => {
      onClose()
      if (before === undefined) void navigate({ to: "/schedules/$id", params: { id: schedule_id } })
    }
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const read = before === undefined ? bodyOf(fields) : patchOf(fields, before)
    setMistake(read.ok ? undefined : read.mistake)
    if (!read.ok) return
    if (Object.keys(read.body).length === 0) onClose()
    else send.mutate(read.body)
  }
  return (
    <Dialog title={before === undefined ? "Make a schedule" : `Change ${short(before.name)}`} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <Field label="Name" hint="What you call it.">
          {(parts) => (
            <input
              {...parts}
              required
              maxLength={200}
              value={fields.name}
              autoComplete="off"
              onChange={(event) => set({ name: event.target.value })}
            />
          )}
        </Field>
        <Field
          label="When, in words"
          hint={before === undefined
            ? "Such as “every weekday at 7:30”, “in 20 minutes”, “the last day of every month at noon”, or a cron pattern."
            : `Stays as it is (${
              visible(before.spec)
            }) while this is empty. Slots that have come by then and did not run are left out.`}
        >
          {(parts) => (
            <input
              {...parts}
              required={before === undefined}
              maxLength={1000}
              value={fields.when}
              autoComplete="off"
              onChange={(event) => set({ when: event.target.value })}
            />
          )}
        </Field>
        <Field label="Time zone" hint="Whose clock is meant, such as Europe/Berlin.">
          {(parts) => (
            <input
              {...parts}
              required
              maxLength={200}
              value={fields.timezone}
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => set({ timezone: event.target.value })}
            />
          )}
        </Field>
        <WhenPreview when={fields.when} timezone={fields.timezone} />
        <What fields={fields} set={set} />
        <Otherwise fields={fields} set={set} />
        {mistake !== undefined && <p className="refusal" role="alert">{visible(mistake)}</p>}
        <Refusal error={send.error} />
        <div className="actions">
          <button type="submit" className="button button-main" disabled={send.isPending} aria-busy={send.isPending}>
            {before === undefined ? "Make it" : "Change it"}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

interface PartProps {
  readonly fields: ScheduleFields
  readonly set: (more: Partial<ScheduleFields>) => void
}

const What = ({ fields, set }: PartProps) => (
  <>
    <fieldset className="choices">
      <legend>What it does when it is due</legend>
      <label>
        <input type="radio" name="does" checked={fields.does === "notify"} onChange={() => set({ does: "notify" })} />
        {" "}
        Tells you something in the chat
      </label>
      <label>
        <input type="radio" name="does" checked={fields.does === "text"} onChange={() => set({ does: "text" })} />{" "}
        Says something to SYRIS, as if you had
      </label>
      <label>
        <input type="radio" name="does" checked={fields.does === "json"} onChange={() => set({ does: "json" })} />{" "}
        Makes an event, as JSON
      </label>
    </fieldset>
    {fields.does === "text" && (
      <Field label="Words" hint="What SYRIS is to understand and do, such as “turn off the lights”.">
        {(parts) => (
          <textarea
            {...parts}
            required
            rows={2}
            value={fields.text}
            onChange={(event) => set({ text: event.target.value })}
          />
        )}
      </Field>
    )}
    {fields.does === "json" && (
      <JsonField
        label="Event"
        hint="With text, structured or attachments, and a channel if it is not to be “scheduler”."
        value={fields.json}
        onChange={(json) => set({ json })}
      />
    )}
    {fields.does !== "text" && (
      <Field
        label="Message"
        hint={fields.does === "json" ? "What you are told besides. It may stay empty." : "What you are told."}
      >
        {(parts) => (
          <textarea
            {...parts}
            required={fields.does === "notify"}
            maxLength={8000}
            rows={2}
            value={fields.notify}
            onChange={(event) => set({ notify: event.target.value })}
          />
        )}
      </Field>
    )}
  </>
)

const Otherwise = ({ fields, set }: PartProps) => {
  const hours = useList<QuietHoursRecord>(["quiet-hours"], "/quiet-hours")
  return (
    <>
      <Field label="After a time without a host" hint="What becomes of slots that came while SYRIS was not running.">
        {(parts) => (
          <select
            {...parts}
            value={fields.catchUp}
            onChange={(event) => set({ catchUp: event.target.value as ScheduleFields["catchUp"] })}
          >
            {Object.entries(catchUps).map(([value, words]) => <option key={value} value={value}>{words}</option>)}
          </select>
        )}
      </Field>
      {fields.catchUp === "run_all_capped" && (
        <Field label="At most so many" hint="The latest ones; older ones are left out.">
          {(parts) => (
            <input
              {...parts}
              type="number"
              min={1}
              max={1000}
              required
              value={fields.cap}
              onChange={(event) => set({ cap: event.target.value })}
            />
          )}
        </Field>
      )}
      <Field
        label="While the run before is not over"
        hint="A run is over when no call, task or question of it is open."
      >
        {(parts) => (
          <select
            {...parts}
            value={fields.overrun}
            onChange={(event) => set({ overrun: event.target.value as ScheduleFields["overrun"] })}
          >
            {Object.entries(overruns).map(([value, words]) => <option key={value} value={value}>{words}</option>)}
          </select>
        )}
      </Field>
      <Field label="Quiet hours" hint="In them a slot is held back and does not run later.">
        {(parts) => (
          <select
            {...parts}
            value={fields.quiet}
            onChange={(event) => set({ quiet: event.target.value as ScheduleFields["quiet"] })}
          >
            <option value="none">It runs in quiet hours, too</option>
            <option value="any">Keep all quiet hours</option>
            {hours.items.map(({ end, quiet_hours_id, start }) => (
              <option key={quiet_hours_id} value={`id:${quiet_hours_id}`}>
                {`Keep ${short(quiet_hours_id)}: ${start} to ${end}`}
              </option>
            ))}
            {fields.quiet.startsWith("id:") &&
              !hours.items.some(({ quiet_hours_id }) => fields.quiet === `id:${quiet_hours_id}`) && (
              <option value={fields.quiet}>{`Keep ${short(fields.quiet.slice(3))}`}</option>
            )}
            <option value="own">Hours of its own</option>
          </select>
        )}
      </Field>
      {fields.quiet === "own" && (
        <div className="row">
          <Field label="From">
            {(parts) => (
              <input
                {...parts}
                type="time"
                required
                value={fields.window.start}
                onChange={(event) => set({ window: { ...fields.window, start: event.target.value } })}
              />
            )}
          </Field>
          <Field label="To">
            {(parts) => (
              <input
                {...parts}
                type="time"
                required
                value={fields.window.end}
                onChange={(event) => set({ window: { ...fields.window, end: event.target.value } })}
              />
            )}
          </Field>
        </div>
      )}
    </>
  )
}
