/**
 * The text of an answer on its way to the channel on which its event came, while a model still writes it.
 *
 * - A notice that may be lost, and never an answer: what counts is the durable reply, which comes as ever (`Responder.ts`,
 *   `Replies.ts`) and stands in its place.
 * - Known secrets are taken out, however they are cut (`AnswerPieces.ts`).
 * - Text that turns out to be no answer, or is begun anew, is taken back.
 * - Written and read in memory: neither a reader nor another host ever slows a task. Other hosts are told as far as somebody
 *   listens there (`LiveRelay.ts`).
 * - Goes to `chat`, and to channels of trust `operator` that can show it: an answer to them is never held, so nothing is
 *   shown that the gates would have kept back.
 */
import { Context, Effect, Layer, Queue, type Scope } from "effect"
import type { EventRow } from "../contract/Rows.ts"
import { newId } from "../database/Ids.ts"
import { makeAnswerPieces } from "../llm/AnswerPieces.ts"
import { Registry } from "../plugin/Registry.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { type Live, type LiveFrame, type LiveSource, makeLiveBoard } from "./LiveBoard.ts"
import { relayBetweenHosts } from "./LiveRelay.ts"

export interface LiveReply {
  readonly onText: (delta: string) => void
  /** What came counts no more. */
  readonly onRestart: () => void
  /** Nothing more comes. Unless its text is the answer it counts no more. */
  readonly end: (isAnswer: boolean) => void
}

export interface LiveReader {
  /** Waits for something new, and answers all that is. */
  readonly next: Effect.Effect<ReadonlyArray<LiveFrame>>
  /** The durable reply to an event is told: its text is not, from now on. */
  readonly replaced: (event_id: string) => void
}

export interface LiveText {
  /** For one question whose text may be the answer to an event; nothing where no channel could show it. */
  readonly begin: (event: LiveSource & Pick<EventRow, "trust">) => LiveReply | undefined
  /** For the scope. With `everywhere` what other hosts write is read, too. */
  readonly read: (
    accepts: (live: Live) => boolean,
    from: "here" | "everywhere"
  ) => Effect.Effect<LiveReader, never, Scope.Scope>
}

/** The first piece goes at once, and those that come within this time after it as one; milliseconds. */
const frameMs = 15
/** How often what is over is looked for. */
const sweepEvery = "10 seconds"

/** Nobody writes and nobody reads until a host has one. */
export const LiveReplies = Context.Reference<LiveText>("syris/pipeline/LiveReplies", {
  defaultValue: () => ({
    begin: () => undefined,
    read: () => Effect.succeed({ next: Effect.never, replaced: () => {} })
  })
})

const make = Effect.gen(function*() {
  const redactor = yield* Redactor
  const registry = yield* Registry
  const board = makeLiveBoard()
  const relay = yield* relayBetweenHosts(board)

  const toSweep = yield* Queue.sliding<void>(1)
  yield* Effect.acquireRelease(
    Effect.sync(() => board.watch(() => void Queue.offerUnsafe(toSweep, undefined))),
    (stop) => Effect.sync(stop)
  )
  yield* Queue.take(toSweep).pipe(
    Effect.andThen(Effect.sync(board.sweep).pipe(Effect.delay(sweepEvery), Effect.repeat({ while: (left) => left }))),
    Effect.forever,
    Effect.forkScoped
  )

  const canShow = ({ channel, connector_id, trust }: LiveSource & Pick<EventRow, "trust">): boolean => {
    if (channel === "chat") return true
    const known = registry.connector(connector_id)?.channel
    return known?.live !== undefined && known.name === channel && known.trust === "operator" && trust === "operator"
  }

  const begin: LiveText["begin"] = (event) => {
    if (!canShow(event)) return undefined
    const { actor_id, channel, connector_id, event_id, thread_id, trace_id } = event
    const source = { actor_id, channel, connector_id, event_id, thread_id, trace_id }
    let pieces = makeAnswerPieces(redactor)
    let live: Live | undefined
    const show = (text: string): void => {
      if (text === "") return
      live ??= board.open(source, newId(), true)
      if (live !== undefined) board.append(live, text)
    }
    const takeBack = (): void => {
      if (live !== undefined) board.drop(live)
      live = undefined
    }
    return {
      onText: (delta) => show(pieces.push(delta)),
      onRestart: () => {
        takeBack()
        pieces = makeAnswerPieces(redactor)
      },
      end: (isAnswer) => {
        if (!isAnswer) return takeBack()
        show(pieces.end())
        if (live !== undefined) board.end(live)
      }
    }
  }

  const read: LiveText["read"] = Effect.fnUntraced(function*(accepts, from) {
    const reader = board.reader((live) => (from === "everywhere" || live.here) && accepts(live))
    const changed = yield* Queue.sliding<void>(1)
    yield* Effect.acquireRelease(
      Effect.sync(() => board.watch(() => void Queue.offerUnsafe(changed, undefined))),
      (stop) => Effect.sync(stop)
    )
    if (from === "everywhere") yield* relay.hear
    Queue.offerUnsafe(changed, undefined)
    let notBefore = 0
    const next = Effect.gen(function*() {
      while (true) {
        yield* Queue.take(changed)
        const pause = notBefore - performance.now()
        if (pause > 0) yield* Effect.sleep(pause)
        const frames = reader.collect()
        if (frames.length === 0) continue
        notBefore = performance.now() + frameMs
        return frames
      }
    })
    return { next, replaced: reader.replaced }
  })

  return { begin, read } satisfies LiveText
})

export const layer = Layer.effect(LiveReplies, make)
