/** The conversation with SYRIS: what was said, answers while they are written, and what waits for a decision in line. */
import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useEffect, useState, useSyncExternalStore } from "react"
import type { ChatMessage, MessageEvent, Question } from "syris/records"
import { type PageOf, useAnswer, useApprovals, useList, useQuestions } from "../../api/queries.ts"
import { useFeed } from "../../live/Live.tsx"
import { Button } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { Dialog } from "../../parts/Dialog.tsx"
import { Nothing, Page } from "../../parts/Page.tsx"
import { short } from "../../parts/Words.tsx"
import { ChatLog } from "./ChatLog.tsx"
import { makeChatStream } from "./ChatStream.ts"
import { Composer } from "./Composer.tsx"
import { NotUnderstood } from "./NotUnderstood.tsx"
import { type Said, threadsOf, timelineOf } from "./timeline.ts"
import { useKept } from "./useKept.ts"
import "./chat.css"

/** Events that are looked through for the names of conversations. */
const lookedThrough = 200

const isOfChat = (data: unknown): boolean =>
  typeof data === "object" && data !== null && "channel" in data && data.channel === "chat"

export const Chat = () => {
  const [thread, setThread] = useKept<string>(["chat-thread"], "")
  const [isBeginning, setBeginning] = useState(false)
  const chosen = thread === "" ? undefined : thread
  const lately = useAnswer<PageOf<MessageEvent>>(["chat", "threads"], "/events", {
    channel: "chat",
    limit: lookedThrough
  })
  return (
    <Page
      title="Chat"
      actions={
        <>
          <label className="row">
            <span className="faint">Conversation</span>
            <select value={thread} onChange={(event) => setThread(event.target.value)}>
              <option value="">All of them</option>
              {threadsOf(lately.data?.items ?? [], chosen).map((name) => (
                <option key={name} value={name}>{short(name, 60)}</option>
              ))}
            </select>
          </label>
          <Button onClick={() => setBeginning(true)}>Begin another…</Button>
        </>
      }
    >
      <Conversation key={thread} thread={chosen} />
      {isBeginning && <Begin onName={setThread} onClose={() => setBeginning(false)} />}
    </Page>
  )
}

const Begin = ({ onClose, onName }: { readonly onName: (name: string) => void; readonly onClose: () => void }) => {
  const [name, setName] = useState("")
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (name.trim() === "") return
    onName(name.trim())
    onClose()
  }
  return (
    <Dialog title="Begin a conversation" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <p>What is said in a conversation is answered in it. It is there from the first thing that you say in it.</p>
        <div className="field">
          <label htmlFor="thread-name">Its name</label>
          <input
            id="thread-name"
            value={name}
            maxLength={200}
            autoComplete="off"
            onChange={(event) => setName(event.target.value)}
          />
        </div>
        <div className="actions">
          <button type="submit" className="button button-main" disabled={name.trim() === ""}>Begin it</button>
          <Button onClick={onClose}>Not now</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Those that are open, and those that were while this is shown: a card does not go away under a finger. */
const useKnownQuestions = () => {
  const { data } = useQuestions()
  const [known, setKnown] = useState<ReadonlyArray<Question>>([])
  const open = new Set(data?.items.map(({ question_id }) => question_id))
  const fresh = (data?.items ?? []).filter(({ question_id }) => !known.some((one) => one.question_id === question_id))
  if (fresh.length > 0) setKnown([...known, ...fresh])
  return known.map((question) => ({ question, isOver: !open.has(question.question_id) }))
}

const Conversation = ({ thread }: { readonly thread: string | undefined }) => {
  const client = useQueryClient()
  const feed = useFeed()
  const [stream] = useState(() => makeChatStream(thread))
  const [here, setHere] = useState<ReadonlyArray<Said>>([])
  const live = useSyncExternalStore(stream.onChange, stream.messages)
  const drafts = useSyncExternalStore(stream.onChange, stream.drafts)
  const connection = useSyncExternalStore(stream.onChange, stream.connection)
  const messages = useList<ChatMessage>(["chat", "messages"], "/chat", { thread_id: thread })
  const events = useList<MessageEvent>(["chat", "said"], "/events", { channel: "chat", thread_id: thread })
  const approvals = useApprovals({})
  const questions = useKnownQuestions()

  useEffect(() => {
    const old = (): void => void client.invalidateQueries({ queryKey: ["chat"] })
    const endAnew = stream.onAnew(old)
    // What is said elsewhere: by the command line, or in another tab.
    const endRows = feed.onRows((rows) => {
      if (rows.some(({ data, type }) => type === "event.ingested" && isOfChat(data))) old()
    })
    stream.start()
    return () => {
      stream.stop()
      endAnew()
      endRows()
    }
  }, [client, feed, stream])
  const isLive = connection.is === "live"
  useEffect(() => {
    // The history may have been asked for before the stream was there.
    if (isLive) void client.invalidateQueries({ queryKey: ["chat", "messages"] })
  }, [client, isLive])

  const isPending = messages.isPending || events.isPending
  const entries = timelineOf({
    events,
    messages,
    live,
    here,
    drafts,
    approvals: approvals.items,
    questions,
    isAll: thread === undefined
  })
  return (
    <div className="chat">
      <Refusal error={messages.error ?? events.error} />
      <ChatLog
        entries={isPending ? [] : entries}
        isAll={thread === undefined}
        isMore={messages.isMore || events.isMore}
        isAsking={messages.isAsking || events.isAsking}
        onMore={() => {
          if (messages.isMore) messages.more()
          if (events.isMore) events.more()
        }}
        empty={isPending
          ? <p className="faint" aria-busy="true">Asking the host …</p>
          : <Nothing>Nothing was said here yet. Say what you want: “set a timer for 5 minutes”.</Nothing>}
      />
      {connection.is === "lost" && (
        <p className="faint" role="status">
          What SYRIS says does not come through now. This page tries again by itself.
        </p>
      )}
      <NotUnderstood said={here.at(-1)} />
      <Composer thread={thread} onSaid={(said) => setHere((all) => [...all, said])} />
    </div>
  )
}
