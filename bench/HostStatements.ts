/**
 * The statements that the host sends for one noop event, taken from the host itself: its layers run here once over a
 * client that notes what passes. Replayed over a bare connection with new ids they are "the commits it needs".
 */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { fromUrl, layerPool } from "../core/database/Database.ts"
import { Environment } from "../core/database/Environment.ts"
import { Redacted } from "effect"
import { layerCore } from "../core/main.ts"
import { Pipeline } from "../core/pipeline/Pipeline.ts"
import { Settings } from "../core/plugin/Settings.ts"
import noop from "../plugins/noop/index.ts"
import webhook from "../plugins/webhook/index.ts"
import type { PgWire, Value } from "./PgWire.ts"

interface Noted {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
}

/** One event of the host, to be written again. */
export interface Replay {
  /** The statements in order, each waited for; answers how many there were. */
  readonly run: (connection: PgWire) => Promise<number>
}

const uuid = /\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/g
const hash = /\b[0-9a-f]{64}\b/g
const instant = /\b20\d\d-\d\d-\d\dT[\d:.]+Z\b/g

const newId = (now: number): string => {
  const time = now.toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** Text in which every id, unique hash and time is replaced, the same by the same. */
const renew = (kept: ReadonlySet<string>) => {
  const ids = new Map<string, string>()
  const now = new Date()
  const other = (make: () => string) => (old: string) => {
    if (kept.has(old)) return old
    const made = ids.get(old) ?? make()
    ids.set(old, made)
    return made
  }
  return (text: string): string =>
    text.replaceAll(uuid, other(() => newId(now.getTime())))
      .replaceAll(hash, other(() => randomUUID().replaceAll("-", "").repeat(2)))
      .replaceAll(instant, now.toISOString())
}

/** A list of texts as PostgreSQL reads it. */
const list = (texts: ReadonlyArray<unknown>): string =>
  `{${texts.map((one) => `"${String(one).replaceAll(/[\\"]/g, "\\$&")}"`).join(",")}}`

export const note = async (home: string, url: string): Promise<ReadonlyArray<Noted>> => {
  let noted: Array<Noted> = []
  const layerNoting = Layer.effect(
    SqlClient.SqlClient,
    Effect.map(SqlClient.SqlClient, (sql) =>
      new Proxy(sql, {
        get: (target, key) =>
          key !== "unsafe" ?
            Reflect.get(target, key) as unknown :
            (text: string, params: ReadonlyArray<unknown> = []) => {
              noted.push({ sql: text, params })
              return target.unsafe(text, params)
            }
      }))
  ).pipe(Layer.provideMerge(layerPool(fromUrl(Redacted.make(url)))))
  const environment = Environment.of({ home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined })
  const host = layerCore.pipe(Layer.provide([
    Settings.layerOf({ plugins: [noop(), webhook()] }),
    layerNoting,
    Layer.succeed(Environment, environment)
  ]))
  // What the host looks for besides is not of the event.
  const writes = (eventId: string) =>
    noted.filter(({ params, sql }) => sql.includes("insert into") && JSON.stringify(params).includes(eventId))
  const send = Effect.gen(function*() {
    const pipeline = yield* Pipeline
    noted = []
    const accepted = yield* pipeline.submit({ channel: "webhook", text: "noop", message_id: randomUUID() })
    yield* pipeline.settled(accepted)
    return writes(accepted.event_id)
  })
  return Effect.runPromise(send.pipe(Effect.provide(host), Effect.scoped))
}

/** The host whose lease the replayed statements are written under must live in the same database. */
export const hostStatements = async (home: string, url: string, database: PgWire): Promise<Replay> => {
  const noted = await note(home, url)
  const [row] = await database.query("select host_id from hosts order by started_at desc limit 1")
  const hostId = row?.[0] ?? ""
  await database.query(
    "update hosts set ended_at = null, end_proof = null, lease_until = clock_timestamp() + interval '1 day' where host_id = $1",
    [hostId]
  )
  const all = noted.map(({ params }) => JSON.stringify(params)).join()
  const constant = new Set(
    [...all.matchAll(hash)].map(([text]) => text).filter((text) => all.includes(`\\"tool_pin\\":\\"${text}`))
  ).add(hostId)
  return {
    run: async (connection) => {
      const text = renew(constant)
      let fence: Value = null
      for (const { params, sql } of noted) {
        const values = params.map((param) => {
          const own = text(Array.isArray(param) ? list(param) : String(param))
          return fence === null ? own : own.replaceAll(/"fence":\d+/g, `"fence":${fence}`)
        })
        const rows = await connection.query(sql, values)
        fence ??= rows[0]?.[1] ?? null
        if (rows.length !== 1) throw new Error("A replayed statement did not do what the host's did.")
      }
      return noted.length
    }
  }
}
