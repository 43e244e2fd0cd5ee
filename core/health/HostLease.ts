/**
 * This process as a host of the database: one row, held by a lease that is renewed while the process can.
 *
 * - The lease is counted by the database's clock; here it is taken to end 15 s after the renewal was sent, never later.
 * - A host that could not renew in time reports `lost` and must stop its own work: others may take it from then on.
 * - A row whose process is proven gone is ended at the next start on its machine or of its home, not after a wait.
 *   `home_taken` is sound because the lock of a home (kept by whoever starts the host) admits one process at a time.
 */
import { Clock, Context, Deferred, Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import { isUuid, newId } from "../database/Ids.ts"
import { Health } from "./Health.ts"
import { hasEnded, machine, processStarted } from "./Process.ts"
import { version } from "./Version.ts"

export class HostLeaseError extends Schema.TaggedError<HostLeaseError>()("HostLeaseError", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

export interface LeaseTimes {
  readonly lease: Duration.Input
  readonly renewEvery: Duration.Input
}

export class HostLease extends Context.Service<HostLease, {
  readonly hostId: string
  /** `crash` when this home's last host had not stopped. */
  readonly restartReason: "crash" | undefined
  /** Completes, with the reason, when the lease is lost: from then on this host must begin nothing. */
  readonly lost: Effect.Effect<string>
}>()("syris/health/HostLease") {
  static readonly layerWith = (times: LeaseTimes) => Layer.effect(HostLease, Effect.suspend(() => make(times)))
  static readonly layer = HostLease.layerWith({ lease: "15 seconds", renewEvery: "5 seconds" })
}

/** The id of a home, made at its first start. Needs the home's lock. */
const readHomeId = (home: string): Effect.Effect<string, HostLeaseError> =>
  Effect.try({
    try: () => {
      const file = path.join(home, "home_id")
      fs.mkdirSync(home, { recursive: true, mode: 0o700 })
      const kept = fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim() : ""
      if (isUuid(kept)) return kept
      const made = newId()
      const draft = `${file}.${process.pid}`
      fs.writeFileSync(draft, `${made}\n`, { mode: 0o600, flush: true })
      fs.renameSync(draft, file)
      return made
    },
    catch: (cause) =>
      new HostLeaseError({
        detail: `The home ${home} can't be used: ${cause instanceof Error ? cause.message : String(cause)}.`,
        cause
      })
  })

const make = Effect.fnUntraced(function*(times: LeaseTimes) {
  const sql = yield* SqlClient.SqlClient
  const health = yield* Health
  const environment = yield* Environment
  const leaseMs = Duration.toMillis(Duration.fromInputUnsafe(times.lease))
  const renewMs = Duration.toMillis(Duration.fromInputUnsafe(times.renewEvery))
  const home_id = yield* readHomeId(environment.home)
  const hostId = newId()

  const endGone = Effect.gen(function*() {
    const rows = yield* sql<{ readonly host_id: string; readonly pid: number; readonly pid_started: string }>`
    select host_id, pid, pid_started
    from hosts
    where machine = ${machine} and ended_at is null`
    const gone = rows.filter((row) => hasEnded(row.pid, row.pid_started)).map((row) => row.host_id)
    if (gone.length === 0) return
    yield* sql`
    update hosts
    set ended_at = clock_timestamp(), end_proof = 'pid_gone'
    where ended_at is null and ${sql.in("host_id", gone)}`
  })

  const enter = sql.withTransaction(Effect.gen(function*() {
    const [last] = yield* sql<{ readonly end_proof: string | null }>`
    select end_proof
    from hosts
    where home_id = ${home_id}
    order by started_at desc
    limit 1`
    yield* sql`
    update hosts
    set ended_at = clock_timestamp(), end_proof = 'home_taken'
    where home_id = ${home_id} and ended_at is null`
    yield* endGone
    yield* sql`
    insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
    values (${hostId}, ${home_id}, ${machine}, ${process.pid}, ${processStarted("self") ?? "unknown"}, ${version},
            clock_timestamp() + ${leaseMs}::int * interval '1 millisecond')`
    return last !== undefined && last.end_proof !== "stopped" ? "crash" as const : undefined
  })).pipe(
    Effect.mapError((cause) =>
      new HostLeaseError({ detail: `The host can't be entered in the database: ${cause.message}`, cause })
    )
  )

  const renew = sql<{ readonly host_id: string }>`
    update hosts
    set beat_at          = clock_timestamp(),
        lease_until      = clock_timestamp() + ${leaseMs}::int * interval '1 millisecond',
        -- Who did not renew in time can't say that it has looked at every slot.
        scheduling_since = case when lease_until > clock_timestamp() then scheduling_since end
    where host_id = ${hostId} and ended_at is null
    returning host_id`

  const leave = sql`
    update hosts
    set ended_at = clock_timestamp(), end_proof = 'stopped'
    where host_id = ${hostId} and ended_at is null`

  let sentAt = yield* Clock.currentTimeMillis
  const restartReason = yield* enter
  if (restartReason !== undefined) yield* health.restarted(restartReason)
  yield* health.beat(renewMs)
  yield* Effect.addFinalizer(() => leave.pipe(Effect.timeout("5 seconds"), Effect.ignore))

  const lost = yield* Deferred.make<string>()
  const lose = (reason: string) =>
    health.degrade("host", reason, "down").pipe(Effect.andThen(Deferred.succeed(lost, reason)))

  /** One renewal; true while the lease is held. */
  const beat = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const left = sentAt + leaseMs - now
    // A renewal after the end may still succeed (the process slept, nobody has ended the row): fences guard the rest.
    const answer = yield* renew.pipe(Effect.timeout(left > 0 ? left : 1000), Effect.result)
    if (answer._tag === "Success") {
      if (answer.success.length === 0) {
        yield* lose("Another process has ended this host's lease. Restart it.")
        return false
      }
      sentAt = now
      yield* health.beat(renewMs)
      yield* health.recover("database")
      return true
    }
    yield* health.degrade("database", "The database does not answer.")
    if ((yield* Clock.currentTimeMillis) < sentAt + leaseMs) return true
    yield* lose("The lease could not be renewed in time: the database did not answer.")
    return false
  })

  yield* Effect.gen(function*() {
    let held = true
    while (held) {
      const failing = (yield* health.ailments).some((one) => one.name === "database")
      yield* Effect.sleep(failing ? Math.min(renewMs, 1000) : renewMs)
      held = yield* beat
    }
  }).pipe(Effect.forkScoped)

  return HostLease.of({ hostId, restartReason, lost: Deferred.await(lost) })
})
