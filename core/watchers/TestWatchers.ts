/**
 * For tests: a plugin whose watchers the test scripts, on hosts of one database. A watcher's interval is a day, so it ticks
 * when the test says so.
 */
import { Effect, Exit, Redacted, Scope } from "effect"
import { definePlugin, type Plugin, type Watcher } from "../plugin/Plugin.ts"
import { newDatabase } from "../testing/TestDatabase.ts"
import type { TestHost } from "../testing/TestHost.ts"
import { watchersChannel } from "./WatcherStore.ts"

export interface OwnDatabase {
  readonly url: string
  readonly close: () => Promise<void>
}

export const makeDatabase = async (): Promise<OwnDatabase> => {
  const scope = Scope.makeUnsafe()
  const url = await Effect.runPromise(Scope.provide(newDatabase, scope))
  return { url: Redacted.value(url), close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

type Scripted = Omit<Watcher, "name" | "interval"> & { readonly interval?: Watcher["interval"] }

/** The plugin `eye`, with these watchers by name. */
export const eye = (watchers: Readonly<Record<string, Scripted>>): Plugin =>
  definePlugin({
    name: "eye",
    setup: () => ({
      watchers: Object.entries(watchers).map(([name, watcher]) => ({ name, interval: "1 day", ...watcher }))
    })
  })()

export interface Row {
  readonly enabled: boolean
  readonly state: any
  readonly interval_ms: bigint
  readonly last_tick_at: Date | null
  readonly last_outcome: string | null
  readonly last_error: string | null
  readonly consecutive_errors: number
  readonly next_tick_at: Date
  readonly claimed_by: string | null
  readonly fence: bigint
  readonly throttled_events: number
}

export const rowOf = async (host: TestHost, watcher_id: string): Promise<Row> => {
  const [row] = await host.sql<Row>`select * from watchers where watcher_id = ${watcher_id}`
  if (row === undefined) throw new Error(`there is no watcher ${watcher_id}`)
  return row
}

export const until = async <A>(what: string, ask: () => A | Promise<A>, ms = 30_000): Promise<NonNullable<A>> => {
  const end = performance.now() + ms
  while (true) {
    const answer = await ask()
    if (answer !== undefined && answer !== null && answer !== false) return answer
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}

/** It is due now. */
export const makeDue = async (host: TestHost, watcher_id: string): Promise<void> => {
  await host.sql`update watchers set next_tick_at = clock_timestamp() where watcher_id = ${watcher_id}`
  await host.sql`select pg_notify(${watchersChannel}, '')`
}

/** Waits for the outcome of a tick that begins now, not the first one after the start, and answers its trace. */
export const tick = async (
  host: TestHost,
  watcher_id: string
): Promise<{ readonly row: Row; readonly trace: string }> => {
  await until(`${watcher_id} to rest`, async () => {
    const { claimed_by, last_tick_at } = await rowOf(host, watcher_id)
    return claimed_by === null && last_tick_at !== null
  })
  const before = await ended(host, watcher_id)
  await makeDue(host, watcher_id)
  await until(`a tick of ${watcher_id}`, async () => (await ended(host, watcher_id)).length > before.length)
  const [trace = ""] = (await ended(host, watcher_id)).filter((one) => !before.includes(one))
  return { row: await rowOf(host, watcher_id), trace }
}

/** The traces of its ticks so far, oldest first. */
export const ended = async (host: TestHost, watcher_id: string): Promise<ReadonlyArray<string>> =>
  (await host.sql<{ readonly trace_id: string }>`
    select trace_id from audit_events
    where type in ('watcher.tick', 'watcher.error') and refs ->> 'watcher_id' = ${watcher_id}
    order by seq`).map(({ trace_id }) => trace_id)

export interface OpenAlarm {
  readonly type: string
  readonly severity: string
  readonly message: string
}

export const openAlarms = (host: TestHost, key: string): Promise<ReadonlyArray<OpenAlarm>> =>
  host.sql<OpenAlarm>`select type, severity, message from alarms where dedupe_key = ${key} and status <> 'resolved'`

export interface Gate {
  readonly opened: Promise<void>
  readonly open: () => void
}

export const gate = (): Gate => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}
