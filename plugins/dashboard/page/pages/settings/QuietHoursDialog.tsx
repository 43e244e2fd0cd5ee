/** Makes quiet hours, or changes some. */
import { type FormEvent, useState } from "react"
import type { QuietHoursRecord } from "syris/records"
import { put } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Field } from "../../parts/Field.tsx"
import { useZone } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { bodyOf, dayNames, days, windowInWords } from "../../parts/quietHours.ts"

export interface QuietHoursDialogProps {
  /** `undefined`: new ones. */
  readonly hours: QuietHoursRecord | undefined
  /** Names that there are. */
  readonly taken: ReadonlyArray<string>
  readonly onClose: () => void
}

export const QuietHoursDialog = ({ hours, onClose, taken }: QuietHoursDialogProps) => {
  const { timezone: configured } = useZone()
  const [id, setId] = useState(hours?.quiet_hours_id ?? (taken.includes("night") ? "" : "night"))
  const [start, setStart] = useState(hours?.start ?? "22:00")
  const [end, setEnd] = useState(hours?.end ?? "07:00")
  const [timezone, setTimezone] = useState(hours?.timezone ?? configured)
  const [chosen, setChosen] = useState<typeof days>(hours?.days ?? days)
  const isTaken = hours === undefined && taken.includes(id.trim())
  const save = useAction({
    run: () =>
      put<QuietHoursRecord>(
        `/quiet-hours/${encodeURIComponent(id.trim())}`,
        bodyOf({ start, end, timezone: timezone.trim(), days: chosen, enabled: hours?.enabled ?? true })
      ),
    touches: ["quiet-hours"],
    done: (made) => `The quiet hours ${short(made.quiet_hours_id, 60)} are kept.`,
    onDone: onClose,
    tellsRefusal: false
  })
  const isWhole = id.trim() !== "" && start !== "" && end !== "" && timezone.trim() !== "" && chosen.length > 0 &&
    !isTaken
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isWhole && !save.isPending) save.mutate(undefined)
  }
  return (
    <Dialog
      title={hours === undefined ? "New quiet hours" : `Quiet hours ${short(hours.quiet_hours_id, 60)}`}
      onClose={onClose}
    >
      <form className="stack" onSubmit={submit}>
        {hours === undefined && (
          <Field label="Name" hint="Letters, digits, dots, dashes and underscores. Schedules and rules can name it.">
            {(parts) => (
              <input
                {...parts}
                value={id}
                maxLength={100}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setId(event.target.value)}
              />
            )}
          </Field>
        )}
        {isTaken && (
          <p className="refusal" role="alert">
            There are quiet hours of this name: choose another one, or change those.
          </p>
        )}
        <div className="settings-times">
          <Field label="Begin">
            {(parts) => (
              <input
                {...parts}
                type="time"
                value={start}
                required
                onChange={(event) => setStart(event.target.value)}
              />
            )}
          </Field>
          <Field label="End">
            {(parts) => (
              <input
                {...parts}
                type="time"
                value={end}
                required
                onChange={(event) => setEnd(event.target.value)}
              />
            )}
          </Field>
          <Field label="Time zone">
            {(parts) => (
              <input
                {...parts}
                value={timezone}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setTimezone(event.target.value)}
              />
            )}
          </Field>
        </div>
        <fieldset className="settings-days">
          <legend>On the days that they begin</legend>
          {days.map((day) => (
            <label key={day}>
              <input
                type="checkbox"
                checked={chosen.includes(day)}
                onChange={(event) =>
                  setChosen(event.target.checked ? [...chosen, day] : chosen.filter((one) => one !== day))}
              />
              {dayNames[day]}
            </label>
          ))}
        </fieldset>
        <p className="settings-note" role="status">
          {chosen.length === 0
            ? "Choose one day at least."
            : windowInWords({ start, end, timezone: timezone.trim(), days: chosen })}
        </p>
        <Refusal error={save.error} />
        <div className="actions">
          <button
            type="submit"
            className="button button-main"
            disabled={!isWhole || save.isPending}
            aria-busy={save.isPending}
          >
            Save
          </button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Dialog>
  )
}
