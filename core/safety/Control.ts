/**
 * What the operator has set for the whole system: autonomy level, pause, policy version. In memory for the hot path;
 * the database is the truth, and every intent is checked against it in its own statement.
 */
import { Context, Effect, Layer, Ref, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Autonomy } from "../contract/Enums.ts"

export interface ControlState {
  readonly autonomy: Autonomy
  readonly paused: boolean
  readonly policy_version: number
}

interface ControlRow {
  readonly autonomy: Autonomy
  readonly paused: boolean
  readonly policy_version: bigint
}

export class Control extends Context.Service<Control, {
  /** As it was last read. */
  readonly current: () => ControlState
  /** Reads it again, after a statement found it changed. */
  readonly refresh: Effect.Effect<ControlState, SqlError.SqlError>
}>()("syris/safety/Control") {
  /** `initial` is the level at the very first start; after that the stored one holds. */
  static readonly layer = (initial: Autonomy) =>
    Layer.effect(
      Control,
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`insert into control (autonomy) values (${initial}) on conflict do nothing`
        const read = Effect.map(
          sql<ControlRow>`select autonomy, paused, policy_version from control`,
          ([row]): ControlState => ({
            autonomy: row?.autonomy ?? initial,
            paused: row?.paused ?? false,
            policy_version: Number(row?.policy_version ?? 1)
          })
        )
        const state = yield* Ref.make(yield* read)
        const refresh = Effect.tap(read, (next) => Ref.set(state, next))
        yield* refresh.pipe(Effect.ignore, Effect.schedule(Schedule.spaced("5 seconds")), Effect.forkScoped)
        return Control.of({ current: () => Ref.getUnsafe(state), refresh })
      })
    )
}
