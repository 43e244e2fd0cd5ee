/**
 * Text that is being written on one host, for those who listen on another of the same database: over NOTIFY, and only while
 * somebody listens. A host with a listener says so, again from time to time, and when it is asked; whoever writes tells it
 * what is new, at most so often, in messages that fit into a notification (8 000 bytes). What is lost on the way is lost.
 */
import { Effect, Option, Queue, Schema, type Scope } from "effect"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import type { LiveBoard, LiveFrame } from "./LiveBoard.ts"

const liveChannel = "syris_live"

/** How often a host with a listener says so, and how long it is believed, milliseconds. */
const hearing = { everyMs: 20_000, believedMs: 50_000 }
/** Before what is new is told again, milliseconds. */
const pauseMs = 50
/** Below what PostgreSQL takes, bytes. */
const mostBytes = 7_900

const Source = Schema.Struct({
  event_id: Schema.String,
  trace_id: Schema.String,
  thread_id: Schema.optionalKey(Schema.String),
  channel: Schema.String,
  connector_id: Schema.String,
  actor_id: Schema.String
})

/** What hosts tell one another; `host` says who tells. */
const Message = Schema.Union([
  /** Who listens? */
  Schema.Struct({ host: Schema.String, type: Schema.Literal("ask") }),
  /** Somebody listens there; `first`: whoever hears it may not have known. */
  Schema.Struct({ host: Schema.String, type: Schema.Literal("hear"), first: Schema.Boolean }),
  Schema.Struct({
    host: Schema.String,
    type: Schema.Literal("delta"),
    key: Schema.String,
    source: Source,
    from: Schema.Int,
    text: Schema.String
  }),
  Schema.Struct({
    host: Schema.String,
    type: Schema.Literals(["ended", "reset"]),
    key: Schema.String,
    event_id: Schema.String
  })
])
type Message = typeof Message.Type

const read = Schema.decodeUnknownOption(Schema.fromJsonString(Message))
const write = (message: Message): string => JSON.stringify(message)

export interface LiveRelay {
  /** Has the other hosts tell what they write, for the scope. */
  readonly hear: Effect.Effect<void, never, Scope.Scope>
}

/** As messages that fit, in order; none where not even one character would. */
export const messagesOf = (host: string, frame: LiveFrame): ReadonlyArray<string> => {
  const { key, source: { thread_id, ...rest } } = frame.live
  const source = thread_id === undefined ? rest : { ...rest, thread_id }
  if (frame.type !== "delta") return [write({ host, type: frame.type, key, event_id: source.event_id })]
  const written: Array<string> = []
  for (let at = 0; at < frame.text.length;) {
    let length = Math.min(frame.text.length - at, mostBytes)
    let message = ""
    for (; length > 0; length = Math.floor(length / 2)) {
      const text = frame.text.slice(at, at + length)
      message = write({ host, type: "delta", key, source, from: frame.from + at, text })
      if (Buffer.byteLength(message) <= mostBytes) break
    }
    if (length === 0) return []
    written.push(message)
    at += length
  }
  return written
}

/** Tells the other hosts what is written here, and puts on the board what they write. */
export const relayBetweenHosts = Effect.fnUntraced(function*(board: LiveBoard) {
  const notifications = yield* Notifications
  const host = newId()
  /** Until when others are believed to listen, by `performance.now`. */
  const believed = new Map<string, number>()
  const mine = board.reader(({ here }) => here)
  let listeners = 0
  /** Somebody has to be told that there are listeners, who did not know. */
  let unknown = false
  let askedAt = Number.NEGATIVE_INFINITY

  const toSay = yield* Queue.sliding<void>(1)
  const toTell = yield* Queue.sliding<void>(1)
  yield* Effect.acquireRelease(
    Effect.sync(() => board.watch(() => void Queue.offerUnsafe(toTell, undefined))),
    (stop) => Effect.sync(stop)
  )
  const somebodyListens = (): boolean => {
    for (const [other, until] of believed) if (until < performance.now()) believed.delete(other)
    return believed.size > 0
  }
  const tell = Effect.gen(function*() {
    if (somebodyListens()) {
      for (const message of mine.collect().flatMap((frame) => messagesOf(host, frame))) {
        yield* notifications.notify(liveChannel, message)
      }
      yield* Effect.sleep(pauseMs)
    } else if (performance.now() - askedAt > hearing.everyMs && board.writesHere()) {
      askedAt = performance.now()
      yield* notifications.notify(liveChannel, write({ host, type: "ask" }))
    }
  })
  yield* Queue.take(toTell).pipe(Effect.andThen(tell), Effect.forever, Effect.forkScoped)

  const take = (message: Message): void => {
    if (message.host === host) return
    if (message.type === "hear") {
      if (message.first || !somebodyListens() || !believed.has(message.host)) mine.anew()
      believed.set(message.host, performance.now() + hearing.believedMs)
      return void Queue.offerUnsafe(toTell, undefined)
    }
    if (listeners === 0) return
    if (message.type === "ask") {
      unknown = true
      return void Queue.offerUnsafe(toSay, undefined)
    }
    const known = board.find(message.type === "delta" ? message.source.event_id : message.event_id)
    // What this host writes itself is newer.
    if (known?.here === true) return
    const live = known?.key === message.key ? known : undefined
    if (message.type !== "delta") {
      if (live === undefined) return
      return message.type === "ended" ? board.end(live) : board.drop(live)
    }
    const { from, key, source, text } = message
    const begun = live ?? (from === 0 ? board.open(source, key, false) : undefined)
    if (begun === undefined || from > begun.text.length) return
    const more = text.slice(begun.text.length - from)
    if (more !== "") board.append(begun, more)
  }
  yield* notifications.listen(liveChannel, (payload) => {
    const message = read(payload)
    if (Option.isSome(message)) take(message.value)
  })

  const sayHearing = Effect.gen(function*() {
    while (listeners > 0) {
      const first = unknown
      unknown = false
      yield* notifications.notify(liveChannel, write({ host, type: "hear", first }))
      yield* Effect.timeoutOption(Queue.take(toSay), hearing.everyMs)
    }
  })
  yield* Queue.take(toSay).pipe(Effect.andThen(sayHearing), Effect.forever, Effect.forkScoped)

  const hear = Effect.acquireRelease(
    Effect.sync(() => {
      if (listeners++ > 0) return
      unknown = true
      Queue.offerUnsafe(toSay, undefined)
    }),
    () =>
      Effect.sync(() => {
        if (--listeners === 0) board.forgetOthers()
      })
  )
  return { hear } satisfies LiveRelay
})
