/**
 * Watchers of several hosts on one database, and of a host that is started again: one tick at a time, nothing lost.
 */
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Plugin } from "../plugin/Plugin.ts"
import { type TestHost, testHost } from "../testing/TestHost.ts"
import { ended, eye, gate, makeDatabase, makeDue, type OwnDatabase, rowOf, tick, until } from "./TestWatchers.ts"

let database: OwnDatabase
let hosts: Array<TestHost> = []
let homes: Array<string> = []

beforeEach(async () => {
  database = await makeDatabase()
})
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  await database?.close()
  for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
  hosts = []
  homes = []
})

const start = async (plugin: Plugin, home?: string): Promise<TestHost> => {
  const own = home ?? fs.mkdtempSync(path.join(os.tmpdir(), "syris-watch-"))
  if (home === undefined) homes.push(own)
  const host = await testHost({ home: own, databaseUrl: database.url, plugins: [plugin] })
  hosts.push(host)
  return host
}
const stop = async (host: TestHost) => {
  hosts = hosts.filter((one) => one !== host)
  await host.stop()
}
const idOf = async (host: TestHost, but?: string): Promise<string> => {
  const rows = await host.sql<
    { host_id: string }
  >`select host_id from hosts where ended_at is null order by started_at desc`
  return rows.find(({ host_id }) => host_id !== but)?.host_id ?? ""
}

describe("a host that is started again", () => {
  it("finds the state, and heeds a changed interval", async () => {
    const plugin = (interval: "1 day" | "2 seconds") =>
      eye({ n: { interval, tick: (_, state) => ({ n: ((state as { n?: number } | null)?.n ?? 0) + 1 }) } })
    const first = await start(plugin("1 day"))
    await until("the first tick", async () => (await rowOf(first, "eye.n")).state?.n === 1)
    await tick(first, "eye.n")
    await stop(first)

    const second = await start(plugin("1 day"), homes[0])
    await tick(second, "system.vigil")
    assert.strictEqual((await rowOf(second, "eye.n")).state.n, 2, "not due")
    await stop(second)

    const third = await start(plugin("2 seconds"), homes[0])
    const row = await until("a tick by the new interval", async () => {
      const found = await rowOf(third, "eye.n")
      return found.state.n >= 3 ? found : undefined
    })
    assert.strictEqual(Number(row.interval_ms), 2_000)
    // From slot to slot: no drift, however late a tick was.
    const next = await until("the one after it", async () => {
      const found = await rowOf(third, "eye.n")
      return found.state.n > row.state.n ? found : undefined
    })
    assert.strictEqual((next.next_tick_at.getTime() - row.next_tick_at.getTime()) % 2_000, 0)
  })

  it("runs a tick again that a stop cut short, with the old state", async () => {
    const seen: Array<unknown> = []
    let aborted = false
    const first = await start(eye({
      cut: {
        tick: (_, state, { signal }) => {
          seen.push(state)
          signal.addEventListener("abort", () => aborted = true)
          return new Promise(() => {})
        }
      }
    }))
    await until("the tick", () => seen.length === 1)
    await stop(first)
    assert.isTrue(aborted)
    const second = await start(eye({ cut: { tick: (_, state) => [state] } }), homes[0])
    assert.deepEqual(await until("it to run again", async () => (await rowOf(second, "eye.cut")).state), [null])
    assert.lengthOf(await ended(second, "eye.cut"), 1)
  })
})

describe("two hosts on one database", () => {
  it("run one tick at a time", async () => {
    let now = 0
    let most = 0
    const plugin = eye({
      a: {
        tick: async (_, state) => {
          most = Math.max(most, ++now)
          await new Promise((resolve) => setTimeout(resolve, 10))
          now--
          return { n: ((state as { n?: number } | null)?.n ?? 0) + 1 }
        }
      }
    })
    const one = await start(plugin)
    await start(plugin)
    await until("the first tick", async () => (await rowOf(one, "eye.a")).state?.n === 1)
    for (let n = 0; n < 20; n++) await tick(one, "eye.a")
    assert.strictEqual(most, 1)
    assert.strictEqual((await rowOf(one, "eye.a")).state.n, 21)
    assert.lengthOf(await ended(one, "eye.a"), 21)
  })

  it("of which one has ended in a tick: the other runs it again with the old state, and the first writes nothing", async () => {
    const over = gate()
    const ran: Array<number> = []
    const plugin = (host: number) =>
      eye({
        left: {
          tick: async (_, state, { emit }) => {
            ran.push(host)
            emit({ text: `by ${host}` })
            if (host === 1) await over.opened
            return { by: host, before: state }
          }
        }
      })
    const one = await start(plugin(1))
    await until("the first to begin", () => ran.length === 1)
    const first = await idOf(one)
    const two = await start(plugin(2))
    // Control: a holder that lives is left alone.
    await makeDue(one, "eye.left")
    await tick(two, "system.heartbeat")
    assert.deepEqual(ran, [1])

    await two.sql`update hosts set ended_at = clock_timestamp(), end_proof = 'lease_expired' where host_id = ${first}`
    await makeDue(two, "eye.left")
    const row = await until("the second to take over", async () => {
      const found = await rowOf(two, "eye.left")
      return found.last_outcome === null ? undefined : found
    })
    assert.deepEqual(row.state, { by: 2, before: null })
    over.open()
    await tick(two, "system.heartbeat")
    assert.deepEqual((await rowOf(two, "eye.left")).state, { by: 2, before: null })
    assert.deepEqual(await two.sql`select text from events where connector_id = 'eye.left'`, [{ text: "by 2" }])
    assert.lengthOf(await ended(two, "eye.left"), 1)
  })

  it("of which one let its lease lapse: the other takes its tick", async () => {
    const over = gate()
    const ran: Array<number> = []
    const plugin = (host: number) =>
      eye({
        held: {
          tick: async () => {
            ran.push(host)
            if (host === 1) await over.opened
            return { by: host }
          }
        }
      })
    const one = await start(plugin(1))
    await until("the first to begin", () => ran.length === 1)
    const first = await idOf(one)
    const two = await start(plugin(2))
    await makeDue(two, "eye.held")
    await until("the second to take over", async () => {
      // It lives, and would renew it.
      await two.sql`update hosts set lease_until = clock_timestamp() - interval '1 second' where host_id = ${first}`
      return (await rowOf(two, "eye.held")).state?.by === 2
    })
    over.open()
    await tick(two, "system.heartbeat")
    assert.deepEqual((await rowOf(two, "eye.held")).state, { by: 2 })
  })
})
