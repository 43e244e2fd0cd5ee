/** The conversation. It follows its end only while the reader is there, and never while a card of it is under the pointer. */
import { Link } from "@tanstack/react-router"
import { memo, type ReactNode, useEffect, useRef, useState } from "react"
import { ApprovalCard } from "../approvals/ApprovalCard.tsx"
import { QuestionCard } from "../approvals/QuestionCard.tsx"
import { Button } from "../../parts/Action.tsx"
import { Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { type Entry, isSame } from "./timeline.ts"

/** So near to the end counts as there. */
const nearPx = 48
const undecided = ".decide:not(.decide-over):hover, .decide:not(.decide-over):focus-within"

export interface ChatLogProps {
  readonly entries: ReadonlyArray<Entry>
  /** Whether each says of which conversation it is. */
  readonly isAll: boolean
  readonly isMore: boolean
  readonly isAsking: boolean
  readonly onMore: () => void
  /** Where the operator has said nothing. */
  readonly empty: ReactNode
}

export const ChatLog = ({ empty, entries, isAll, isAsking, isMore, onMore }: ChatLogProps) => {
  const frame = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const isAtEnd = useRef(true)
  const top = useRef(0)
  /** How far from the end the reader was, before earlier entries come. */
  const kept = useRef<number | undefined>(undefined)
  const last = entries.at(-1)?.key
  const [readTo, setReadTo] = useState(last)
  const [isBehind, setBehind] = useState(false)

  useEffect(() => {
    const [log, inner] = [frame.current, content.current]
    if (log === null || inner === null) return
    const follow = (): void => {
      if (kept.current !== undefined) {
        log.scrollTop = log.scrollHeight - kept.current
        kept.current = undefined
      } else if (isAtEnd.current && log.querySelector(undecided) === null) log.scrollTop = log.scrollHeight
    }
    const observer = new ResizeObserver(follow)
    observer.observe(inner)
    observer.observe(log)
    return () => observer.disconnect()
  }, [])

  const onScroll = (): void => {
    const log = frame.current
    if (log === null) return
    const isNear = log.scrollHeight - log.scrollTop - log.clientHeight < nearPx
    // What grows below does not scroll: only whoever goes up has left the end.
    if (isNear || log.scrollTop < top.current) isAtEnd.current = isNear
    top.current = log.scrollTop
    setBehind(!isAtEnd.current)
    if (isAtEnd.current) setReadTo(last)
  }
  if (!isBehind && readTo !== last) setReadTo(last)

  return (
    <div className="chat-frame">
      <div
        ref={frame}
        className="chat-log scrolls"
        role="log"
        aria-label="Conversation"
        tabIndex={0}
        onScroll={onScroll}
      >
        <div ref={content} className="chat-entries">
          {isMore && (
            <Button
              busy={isAsking}
              onClick={() => {
                const log = frame.current
                if (log !== null) kept.current = log.scrollHeight - log.scrollTop
                onMore()
              }}
            >
              Show earlier ones
            </Button>
          )}
          {entries.map((entry) => <OneEntry key={entry.key} entry={entry} isAll={isAll} />)}
          {!entries.some(({ is }) => is === "said") && empty}
        </div>
      </div>
      {isBehind && readTo !== last && (
        <button
          type="button"
          className="button chat-new"
          onClick={() => frame.current?.scrollTo({ top: frame.current.scrollHeight })}
        >
          There is something new below
        </button>
      )}
    </div>
  )
}

const OneEntry = memo(({ entry, isAll }: { readonly entry: Entry; readonly isAll: boolean }) => {
  if (entry.is === "approval") return <ApprovalCard approval={entry.approval} level={2} isSmall />
  if (entry.is === "question") return <QuestionCard question={entry.question} isOver={entry.isOver} level={2} />
  if (entry.is === "draft") {
    return (
      <div className="bubble bubble-host bubble-draft" aria-live="off">
        <About who="SYRIS writes …" trace_id={entry.draft.trace_id} />
        <Words text={entry.draft.text} lines most={50_000} />
      </div>
    )
  }
  if (entry.is === "said") {
    const { connector_id, text, thread_id, trace_id } = entry.said
    return (
      <div className="bubble bubble-mine">
        <About
          who={connector_id === "chat" ? "You" : `You, by ${short(connector_id, 40)}`}
          at={entry.at}
          trace_id={trace_id}
          thread={isAll ? thread_id : undefined}
        />
        <Words text={text} lines most={4_000} />
      </div>
    )
  }
  const { kind, text, thread_id, trace_id } = entry.message
  return (
    <div className={kind === "notice" ? "bubble bubble-host bubble-notice" : "bubble bubble-host"}>
      <About
        who={kind === "notice" ? "SYRIS lets you know" : "SYRIS"}
        at={entry.at}
        trace_id={trace_id}
        thread={isAll ? thread_id : undefined}
      />
      <Words text={text} lines most={4_000} />
    </div>
  )
}, (a, b) => a.isAll === b.isAll && isSame(a.entry, b.entry))

interface AboutProps {
  readonly who: string
  readonly trace_id: string
  readonly at?: string
  readonly thread?: string | undefined
}

const About = ({ at, thread, trace_id, who }: AboutProps) => (
  <p className="bubble-about">
    <strong>{who}</strong>
    {at !== undefined && <Time at={at} />}
    {thread !== undefined && (
      <span>
        in <bdi>{short(thread, 40)}</bdi>
      </span>
    )}
    <Link to="/trace/$traceId" params={{ traceId: trace_id }}>trace</Link>
  </p>
)
