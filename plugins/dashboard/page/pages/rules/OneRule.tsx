/** One rule: what it does, what became of it, why it fired or did not on an event, and what it would have done on many. */
import { useQueryClient } from "@tanstack/react-query"
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import type { Rule } from "syris/records"
import { ruleInWords } from "syris/words"
import { patch, remove } from "../../api/client.ts"
import { useAnswer } from "../../api/queries.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { RiskBadge } from "../../parts/Badge.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { Card, Facts, Page } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { sentence, times } from "../../parts/counted.ts"
import { asText, changesOf, definitionOf } from "./definition.ts"
import { Explain } from "./Explain.tsx"
import { RuleEditor } from "./RuleEditor.tsx"
import { ruleAddress, RuleSwitch } from "./RuleSwitch.tsx"
import { TryOnPast } from "./Trial.tsx"
import "./rules.css"

const route = getRouteApi("/rules/$id")

const whence: Readonly<Record<Rule["origin"], string>> = {
  config: "The configuration. It is changed there; here it is only switched on and off.",
  plugin: "A plugin. It is changed there; here it is only switched on and off.",
  api: "Made here, in the chat or over the API. It can be changed and deleted."
}

export const OneRule = () => {
  const { id } = route.useParams()
  const rule = useAnswer<Rule>(["rules", id], ruleAddress(id))
  return (
    <Page title={rule.data === undefined ? "Rule" : `Rule ${short(rule.data.name)}`}>
      <p>
        <Link to="/rules">All rules</Link>
      </p>
      <Answered answer={rule}>{(found) => <Whole key={found.rule_id} rule={found} />}</Answered>
    </Page>
  )
}

const Whole = ({ rule }: { readonly rule: Rule }) => {
  const { event } = route.useSearch()
  const [isEditing, setIsEditing] = useState(false)
  const [isDeleting, setIsDeleting] = useState(false)
  const isOurs = rule.origin === "api"
  return (
    <div className="stack">
      <Card
        title="What it does"
        actions={isOurs && !isEditing && (
          <>
            <Button onClick={() => setIsEditing(true)}>Change</Button>
            <Button tone="bad" onClick={() => setIsDeleting(true)}>Delete</Button>
          </>
        )}
      >
        <p className="rule-sentence">
          <Words text={`${sentence(ruleInWords(rule))}.`} most={2_000} />
        </p>
        <Facts
          of={[
            ["Switched", <RuleSwitch key="on" rule={rule} />],
            ["At its worst", <RiskBadge key="risk" risk={rule.risk} />],
            ["Priority", `${rule.priority} (the highest is asked first)`],
            ["Comes from", whence[rule.origin]],
            ["Fired", times(rule.hit_count)],
            ["Held back", times(rule.suppressed_count)],
            ["Last fired", rule.last_fired_at === undefined ? "never" : <Time key="last" at={rule.last_fired_at} />],
            [
              "What it did",
              <Link key="rows" to="/activity" search={{ text: rule.rule_id }}>Its rows in the activity</Link>
            ]
          ]}
        />
        <OpenedJson label="As JSON" value={definitionOf(rule)} />
      </Card>
      {isEditing && <Edit rule={rule} onEnd={() => setIsEditing(false)} />}
      {isDeleting && <Delete rule={rule} onClose={() => setIsDeleting(false)} />}
      <Explain rule={rule} eventId={event} />
      <TryOnPast rule={rule} />
    </div>
  )
}

const Edit = ({ onEnd, rule }: { readonly rule: Rule; readonly onEnd: () => void }) => {
  // What was there when it was opened: what somebody else changes meanwhile is not taken back.
  const [before] = useState(() => definitionOf(rule))
  return (
    <Card title="Change it" actions={<Button onClick={onEnd}>Leave it as it is</Button>}>
      <RuleEditor
        start={asText(before)}
        save={(after) => patch<Rule>(ruleAddress(rule.rule_id), changesOf(before, after))}
        onSaved={onEnd}
      />
    </Card>
  )
}

const Delete = ({ onClose, rule }: { readonly rule: Rule; readonly onClose: () => void }) => {
  const client = useQueryClient()
  const navigate = useNavigate()
  const act = useAction({
    run: () => remove(ruleAddress(rule.rule_id)),
    touches: [],
    done: `The rule ${short(rule.name)} is deleted.`,
    // Gone from this screen first: it would ask for what is not there any more.
    onDone: () => void navigate({ to: "/rules" }).then(() => client.invalidateQueries({ queryKey: ["rules"] })),
    tellsRefusal: false
  })
  return (
    <Confirm
      title="Delete this rule?"
      tone="bad"
      yes="Delete for good"
      no="Keep it"
      act={act}
      onYes={() => act.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        <bdi>{short(rule.name)}</bdi>{" "}
        is deleted for good and does nothing any more. What it did stays in the activity. To stop it for a while, switch
        it off instead.
      </p>
    </Confirm>
  )
}
