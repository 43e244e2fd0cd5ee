/**
 * Which code of each isolated plugin was granted, and what is held until it is.
 *
 * - Listing a plugin with `isolate` grants its code as it is then. Code that is not that any more is held, and so is a plugin
 *   that asks for more, until the operator grants what was shown. What `allow` says is the operator's own word at any time.
 * - Every move is one transaction with its audit rows, its alarm and the word to the other hosts; moves come one after the other.
 * - Hosts may have different code. One that has the granted code ends no hold of another.
 * - What differs is compared when it is shown, and at no other time.
 */
import { Context, Effect, Layer, Semaphore } from "effect"
import type { Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Described } from "../../sandbox/protocol/Described.ts"
import type { Diff } from "../contract/LineDiff.ts"
import { keepFresh } from "../database/Notifications.ts"
import type { Permissions } from "../plugin/Plugin.ts"
import type { TakenCode } from "./CodeSnapshot.ts"
import { grantedCode } from "./GrantedCode.ts"
import { grantMoves, grantsChannel, type Judgement } from "./GrantMoves.ts"
import { grantRows, type PluginGrant, type PluginNotFound, type PluginNotHeld } from "./GrantRows.ts"

export class PluginGrants extends Context.Service<PluginGrants, {
  /**
   * Whether this code may be loaded, or go on. `asks`: what it asks for, once it was loaded. `reload`: whatever it is by now is
   * granted.
   */
  readonly judge: (
    name: string,
    code: TakenCode,
    asks: Permissions | undefined,
    allow: Permissions,
    options?: { readonly reload?: boolean }
  ) => Effect.Effect<Judgement, SqlError.SqlError>
  /** Keeps what the granted code brings, for when it can't be asked. */
  readonly described: (name: string, hash: string, described: Described) => Effect.Effect<void, SqlError.SqlError>
  /** What is held is granted from now on. `hash`: of what the operator was shown; needed where that was cut. */
  readonly grant: (
    name: string,
    hash?: string
  ) => Effect.Effect<PluginGrant, PluginNotFound | PluginNotHeld | SqlError.SqlError>
  /** In the order of names, of all hosts. */
  readonly all: Effect.Effect<ReadonlyArray<PluginGrant>, SqlError.SqlError>
  /** Those whose code the operator listed with this path: who they are before they are loaded. */
  readonly at: (path: string) => Effect.Effect<ReadonlyArray<PluginGrant>, SqlError.SqlError>
  /** Nothing where nothing is held. */
  readonly diff: (name: string) => Effect.Effect<Diff | undefined, SqlError.SqlError>
  /** Runs after something was granted, by whichever host, until the scope ends. */
  readonly onChange: (listener: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
}>()("syris/isolates/PluginGrants") {
  static readonly layer = Layer.effect(PluginGrants, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* grantRows
  const code = yield* grantedCode
  const moves = yield* grantMoves(rows, code)

  /** Those of this host wait here, for as long as it takes; a lock of the database is waited for a short while only. */
  const turn = Semaphore.makeUnsafe(1)

  const judge: PluginGrants["Service"]["judge"] = Effect.fnUntraced(
    function*(name, taken, asks, allow, { reload = false } = {}) {
      // Outside of the transaction: the others need not wait for it.
      const packed = yield* code.pack(taken)
      return yield* turn.withPermits(1)(moves.decide(name, taken, asks, allow, reload, packed))
    }
  )

  const described: PluginGrants["Service"]["described"] = Effect.fnUntraced(function*(name, hash, described) {
    yield* sql`
      update plugin_grants
      set described = ${JSON.stringify(described)}::json,
          asks = coalesce(asks, ${JSON.stringify(described.permissions)}::json)
      where plugin = ${name} and hash = ${hash} and described::text is distinct from ${JSON.stringify(described)}`
  })

  const listeners = new Set<Effect.Effect<void>>()
  let seen: unknown
  const read = Effect.map(
    sql`select plugin, hash, granted_at from plugin_grants order by plugin`,
    (rows) => JSON.stringify(rows)
  )
  const look = Effect.gen(function*() {
    const now = yield* read
    if (now === seen) return
    seen = now
    yield* Effect.forEach(Array.from(listeners), (listener) => Effect.ignoreCause(listener), { discard: true })
  })
  seen = yield* read
  yield* keepFresh(grantsChannel, look)

  return PluginGrants.of({
    judge,
    described,
    grant: (name, hash) => Effect.tap(turn.withPermits(1)(moves.grant(name, hash)), () => Effect.ignoreCause(look)),
    all: rows.all,
    at: rows.at,
    diff: (name) => Effect.flatMap(rows.of(name), (row) => row === undefined ? Effect.undefined : code.diff(row)),
    onChange: (listener) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      ))
  })
})
