/**
 * What a channel keeps in the database: its place in a stream, and where only one host may listen, which one does.
 *
 * - Whoever listens counts for as long as its host's lease does (15 s after a crash at the most, at once where the crash is
 *   proven); another host looks every 2 s.
 * - A place is written by the host that listens, or by any where each does.
 */
import { Context, Effect, Layer, Schedule } from "effect"
import type { Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { HostLease } from "../health/HostLease.ts"
import { toPlainJson } from "../plugin/PlainJson.ts"
import { Redactor } from "../secrets/Redactor.ts"

/** Bytes of JSON. */
const maximumState = 262_144
const lookEvery = "2 seconds"

export class ChannelPlaces extends Context.Service<ChannelPlaces, {
  /** `undefined` before the first. */
  readonly recall: (connector_id: string) => Effect.Effect<unknown, SqlError.SqlError>
  /** Fails with a sentence where it is no plain JSON, or more than is kept. */
  readonly remember: (connector_id: string, state: unknown) => Effect.Effect<void, Error | SqlError.SqlError>
  /** Waits until this host is the one that listens; it is until the scope ends. */
  readonly turn: (connector_id: string) => Effect.Effect<void, never, Scope.Scope>
}>()("syris/pipeline/ChannelPlaces") {
  static readonly layer = Layer.effect(ChannelPlaces, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const { hostId } = yield* HostLease
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient

  const recall = Effect.fnUntraced(function*(connector_id: string) {
    const [row] = yield* sql<{ readonly state: unknown }>`
      select state from channels where connector_id = ${connector_id}`
    return row?.state ?? undefined
  })

  const remember = Effect.fnUntraced(function*(connector_id: string, state: unknown) {
    const json = yield* Effect.try({
      try: () => JSON.stringify(redactor.redactJson(toPlainJson(state))),
      catch: (error) => new Error(`What the channel ${connector_id} wants to keep ${String((error as Error).message)}.`)
    })
    if (Buffer.byteLength(json) > maximumState) {
      return yield* Effect.fail(new Error(`The channel ${connector_id} keeps at most 256 KiB.`))
    }
    yield* sql`
      insert into channels as c (connector_id, state) values (${connector_id}, ${json}::jsonb)
      on conflict (connector_id) do update set state = excluded.state, changed_at = clock_timestamp()
      where c.held_by is null or c.held_by = ${hostId}::uuid`
  })

  const take = (connector_id: string) =>
    Effect.map(
      sql`
        insert into channels as c (connector_id, held_by) values (${connector_id}, ${hostId}::uuid)
        on conflict (connector_id) do update set held_by = excluded.held_by, changed_at = clock_timestamp()
        where c.held_by is null or c.held_by = excluded.held_by or not exists (
          select 1 from hosts h
          where h.host_id = c.held_by and h.ended_at is null and h.lease_until > clock_timestamp())
        returning 1`,
      (rows) => rows.length > 0
    )

  const leave = (connector_id: string) =>
    Effect.ignore(sql`
      update channels set held_by = null, changed_at = clock_timestamp()
      where connector_id = ${connector_id} and held_by = ${hostId}::uuid`)

  const turn = (connector_id: string) =>
    Effect.asVoid(Effect.acquireRelease(
      take(connector_id).pipe(
        Effect.orElseSucceed(() => false),
        Effect.repeat({ schedule: Schedule.spaced(lookEvery), until: (taken) => taken }),
        Effect.interruptible
      ),
      () => leave(connector_id)
    ))

  return ChannelPlaces.of({ recall, remember, turn })
})
