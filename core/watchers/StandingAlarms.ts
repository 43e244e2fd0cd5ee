/**
 * Alarms that follow from what a look has found: opened for what is wrong now, over when it is wrong no more.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Alarms, type NewAlarm } from "../health/Alarms.ts"

/** The keys of the alarms of a type that are not resolved. */
export const unresolved = Effect.fnUntraced(function*(type: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly dedupe_key: string }>`
    select dedupe_key from alarms where status <> 'resolved' and type = ${type}`
  return rows.map(({ dedupe_key }) => dedupe_key)
})

/** Brings the alarms of a type in line with what was found. `lasts` may keep one that was not found. */
export const keepInLine = Effect.fnUntraced(function*(
  type: string,
  found: ReadonlyArray<Omit<NewAlarm, "type">>,
  lasts: (dedupe_key: string) => boolean = () => false
) {
  const alarms = yield* Alarms
  const known = yield* unresolved(type)
  for (const alarm of found) if (!known.includes(alarm.dedupe_key)) yield* alarms.open({ ...alarm, type })
  const wanted = new Set(found.map(({ dedupe_key }) => dedupe_key))
  for (const key of known) if (!wanted.has(key) && !lasts(key)) yield* alarms.resolveKey(key)
})
