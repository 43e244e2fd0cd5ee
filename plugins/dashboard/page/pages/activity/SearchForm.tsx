/**
 * What is looked for. It is looked for by Enter or by a pause in typing, and is in the address. Times are those of the
 * operator's zone.
 */
import { type FormEvent, useEffect, useRef, useState } from "react"
import { Button } from "../../parts/Action.tsx"
import { Field } from "../../parts/Field.tsx"
import { useZone } from "../../parts/Time.tsx"
import { instantOf, localOf } from "../../parts/zone.ts"
import type { ActivitySearch } from "../../router.tsx"
import { longestText, ofAudit, outcomes, risks, stages } from "./filter.ts"

const pauseMs = 400

export interface SearchFormProps {
  readonly search: ActivitySearch
  readonly onSearch: (search: ActivitySearch) => void
}

const same = (a: ActivitySearch, b: ActivitySearch): boolean =>
  a.kind === b.kind && ofAudit.every((name) => (a[name] ?? "") === (b[name] ?? ""))

/** Without what is empty. */
const tidy = (search: ActivitySearch): ActivitySearch =>
  Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined && value !== ""))

export const SearchForm = ({ onSearch, search }: SearchFormProps) => {
  const { timezone } = useZone()
  const [draft, setDraft] = useState(search)
  const [given, setGiven] = useState(search)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  // The address has become another one, by a link or by going back.
  if (!same(given, search)) {
    setGiven(search)
    setDraft(search)
  }
  const now = (next: ActivitySearch): void => {
    clearTimeout(timer.current)
    const wanted = tidy(next)
    setGiven(wanted)
    onSearch(wanted)
  }
  const soon = (next: ActivitySearch): void => {
    setDraft(next)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => now(next), pauseMs)
  }
  const choose = (next: ActivitySearch): void => {
    setDraft(next)
    now(next)
  }
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    now(draft)
  }
  const isAudit = draft.kind !== "events"
  const more = (["channel", "type", "stage", "outcome", "tool", "risk", "since", "until"] as const)
    .filter((name) => (draft[name] ?? "") !== "").length
  const [open, setOpen] = useState(more > 0)

  const typed = (name: "channel" | "type" | "tool", label: string, hint: string) => (
    <Field label={label} hint={hint}>
      {(parts) => (
        <input
          {...parts}
          value={draft[name] ?? ""}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          onChange={(event) => soon({ ...draft, [name]: event.target.value.trim() })}
        />
      )}
    </Field>
  )
  const chosen = (name: "stage" | "outcome" | "risk", label: string, values: ReadonlyArray<string>) => (
    <Field label={label}>
      {(parts) => (
        <select
          {...parts}
          value={draft[name] ?? ""}
          onChange={(event) => choose({ ...draft, [name]: event.target.value })}
        >
          <option value="">any</option>
          {values.map((value) => <option key={value} value={value}>{value.replaceAll("_", " ")}</option>)}
        </select>
      )}
    </Field>
  )
  const moment = (name: "since" | "until", label: string) => (
    <Field label={`${label} (${timezone})`}>
      {(parts) => (
        <input
          {...parts}
          type="datetime-local"
          value={localOf(draft[name], timezone)}
          onChange={(event) =>
            soon({ ...draft, [name]: instantOf(event.target.value, timezone, name === "since" ? "first" : "last") })}
        />
      )}
    </Field>
  )
  return (
    <form className="activity-form" role="search" aria-label="Activity" onSubmit={submit}>
      <div className="activity-first">
        <Field label="Look in">
          {(parts) => (
            <select
              {...parts}
              value={draft.kind ?? "audit"}
              onChange={(event) => choose({ ...draft, kind: event.target.value === "events" ? "events" : undefined })}
            >
              <option value="audit">what the host did (audit)</option>
              <option value="events">what came in (events)</option>
            </select>
          )}
        </Field>
        <Field label="Text">
          {(parts) => (
            <input
              {...parts}
              type="search"
              value={draft.text ?? ""}
              maxLength={longestText}
              placeholder="any words, or a part of an id"
              onChange={(event) => soon({ ...draft, text: event.target.value })}
            />
          )}
        </Field>
        <div className="actions">
          <Button onClick={() => choose({ kind: draft.kind })} disabled={same(draft, { kind: draft.kind })}>
            Clear
          </Button>
        </div>
      </div>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{more === 0 ? "More filters" : `More filters, ${more} in use`}</summary>
        <div className="activity-more">
          {typed("channel", "Channel", "such as chat")}
          {isAudit && typed("tool", "Tool", "its whole name, such as timer.set")}
          {isAudit && typed("type", "Type", "such as gate.required")}
          {isAudit && chosen("stage", "Stage", stages)}
          {isAudit && chosen("outcome", "Outcome", outcomes)}
          {isAudit && chosen("risk", "Risk", risks)}
          {moment("since", "From")}
          {moment("until", "To")}
        </div>
      </details>
      <button type="submit" className="unseen" tabIndex={-1}>Search</button>
    </form>
  )
}
