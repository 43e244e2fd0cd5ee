/**
 * kill -9 of the host's whole process group at random moments under load: every event that was answered 202 settles after
 * the restart, and nothing that promises it acts twice, by the count of ledgers that know nothing of the host.
 *
 * SYRIS_TEST_LONG=1 kills 100 times; SYRIS_TEST_SEED repeats the dice of a run.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { type Eyes, look, makeDatabase, startServer } from "./Databases.ts"
import { beginHost, endHosts, folder, type Host, type HostPlace, startHost } from "./Hosts.ts"
import { type Acknowledged, light, type Load, startLoad } from "./Load.ts"
import { quiet, type Reckoned, reckon } from "./Reckoning.ts"
import { type Remote, startRemote } from "./Remote.ts"
import { eventOf, kinds, outsideTable, writeStorm } from "./StormPlugin.ts"
import { long, makeRandom, moment, seed, until } from "./Until.ts"

interface Storm {
  readonly place: HostPlace
  readonly random: () => number
  readonly kills: number
  readonly remote: Remote
}

interface Raged {
  readonly host: Host
  readonly load: Load
  readonly acknowledged: ReadonlyArray<Acknowledged>
}

/** In the hands of the other side when the first kill comes. */
const held = "held"

/** Starts, kills and starts again, with a load that never rests; answers the last host, alive, and all that was sent. */
const rage = async ({ kills, place, random, remote }: Storm): Promise<Raged> => {
  let starting = beginHost(place)
  const first = await starting.ready
  const load = startLoad({
    host: () => starting.ready,
    next: () => kinds[Math.floor(random() * kinds.length)] ?? "insert",
    ...light
  })
  // That the first kill interrupts something is not left to the dice.
  const release = remote.hold(held)
  const { event_id, trace_id } = await first.send(eventOf("keyed", held))
  await remote.arrived(held)
  for (let kill = 0; kill < kills; kill++) {
    // Most die at work, some while they start or take over what the last one left.
    if (random() < 0.75) await starting.ready
    await moment(random() * (long ? 1_200 : 800))
    await starting.kill()
    release()
    starting = beginHost(place)
  }
  const host = await starting.ready
  await load.finish()
  return { host, load, acknowledged: [...load.acknowledged, { id: held, kind: "keyed", event_id, trace_id }] }
}

const tell = (name: string, kills: number, { acknowledged, load }: Raged, reckoned: Reckoned) =>
  console.log(
    `${name} (seed ${seed}): ` + JSON.stringify({
      kills,
      acknowledged: acknowledged.length,
      sent_again: load.unanswered(),
      settled: reckoned.settled,
      attempts: reckoned.attempts,
      unknown: reckoned.unknown,
      failed: reckoned.failed,
      duplicates: reckoned.duplicates
    })
  )

const unreliable = (random: () => number) => ({ random, lost: 0.05, slow: { share: 0.2, maximumMs: 300 } })

describe("kill -9 of the host's process group at random moments under load", () => {
  it("loses nothing that was acknowledged and doubles nothing, on a database of its own", async () => {
    const random = makeRandom(seed)
    const home = folder("storm")
    const database = await makeDatabase()
    const remote = await startRemote(unreliable(random))
    try {
      await database.query(outsideTable)
      const kills = long ? 100 : 3
      const place = { home, config: writeStorm(home, remote.url), databaseUrl: database.url }
      const raged = await rage({ place, random, remote, kills })
      const { acknowledged, host, load } = raged
      await quiet(database)
      const reckoned = await reckon(database, remote, acknowledged)
      tell("kill storm", kills, raged, reckoned)
      assert.deepEqual(load.contradictions, [])
      assert.strictEqual(reckoned.settled, acknowledged.length)
      assert.strictEqual(reckoned.duplicates, 0)
      assert.isAbove(reckoned.attempts, acknowledged.length, "the storm interrupted nothing")
      await until("a healthy host", async () => (await host.get("/health")).status === "healthy")
      assert.strictEqual(await host.stop(), 0)
    } finally {
      endHosts()
      await remote.close()
      await database.close()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, long ? 900_000 : 300_000)

  it("the same with the database that the home keeps, which its watcher stops after each kill", async () => {
    const random = makeRandom(seed + 1)
    const home = folder("storm-embedded")
    const remote = await startRemote(unreliable(random))
    const inDatabase = async <A>(use: (eyes: Eyes) => Promise<A>): Promise<A> => {
      const server = await startServer(home)
      const eyes = look(server.connection)
      try {
        return await use(eyes)
      } finally {
        await eyes.close()
        await server.stop()
      }
    }
    try {
      await inDatabase((eyes) => eyes.query(outsideTable))
      const kills = long ? 20 : 1
      const place = { home, config: writeStorm(home, remote.url) }
      const raged = await rage({ place, random, remote, kills })
      const { acknowledged, host } = raged
      // All but what waits for quiet is settled before the end; that is settled by the next start.
      if (long) assert.strictEqual(await host.stop(), 0)
      const last = long ? await startHost(place) : host
      await settledOver(last, acknowledged)
      assert.strictEqual(await last.stop(), 0)
      await inDatabase(async (eyes) => {
        const reckoned = await reckon(eyes, remote, acknowledged)
        tell("kill storm on the home's own database", kills, raged, reckoned)
        assert.strictEqual(reckoned.settled, acknowledged.length)
        assert.strictEqual(reckoned.duplicates, 0)
      })
    } finally {
      endHosts()
      await remote.close()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, long ? 600_000 : 300_000)
})

/** Sends every message once more: each is known, and its trace settles. */
const settledOver = async (host: Host, acknowledged: ReadonlyArray<Acknowledged>): Promise<void> => {
  const waiting = [...acknowledged]
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      const again = await host.send(eventOf(one.kind, one.id), { wait: 60 })
      assert.deepInclude(again, { event_id: one.event_id, deduped: true, settled: true, status: 200 })
    }
  }))
}
