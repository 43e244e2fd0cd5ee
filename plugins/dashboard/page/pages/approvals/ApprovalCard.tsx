/**
 * One approval: everything that a person needs to decide, and the buttons. It has the focus as a whole, and then takes keys: `a`
 * approves, `d` denies, `e` edits, `w` allows always. It stays where it is when it is decided, and says how.
 */
import { Link } from "@tanstack/react-router"
import { type KeyboardEvent, type ReactNode, useId, useRef } from "react"
import type { Approval } from "syris/records"
import { autonomyInWords } from "syris/words"
import { useTools } from "../../api/queries.ts"
import { RiskBadge } from "../../parts/Badge.tsx"
import { Facts } from "../../parts/Page.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { Decide } from "./Decide.tsx"
import { targetOf } from "./input.ts"
import { keyOf } from "./keys.ts"
import { Left, useIsOver } from "./Left.tsx"
import { Outcome } from "./Outcome.tsx"
import { Preview } from "./Preview.tsx"
import { Provenance } from "./Provenance.tsx"
import { useDeciding } from "./useDeciding.ts"
import { useSteady } from "./useSteady.ts"
import { What } from "./What.tsx"
import "./approvals.css"

export interface ApprovalCardProps {
  readonly approval: Approval
  /** Without what can be seen elsewhere, for a place between other things. */
  readonly isSmall?: boolean
  /** Of its heading. Default 3: it stands under another one. */
  readonly level?: 2 | 3
  /** The operator has edited it here: this one has taken its place. */
  readonly onReplaced?: (next: Approval) => void
}

export const ApprovalCard = ({ approval, isSmall = false, level = 3, onReplaced }: ApprovalCardProps) => {
  const { approval_id, expires_at, number, preview, reasons, risk, status, tool, what } = approval
  const id = useId()
  const [Heading, Part] = parts[level]
  const card = useRef<HTMLElement>(null)
  const buttons = useRef<HTMLDivElement>(null)
  const isOver = useIsOver(expires_at)
  const isPending = status === "pending"
  const isOpen = isPending && !isOver
  const deciding = useDeciding(approval, card, useSteady(card, buttons, isOpen), isOpen)
  const target = targetOf(what)

  const onKeyDown = (event: KeyboardEvent): void => {
    const deed = isSmall ? undefined : keyOf(event)
    if (deed === undefined) return
    event.preventDefault()
    deciding.act(deed, "key")
  }

  return (
    <article
      ref={card}
      id={`approval-${approval_id}`}
      className={isOpen ? "card decide" : "card decide decide-over"}
      aria-labelledby={id}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <header className="card-header">
        <Heading id={id}>
          <Link to="/approvals/$id" params={{ id: approval_id }}>Approval {number}</Link>: <bdi>{short(tool)}</bdi>
          {target !== undefined && (
            <>
              , <bdi>{short(target, 120)}</bdi>
            </>
          )}
        </Heading>
        <div className="actions">
          <RiskBadge risk={risk} />
          {isPending && <Left approval={approval} />}
        </div>
      </header>
      <div className="decide-parts">
        <Part title="What will run, exactly">
          <DescriptionOf tool={tool} />
          <What what={what} most={isSmall ? 600 : 1_500} />
        </Part>
        {preview !== undefined && (
          <Part title="What the tool says would happen">
            <Preview text={preview} />
          </Part>
        )}
        <Part title="Why you are asked">
          <ul className="reasons">
            {(reasons.length === 0 ? [approval.why] : reasons).map((reason, index) => (
              <li key={index}>
                <Words text={reason} />
              </li>
            ))}
          </ul>
          {!isSmall && <p className="faint">Autonomy level {autonomyInWords[approval.autonomy]}.</p>}
        </Part>
        <Part title="Whose words led to it">
          <Provenance approval={approval} />
        </Part>
        {!isSmall && (
          <Part title="About it">
            <About approval={approval} />
          </Part>
        )}
      </div>
      <div ref={buttons} className="decide-foot">
        {isOpen
          ? <Decide deciding={deciding} hasKeys={!isSmall} onReplaced={onReplaced} />
          : <Outcome approval={approval} isOver={isOver} />}
      </div>
    </article>
  )
}

interface PartProps {
  readonly title: string
  readonly children: ReactNode
}
const partOf = (Title: "h3" | "h4") => ({ children, title }: PartProps) => (
  <section className="decide-part">
    <Title>{title}</Title>
    {children}
  </section>
)
/** The heading of a card, and its parts, by its level. */
const parts = { 2: ["h2", partOf("h3")], 3: ["h3", partOf("h4")] } as const

const DescriptionOf = ({ tool }: { readonly tool: string }) => {
  const { data } = useTools()
  const found = data?.items.find(({ name }) => name === tool)
  if (found === undefined) return null
  const irreversible = found.effect === "irreversible" ? " It can't be undone." : ""
  return (
    <p>
      <bdi>{short(found.description, 300)}</bdi>
      {irreversible}
    </p>
  )
}

const About = ({ approval: { created_at, number, supersedes, task_id } }: { readonly approval: Approval }) => (
  <Facts
    of={[
      [
        "Asked",
        <>
          <Time at={created_at} />, <Relative at={created_at} />
        </>
      ],
      [
        "By its number",
        <>
          say <code>approve {number}</code> or <code>deny {number}</code> in the chat
        </>
      ],
      [
        "Task",
        task_id === undefined
          ? undefined
          : <Link to="/tasks/$id" params={{ id: task_id }}>the task that waits for it</Link>
      ],
      [
        "In the place of",
        supersedes === undefined
          ? undefined
          : <Link to="/approvals/$id" params={{ id: supersedes }}>the one whose input was edited</Link>
      ]
    ]}
  />
)
