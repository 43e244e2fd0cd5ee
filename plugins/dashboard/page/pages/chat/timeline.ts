/** Both sides of a conversation, what is being written and what waits for a decision, in one order. Pure. */
import type { Approval, ChatMessage, MessageEvent, Question } from "syris/records"
import { wordsOf } from "../../parts/wordsOf.ts"
import type { Draft, Drafts } from "./drafts.ts"

/** Something that the operator said. */
export interface Said {
  readonly event_id: string
  readonly trace_id: string
  readonly thread_id?: string | undefined
  readonly text: string
  readonly at: string
  /** Where: the chat itself, or whoever else speaks on it. */
  readonly connector_id: string
}

export type Entry =
  | { readonly is: "said"; readonly key: string; readonly at: string; readonly said: Said }
  | { readonly is: "message"; readonly key: string; readonly at: string; readonly message: ChatMessage }
  | { readonly is: "approval"; readonly key: string; readonly at: string; readonly approval: Approval }
  | {
    readonly is: "question"
    readonly key: string
    readonly at: string
    readonly question: Question
    readonly isOver: boolean
  }
  | { readonly is: "draft"; readonly key: string; readonly draft: Draft }

/** A part of a list that was asked for by its pages, the newest first. */
export interface Loaded<A> {
  readonly items: ReadonlyArray<A>
  readonly isMore: boolean
}

export interface Parts {
  readonly events: Loaded<MessageEvent>
  readonly messages: Loaded<ChatMessage>
  /** Messages that came by the stream. */
  readonly live: ReadonlyArray<ChatMessage>
  /** Said here, and taken by the host. */
  readonly here: ReadonlyArray<Said>
  readonly drafts: Drafts
  /** The newest first; those of what is shown are put where they were asked. */
  readonly approvals: ReadonlyArray<Approval>
  /** Of servers: those that are open, and those that were while the screen was. */
  readonly questions: ReadonlyArray<{ readonly question: Question; readonly isOver: boolean }>
  /** Of all conversations: also those that wait and belong to nothing that is shown. */
  readonly isAll: boolean
}

const saidOf = (event: MessageEvent): Said => ({
  event_id: event.event_id,
  trace_id: event.correlation.trace_id,
  thread_id: event.source.thread_id,
  text: wordsOf(event.content),
  at: event.ingested_at,
  connector_id: event.source.connector_id
})

/** Of two lists that are not there whole, nothing is shown that is older than what both have. */
const oldestShown = ({ events, messages }: Parts): string => {
  const ends = [
    events.isMore ? events.items.at(-1)?.ingested_at ?? "" : "",
    messages.isMore ? messages.items.at(-1)?.at ?? "" : ""
  ]
  return ends.reduce((a, b) => a > b ? a : b)
}

const ranks = { said: 0, message: 1, approval: 2, question: 2 } as const

export const timelineOf = (parts: Parts): ReadonlyArray<Entry> => {
  const { approvals, drafts, events, here, isAll, live, messages, questions } = parts
  const from = oldestShown(parts)
  const said = new Map([...here, ...events.items.map(saidOf)].map((one) => [one.event_id, one]))
  const told = new Map([...messages.items, ...live].map((one) => [one.message_id, one]))
  const shown: Array<Exclude<Entry, { readonly is: "draft" }>> = []
  for (const one of said.values()) {
    if (one.at >= from) shown.push({ is: "said", key: one.event_id, at: one.at, said: one })
  }
  for (const one of told.values()) {
    if (one.at >= from) shown.push({ is: "message", key: one.message_id, at: one.at, message: one })
  }
  const traces = new Set(
    shown.flatMap((entry) =>
      entry.is === "said"
        ? [entry.said.trace_id]
        : entry.is === "message" && entry.message.kind === "reply"
        ? [entry.message.trace_id]
        : []
    )
  )
  for (const approval of approvals) {
    // The notice that asks comes first, then what is asked.
    const asking = [...told.values()].find(({ kind, text, trace_id }) =>
      kind === "notice" && trace_id === approval.trace_id && text.includes(`"approve ${approval.number}"`)
    )
    const isHere = traces.has(approval.trace_id)
    if (!isHere && !(approval.status === "pending" && (isAll || asking !== undefined))) continue
    const at = asking !== undefined && asking.at > approval.created_at ? asking.at : approval.created_at
    shown.push({ is: "approval", key: approval.approval_id, at, approval })
  }
  for (const { isOver, question } of questions) {
    const asking = [...told.values()].find(({ kind, text, trace_id }) =>
      kind === "notice" && trace_id === question.trace_id && text.startsWith(`Question ${question.number}, `)
    )
    if (!isAll && asking === undefined && !traces.has(question.trace_id)) continue
    const at = asking !== undefined && asking.at > question.asked_at ? asking.at : question.asked_at
    shown.push({ is: "question", key: question.question_id, at, question, isOver })
  }
  shown.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : ranks[a.is] - ranks[b.is])
  const answered = new Set(
    [...told.values()].flatMap(({ event_id, kind }) => kind === "reply" && event_id !== undefined ? [event_id] : [])
  )
  const writing = [...drafts.values()].filter(({ event_id }) => !answered.has(event_id))
  return [...shown, ...writing.map((draft): Entry => ({ is: "draft", key: `draft-${draft.event_id}`, draft }))]
}

/** The conversations that were spoken in, the latest first. */
export const threadsOf = (events: ReadonlyArray<MessageEvent>, chosen: string | undefined): ReadonlyArray<string> => [
  ...new Set([
    ...(chosen === undefined ? [] : [chosen]),
    ...events.flatMap(({ source: { thread_id } }) => thread_id === undefined ? [] : [thread_id])
  ])
]

/** Whether two entries are drawn the same. */
export const isSame = (a: Entry, b: Entry): boolean =>
  a.key === b.key && (
    a.is === "said" && b.is === "said"
      ? a.at === b.at && a.said.text === b.said.text
      : a.is === "message" && b.is === "message"
      ? a.message.text === b.message.text
      : a.is === "approval" && b.is === "approval"
      ? a.approval === b.approval
      : a.is === "question" && b.is === "question"
      ? a.question === b.question && a.isOver === b.isOver
      : a.is === "draft" && b.is === "draft" && a.draft === b.draft
  )
