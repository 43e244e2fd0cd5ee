/**
 * Hands the text of answers to a channel of a plugin that shows it (`Channel.live`) while it is being written: one call at a
 * time for each answer, all of its text so far. A channel that is slow gets less often what is new; one that fails gets no
 * more of this answer.
 */
import { Effect, FiberSet } from "effect"
import { fromPlugin } from "../plugin/Awaiting.ts"
import type { Channel, ChannelContext, LiveReply } from "../plugin/Plugin.ts"
import type { RegisteredChannel } from "../plugin/Registry.ts"
import type { Live } from "./LiveBoard.ts"
import { LiveReplies } from "./LiveReplies.ts"

/** What one answer has in its channel. */
interface Shown {
  readonly live: Live
  /** What is to be shown next; the channel has the newest where there is nothing. */
  next: { readonly text: string | undefined } | undefined
  busy: boolean
  failed: boolean
}

export const showLive = Effect.fnUntraced(function*(
  { channel, connector_id, log }: Pick<RegisteredChannel, "channel" | "connector_id" | "log">,
  show: NonNullable<Channel["live"]>,
  context: ChannelContext
) {
  const reader = yield* (yield* LiveReplies).read(
    ({ source }) => source.channel === channel.name && source.connector_id === connector_id,
    "here"
  )
  const run = yield* FiberSet.makeRuntime<never>()
  const shown = new Map<string, Shown>()

  const call = ({ source }: Live, text: string | undefined): Effect.Effect<void, unknown> => {
    const reply: LiveReply = {
      event_id: source.event_id,
      trace_id: source.trace_id,
      to: source.actor_id,
      ...(source.thread_id === undefined ? {} : { thread_id: source.thread_id }),
      text
    }
    return fromPlugin(() => show(reply, context))
  }

  const work = (one: Shown): Effect.Effect<void> =>
    Effect.gen(function*() {
      while (one.next !== undefined && !one.failed) {
        const { text } = one.next
        one.next = undefined
        yield* call(one.live, text).pipe(
          Effect.catchDefect((defect) => Effect.fail(defect)),
          Effect.catch((error) =>
            Effect.sync(() => {
              one.failed = true
              log.warn(
                `An answer can't be shown while it comes: ${error instanceof Error ? error.message : String(error)}`
              )
            })
          )
        )
      }
      one.busy = false
    })

  const put = (live: Live, text: string | undefined): void => {
    let one = shown.get(live.key)
    if (one === undefined) shown.set(live.key, one = { live, next: undefined, busy: false, failed: false })
    one.next = { text }
    if (one.busy || one.failed) return
    one.busy = true
    run(work(one))
  }

  return yield* reader.next.pipe(
    Effect.tap((frames) =>
      Effect.sync(() => {
        for (const { live, type } of frames) {
          if (type !== "ended") put(live, type === "reset" ? undefined : live.text)
          if (type !== "delta") shown.delete(live.key)
        }
      })
    ),
    Effect.forever
  )
}, Effect.scoped)
