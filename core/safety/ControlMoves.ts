/**
 * What the operator does to the whole system, each as what happens in the caller's transaction: the change, the row that
 * tells it, and word to every host. What is so already is left as it is, and nothing is told.
 */
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Fact } from "../audit/Audit.ts"
import type { Autonomy } from "../contract/Enums.ts"
import { workChannel } from "../database/Notifications.ts"
import { controlChannel, type ControlRow, type ControlState, toState } from "./Control.ts"

export interface Word {
  /** Whose word it is. */
  readonly by: string
  readonly reason?: string | undefined
  readonly trace_id: string
  readonly at: Date
  /** Appends the row of the audit in the same transaction. */
  readonly tell: (fact: Fact) => Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient>
}

export interface Moved {
  readonly state: ControlState
  readonly changed: boolean
}

type Move = Effect.Effect<Moved, SqlError.SqlError, SqlClient.SqlClient>

/** From here to the commit nobody else moves it. */
const locked = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<ControlRow>`
    select autonomy, paused, policy_version, pause_number
    from control
    for update`
  if (row === undefined) return yield* Effect.die(new Error("The table control has no row."))
  return row
})

const tellHosts = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select pg_notify(${controlChannel}, '')`)

const factOf = (
  type: Fact["type"],
  { at, by, reason, trace_id }: Word,
  summary: string,
  data: Record<string, unknown>
): Fact => ({
  type,
  trace_id,
  at,
  summary,
  actor: by,
  data: { ...data, ...(reason === undefined ? {} : { reason }) }
})

/** What was decided under another level is decided anew: the policy version rises. */
export const moveAutonomy = (level: Autonomy, word: Word): Move =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const row = yield* locked
    if (row.autonomy === level) return { state: toState(row), changed: false }
    yield* sql`
      update control
      set autonomy = ${level}, policy_version = policy_version + 1`
    yield* word.tell({
      ...factOf("operator.autonomy_changed", word, `Autonomy went from ${row.autonomy} to ${level}.`, {
        from: row.autonomy,
        to: level
      }),
      autonomy: level
    })
    yield* tellHosts
    return { state: toState({ ...row, autonomy: level, policy_version: row.policy_version + 1n }), changed: true }
  })

/** What waits is taken up at once. */
const wakeWork = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select pg_notify(${workChannel}, '')`)

const movePause = (paused: boolean, word: Word): Move =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const row = yield* locked
    if (row.paused === paused) return { state: toState(row), changed: false }
    yield* sql`
      update control
      set paused = ${paused}, pause_number = pause_number + ${paused ? 1 : 0}`
    yield* word.tell(
      paused
        ? factOf("operator.paused", word, "Everything was paused: nothing new begins.", {})
        : factOf("operator.resumed", word, "The pause is over.", {})
    )
    yield* tellHosts
    if (!paused) yield* wakeWork
    return { state: toState({ ...row, paused }), changed: true }
  })

export const pauseAll = (word: Word): Move => movePause(true, word)
export const resumeAll = (word: Word): Move => movePause(false, word)
