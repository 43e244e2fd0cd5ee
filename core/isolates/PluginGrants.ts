/**
 * Which code of each isolated plugin was granted, and what is held until it is.
 *
 * - Listing a plugin with `isolate` grants its code as it is then. Code that is not that any more is held, and so is a plugin
 *   that asks for more, until the operator grants what was shown. What `allow` says is the operator's own word at any time.
 * - Every move is one transaction with its audit rows, its alarm and the word to the other hosts; moves come one after the other.
 * - Hosts may have different code. One that has the granted code ends no hold of another.
 * - What differs is compared when it is shown, and at no other time.
 */
import { Clock, Context, Effect, Layer, Schema, Semaphore } from "effect"
import type { Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { isDeepStrictEqual } from "node:util"
import type { Described } from "../../sandbox/protocol/Described.ts"
import { Audit } from "../audit/Audit.ts"
import type { Diff } from "../contract/LineDiff.ts"
import { visible } from "../contract/Visible.ts"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { keepFresh } from "../database/Notifications.ts"
import { Alarms } from "../health/Alarms.ts"
import type { Permissions } from "../plugin/Plugin.ts"
import { Redactor } from "../secrets/Redactor.ts"
import type { CodeFile, TakenCode } from "./CodeSnapshot.ts"
import { packTexts, readTexts, unpackTexts } from "./CodeTexts.ts"
import { diffOfCode, grown } from "./GrantDiff.ts"

/** No isolate of this name was ever granted anything. */
export class PluginNotFound extends Schema.TaggedError<PluginNotFound>()("PluginNotFound", { plugin: Schema.String }) {
  override get message() {
    return `No plugin ${visible(this.plugin.slice(0, 200))} runs in an isolate: GET /plugins lists them.`
  }
}

/** Nothing of it is held, or not what was shown; `detail` is a sentence that says what to do. */
export class PluginNotHeld extends Schema.TaggedError<PluginNotHeld>()("PluginNotHeld", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface HeldCode {
  readonly hash: string
  readonly since: Date
  /** It is the code of this host. */
  readonly here: boolean
}

export interface PluginGrant {
  readonly name: string
  /** As the operator wrote it. */
  readonly path: string
  readonly hash: string
  /** The module, in the code. */
  readonly entry: string
  readonly files: number
  readonly bytes: number
  /** What it asks for; nothing where it was never loaded. */
  readonly asks: Permissions | undefined
  /** What it brings, as it said when it was loaded last. */
  readonly described: Described | undefined
  readonly granted_at: Date
  readonly granted_by: "configuration" | "operator"
  readonly held: HeldCode | undefined
}

export type Judgement =
  | { readonly state: "granted"; readonly first: boolean }
  /** `granted`: what goes on, where this host has it (`findCopy`). */
  | { readonly state: "held"; readonly granted: PluginGrant }

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

/** Something was granted. */
export const grantsChannel = "syris_plugins"

export const heldAlarm = (name: string): string => `plugin.${name}.held`

interface Row {
  readonly plugin: string
  readonly path: string
  readonly hash: string
  readonly entry: string
  readonly asks: Permissions | null
  readonly allow: Permissions
  readonly described: Described | null
  readonly granted_at: Date
  readonly granted_by: "configuration" | "operator"
  readonly held_hash: string | null
  readonly held_asks: Permissions | null
  readonly held_since: Date | null
  readonly held_in: string | null
  readonly files: number
  readonly bytes: number
}

interface CodeRow {
  readonly hash: string
  readonly files: ReadonlyArray<CodeFile>
  readonly texts: Uint8Array
}

/** Kept of what was compared. */
const keptDiffs = 50

/** What tells the hosts of a database apart, whatever the machine is called and where its folders are. */
const placeOf = (home: string): string => {
  const file = path.join(home, "isolates", "place")
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  try {
    fs.writeFileSync(file, randomUUID(), { flag: "wx", mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
  return fs.readFileSync(file, "utf8").trim()
}

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient
  const here = placeOf((yield* Environment).home)

  const columns = sql.literal(`
    g.plugin, g.path, g.hash, g.entry, g.asks, g.allow, g.described, g.granted_at, g.granted_by, g.held_hash, g.held_asks,
    g.held_since, g.held_in, jsonb_array_length(c.files) as files,
    (select coalesce(sum((f ->> 'bytes')::int), 0)::int from jsonb_array_elements(c.files) f) as bytes`)
  const rowsOf = (condition: ReturnType<typeof sql.and>) =>
    sql<Row>`
      select ${columns} from plugin_grants g join plugin_code c on c.hash = g.hash
      where ${condition} order by g.plugin`
  const rowOf = (name: string) => Effect.map(rowsOf(sql.and([sql`g.plugin = ${name}`])), ([row]) => row)

  const toGrant = (row: Row): PluginGrant => ({
    name: row.plugin,
    path: row.path,
    hash: row.hash,
    entry: row.entry,
    files: row.files,
    bytes: row.bytes,
    asks: row.asks ?? undefined,
    described: row.described ?? undefined,
    granted_at: row.granted_at,
    granted_by: row.granted_by,
    held: row.held_hash === null || row.held_since === null
      ? undefined
      : { hash: row.held_hash, since: row.held_since, here: row.held_in === here }
  })

  /** Those of this host wait here, for as long as it takes; a lock of the database is waited for a short while only. */
  const turn = Semaphore.makeUnsafe(1)
  /** Until the end of the transaction nobody else grants or holds anything. */
  const lock = sql`select pg_advisory_xact_lock(hashtextextended('plugin.grants', 0))`
  const tellHosts = sql`select pg_notify(${grantsChannel}, '')`
  const json = (value: unknown): string | null => value === undefined ? null : JSON.stringify(value)

  /** Its code is in the database before a row names it; what nobody names any more goes with the next move. */
  const keepCode = Effect.fnUntraced(function*(code: TakenCode) {
    const known = yield* sql`select 1 from plugin_code where hash = ${code.hash}`
    return known.length > 0 ? undefined : yield* Effect.promise(async () => packTexts(await readTexts(code)))
  })
  const storeCode = Effect.fnUntraced(function*(code: TakenCode, packed: Uint8Array | undefined) {
    // Another host may have swept it in between.
    const texts = packed ?? (yield* keepCode(code))
    if (texts === undefined) return
    yield* sql`
      insert into plugin_code (hash, files, texts, taken_at)
      values (${code.hash}, ${JSON.stringify(code.files)}::jsonb, ${Buffer.from(texts)}::bytea, clock_timestamp())
      on conflict (hash) do nothing`
  })
  const sweep = sql`
    delete from plugin_code c
    where not exists (select 1 from plugin_grants g where g.hash = c.hash)
      and not exists (select 1 from plugin_grants g where g.held_hash = c.hash)`

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

  const relative = (code: TakenCode): string => path.relative(code.folder, code.entry)

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
    row: Row,
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
    if (row.held_in !== here || (row.held_hash === row.hash && asks === undefined)) return
    yield* sql`
      update plugin_grants
      set held_hash = null, held_entry = null, held_asks = null, held_since = null, held_in = null
      where plugin = ${row.plugin}`
    yield* alarms.resolveKey(heldAlarm(row.plugin))
    yield* sweep
  })

  const hold = Effect.fnUntraced(function*(row: Row, code: TakenCode, asks: Permissions | undefined, more: boolean) {
    const heldAsks = asks ?? (row.held_hash === code.hash ? row.held_asks ?? undefined : undefined)
    if (row.held_hash === code.hash && isDeepStrictEqual(row.held_asks ?? undefined, heldAsks)) return
    yield* sql`
      update plugin_grants
      set held_hash = ${code.hash}, held_entry = ${relative(code)}, held_asks = ${json(heldAsks)}::json,
          held_since = clock_timestamp(), held_in = ${here}
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
    yield* sweep
  })

  const decide = Effect.fnUntraced(function*(
    name: string,
    code: TakenCode,
    asks: Permissions | undefined,
    allow: Permissions,
    reload: boolean,
    texts: Uint8Array | undefined
  ): Effect.fn.Return<Judgement, SqlError.SqlError> {
    yield* lock
    const row = yield* rowOf(name)
    const more = row?.asks != null && asks !== undefined && grown(row.asks, asks).length > 0
    if (row !== undefined && row.hash === code.hash && !(more && !reload)) {
      yield* confirm(row, code, asks, allow)
      return { state: "granted", first: false }
    }
    yield* storeCode(code, texts)
    if (row !== undefined && !reload) {
      yield* hold(row, code, asks, row.hash === code.hash)
      return { state: "held", granted: toGrant((yield* rowOf(name)) ?? row) }
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
    yield* sweep
    yield* tellHosts
    return { state: "granted", first: row === undefined }
  }, sql.withTransaction)

  const judge: PluginGrants["Service"]["judge"] = Effect.fnUntraced(
    function*(name, code, asks, allow, { reload = false } = {}) {
      // Outside of the transaction: the others need not wait for it.
      const texts = yield* keepCode(code)
      return yield* turn.withPermits(1)(decide(name, code, asks, allow, reload, texts))
    }
  )

  const described: PluginGrants["Service"]["described"] = Effect.fnUntraced(function*(name, hash, described) {
    yield* sql`
      update plugin_grants
      set described = ${JSON.stringify(described)}::json,
          asks = coalesce(asks, ${JSON.stringify(described.permissions)}::json)
      where plugin = ${name} and hash = ${hash} and described::text is distinct from ${JSON.stringify(described)}`
  })

  const codeOf = (hash: string) =>
    Effect.map(sql<CodeRow>`select hash, files, texts from plugin_code where hash = ${hash}`, ([row]) => row)

  const shown = ({ isCut, text }: Diff): Diff => ({ isCut, text: redactor.redactText(text) })
  const diffs = new Map<string, Diff>()
  const diffOf = Effect.fnUntraced(function*(row: Row) {
    if (row.held_hash === null) return undefined
    const key = JSON.stringify([row.hash, row.held_hash, row.asks, row.held_asks])
    const known = diffs.get(key)
    if (known !== undefined) return shown(known)
    const [before, now] = [yield* codeOf(row.hash), yield* codeOf(row.held_hash)]
    if (before === undefined || now === undefined) return undefined
    const [was, is] = yield* Effect.promise(() => Promise.all([unpackTexts(before.texts), unpackTexts(now.texts)]))
    const diff = diffOfCode(
      { files: before.files, texts: was, asks: row.asks ?? undefined },
      { files: now.files, texts: is, asks: row.held_asks ?? undefined }
    )
    diffs.set(key, diff)
    for (const oldest of diffs.keys()) {
      if (diffs.size <= keptDiffs) break
      diffs.delete(oldest)
    }
    return shown(diff)
  })

  const move = Effect.fnUntraced(function*(name: string, hash: string | undefined) {
    yield* lock
    const row = yield* rowOf(name)
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
    if (hash === undefined && (yield* diffOf(row))?.isCut !== false) {
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
    yield* sweep
    yield* tellHosts
    return toGrant((yield* rowOf(name)) ?? row)
  }, sql.withTransaction)

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
    grant: (name, hash) => Effect.tap(turn.withPermits(1)(move(name, hash)), () => Effect.ignoreCause(look)),
    all: Effect.map(rowsOf(sql.and([])), (rows) => rows.map(toGrant)),
    at: (path) => Effect.map(rowsOf(sql.and([sql`g.path = ${path}`])), (rows) => rows.map(toGrant)),
    diff: (name) => Effect.flatMap(rowOf(name), (row) => row === undefined ? Effect.undefined : diffOf(row)),
    onChange: (listener) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      ))
  })
})
