/**
 * What becomes of a grant: confirmed, held, or granted anew. Each move is one transaction with its audit rows, its alarm and the
 * word to the other hosts.
 */
import { Clock, Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as path from "node:path"
import { isDeepStrictEqual } from "node:util"
import { Audit } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import type { Permissions } from "../plugin/Plugin.ts"
import type { TakenCode } from "./CodeSnapshot.ts"
import { grown } from "./GrantDiff.ts"
import type { GrantedCode } from "./GrantedCode.ts"
import { type GrantRow, type GrantRows, type PluginGrant, PluginNotFound, PluginNotHeld } from "./GrantRows.ts"

export type Judgement =
  | { readonly state: "granted"; readonly first: boolean }
  /** `granted`: what goes on, where this host has it (`findCopy`). */
  | { readonly state: "held"; readonly granted: PluginGrant }

/** Something was granted. */
export const grantsChannel = "syris_plugins"

const heldAlarm = (name: string): string => `plugin.${name}.held`

const relative = (code: TakenCode): string => path.relative(code.folder, code.entry)

const json = (value: unknown): string | null => value === undefined ? null : JSON.stringify(value)

export const grantMoves = Effect.fnUntraced(function*(rows: GrantRows, kept: GrantedCode) {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const sql = yield* SqlClient.SqlClient

  /** Until the end of the transaction nobody else grants or holds anything. */
  const lock = sql`select pg_advisory_xact_lock(hashtextextended('plugin.grants', 0))`
  const tellHosts = sql`select pg_notify(${grantsChannel}, '')`

  const tell = Effect.fnUntraced(function*(
    type: "operator.plugin_granted" | "worker.plugin_held",
    summary: string,
    data: Record<string, unknown>
  ) {
    const actor = type === "operator.plugin_granted" ? { actor: "operator" } : {}
    yield* audit.append({
      type,
      trace_id: newId(),
      at: new Date(yield* Clock.currentTimeMillis),
      summary,
      ...actor,
      data
    })
  })

  /** Granted by the configuration: seen for the first time, or written by the operator at this moment. */
  const write = (name: string, code: TakenCode, asks: Permissions | undefined, allow: Permissions) =>
    sql`
      insert into plugin_grants (plugin, path, hash, entry, asks, allow, granted_at, granted_by)
      values (${name}, ${code.path}, ${code.hash}, ${relative(code)}, ${json(asks)}::json, ${json(allow)}::json,
              clock_timestamp(), 'configuration')
      on conflict (plugin) do update
      set path = excluded.path, hash = excluded.hash, entry = excluded.entry, asks = excluded.asks, allow = excluded.allow,
          granted_at = excluded.granted_at, granted_by = excluded.granted_by,
          held_hash = null, held_entry = null, held_asks = null, held_since = null, held_in = null`

  /** It is what was granted: only what the operator wrote, and what it said of itself, may be new. */
  const confirm = Effect.fnUntraced(function*(
    row: GrantRow,
    code: TakenCode,
    asks: Permissions | undefined,
    allow: Permissions
  ) {
    const entry = relative(code)
    const isNew = !isDeepStrictEqual(row.allow, allow)
    if (
      isNew || row.path !== code.path || row.entry !== entry ||
      (asks !== undefined && !isDeepStrictEqual(row.asks, asks))
    ) {
      yield* sql`
        update plugin_grants
        set path = ${code.path}, entry = ${entry}, allow = ${json(allow)}::json,
            asks = coalesce(${json(asks)}::json, asks)
        where plugin = ${row.plugin}`
    }
    if (isNew) {
      yield* tell(
        "operator.plugin_granted",
        `The configuration grants the plugin ${row.plugin} something else than before.`,
        { plugin: row.plugin, hash: row.hash, allow, before: row.allow }
      )
    }
    // One who did not ask what it asks for yet has seen no end of that.
    if (row.held_in !== rows.here || (row.held_hash === row.hash && asks === undefined)) return
    yield* sql`
      update plugin_grants
      set held_hash = null, held_entry = null, held_asks = null, held_since = null, held_in = null
      where plugin = ${row.plugin}`
    yield* alarms.resolveKey(heldAlarm(row.plugin))
    yield* kept.sweep
  })

  const hold = Effect.fnUntraced(
    function*(row: GrantRow, code: TakenCode, asks: Permissions | undefined, more: boolean) {
      const heldAsks = asks ?? (row.held_hash === code.hash ? row.held_asks ?? undefined : undefined)
      if (row.held_hash === code.hash && isDeepStrictEqual(row.held_asks ?? undefined, heldAsks)) return
      yield* sql`
      update plugin_grants
      set held_hash = ${code.hash}, held_entry = ${relative(code)}, held_asks = ${json(heldAsks)}::json,
          held_since = clock_timestamp(), held_in = ${rows.here}
      where plugin = ${row.plugin}`
      const what = more ? "asks for more than when you granted it" : "is not the code that you granted"
      yield* tell("worker.plugin_held", `The plugin ${row.plugin} ${what}: it is held.`, {
        plugin: row.plugin,
        hash: code.hash,
        granted: row.hash
      })
      yield* alarms.open({
        type: "plugin.held",
        severity: "warning",
        dedupe_key: heldAlarm(row.plugin),
        message:
          `The plugin ${row.plugin} ${what}, so it is held. Look at it with \`syris plugins diff ${row.plugin}\`, ` +
          `then \`syris plugins grant ${row.plugin}\`.`
      })
      yield* kept.sweep
    }
  )

  /** `packed`: what `GrantedCode.pack` gave of it. */
  const decide = Effect.fnUntraced(function*(
    name: string,
    code: TakenCode,
    asks: Permissions | undefined,
    allow: Permissions,
    reload: boolean,
    packed: Uint8Array | undefined
  ): Effect.fn.Return<Judgement, SqlError.SqlError> {
    yield* lock
    const row = yield* rows.of(name)
    const more = row?.asks != null && asks !== undefined && grown(row.asks, asks).length > 0
    if (row !== undefined && row.hash === code.hash && !(more && !reload)) {
      yield* confirm(row, code, asks, allow)
      return { state: "granted", first: false }
    }
    yield* kept.store(code, packed)
    if (row !== undefined && !reload) {
      yield* hold(row, code, asks, row.hash === code.hash)
      return { state: "held", granted: rows.toGrant((yield* rows.of(name)) ?? row) }
    }
    yield* write(name, code, asks, allow)
    yield* tell(
      "operator.plugin_granted",
      row === undefined
        ? `The configuration lists the plugin ${name}: its code is granted as it is now.`
        : `The configuration has the plugin ${name} taken up as it changes: its code is granted as it is now.`,
      { plugin: name, hash: code.hash, allow, by: "configuration", ...(row === undefined ? {} : { before: row.hash }) }
    )
    if (row?.held_hash != null) yield* alarms.resolveKey(heldAlarm(name))
    yield* kept.sweep
    yield* tellHosts
    return { state: "granted", first: row === undefined }
  }, sql.withTransaction)

  /** The word of the operator. */
  const grant = Effect.fnUntraced(function*(name: string, hash: string | undefined) {
    yield* lock
    const row = yield* rows.of(name)
    if (row === undefined) return yield* new PluginNotFound({ plugin: name })
    if (row.held_hash === null) {
      return yield* new PluginNotHeld({ detail: `The plugin ${name} is what you granted: there is nothing to decide.` })
    }
    if (hash !== undefined && hash !== row.held_hash) {
      return yield* new PluginNotHeld({
        detail:
          `The plugin ${name} is not what you were shown any more: look at it again with \`syris plugins diff ${name}\`.`
      })
    }
    if (hash === undefined && (yield* kept.diff(row))?.isCut !== false) {
      return yield* new PluginNotHeld({
        detail:
          `Not all that has changed of ${name} can be shown, so it is granted by its hash alone: look at it with ` +
          `\`syris plugins diff ${name}\`, and give the hash that is shown there as \`hash\`.`
      })
    }
    yield* sql`
      update plugin_grants
      set hash = held_hash, entry = held_entry, asks = held_asks,
          described = case when hash = held_hash then described end,
          granted_at = clock_timestamp(), granted_by = 'operator',
          held_hash = null, held_entry = null, held_asks = null, held_since = null, held_in = null
      where plugin = ${name}`
    yield* tell("operator.plugin_granted", `You grant the code of the plugin ${name} as it is now.`, {
      plugin: name,
      hash: row.held_hash,
      by: "operator",
      before: row.hash
    })
    yield* alarms.resolveKey(heldAlarm(name))
    yield* kept.sweep
    yield* tellHosts
    return rows.toGrant((yield* rows.of(name)) ?? row)
  }, sql.withTransaction)

  return { decide, grant }
})
