/** Tools: what each does, how bad it can be, and what it takes. Its schemas are for whoever wants to know exactly. */
import type { Guarantee, ToolEffect, ToolRecord } from "syris/records"
import { Badge, HealthBadge, RiskBadge, TrustBadge } from "./Badge.tsx"
import { OpenedJson } from "./Opened.tsx"
import { Facts } from "./Page.tsx"
import "./tools.css"
import { short, Words } from "./Words.tsx"

const effects: Readonly<Record<ToolEffect, string>> = {
  read: "only reads",
  write: "changes something",
  irreversible: "can't be undone"
}

/** What happens to a call that was under way in a crash. */
const guarantees: Readonly<Record<Guarantee, string>> = {
  transactional: "It is done once, whatever happens (transactional).",
  native_key: "It can be repeated: whoever does it knows each call by its key (native_key).",
  probe: "Whether it was done can be looked up before it is repeated (probe).",
  none: "After a crash nobody knows whether it was done; you are asked (none)."
}

export const Tools = ({ tools }: { readonly tools: ReadonlyArray<ToolRecord> }) => (
  <ul className="tools">
    {tools.map((tool) => <Tool key={tool.name} tool={tool} />)}
  </ul>
)

const Tool = ({ tool }: { readonly tool: ToolRecord }) => (
  <li>
    <p className="row">
      <strong>
        <bdi>{short(tool.name)}</bdi>
      </strong>
      {tool.risk === null ? <Badge tone="warn">risk by its input</Badge> : <RiskBadge risk={tool.risk} />}
      <Badge tone={tool.effect === "irreversible" ? "warn" : "plain"}>{effects[tool.effect]}</Badge>
      {tool.health !== "healthy" && <HealthBadge health={tool.health} />}
    </p>
    <p>
      <Words text={tool.description} most={600} />
    </p>
    <Facts
      of={[
        [
          "After a crash",
          tool.effect === "read" ? "It only reads, so it is simply asked again." : guarantees[tool.guarantee]
        ],
        ["Its answers are", <TrustBadge key="trust" trust={tool.trust} />],
        [
          "A channel needs",
          tool.scopes.length === 0 ? "no scope" : <Words key="scopes" text={tool.scopes.join(", ")} />
        ],
        ["At most", `${tool.timeout_ms / 1_000} s a call, ${tool.concurrency} at a time`]
      ]}
    />
    <OpenedJson label="What it takes, as a schema" value={tool.input_schema} />
    <OpenedJson label="What it answers, as a schema" value={tool.output_schema} />
  </li>
)
