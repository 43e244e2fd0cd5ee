/**
 * Accepted work that nobody runs, events of the fast lane, tasks and answers: claimed by one host, under a new fence, and handed
 * to whoever serves its kind.
 *
 * - A row is free when nobody holds it. What a host holds that has ended, or let its lease lapse, is made free first,
 *   together with what its kind has to say of that.
 * - Each kind is claimed by itself, as far as there is room for it: of the free ones that are due the most urgent come
 *   first, then those that have been due the longest. One that can't be taken up now, because its thread or its
 *   tool is busy, never hides the rows behind it.
 * - What this host stores it may store as its own, where there is room, and hand over at once: nobody has to look for it.
 * - The queue looks when it is woken, when a row falls due, and every 2 s by itself. While the system is paused, or this
 *   host's lease does not live, nothing is claimed.
 */
import { Cause, Context, Effect, Layer, Queue } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { EventRow, PlannedAction } from "../contract/Rows.ts"
import { Notifications, workChannel } from "../database/Notifications.ts"
import { HostLease } from "../health/HostLease.ts"
import { ToolExecutor } from "../tools/ToolExecutor.ts"
import { type ClaimedRow, claimStatement, giveBackForgotten, keepPlans, release } from "./WorkStatements.ts"

/** A row of `work` that this host has claimed. */
export interface WorkRow {
  readonly work_id: string
  readonly kind: "event" | "task" | "reply" | "rule" | "job"
  readonly event_id: string
  readonly trace_id: string
  readonly fence: number
  readonly tries: number
  readonly checkpoint: number
  readonly wish: "pause" | "cancel" | null
  /** The tool of its call; of a job the mark of its kind. */
  readonly called?: string | null
  /** Of an event without a decision what is stored of it, from whoever has just stored it. */
  readonly made?: { readonly event: EventRow; readonly action: PlannedAction | null }
}

export interface WorkServer {
  /** Takes up rows that this host has just claimed. Must not fail and returns soon: it forks what takes long. */
  readonly resume: (rows: ReadonlyArray<WorkRow>) => Effect.Effect<void>
  /** How many it works on, those being taken up included. */
  readonly size: () => number
  /** Their work_ids. */
  readonly active: () => ReadonlyArray<string>
  /** How many rows it can take up now; it wakes the queue when that grows. Default: as many as one claim takes. */
  readonly room?: () => number
  /** Tools, or marks in their place, of whose rows it takes up none now. */
  readonly busy?: () => ReadonlyArray<string>
  /** In the transaction that takes rows away from a host that has ended: what else is to be written. */
  readonly interrupted?: (rows: ReadonlyArray<WorkRow>) => Effect.Effect<void, SqlError.SqlError>
}

/** Most of one kind that this host works on at once, waiting ones included. */
const capacity = 2_000

/** Most rows of a kind in one claim. A kind that has not so much room is not claimed. */
const atOnce = 100

/** How often the queue looks by itself, milliseconds. */
const lookEvery = 2_000

/** How often it looks whether the plans fit the table, the second one after they were made anew, milliseconds. */
const plansEvery = 1_000
const plansAgainEvery = 10_000

/** How often it looks for work of hosts that have ended, and for what was forgotten here. */
const releaseEvery = 100
const rememberEvery = 5_000

/** A look that takes longer, milliseconds, is followed by a pause as long. */
const longLook = 50

/** How often it looks, in memory, whether a kind that was full has room again. */
const roomEvery = 10

export class WorkQueue extends Context.Service<WorkQueue, {
  /** Something may be there to claim: here, now. A hint; the queue looks by itself, too. */
  readonly wake: () => void
  /** The same for every host of the database. In a transaction: with its commit. */
  readonly wakeAll: Effect.Effect<void>
  /** Whether more of a kind can be taken up: then it may be stored as claimed by this host, and is handed over after the commit. */
  readonly hasRoom: (kind: WorkRow["kind"]) => boolean
  /** Rows that this host has stored as its own, to whoever serves their kind. */
  readonly hand: (rows: ReadonlyArray<WorkRow>) => Effect.Effect<void>
  /** One server a kind. */
  readonly serve: (kind: WorkRow["kind"], server: WorkServer) => Effect.Effect<void>
}>()("syris/pipeline/WorkQueue") {
  /** The service alone: nothing is claimed. */
  static readonly layer = Layer.effectContext(Effect.gen(function*() {
    const notifications = yield* Notifications
    const servers = new Map<WorkRow["kind"], WorkServer>()
    const wakes = yield* Queue.sliding<void>(1)
    const wake = () => void Queue.offerUnsafe(wakes, undefined)
    return Context.make(
      WorkQueue,
      WorkQueue.of({
        wake,
        wakeAll: Effect.andThen(Effect.sync(wake), notifications.notify(workChannel, "")),
        hasRoom: (kind) => roomOf(servers.get(kind)) > 0,
        hand: (rows) => each(servers, rows, (server, own) => server.resume(own)),
        serve: (kind, server) =>
          Effect.sync(() => {
            servers.set(kind, server)
            wake()
          })
      })
    ).pipe(Context.add(Served, { servers, woken: Queue.take(wakes) }))
  }))

  /** Looks after the table for as long as it lives. Build it on top of the servers: it must end before they do. */
  static readonly layerLoop = Layer.effectDiscard(Effect.suspend(() => loop))
}

