/**
 * What the host says on the chat, live (`GET /chat/stream`): its messages, and answers while a model writes them. How it is kept
 * open is in `live/EventStream.ts`. Changes are told once a frame, however many came.
 */
import type { ChatMessage } from "syris/records"
import { type Connection, makeEventStream } from "../../live/EventStream.ts"
import { onceAFrame } from "../../live/frames.ts"
import { listenersOf } from "../../live/listeners.ts"
import { type Drafts, noDrafts, withDelta, withMessage, withoutDraft } from "./drafts.ts"

/** Messages that are kept; older ones are in the history. */
const kept = 500

export interface ChatStream {
  readonly start: () => void
  readonly stop: () => void
  /** Those that came since it was opened, oldest first. The same array until there are others. */
  readonly messages: () => ReadonlyArray<ChatMessage>
  /** The answers that are being written. */
  readonly drafts: () => Drafts
  readonly connection: () => Connection
  /** Called when any of these answers something else. */
  readonly onChange: (listener: () => void) => () => void
  /** Called when messages may have been missed. */
  readonly onAnew: (listener: () => void) => () => void
}

interface Delta {
  readonly event_id: string
  readonly trace_id: string
  readonly from: number
  readonly text: string
}

/** `thread`: of one conversation; without it of all. */
export const makeChatStream = (thread: string | undefined): ChatStream => {
  const changes = listenersOf<[]>()
  const anews = listenersOf<[]>()
  let messages: ReadonlyArray<ChatMessage> = []
  let drafts = noDrafts
  const changed = onceAFrame(changes.tell)

  const stream = makeEventStream({
    path: thread === undefined
      ? "/chat/stream"
      : `/chat/stream?${new URLSearchParams({ thread_id: thread }).toString()}`,
    onEvent: ({ data, event }) => {
      if (event === "delta") {
        drafts = withDelta(drafts, JSON.parse(data) as Delta)
      } else if (event === "delta_reset") {
        drafts = withoutDraft(drafts, (JSON.parse(data) as Delta).event_id)
      } else if (event === undefined || event === "message") {
        const message = JSON.parse(data) as ChatMessage
        messages = [...messages, message].slice(-kept)
        drafts = withMessage(drafts, message)
      }
      changed()
    },
    onChange: () => {
      // Whatever is being written is told from its beginning on a new stream.
      if (stream.connection().is === "live") drafts = noDrafts
      changes.tell()
    },
    onAnew: () => anews.tell()
  })

  return {
    start: stream.start,
    stop: stream.stop,
    messages: () => messages,
    drafts: () => drafts,
    connection: stream.connection,
    onChange: changes.add,
    onAnew: anews.add
  }
}
