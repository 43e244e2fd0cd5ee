/** The rules, in the order in which they are asked: what each does, whether it is on, and what became of it. */
import { Link, useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import type { Rule } from "syris/records"
import { ruleInWords } from "syris/words"
import { useList } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Badge, RiskBadge } from "../../parts/Badge.tsx"
import { Card, Nothing, Page } from "../../parts/Page.tsx"
import { columnsOf, More, Table } from "../../parts/Table.tsx"
import { Relative } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { sentence } from "../../parts/counted.ts"
import { asText, example } from "./definition.ts"
import { RuleEditor } from "./RuleEditor.tsx"
import { RuleSwitch } from "./RuleSwitch.tsx"
import "./rules.css"

const Name = ({ rule }: { readonly rule: Rule }) => (
  <div className="rule-name">
    <div className="row">
      <Link to="/rules/$id" params={{ id: rule.rule_id }}>
        <bdi>{short(rule.name)}</bdi>
      </Link>
      <Badge>{origins[rule.origin]}</Badge>
    </div>
    <Words text={`${sentence(ruleInWords(rule))}.`} most={240} />
  </div>
)

const origins: Readonly<Record<Rule["origin"], string>> = {
  config: "from the configuration",
  plugin: "from a plugin",
  api: "made here"
}

const columns = columnsOf<Rule>()((column) => [
  // No text: on a phone it has the whole width.
  column.display({ id: "rule", header: () => <>Rule</>, cell: ({ row }) => <Name rule={row.original} /> }),
  column.display({ id: "on", header: "On", cell: ({ row }) => <RuleSwitch rule={row.original} /> }),
  column.display({ id: "risk", header: "At its worst", cell: ({ row }) => <RiskBadge risk={row.original.risk} /> }),
  column.display({ id: "fired", header: "Fired", cell: ({ row }) => row.original.hit_count.toLocaleString("en") }),
  column.display({
    id: "held",
    header: "Held back",
    cell: ({ row }) => row.original.suppressed_count.toLocaleString("en")
  }),
  column.display({
    id: "last",
    header: "Last fired",
    cell: ({ row: { original: { last_fired_at } } }) =>
      last_fired_at === undefined ? <span className="faint">never</span> : <Relative at={last_fired_at} />
  })
])

export const Rules = () => {
  const rules = useList<Rule>(["rules"], "/rules", {}, 100)
  const navigate = useNavigate()
  const [isMaking, setIsMaking] = useState(false)
  return (
    <Page
      title="Rules"
      actions={
        <Button onClick={() => setIsMaking(!isMaking)} tone={isMaking ? "plain" : "main"}>
          {isMaking ? "Cancel" : "Make a rule"}
        </Button>
      }
    >
      <div className="stack">
        {isMaking && (
          <Card title="A new rule">
            <RuleEditor
              start={asText(example)}
              onSaved={({ rule_id }) => void navigate({ to: "/rules/$id", params: { id: rule_id } })}
            />
          </Card>
        )}
        <p className="faint rules-lead">
          Every event is looked at by these, from top to bottom. What a rule then does is checked like everything else.
        </p>
        <Answered answer={rules}>
          {(items) =>
            items.length === 0
              ? (
                <Nothing>
                  There are no rules yet. Make one here, say “create a rule …” in the chat, or write one under{" "}
                  <code>rules</code> in the configuration.
                </Nothing>
              )
              : (
                <Table
                  caption="Rules, in the order in which they are asked"
                  columns={columns}
                  rows={items}
                  idOf={({ rule_id }) => rule_id}
                />
              )}
        </Answered>
        <More list={rules} />
      </div>
    </Page>
  )
}
