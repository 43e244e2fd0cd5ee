/**
 * Names critical alarms in this host's health for as long as they are not resolved, whichever host has opened them.
 */
import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Health } from "./Health.ts"

const make = Effect.fnUntraced(function*(every: Duration.Input) {
  const health = yield* Health
  const sql = yield* SqlClient.SqlClient
  let shown = new Set<string>()

  const look = Effect.gen(function*() {
    const rows = yield* sql<{ readonly type: string; readonly message: string }>`
      select a.type, a.message
      from alarms a
      where a.status <> 'resolved' and a.severity = 'critical'
      order by a.alarm_id`
    const open = new Map(rows.map(({ message, type }) => [`alarm ${type}`, message]))
    yield* Effect.forEach(open, ([name, message]) => health.degrade(name, message), { discard: true })
    yield* Effect.forEach([...shown].filter((name) => !open.has(name)), health.recover, { discard: true })
    shown = new Set(open.keys())
  })

  // Without an answer what was shown stays.
  yield* Effect.ignoreCause(look).pipe(Effect.andThen(Effect.sleep(every)), Effect.forever, Effect.forkScoped)
})

/** `every`: how often it looks. */
export const layerWith = (every: Duration.Input) => Layer.effectDiscard(make(every))
export const layer = layerWith("2 seconds")
