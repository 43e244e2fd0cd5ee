/**
 * What waits for the operator, the first to expire on top; then what was decided, and what is always allowed.
 *
 * A card stays where it is for as long as the screen is open, also when it is decided; what comes new is put at the end, and said
 * in the line on top: nothing moves under a finger.
 */
import { useQueryClient } from "@tanstack/react-query"
import { useEffect, useRef, useState } from "react"
import type { Approval } from "syris/records"
import { useList, useQuestions } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Nothing, Page } from "../../parts/Page.tsx"
import { Decided } from "./Decided.tsx"
import { isOurs, keysInWords, moveOf } from "./keys.ts"
import { StandingRules } from "./StandingRules.tsx"
import { arrange, neighbour, replaced } from "./waiting.ts"
import { WaitingCard } from "./WaitingCard.tsx"
import "./approvals.css"

/** Cards at once: each asks for its event. */
const atOnce = 20
/** The most that the host gives at once. */
const mostAsked = 500

/** Whether it is there. */
const focusCard = (id: string | undefined): boolean => {
  const card = id === undefined ? null : document.getElementById(`approval-${id}`)
  card?.focus()
  return card !== null
}
const cardAt = (element: Element | null): string | undefined =>
  element?.closest(".decide")?.id.slice("approval-".length)

export const Approvals = () => {
  const client = useQueryClient()
  const pending = useList<Approval>(["approvals"], "/approvals", { status: "pending" }, mostAsked)
  const questions = useQuestions()
  const [shown, setShown] = useState<ReadonlyArray<string>>([])
  /** Those that came while the screen was open, and were not looked at. */
  const [fresh, setFresh] = useState<ReadonlyArray<string>>([])
  /** Edited here: the list may have them for a moment still. */
  const [edited, setEdited] = useState<ReadonlyArray<string>>([])
  const [most, setMost] = useState(atOnce)
  /** The card that gets the focus as soon as it is there. */
  const wanted = useRef<string | undefined>(undefined)
  const [isHelp, setHelp] = useState(false)

  const asked = questions.data?.items ?? []
  const isKnown = !pending.isPending && !questions.isPending
  const waits = new Set([
    ...pending.items.map(({ approval_id }) => approval_id),
    ...asked.map(({ question_id }) => question_id)
  ])
  const [isFirst, setFirst] = useState(true)
  if (isKnown) {
    const next = arrange(
      shown,
      [
        ...pending.items.map(({ approval_id, created_at, expires_at }) => ({
          id: approval_id,
          asked_at: created_at,
          expires_at
        })),
        ...asked.map(({ asked_at, question_id }) => ({ id: question_id, asked_at }))
      ].filter(({ id }) => !edited.includes(id))
    )
    if (next !== shown) {
      setShown(next)
      if (!isFirst) setFresh([...fresh, ...next.slice(shown.length)])
    }
    if (isFirst) setFirst(false)
  }

  useEffect(() => {
    if (wanted.current === undefined || !focusCard(wanted.current)) return
    wanted.current = undefined
  })

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const at = cardAt(document.activeElement)
      const by = moveOf(event, at !== undefined)
      if (by !== undefined) {
        event.preventDefault()
        focusCard(neighbour(shown.slice(0, most), at, by))
      } else if (event.key === "?" && isOurs(event)) setHelp(true)
    }
    document.addEventListener("keydown", onKey)
    return () => document.removeEventListener("keydown", onKey)
  }, [most, shown])

  const seen = shown.slice(0, most)
  const decided = shown.filter((id) => !waits.has(id))
  const unseen = fresh.filter((id) => waits.has(id))
  const show = (): void => {
    const [first] = unseen
    if (first === undefined) return
    setFresh([])
    setMost(Math.max(most, shown.indexOf(first) + 1))
    wanted.current = first
  }
  return (
    <Page title="Approvals" actions={<Button shortcut="?" onClick={() => setHelp(true)}>Keys</Button>}>
      <section aria-labelledby="waiting" className="stack">
        <div className="waiting-line">
          <h2 id="waiting">
            {waits.size === 0
              ? "Nothing waits for you"
              : `${waits.size} ${waits.size === 1 ? "waits" : "wait"} for you`}
          </h2>
          <div className="actions">
            <span role="status">
              {unseen.length > 0 && (
                <button type="button" className="link" onClick={show}>
                  {unseen.length === 1
                    ? "1 more waits at the end, show it"
                    : `${unseen.length} more wait at the end, show them`}
                </button>
              )}
            </span>
            {decided.length > 0 && (
              <button
                type="button"
                className="link"
                onClick={() => setShown(shown.filter((id) => waits.has(id)))}
              >
                Put away what is decided ({decided.length})
              </button>
            )}
          </div>
        </div>
        <Refusal error={pending.error ?? questions.error} />
        {!isKnown && pending.error === null && <p className="faint" aria-busy="true">Asking the host …</p>}
        {isKnown && shown.length === 0 && (
          <Nothing>
            When SYRIS wants to do something that needs your yes, it stands here with all that it would do and why it
            asks.
          </Nothing>
        )}
        {seen.map((id) => (
          <WaitingCard
            key={id}
            id={id}
            approval={pending.items.find(({ approval_id }) => approval_id === id)}
            question={asked.find(({ question_id }) => question_id === id)}
            onReplaced={(next) => {
              client.setQueryData<Approval>(["approvals", "one", next.approval_id], next)
              setEdited((all) => [...all, id])
              setShown((all) => replaced(all, id, next.approval_id))
              setFresh((all) => all.filter((one) => one !== next.approval_id))
              wanted.current = next.approval_id
            }}
          />
        ))}
        {shown.length > most && (
          <Button onClick={() => setMost(most + atOnce)}>
            Show {String(Math.min(atOnce, shown.length - most))} more
          </Button>
        )}
        {pending.isMore && (
          <p className="faint">More than {mostAsked} wait. The newest of them are shown: decide these first.</p>
        )}
      </section>
      <div className="stack after">
        <Decided />
        <StandingRules />
      </div>
      {isHelp && (
        <Dialog title="Keys" onClose={() => setHelp(false)}>
          <dl className="facts">
            {keysInWords.map(([key, words]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{words}</dd>
              </div>
            ))}
          </dl>
          <p className="faint">
            They act on the card that has the ring, once it was in sight for a second, and never while you type.
          </p>
        </Dialog>
      )}
    </Page>
  )
}
