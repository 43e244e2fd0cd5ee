/** What a rule would have done on events of the past: how often, and on which. */
import { useMutation } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useId, useState } from "react"
import type { MessageEvent, Rule, RuleTrial } from "syris/records"
import { post } from "../../api/client.ts"
import { useEvent } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Refusal, sentenceOf } from "../../parts/Answer.tsx"
import { Badge } from "../../parts/Badge.tsx"
import { Card } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { wordsOf } from "../../parts/wordsOf.ts"
import { reasonInWords, toldOf, trialsInWords } from "./trialsInWords.ts"

/** Events that are asked for at once. */
const atOnce = 10

export const EventWords = ({ event: { content, source } }: { readonly event: MessageEvent }) => (
  <>
    <Badge>{short(source.channel, 40)}</Badge> <bdi>{short(wordsOf(content), 160)}</bdi>
  </>
)

/** `rule_id`: of a rule that is there, which can explain itself. */
const TrialLine = ({ rule_id, trial }: { readonly trial: RuleTrial; readonly rule_id: string | undefined }) => {
  const id = trial.event_id ?? ""
  const event = useEvent(id)
  return (
    <li className="trial">
      <span className="trial-what">
        {trial.fires ? <Badge tone="good">would fire</Badge> : <Badge tone="warn">held back</Badge>}
        {event.data !== undefined && (
          <span className="faint">
            <Time at={event.data.ingested_at} />
          </span>
        )}
      </span>
      <span>
        {event.data === undefined
          ? <span className="faint">{event.error === null ? "Asking the host …" : sentenceOf(event.error)}</span>
          : <EventWords event={event.data} />}
        {trial.reason !== undefined && (
          <span className="faint">{" "}(because {short(reasonInWords(trial.reason))})</span>
        )}
      </span>
      <span className="trial-links">
        {rule_id !== undefined && (
          <Link to="/rules/$id" params={{ id: rule_id }} search={{ event: id }} hash="explain">Explain</Link>
        )}
        {event.data !== undefined && (
          <Link to="/trace/$traceId" params={{ traceId: event.data.correlation.trace_id }}>Its trace</Link>
        )}
      </span>
    </li>
  )
}

export const Trials = (
  { items, rule_id }: { readonly items: ReadonlyArray<RuleTrial>; readonly rule_id?: string }
) => {
  const [count, setCount] = useState(atOnce)
  const told = toldOf(items)
  return (
    <div>
      <p>
        <strong>{trialsInWords(items)}</strong>
      </p>
      <ul className="trials">
        {told.slice(0, count).map((trial) => <TrialLine key={trial.event_id} trial={trial} rule_id={rule_id} />)}
      </ul>
      {told.length > count && (
        <Button onClick={() => setCount(count + atOnce)}>{`Show more of the ${told.length}`}</Button>
      )}
    </div>
  )
}

const choices = [50, 100, 200, 500] as const

export const TryOnPast = ({ rule: { rule_id } }: { readonly rule: Rule }) => {
  const id = useId()
  const [limit, setLimit] = useState<number>(200)
  const trial = useMutation({
    mutationFn: (most: number) =>
      post<{ readonly items: ReadonlyArray<RuleTrial> }>("/rules/test", { rule: rule_id, limit: most }),
    retry: false
  })
  return (
    <Card title="Try it on the past">
      <div className="stack">
        <p className="faint rules-lead">
          As it is now, on the newest events that are stored. Nothing is done, and nobody is told.
        </p>
        <div className="row">
          <label htmlFor={id}>Events</label>
          <select id={id} value={limit} onChange={(event) => setLimit(Number(event.target.value))}>
            {choices.map((count) => <option key={count} value={count}>the last {count}</option>)}
          </select>
          <Button busy={trial.isPending} onClick={() => trial.mutate(limit)}>Try it</Button>
        </div>
        <Refusal error={trial.error} />
        {trial.data !== undefined && (
          <div role="status">
            <Trials items={trial.data.items} rule_id={rule_id} />
          </div>
        )}
      </div>
    </Card>
  )
}
