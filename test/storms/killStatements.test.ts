/**
 * The host is killed at every statement that it sends for one event: before the database gets it, and after the database
 * has done it and before the host hears so. Whatever the point, the event is settled by the next host, and its tool acts
 * once.
 *
 * The short form kills at one statement for each tool, on one side for some and on the other for the rest, others each time
 * (SYRIS_TEST_SEED repeats them). SYRIS_TEST_LONG=1 walks all, and those of the start and of the recovery, too.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase, type OwnDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder, type Host, type HostPlace, startHost } from "./Hosts.ts"
import type { Acknowledged } from "./Load.ts"
import { type Proxy, type Side, startProxy } from "./Proxy.ts"
import { quiet, reckon } from "./Reckoning.ts"
import { type Remote, startRemote } from "./Remote.ts"
import { eventOf, type Kind, kinds, outsideTable, writeStorm } from "./StormPlugin.ts"
import { long, makeRandom, sample, seed, until } from "./Until.ts"

describe("kill -9 at every statement", () => {
  const home = folder("statements")
  let database: OwnDatabase
  let remote: Remote
  let proxy: Proxy
  let place: HostPlace
  let host: Host
  const acknowledged: Array<Acknowledged> = []
  const random = makeRandom(seed)
  let kills = 0
  /** Of these the host died at a statement, on one side or the other. */
  const killed = new Set<Kind>()

  beforeAll(async () => {
    database = await makeDatabase()
    await database.query(outsideTable)
    remote = await startRemote({ random: () => 0.5 })
    proxy = await startProxy(database.url)
    place = { home, config: writeStorm(home, remote.url), databaseUrl: proxy.url }
    host = await startHost(place)
  })

  afterAll(async () => {
    endHosts()
    await proxy?.close()
    await remote?.close()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const over = (id: string) =>
    database.query(
      `select 1 from events e left join settlements s using (event_id) left join work i on i.work_id = e.event_id
       where e.message_id = $1 and (s.event_id is not null or i.parked)`,
      [id]
    ).then((rows) => rows.length > 0)

  const acknowledge = async (kind: Kind, id: string) => {
    const answer = await host.send(eventOf(kind, id))
    const { event_id, status, trace_id } = answer
    assert.include([200, 202], status, `${id} ${JSON.stringify(answer)}\n${host.log()}`)
    acknowledged.push({ id, kind, event_id, trace_id })
  }

  for (const side of ["request", "answer"] satisfies ReadonlyArray<Side>) {
    for (const [index, kind] of kinds.entries()) {
      if (!long && (seed + index) % 2 !== Number(side === "answer")) continue
      it(
        `of an event of the tool ${kind}, ${
          side === "request" ? "before the database gets it" : "before its answer is heard"
        }`,
        async () => {
          let struck = 0
          /** Kills at a statement; answers how many have passed where there are less. */
          const killAt = async (at: number): Promise<number | undefined> => {
            const id = `${kind}-${side}-${at}`
            // What the last one left (a probe waits until all is quiet) is not what this one counts.
            if (kind !== "probed") await quiet(database)
            let dead = false
            const blow = proxy.arm({
              side,
              at,
              strike: () => {
                dead = true
                void host.kill()
              }
            })
            const sent = host.send(eventOf(kind, id)).catch(() => undefined)
            await until(`the end of ${id}, or of the host`, async () => dead || await over(id))
            if (!blow.struck()) {
              proxy.disarm()
              await sent
              await acknowledge(kind, id)
              return blow.passed()
            }
            struck++
            kills++
            killed.add(kind)
            await host.gone
            proxy.disarm()
            host = await startHost(place)
            await acknowledge(kind, id)
            return undefined
          }
          if (long) {
            for (let at = 1; await killAt(at) === undefined; at++) assert.isBelow(at, 40, "the walk has no end")
          } else {
            const all = await killAt(Infinity) ?? 0
            for (const at of sample(all, 1, random)) if (struck === 0) await killAt(at)
          }
          assert.isAbove(struck, 0, "no statement was seen")
        },
        120_000
      )
    }
  }

  it.runIf(long)("of a start that takes over what the last host left", async () => {
    for (const side of ["request", "answer"] satisfies ReadonlyArray<Side>) {
      for (let at = 1; at <= 80; at++) {
        // Killed while the other side has not answered yet, so that the next host has something to take over.
        const open = (["keyed", "probed", "plain"] as const).map((kind) => `start-${side}-${at}-${kind}`)
        const releases = open.map(remote.hold)
        for (const kind of kinds) await acknowledge(kind, `start-${side}-${at}-${kind}`)
        await Promise.all(open.map(remote.arrived))
        await host.kill()
        for (const release of releases) release()
        let starting = beginHost(place)
        const first = starting
        let dead = false
        const blow = proxy.arm({
          side,
          at,
          strike: () => {
            dead = true
            void first.kill()
          }
        })
        await until("the blow, or the end of the recovery", async () => {
          if (dead) return true
          const [row] = await database.query<{ n: number }>(
            "select count(*)::int as n from work where not parked and due_at < now()"
          )
          return row?.n === 0
        }, 60_000)
        proxy.disarm()
        if (blow.struck()) {
          kills++
          await first.gone
          starting = beginHost(place)
        }
        host = await starting.ready
      }
    }
  }, 900_000)

  it("and all that was acknowledged is settled, once", async () => {
    await quiet(database)
    const reckoned = await reckon(database, remote, acknowledged)
    console.log(
      "kill at every statement: " + JSON.stringify({ seed, kills, acknowledged: acknowledged.length, ...reckoned })
    )
    assert.strictEqual(reckoned.settled, acknowledged.length)
    // How many statements there are is for others to bound; that none was spared is what this test rests on.
    assert.sameMembers([...killed], [...kinds])
  }, 120_000)
})
