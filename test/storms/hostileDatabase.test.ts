/**
 * The database behaves badly while the host lives: connections are cut, answers are lost, the server restarts, everything
 * is slow. No acknowledged event is lost and none is doubled, and the host is well afterwards without a restart.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { type Eyes, look, makeDatabase, sparesClaims, startServer } from "./Databases.ts"
import { folder, type Host, startHost } from "./Hosts.ts"
import { light, type Load, startLoad } from "./Load.ts"
import { type Side, startProxy } from "./Proxy.ts"
import { quiet, type Reckoned, reckon } from "./Reckoning.ts"
import { type Remote, startRemote } from "./Remote.ts"
import { eventOf, kinds, outsideTable, writeStorm } from "./StormPlugin.ts"
import { first, Hopeless, long, makeRandom, moment, seed, stride, until } from "./Until.ts"

const healthy = (host: Host) => until("a healthy host", async () => (await host.get("/health")).status === "healthy")

const works = async (host: Host) => {
  const sent = await host.send(eventOf("insert", "afterwards"), { wait: 60 })
  assert.deepInclude(sent, { settled: true, outcome: "succeeded" })
}

const finish = async (name: string, eyes: Eyes, remote: Remote, host: Host, load: Load): Promise<Reckoned> => {
  await load.finish()
  await quiet(eyes, 60_000)
  const reckoned = await reckon(eyes, remote, load.acknowledged)
  console.log(
    `${name} (seed ${seed}): ` + JSON.stringify({
      acknowledged: load.acknowledged.length,
      sent_again: load.unanswered(),
      ...reckoned
    })
  )
  assert.deepEqual(load.contradictions, [])
  assert.strictEqual(reckoned.settled, load.acknowledged.length)
  assert.strictEqual(reckoned.duplicates, 0)
  if (!long) assert.deepEqual(reckoned.failed, {}, "what the host's own database took from a tool is done again")
  await healthy(host)
  await works(host)
  return reckoned
}

describe("a hostile database", () => {
  it("cuts connections at random under load", async () => {
    const random = makeRandom(seed)
    const home = folder("cuts")
    const database = await makeDatabase()
    const remote = await startRemote({ random, lost: 0.02, slow: { share: 0.2, maximumMs: 100 } })
    let host: Host | undefined
    try {
      await database.query(outsideTable)
      const started = host = await startHost({
        home,
        config: writeStorm(home, remote.url, "5 seconds"),
        databaseUrl: database.url
      })
      const load = startLoad({
        host: () => Promise.resolve(started),
        next: () => kinds[Math.floor(random() * kinds.length)] ?? "insert",
        ...light
      })
      let cuts = 0
      const end = performance.now() + (long ? 60_000 : 1_500)
      await until("enough of both", async () => {
        if (load.failed() !== undefined) throw new Hopeless("The load has ended.", { cause: load.failed() })
        // A slow machine gets through less meanwhile, and is given its time.
        if (performance.now() > end && cuts > 20) return load.acknowledged.length > 100
        await moment(100 + random() * 200)
        const share = random()
        const cut = await database.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name = 'syris' and pid <> pg_backend_pid()
             and random() < ${share < 0.3 ? 1 : share}
             ${sparesClaims}`
        )
        cuts += cut.length
        return false
      }, 300_000)
      const reckoned = await finish(`${cuts} connections cut`, database, remote, started, load)
      assert.isAbove(reckoned.settled, 100)
      assert.strictEqual(await started.stop(), 0)
    } finally {
      await host?.kill()
      await remote.close()
      await database.close()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, 200_000)

  it("is restarted under load, and answers late", async () => {
    const random = makeRandom(seed)
    const home = folder("restarts")
    const databaseHome = folder("restarts-database")
    const remote = await startRemote({ random, slow: { share: 0.2, maximumMs: 100 } })
    let server = await startServer(databaseHome)
    const { database, path: socket, username } = server.connection
    const place = socket.slice(0, socket.lastIndexOf("/"))
    const eyes = look(server.connection)
    const proxy = await startProxy(`postgres://${username}@localhost/${database}?host=${encodeURIComponent(place)}`)
    let host: Host | undefined
    try {
      await eyes.query(outsideTable)
      const started = host = await startHost({
        home,
        config: writeStorm(home, remote.url, "5 seconds"),
        databaseUrl: proxy.url
      })
      const load = startLoad({
        host: () => Promise.resolve(started),
        next: () => kinds[Math.floor(random() * kinds.length)] ?? "insert",
        ...light
      })
      proxy.delay(() => random() < 0.1 ? random() * 300 : 0)
      for (let restart = 0; restart < (long ? 10 : 1); restart++) {
        const before = load.acknowledged.length
        await until("work to go on", () => load.acknowledged.length > before + 25)
        await server.stop()
        server = await startServer(databaseHome)
      }
      const before = load.acknowledged.length
      await until("work to go on", () => load.acknowledged.length > before + 25)
      proxy.delay(() => 0)
      await finish("database restarted", eyes, remote, started, load)
      assert.strictEqual(await started.stop(), 0)
    } finally {
      await host?.kill()
      await proxy.close()
      await eyes.close()
      await server.stop()
      await remote.close()
      fs.rmSync(home, { recursive: true, force: true })
      fs.rmSync(databaseHome, { recursive: true, force: true })
    }
  }, long ? 400_000 : 300_000)

  for (const side of ["request", "answer"] satisfies ReadonlyArray<Side>) {
    it(
      `loses the connection at each statement of an event, ${
        side === "answer" ? "after doing it" : "before it has it"
      }`,
      async () => {
        const home = folder("doubt")
        const database = await makeDatabase()
        const remote = await startRemote({ random: () => 0.5 })
        const proxy = await startProxy(database.url)
        let host: Host | undefined
        try {
          await database.query(outsideTable)
          const started = host = await startHost({
            home,
            config: writeStorm(home, remote.url, "5 seconds"),
            databaseUrl: proxy.url
          })
          const acknowledged: Array<{ id: string; kind: typeof kinds[number]; event_id: string; trace_id: string }> = []
          const outcomes: Array<string> = []
          for (const kind of kinds) {
            for (let at = first(side);; at += stride) {
              assert.isBelow(at, 40, "the walk has no end")
              const id = `${kind}-${at}`
              const began = performance.now()
              const blow = proxy.arm({ side, at, strike: ({ cut }) => cut() })
              const { event_id, outcome, settled, status, trace_id } = await started.send(eventOf(kind, id), {
                wait: 60
              })
              proxy.disarm()
              const ms = Math.round(performance.now() - began)
              outcomes.push(`${id} ${status} ${outcome ?? "not settled"} ${ms} ms`)
              if (status !== 503) acknowledged.push({ id, kind, event_id, trace_id })
              assert.isTrue(settled, outcomes.join(", "))
              if (!blow.struck()) break
            }
          }
          await quiet(database)
          const reckoned = await reckon(database, remote, acknowledged)
          console.log(`connection lost at each ${side}: ${outcomes.join(", ")} ${JSON.stringify(reckoned)}`)
          assert.strictEqual(reckoned.duplicates, 0)
          assert.deepEqual(reckoned.failed, {})
          await healthy(started)
          await works(started)
        } finally {
          await host?.kill()
          await proxy.close()
          await remote.close()
          await database.close()
          fs.rmSync(home, { recursive: true, force: true })
        }
      },
      200_000
    )
  }
})
