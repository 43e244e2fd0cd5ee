/**
 * What was granted to whom, and what is held, as the database has it and as it is told.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Described } from "../../sandbox/protocol/Described.ts"
import { visible } from "../contract/Visible.ts"
import { Environment } from "../database/Environment.ts"
import type { Permissions } from "../plugin/Plugin.ts"

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

/** As the table has it, with how much code it is. */
export interface GrantRow {
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

export const grantRows = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const here = placeOf((yield* Environment).home)

  const columns = sql.literal(`
    g.plugin, g.path, g.hash, g.entry, g.asks, g.allow, g.described, g.granted_at, g.granted_by, g.held_hash, g.held_asks,
    g.held_since, g.held_in, jsonb_array_length(c.files) as files,
    (select coalesce(sum((f ->> 'bytes')::int), 0)::int from jsonb_array_elements(c.files) f) as bytes`)
  const rowsOf = (condition: ReturnType<typeof sql.and>) =>
    sql<GrantRow>`
      select ${columns} from plugin_grants g join plugin_code c on c.hash = g.hash
      where ${condition} order by g.plugin`
  const rowOf = (name: string) => Effect.map(rowsOf(sql.and([sql`g.plugin = ${name}`])), ([row]) => row)

  const toGrant = (row: GrantRow): PluginGrant => ({
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

  return {
    /** The place of this host. */
    here,
    of: rowOf,
    toGrant,
    all: Effect.map(rowsOf(sql.and([])), (rows) => rows.map(toGrant)),
    at: (path: string) => Effect.map(rowsOf(sql.and([sql`g.path = ${path}`])), (rows) => rows.map(toGrant))
  }
})

export type GrantRows = Effect.Success<typeof grantRows>
