/** Why a rule did what it did on one event: what happened, and each part of its condition with what was there. */
import { Link, useNavigate } from "@tanstack/react-router"
import type { Rule, RuleExplanation, RuleLeaf } from "syris/records"
import { leafInWords } from "syris/words"
import { useAnswer, useEvent } from "../../api/queries.ts"
import { Answered } from "../../parts/Answer.tsx"
import { Badge, type Tone } from "../../parts/Badge.tsx"
import { Card, Facts } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import { Words } from "../../parts/Words.tsx"
import { EventChoice } from "./EventChoice.tsx"
import { type Found, kindInWords, treeOf } from "./leaves.ts"
import { ruleAddress } from "./RuleSwitch.tsx"
import { EventWords } from "./Trial.tsx"
import { reasonInWords } from "./trialsInWords.ts"

export const Explain = ({ eventId, rule }: { readonly rule: Rule; readonly eventId: string | undefined }) => {
  const navigate = useNavigate()
  return (
    <Card title="Explain it on an event">
      <div className="stack" id="explain">
        <p className="faint rules-lead">Choose an event, and see why this rule fired on it or did not.</p>
        <EventChoice
          rule_id={rule.rule_id}
          chosen={eventId}
          onId={(event) =>
            void navigate({ to: "/rules/$id", params: { id: rule.rule_id }, search: { event }, resetScroll: false })}
        />
        {eventId !== undefined && <Explained key={eventId} rule={rule} eventId={eventId} />}
      </div>
    </Card>
  )
}

const outcomes: Readonly<Record<RuleExplanation["outcome"], readonly [string, Tone]>> = {
  triggered: ["It fired", "good"],
  suppressed: ["It was held back", "warn"],
  not_matched: ["It did not fire", "plain"],
  waiting: ["It waits", "busy"],
  not_asked: ["It was not asked", "plain"]
}

const Explained = ({ eventId, rule }: { readonly rule: Rule; readonly eventId: string }) => {
  // Under the word of the rules: what became of it is asked for again when a rule has fired.
  const explanation = useAnswer<RuleExplanation>(
    ["rules", rule.rule_id, "explain"],
    `${ruleAddress(rule.rule_id)}/explain`,
    {
      event_id: eventId
    }
  )
  const event = useEvent(eventId)
  return (
    <section className="explained" aria-label="What happened on this event">
      <Answered answer={explanation}>
        {({ leaves, matched, outcome, previous_event_id, reason, said }) => {
          const [words, tone] = outcomes[outcome]
          const tree = treeOf(rule.when, leaves)
          return (
            <div className="stack">
              <div>
                <p className="explained-said" role="status">
                  <Badge tone={tone}>{words}</Badge> <Words text={said} most={500} />
                </p>
                {reason !== undefined && (
                  <p>
                    Why: <Words text={`${reasonInWords(reason)}.`} />
                  </p>
                )}
              </div>
              <Facts
                of={[
                  [
                    "The event",
                    event.data === undefined ? undefined : (
                      <span key="event">
                        <EventWords event={event.data} />
                      </span>
                    )
                  ],
                  ["It came", event.data === undefined ? undefined : <Time key="time" at={event.data.ingested_at} />],
                  [
                    "All of it",
                    event.data === undefined ?
                      undefined :
                      (
                        <Link key="trace" to="/trace/$traceId" params={{ traceId: event.data.correlation.trace_id }}>
                          Its trace
                        </Link>
                      )
                  ],
                  [
                    "Compared with",
                    previous_event_id === undefined ? undefined : (
                      <Link
                        key="before"
                        to="/rules/$id"
                        params={{ id: rule.rule_id }}
                        search={{ event: previous_event_id }}
                        resetScroll={false}
                      >
                        The event before of the same thing
                      </Link>
                    )
                  ]
                ]}
              />
              <div>
                <h3>
                  Its condition {matched ? "holds" : "does not hold"}
                </h3>
                <ul className="leaves">
                  {tree === undefined
                    ? leaves.map((leaf, i) => <Leaf key={i} leaf={leaf} />)
                    : <Part found={tree} />}
                </ul>
                <p className="faint rules-lead">
                  Autonomy and health are those of now, not those of then; everything else is as it was when the event
                  came.
                </p>
              </div>
            </div>
          )
        }}
      </Answered>
    </section>
  )
}

const Mark = ({ held }: { readonly held: boolean }) => (
  <span className={held ? "mark mark-held" : "mark mark-not"}>
    <span aria-hidden="true">{held ? "✓" : "✗"}</span> {held ? "holds" : "does not hold"}
  </span>
)

const Part = ({ found }: { readonly found: Found }) =>
  found.is === "leaf" ? <Leaf leaf={found.leaf} /> : (
    <li>
      <div className="leaf">
        <Mark held={found.held} />
        <span>
          {found.parts.length === 0 ? `${kindInWords[found.is]}: there is none` : `${kindInWords[found.is]}:`}
        </span>
      </div>
      {found.parts.length > 0 && (
        <ul>
          {found.parts.map((part, i) => <Part key={i} found={part} />)}
        </ul>
      )}
    </li>
  )

const Leaf = ({ leaf }: { readonly leaf: RuleLeaf }) => (
  <li>
    <div className="leaf">
      <Mark held={leaf.matched} />
      <span>
        <code>
          <Words text={leafInWords(leaf)} />
        </code>
        <br />
        <span className="faint">
          {leaf.actual === undefined ? "There was nothing at this place." : (
            <>
              There was:{" "}
              <code>
                <Words text={JSON.stringify(leaf.actual)} />
              </code>
            </>
          )}
        </span>
      </span>
    </div>
  </li>
)
