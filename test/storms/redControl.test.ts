/**
 * The red control of the storms: the same storm with the safety taken out shows doubles, so the ledgers outside can see
 * them. Between a kill and the next start the test does what a careless host would do: it forgets which messages it has
 * seen, and takes what was in flight for not begun.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder } from "./Hosts.ts"
import { light, startLoad } from "./Load.ts"
import { quiet } from "./Reckoning.ts"
import { startRemote } from "./Remote.ts"
import { eventOf, type Kind, outsideTable, writeStorm } from "./StormPlugin.ts"
import { long, makeRandom, moment, seed, until } from "./Until.ts"

describe("the same storm without the safety", () => {
  it("doubles what it does, and the test sees it", async () => {
    const random = makeRandom(seed)
    const home = folder("red")
    const database = await makeDatabase()
    const remote = await startRemote({ random, lost: 0.05, slow: { share: 0.2, maximumMs: 300 } })
    try {
      await database.query(outsideTable)
      const place = { home, config: writeStorm(home, remote.url, "10 seconds"), databaseUrl: database.url }
      const someKinds: ReadonlyArray<Kind> = ["insert", "probed", "plain"]
      let starting = beginHost(place)
      await starting.ready
      const load = startLoad({
        host: () => starting.ready,
        ...light,
        next: (n) => someKinds[n % someKinds.length] ?? "plain"
      })
      for (let kill = 0; kill < (long ? 4 : 2); kill++) {
        const host = await starting.ready
        // One at least is done, and its host does not know it, when it is killed.
        const held = `held-${kill}`
        const release = remote.hold(held)
        await host.send(eventOf("probed", held))
        await remote.arrived(held)
        await moment(random() * 600)
        await starting.kill()
        release()
        await database.query("delete from event_keys")
        await database.query(
          `with without_law as (select set_config('session_replication_role', 'replica', true) as role),
                reset as (
                  update tool_calls set status = 'planned', held_by = null, open_attempts = 0
                  from without_law where without_law.role = 'replica' and status in ('attempted', 'unknown')
                )
           update work set claimed_by = null, parked = false, waits_for = null, due_at = clock_timestamp() where tool_call_id is not null`
        )
        starting = beginHost(place)
      }
      const host = await starting.ready
      await load.finish()
      if (long) await quiet(database)
      else await until("what was held to be done again", () => remote.doubled().includes("held-0"), 90_000)
      const twice = await database.query("select id from outside_ledger group by id having count(*) > 1")
      console.log(
        `red control (seed ${seed}): ` + JSON.stringify({
          acknowledged: load.acknowledged.length,
          doubled_outside: remote.doubled().length,
          doubled_in_the_database: twice.length
        })
      )
      assert.isNotEmpty(remote.doubled())
      await host.kill()
    } finally {
      endHosts()
      await remote.close()
      await database.close()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, 300_000)
})
