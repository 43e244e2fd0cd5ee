/** What "always allow" made and holds still, in words; each can be ended. */
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type { StandingRule } from "syris/records"
import { remove } from "../../api/client.ts"
import { useList } from "../../api/queries.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { Card, Nothing } from "../../parts/Page.tsx"
import { More } from "../../parts/Table.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { conditionInWords } from "./ruleWords.ts"

export const StandingRules = () => {
  const rules = useList<StandingRule>(["policy"], "/policy")
  return (
    <Card title="Standing rules">
      <Answered
        answer={rules}
      >
        {(items) =>
          items.length === 0
            ? (
              <Nothing>
                Nothing is always allowed. “Always allow…” on what waits makes a rule, which stands here until it ends.
              </Nothing>
            )
            : (
              <>
                <ul className="rules-list">{items.map((rule) => <Rule key={rule.policy_id} rule={rule} />)}</ul>
                <More list={rules} />
              </>
            )}
      </Answered>
    </Card>
  )
}

const Rule = ({ rule }: { readonly rule: StandingRule }) => {
  const { approval_id, created_at, created_by, expires_at, policy_id, reason, risk, tool, when } = rule
  const [isAsking, setAsking] = useState(false)
  const revoke = useAction<void, StandingRule>({
    run: () => remove<StandingRule>(`/policy/${encodeURIComponent(policy_id)}`),
    touches: ["policy"],
    done: `Ended: ${short(tool)} asks again.`,
    onDone: () => setAsking(false),
    tellsRefusal: false
  })
  return (
    <li>
      <div>
        <p>
          <strong>
            <bdi>{short(tool)}</bdi>
          </strong>{" "}
          runs without asking where <Words text={conditionInWords(when)} most={600} />, up to {risk} risk, until{" "}
          <Time at={expires_at} /> (<Relative at={expires_at} />).
        </p>
        <p className="faint">
          Made by <bdi>{short(created_by)}</bdi>, <Time at={created_at} />
          {reason !== undefined && (
            <>
              : <Words text={reason} />
            </>
          )}
          {approval_id !== undefined && (
            <>
              {" "}
              <Link to="/approvals/$id" params={{ id: approval_id }}>From this approval</Link>
            </>
          )}
        </p>
      </div>
      <Button onClick={() => setAsking(true)}>
        End…<span className="unseen">{` the rule over ${short(tool)}`}</span>
      </Button>
      {isAsking && (
        <Confirm
          title="End this rule?"
          tone="bad"
          yes="End it"
          no="Keep it"
          act={revoke}
          onYes={revoke.mutate}
          onClose={() => setAsking(false)}
        >
          <p>
            <bdi>{short(tool)}</bdi>{" "}
            asks again from now on, as its risk and the autonomy level say. What runs already goes on.
          </p>
        </Confirm>
      )}
    </li>
  )
}
