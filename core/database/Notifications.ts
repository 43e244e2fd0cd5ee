/**
 * What hosts of a database tell one another: LISTEN and NOTIFY. A hint, never a fact: a message can be lost, so whoever
 * listens looks by itself, too.
 *
 * - One connection for all channels, opened when the first listener comes and not one of the pool's. `PgClient.listen`
 *   would take a connection of the pool for each channel for as long as it listens (its `listenAcquirer` reserves one),
 *   and `PgClient.makeClient({ acquireForStream: true })` opens one for each channel besides an idle one of its own. So a
 *   session is opened from the client's settings and pinned, since a session that is not pinned listens to one channel
 *   and lets every further one wait.
 * - When it is lost it is opened again, ever later up to 5 s. Who listened before is told once, with an empty payload:
 *   something may have been missed.
 */
import { PgClient, PgConnection } from "@effect/sql-pg"
import { Cause, Context, Deferred, Effect, Layer, Queue, Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** There may be work to claim. */
export const workChannel = "syris_work"

export class Notifications extends Context.Service<Notifications, {
  /** Listens until the scope ends. Does not wait for the connection. */
  readonly listen: (channel: string, onMessage: (payload: string) => void) => Effect.Effect<void, never, Scope.Scope>
  /** Tells every host of the database, this one included; in a transaction with its commit. Best effort. */
  readonly notify: (channel: string, payload: string) => Effect.Effect<void>
}>()("syris/database/Notifications") {
  static readonly layer = Layer.effect(Notifications, Effect.suspend(() => make))
}

/** What is kept in memory is read again when a message says so, and so often by itself, for what a lost one would have said. */
const readAgainEvery = "5 seconds"

/** Runs `again` at every message on a channel, those that come meanwhile as one, and from time to time. Never fails. */
export const keepFresh = Effect.fnUntraced(function*<E>(channel: string, again: Effect.Effect<unknown, E>) {
  const notifications = yield* Notifications
  const told = yield* Queue.sliding<void>(1)
  yield* notifications.listen(channel, () => void Queue.offerUnsafe(told, undefined))
  yield* Queue.take(told).pipe(
    Effect.timeoutOption(readAgainEvery),
    Effect.andThen(Effect.ignoreCause(again)),
    Effect.forever,
    Effect.forkScoped
  )
})

type Listener = (payload: string) => void

/** Longest pause before the next try, milliseconds. */
const maximumPause = 5_000

const make = Effect.gen(function*() {
  const { config } = yield* PgClient.PgClient
  const sql = yield* SqlClient.SqlClient
  const listeners = new Map<string, Set<Listener>>()
  const asked = yield* Queue.unbounded<string>()
  let failures = 0

  const tell = (channel: string, payload: string): Effect.Effect<void> =>
    Effect.forEach(
      Array.from(listeners.get(channel) ?? []),
      (listener) => Effect.ignoreCause(Effect.sync(() => listener(payload))),
      { discard: true }
    )

  /** One connection, until it is lost. `waiting` are the channels whose listeners have heard nothing for a while. */
  const session = Effect.fnUntraced(function*(waiting: ReadonlySet<string>) {
    // Closed after the connection: a server that does not answer must not hold up the end with its UNLISTEN.
    const listens = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(listens, exit))
    const connection = yield* Effect.flatMap(PgConnection.make(config), (made) => made.pin)
    const lost = yield* Deferred.make<never, SqlError.SqlError>()
    const heard = new Set<string>()
    const hear = Effect.fnUntraced(function*(channel: string) {
      if (heard.has(channel)) return
      heard.add(channel)
      const messages = yield* Scope.provide(connection.listen(channel), listens)
      if (waiting.has(channel)) yield* tell(channel, "")
      yield* Queue.take(messages).pipe(
        Effect.flatMap(({ payload }) => tell(channel, payload)),
        Effect.forever,
        Effect.catch((error) => Deferred.fail(lost, error)),
        Effect.forkScoped
      )
    })
    yield* Effect.forEach(Array.from(listeners.keys()), hear, { discard: true })
    failures = 0
    return yield* Effect.raceFirst(Deferred.await(lost), Effect.forever(Effect.flatMap(Queue.take(asked), hear)))
  })

  yield* Effect.gen(function*() {
    // Nobody listens yet: no connection.
    yield* Queue.take(asked)
    const waiting = new Set<string>()
    while (true) {
      yield* Effect.scoped(session(waiting)).pipe(
        Effect.catchCause((cause) => Effect.logDebug(`Notifications are not heard: ${String(Cause.squash(cause))}`))
      )
      listeners.forEach((_, channel) => waiting.add(channel))
      yield* Effect.sleep(Math.min(50 * 2 ** failures++, maximumPause))
    }
  }).pipe(Effect.forkScoped)

  return Notifications.of({
    listen: (channel, onMessage) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => {
          const known = listeners.get(channel) ?? new Set()
          listeners.set(channel, known.add(onMessage))
          Queue.offerUnsafe(asked, channel)
        }),
        () => Effect.sync(() => void listeners.get(channel)?.delete(onMessage))
      )),
    notify: (channel, payload) =>
      sql`select pg_notify(${channel}, ${payload})`.pipe(
        Effect.catch((error) => Effect.logDebug(`The other hosts could not be told: ${error.message}`)),
        Effect.asVoid
      )
  })
})
