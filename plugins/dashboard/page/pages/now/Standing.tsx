/** Whether the host is well, how much it may do by itself, and whether it is paused. */
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type { AuditEvent, State, SystemHealth } from "syris/records"
import { autonomyInWords } from "syris/words"
import { type PageOf, useAnswer } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Badge, HealthBadge } from "../../parts/Badge.tsx"
import { Card, Facts } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import type { Ailment } from "./ailments.ts"
import { AutonomyDialog } from "./AutonomyDialog.tsx"

export interface StandingProps {
  readonly state: State
  readonly health: SystemHealth
  readonly ailments: ReadonlyArray<Ailment>
}

export const Standing = ({ ailments, health, state }: StandingProps) => {
  const [isChanging, setIsChanging] = useState(false)
  return (
    <Card title="State">
      <Facts
        of={[
          [
            "Health",
            (
              <>
                <HealthBadge health={health.status} />
                {ailments.length > 0 && <Ailments of={ailments} />}
                {health.restart_reason !== undefined && (
                  <p className="now-note">
                    {health.restart_reason === "crash"
                      ? "The host before this one ended without saying so: it was killed, or it crashed."
                      : (
                        <>
                          Last start: <Words text={health.restart_reason} most={200} />
                        </>
                      )}
                  </p>
                )}
              </>
            )
          ],
          [
            "Autonomy",
            (
              <span className="now-line">
                <span>{autonomyInWords[state.autonomy]}</span>
                <Button label="Change the autonomy level" onClick={() => setIsChanging(true)}>Change</Button>
              </span>
            )
          ],
          ["Work", state.paused ? <PausedSince /> : <Badge tone="good">not paused</Badge>]
        ]}
      />
      {isChanging && <AutonomyDialog current={state.autonomy} onClose={() => setIsChanging(false)} />}
    </Card>
  )
}

const words: Readonly<Record<NonNullable<Ailment["to"]>, string>> = {
  "/integrations": "Integrations",
  "/plugins": "Plugins",
  "/settings": "Settings",
  "/watchers": "Watchers"
}

const Ailments = ({ of }: { readonly of: ReadonlyArray<Ailment> }) => (
  <ul className="now-list">
    {of.map(({ clause, name, reason, since, to }) => (
      <li key={name}>
        <span>
          <bdi>{clause[0]?.toUpperCase()}{clause.slice(1)}</bdi>
          {since !== undefined && (
            <>
              {" "}since <Time at={since} />
            </>
          )}
          .{to !== undefined && (
            <>
              {" "}
              <Link to={to}>{words[to]}</Link>
            </>
          )}
        </span>
        {reason !== undefined && (
          <span className="faint">
            <Words text={reason} most={200} />
          </span>
        )}
      </li>
    ))}
  </ul>
)

/** Since when, by whom and why, as the audit has it. */
const PausedSince = () => {
  const { data } = useAnswer<PageOf<AuditEvent>>(["controls", "paused"], "/audit", {
    type: "operator.paused",
    limit: 1
  })
  const row = data?.items[0]
  const reason = (row?.data as { readonly reason?: unknown } | undefined)?.reason
  return (
    <>
      <Badge tone="warn">paused</Badge>
      {row !== undefined && (
        <span className="faint">
          {" "}since <Time at={row.timestamp} />
          {row.actor !== undefined && ` by ${short(row.actor, 40)}`}
        </span>
      )}
      {typeof reason === "string" && (
        <p className="now-note">
          <Words text={reason} most={200} />
        </p>
      )}
    </>
  )
}
