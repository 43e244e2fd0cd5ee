/**
 * Which integrations the operator has switched off: MCP servers and channels, by their ids. In memory for the hot path, the
 * same in every host of a database.
 *
 * - The switch, its audit row and the message to the other hosts are one transaction; what is so already changes nothing.
 * - A change is heard at once, and found within 5 s where the message was lost. The host that made it knows it at once.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { keepFresh } from "../database/Notifications.ts"

/** Something of an integration changed: its switch, or what is trusted of it. */
export const integrationsChannel = "syris_integrations"

export class IntegrationSwitches extends Context.Service<IntegrationSwitches, {
  readonly isOff: (integration_id: string) => boolean
  /** `what` names it in the audit: `the MCP server files`. */
  readonly set: (integration_id: string, enabled: boolean, what: string) => Effect.Effect<void, SqlError.SqlError>
  /** Runs after every look at the database, whether or not something is new, until the scope ends. */
  readonly onLook: (listener: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
  /** Has every host look, this one included; in a transaction with its commit. */
  readonly tellAll: Effect.Effect<void, SqlError.SqlError>
}>()("syris/safety/IntegrationSwitches") {
  static readonly layer = Layer.effect(IntegrationSwitches, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const sql = yield* SqlClient.SqlClient
  const listeners = new Set<Effect.Effect<void>>()
  let off: ReadonlySet<string> = new Set()

  const read = Effect.gen(function*() {
    const rows = yield* sql<{ readonly integration_id: string }>`
      select integration_id from integrations where not enabled`
    off = new Set(rows.map(({ integration_id }) => integration_id))
  })
  const look = Effect.gen(function*() {
    yield* read
    yield* Effect.forEach(Array.from(listeners), (listener) => Effect.ignoreCause(listener), { discard: true })
  })
  const tellAll = Effect.asVoid(sql`select pg_notify(${integrationsChannel}, '')`)

  const store = Effect.fnUntraced(function*(integration_id: string, enabled: boolean, what: string) {
    const changed = yield* sql`
      insert into integrations as i (integration_id, enabled, changed_at)
      values (${integration_id}, ${enabled}, clock_timestamp())
      on conflict (integration_id) do update
      set enabled = excluded.enabled, changed_at = excluded.changed_at
      where i.enabled <> excluded.enabled
      returning integration_id`
    if (changed.length === 0) return
    yield* audit.append({
      type: "operator.integration_changed",
      trace_id: newId(),
      at: new Date(yield* Clock.currentTimeMillis),
      summary: `The operator switched ${what} ${enabled ? "on" : "off"}.`,
      actor: "operator",
      data: { integration_id, enabled }
    })
    yield* tellAll
  }, sql.withTransaction)

  const set = Effect.fnUntraced(function*(integration_id: string, enabled: boolean, what: string) {
    // One that was never switched off has no row, and is on.
    if (enabled !== off.has(integration_id)) yield* read
    if (enabled !== off.has(integration_id)) return
    yield* store(integration_id, enabled, what)
    yield* look
  })

  yield* read
  yield* keepFresh(integrationsChannel, look)
  return IntegrationSwitches.of({
    isOff: (integration_id) => off.has(integration_id),
    set,
    onLook: (listener) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      )),
    tellAll
  })
})