/** How many rows of its kind a server can take up now. */
const roomOf = (server: WorkServer | undefined): number =>
  server === undefined
    ? 0
    : Math.min(server.room?.() ?? atOnce, server.size() + atOnce <= capacity ? atOnce : 0)

const each = <E>(
  servers: ReadonlyMap<WorkRow["kind"], WorkServer>,
  rows: ReadonlyArray<WorkRow>,
  use: (server: WorkServer, rows: ReadonlyArray<WorkRow>) => Effect.Effect<void, E> | undefined
) =>
  Effect.forEach(servers, ([kind, server]) => {
    const own = rows.filter((row) => row.kind === kind)
    return own.length === 0 ? Effect.void : use(server, own) ?? Effect.void
  }, { discard: true })

/** What the loop knows of whoever uses the queue. */
class Served extends Context.Service<Served, {
  readonly servers: ReadonlyMap<WorkRow["kind"], WorkServer>
  /** Waits for the next wake; those since the last one are kept as one. */
  readonly woken: Effect.Effect<void>
}>()("syris/pipeline/WorkQueue/Served") {}

const loop = Effect.gen(function*() {
  const { hostId } = yield* HostLease
  const notifications = yield* Notifications
  const queue = yield* WorkQueue
  const { servers, woken } = yield* Served
  const sql = yield* SqlClient.SqlClient
  const tools = yield* ToolExecutor
  let plansAt = -Infinity
  let releasedAt = -Infinity
  let rememberedAt = performance.now()

  /** How many rows of each kind can be taken up, of those of which there are any. */
  const rooms = (): ReadonlyMap<WorkRow["kind"], number> =>
    new Map(
      Array.from(servers).flatMap(([kind, server]) => {
        const room = roomOf(server)
        return room > 0 ? [[kind, room] as const] : []
      })
    )

  const busy = () => [...tools.saturated(), ...Array.from(servers.values()).flatMap((server) => server.busy?.() ?? [])]

  const releaseGone = Effect.suspend(() =>
    release(hostId, [...servers.keys()], (rows) => each(servers, rows, (server, own) => server.interrupted?.(own)))
  )

  /** From time to time: what nobody brings to an end by itself. Answers how much of it is free now. */
  const recall = Effect.gen(function*() {
    const now = performance.now()
    let freed = 0
    if (now - releasedAt >= releaseEvery) {
      releasedAt = now
      freed += (yield* releaseGone).released
    }
    if (now - rememberedAt >= rememberEvery) {
      rememberedAt = now
      freed += yield* giveBackForgotten(hostId, Array.from(servers.values()).flatMap((server) => server.active()))
    }
    if (now >= plansAt) {
      const told = yield* Effect.orElseSucceed(keepPlans, () => false)
      plansAt = now + (told ? plansAgainEvery : plansEvery)
    }
    return freed
  }).pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.catchCause((cause) =>
      Effect.as(Effect.logWarning("What other hosts left can't be taken over.", Cause.squash(cause)), 0)
    )
  )

  /** Claims what can be claimed. Answers when more may be due, and how long the last look took, milliseconds. */
  const claim = Effect.gen(function*() {
    while (true) {
      const room = rooms()
      if (room.size === 0) return { next: lookEvery, took: 0 }
      const began = performance.now()
      const parameters = [hostId, [...room.values()], [...room.keys()], busy()]
      const [found] = yield* sql.unsafe<ClaimedRow>(claimStatement, parameters)
      const took = performance.now() - began
      const rows = found?.rows ?? []
      yield* each(servers, rows, (server, own) => server.resume(own))
      if (Array.from(room).every(([kind, most]) => rows.filter((row) => row.kind === kind).length < most)) {
        return { next: found?.next_in_ms ?? lookEvery, took }
      }
    }
  })

  /** Until a kind that has no room now has some, of those that do not say so. */
  const untilRoom = Effect.suspend(() => {
    const now = rooms()
    const full = Array.from(servers).filter(([kind, { room }]) => room === undefined && !now.has(kind))
    return full.length === 0 ? Effect.never : Effect.sleep(roomEvery).pipe(
      Effect.repeat({ until: () => full.some(([kind]) => rooms().has(kind)) }),
      Effect.asVoid
    )
  })

  const look = Effect.gen(function*() {
    const { next, took } = yield* claim.pipe(
      Effect.catchCause((cause) =>
        Effect.as(Effect.logWarning("The work can't be claimed.", Cause.squash(cause)), { next: lookEvery, took: 0 })
      )
    )
    const due = performance.now() + Math.min(next, lookEvery)
    if ((yield* recall) > 0) {
      releasedAt = -Infinity
      return
    }
    // Many rows that are due and can't be taken up make a look long: looking must not be all that the database does.
    if (took > longLook) yield* Effect.sleep(Math.min(took, lookEvery))
    const sleep = Effect.sleep(Math.max(1, Math.ceil(due - performance.now())))
    yield* Effect.raceAllFirst([woken, sleep, untilRoom])
  })

  yield* notifications.listen(workChannel, queue.wake)
  yield* Effect.forkScoped(Effect.forever(look))
})
