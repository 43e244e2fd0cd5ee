/**
 * The event that a rule is explained on: one of the newest, found by words and channel, or by its id. The list stands still
 * while it is looked at, however many events come.
 */
import { useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { type FormEvent, useId, useState } from "react"
import type { MessageEvent } from "syris/records"
import type { Query } from "../../api/client.ts"
import { useList } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Nothing } from "../../parts/Page.tsx"
import { More } from "../../parts/Table.tsx"
import { Time } from "../../parts/Time.tsx"
import { EventWords } from "./Trial.tsx"

const key = "event-choice"

export const idOf = (text: string): string | undefined =>
  /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(text)?.[0].toLowerCase()

export interface EventChoiceProps {
  readonly rule_id: string
  readonly chosen: string | undefined
  /** An id was given instead of words. */
  readonly onId: (event_id: string) => void
}

export const EventChoice = ({ chosen, onId, rule_id }: EventChoiceProps) => {
  const id = useId()
  const client = useQueryClient()
  const [words, setWords] = useState("")
  const [channel, setChannel] = useState("")
  const [query, setQuery] = useState<Query>({})
  // Asked for anew each time that the screen is opened.
  const [opened] = useState(() => Date.now())
  const events = useList<MessageEvent>([key, opened], "/events", query, 8)
  const find = (event: FormEvent) => {
    event.preventDefault()
    const given = idOf(words)
    if (given !== undefined) onId(given)
    else {
      setQuery({ text: words.trim(), channel: channel.trim() })
      void client.invalidateQueries({ queryKey: [key] })
    }
  }
  return (
    <div className="stack">
      <form className="event-search" onSubmit={find}>
        <div className="field">
          <label htmlFor={`${id}-words`}>Words in it, or its id</label>
          <input
            id={`${id}-words`}
            value={words}
            autoComplete="off"
            spellCheck={false}
            maxLength={200}
            onChange={(event) => setWords(event.target.value)}
          />
        </div>
        <div className="field">
          <label htmlFor={`${id}-channel`}>Channel, such as chat</label>
          <input
            id={`${id}-channel`}
            value={channel}
            autoComplete="off"
            spellCheck={false}
            maxLength={100}
            onChange={(event) => setChannel(event.target.value)}
          />
        </div>
        <button type="submit" className="button">Find</button>
        <Button onClick={() => void client.invalidateQueries({ queryKey: [key] })}>Look again</Button>
      </form>
      <Answered answer={events}>
        {(items) =>
          items.length === 0
            ? (
              <Nothing>
                {events.isMore
                  ? "Nothing among the newest events. “Show more” looks further back."
                  : Object.values(query).some((one) => one !== "" && one !== undefined)
                  ? "No event has these words on this channel."
                  : "No event has come yet. Say something in the chat, and it is here."}
              </Nothing>
            )
            : (
              <ul className="event-list" aria-label="Events, the newest first">
                {items.map((event) => (
                  <li key={event.event_id}>
                    <Link
                      to="/rules/$id"
                      params={{ id: rule_id }}
                      search={{ event: event.event_id }}
                      resetScroll={false}
                      aria-current={event.event_id === chosen ? "true" : undefined}
                    >
                      <span className="faint">
                        <Time at={event.ingested_at} />
                      </span>
                      <span>
                        <EventWords event={event} />
                      </span>
                    </Link>
                  </li>
                ))}
              </ul>
            )}
      </Answered>
      <More list={events} />
    </div>
  )
}
