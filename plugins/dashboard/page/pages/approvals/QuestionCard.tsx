/** What a server of MCP asks while one of its tools runs: its fields as a form. It lives as long as the call that asked. */
import { Link } from "@tanstack/react-router"
import { type FormEvent, useId, useRef, useState } from "react"
import type { Question } from "syris/records"
import { post } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Badge } from "../../parts/Badge.tsx"
import { useTell } from "../../parts/Notices.tsx"
import { Relative } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { boundsOf, contentOf, type Entry, type Field, firstEntry } from "./answers.ts"
import { useSteady } from "./useSteady.ts"

export interface QuestionCardProps {
  readonly question: Question
  /** It is not asked any more: answered, declined, or its call is over. */
  readonly isOver: boolean
  /** Of its heading. */
  readonly level?: 2 | 3
}

export const QuestionCard = ({ isOver, level = 3, question }: QuestionCardProps) => {
  const Heading = `h${level}` as const
  const { asked_at, fields, message, number, question_id, server, task_id, tool, trace_id } = question
  const id = useId()
  const tell = useTell()
  const card = useRef<HTMLElement>(null)
  const buttons = useRef<HTMLDivElement>(null)
  const steadiness = useSteady(card, buttons, !isOver)
  const [entries, setEntries] = useState<Readonly<Record<string, Entry>>>({})
  const [mistakes, setMistakes] = useState<Readonly<Record<string, string>>>({})
  const path = `/questions/${encodeURIComponent(question_id)}`
  const said = {
    touches: ["questions"],
    tellsRefusal: false as const,
    onDone: () => card.current?.focus({ preventScroll: true })
  }
  const answer = useAction<Readonly<Record<string, unknown>>, Question>({
    run: (content) => post<Question>(`${path}/answer`, { content }),
    done: `Answered question ${number} of ${short(server)}.`,
    ...said
  })
  const decline = useAction<void, Question>({
    run: () => post<Question>(`${path}/decline`),
    done: `Declined question ${number} of ${short(server)}.`,
    ...said
  })
  const isOff = !steadiness.isReady || answer.isPending || decline.isPending

  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (isOff || isOver) return
    const why = steadiness.why()
    if (why !== undefined) return tell(why, "bad")
    const read = contentOf(fields, entries)
    setMistakes("mistakes" in read ? read.mistakes : {})
    if ("content" in read) answer.mutate(read.content)
  }
  return (
    <article
      ref={card}
      id={`approval-${question_id}`}
      className={isOver ? "card decide decide-over" : "card decide"}
      aria-labelledby={id}
      tabIndex={0}
    >
      <header className="card-header">
        <Heading id={id}>
          Question {number} of the server <bdi>{short(server)}</bdi>
        </Heading>
        <Badge tone={isOver ? "plain" : "warn"}>{isOver ? "over" : "waits for your answer"}</Badge>
      </header>
      <form className="stack" onSubmit={submit} noValidate>
        <p className="faint">
          Asked <Relative at={asked_at} /> while its tool <bdi>{short(tool)}</bdi>{" "}
          runs. These are the server's own words: give away nothing that it need not know.
        </p>
        <blockquote>
          <Words text={message} lines most={1_500} />
        </blockquote>
        {!isOver && fields.map((field) => (
          <FieldOf
            key={field.name}
            field={field}
            entry={entries[field.name] ?? firstEntry(field)}
            mistake={mistakes[field.name]}
            onEntry={(entry) => setEntries({ ...entries, [field.name]: entry })}
          />
        ))}
        <Refusal error={answer.error ?? decline.error} />
        <div ref={buttons} className="decide-foot">
          {isOver
            ? <p role="status">This question is not open any more: it was answered or declined, or its call is over.</p>
            : (
              <div className="actions">
                <button type="submit" className="button button-main" disabled={isOff} aria-busy={answer.isPending}>
                  Send this answer
                </button>
                <Button
                  onClick={() => {
                    const why = steadiness.why()
                    if (why === undefined) decline.mutate()
                    else tell(why, "bad")
                  }}
                  disabled={isOff}
                >
                  Decline<span className="unseen">{` question ${number}`}</span>
                </Button>
              </div>
            )}
        </div>
        <p className="row">
          <Link to="/trace/$traceId" params={{ traceId: trace_id }}>Its trace</Link>
          {task_id !== undefined && <Link to="/tasks/$id" params={{ id: task_id }}>Its task</Link>}
        </p>
      </form>
    </article>
  )
}

const formats: Readonly<Record<NonNullable<Field["format"]>, string>> = {
  email: "an e-mail address",
  uri: "an address, such as https://example.org",
  date: "a date, such as 2026-11-30",
  "date-time": "a date with a time, such as 2026-11-30T17:00"
}

interface FieldProps {
  readonly field: Field
  readonly entry: Entry
  readonly mistake: string | undefined
  readonly onEntry: (entry: Entry) => void
}

const FieldOf = ({ entry, field, mistake, onEntry }: FieldProps) => {
  const id = useId()
  const { choices = [], default: given, description, format, name, required, title, type } = field
  const about = [
    description === undefined ? "" : short(description, 400),
    boundsOf(field),
    format === undefined ? "" : formats[format],
    typeof given === "string" || typeof given === "number"
      ? `left empty it is ${short(choices.find(({ value }) => value === given)?.title ?? String(given), 80)}`
      : ""
  ].filter((part) => part !== "").join(", ")
  const label = (
    <>
      <bdi>{short(title ?? name, 120)}</bdi>
      {required ? "" : " (optional)"}
    </>
  )
  const described = {
    "aria-describedby": `${id}-about`,
    "aria-invalid": mistake !== undefined,
    "aria-required": required
  }
  const notes = (
    <p id={`${id}-about`} className={mistake === undefined ? "faint" : "mistake"}>
      {mistake ?? <bdi>{about}</bdi>}
    </p>
  )
  if (type === "boolean" || type === "choices") {
    const chosen = Array.isArray(entry) ? entry as ReadonlyArray<string> : []
    return (
      <fieldset className="choices" aria-describedby={`${id}-about`}>
        <legend>{label}</legend>
        {type === "boolean"
          ? (
            <label>
              <input type="checkbox" checked={entry === true} onChange={(event) => onEntry(event.target.checked)} />
              <span>Yes</span>
            </label>
          )
          : choices.map(({ title, value }) => (
            <label key={value}>
              <input
                type="checkbox"
                checked={chosen.includes(value)}
                onChange={(event) =>
                  onEntry(event.target.checked ? [...chosen, value] : chosen.filter((one) => one !== value))}
              />
              <bdi>{short(title ?? value, 120)}</bdi>
            </label>
          ))}
        {notes}
      </fieldset>
    )
  }
  const value = typeof entry === "string" ? entry : ""
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {type === "choice"
        ? (
          <select id={id} value={value} onChange={(event) => onEntry(event.target.value)} {...described}>
            <option value="">Choose …</option>
            {choices.map(({ title, value }) => <option key={value} value={value}>{short(title ?? value, 120)}</option>)}
          </select>
        )
        : (
          <input
            id={id}
            value={value}
            inputMode={type === "number" ? "decimal" : type === "integer" ? "numeric" : "text"}
            autoComplete="off"
            onChange={(event) => onEntry(event.target.value)}
            {...described}
          />
        )}
      {notes}
    </div>
  )
}
