/**
 * One conversation with the host:
 *
 * - what the host says in it is printed once, whether the stream, a list or the answer to a line brings it;
 * - nothing that it says is missed, also when the connection is lost and found again;
 * - what a model is still writing is shown as it comes, where it can be seen, and goes when its reply is printed;
 * - what ends without a word from the host is told in one sentence.
 */
import { Deferred, Effect } from "effect"
import type { ChatMessage } from "../contract/ChatMessage.ts"
import { Client, RequestFailed } from "./client.ts"
import { listen } from "./eventStream.ts"
import { listed } from "./list.ts"
import { liveTexts } from "./liveTexts.ts"
import type { Sent } from "./send.ts"
import type { Typing } from "./typing.ts"
import { visible, visibleLines } from "../contract/Visible.ts"

/** Messages of one catching up. */
const catchUp = 500
/** How long the stream may take with what is known to have been said. */
const patience = "1 second"

export interface Conversation {
  /** Prints what the host says, until interrupted; fails where waiting does not help. */
  readonly hear: Effect.Effect<never, RequestFailed>
  /** Says a line once the host is heard, and comes back when what it led to is told, or after so many seconds. */
  readonly say: (text: string, seconds: number) => Effect.Effect<void, RequestFailed>
}

/** Begins, or goes on with, a conversation. What was said in it before is not printed again. */
export const converse = Effect.fn("converse")(function*(
  thread_id: string,
  { live, note, print }: Pick<Typing, "live" | "print" | "note">
) {
  const client = yield* Client
  const heard = yield* Deferred.make<void>()
  const shown = new Set<string>()
  /** What was said of which event, by the stream or a list. */
  const told = new Set<string>()
  /** What was printed from an answer, because nothing else brought it. */
  const answered = new Set<string>()
  const waiting = new Set<() => void>()
  const writing = liveTexts()
  let away = false

  const remember = (set: Set<string>, key: string) => {
    set.add(key)
    // What is so long past can't come again.
    for (const oldest of set) {
      if (set.size <= 4 * catchUp) break
      set.delete(oldest)
    }
  }

  const tell = (text: string) => Effect.forEach(visibleLines(text), print, { discard: true })

  const redraw = (changed: boolean) => changed ? live(writing.shown()) : Effect.void

  const show = Effect.fnUntraced(function*({ event_id, kind, message_id, text }: ChatMessage) {
    if (shown.has(message_id)) return
    remember(shown, message_id)
    if (event_id !== undefined) {
      if (kind === "reply") yield* redraw(writing.replaced(event_id))
      const key = keyOf(event_id, text)
      if (answered.delete(key)) return
      remember(told, key)
      for (const look of Array.from(waiting)) look()
    }
    yield* tell(text)
  })

  const newest = listed<ChatMessage>("/chat", { thread_id }, catchUp).pipe(Effect.provideService(Client, client))
  const showNew = Effect.flatMap(newest, ({ items }) => Effect.forEach(items.toReversed(), show, { discard: true }))

  const untilTold = (key: string) =>
    Effect.callback<void>((resume) => {
      const look = () => {
        if (!told.has(key)) return
        waiting.delete(look)
        resume(Effect.void)
      }
      waiting.add(look)
      look()
      return Effect.sync(() => waiting.delete(look))
    })

  for (const message of (yield* newest).items) shown.add(message.message_id)

  const hear = listen<RequestFailed, never>(`/chat/stream?thread_id=${encodeURIComponent(thread_id)}`, {
    onSign: Effect.fnUntraced(function*(placed) {
      if (away) yield* note("The connection is back.")
      away = false
      if (!placed) yield* showNew
      yield* Deferred.succeed(heard, undefined)
    }),
    onEvent: (data, type) =>
      Effect.suspend(() => {
        if (type === "message") return show(JSON.parse(data) as ChatMessage)
        // A host that is newer may say more than is understood here.
        return redraw(writing.take(type, data))
      }),
    onLoss: Effect.fnUntraced(function*(_, { sentence, status }) {
      yield* redraw(writing.clear())
      if (away) return
      away = true
      const reason = status === 0 ? "The connection is lost." : sentence
      yield* note(`${reason} Trying until SYRIS is back; Ctrl-C ends this.`)
    })
  }).pipe(Effect.provideService(Client, client))

  const say = Effect.fn("Conversation.say")(function*(text: string, seconds: number) {
    yield* Deferred.await(heard)
    const { body } = yield* client.request("/chat", {
      method: "POST",
      headers: { prefer: `wait=${seconds}` },
      body: { text, thread_id },
      seconds: seconds + 30
    })
    const sent = body as Sent
    const { reply = "" } = sent
    if (reply === "") return yield* tell(withoutReply(sent, seconds))
    const key = keyOf(sent.event_id, reply)
    if ((yield* Effect.timeoutOption(untilTold(key), patience))._tag === "Some") return
    yield* Effect.ignore(showNew)
    if (told.has(key)) return
    remember(answered, key)
    yield* redraw(writing.replaced(sent.event_id))
    yield* tell(reply)
  })

  return { hear, say } satisfies Conversation
})

const keyOf = (event_id: string, text: string) => `${event_id} ${text}`

/** What came of a line of which the host says nothing. */
const withoutReply = ({ outcome, trace_id }: Sent, seconds: number): string => {
  switch (outcome) {
    case "succeeded":
      return "Done."
    case "failed":
      return `It failed. See why with: syris trace ${visible(trace_id)}`
    case "unknown":
      return "It is unknown whether this happened: look there yourself before you say it again."
    case "waiting":
      return "It waits, for you or for its time."
    case "unhandled":
      return "Nothing here understands that."
    case "dropped":
      return "A filter dropped it."
    case undefined:
      return `Not finished after ${seconds} s: it goes on by itself.`
    default:
      return `It ended as ${visible(outcome)}.`
  }
}
