/**
 * The red control of the tasks' storms: the same storm under a naive runner does double, so the ledgers outside can see it.
 * Between a kill and the next start the test does what such a runner would do: it takes what was in flight for not begun
 * and calls it again under another key; or it keeps no checkpoints and begins its tasks anew.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder } from "./Hosts.ts"
import { startLoad } from "./Load.ts"
import { quiet } from "./Reckoning.ts"
import { startRemote } from "./Remote.ts"
import { outsideTable, writeStorm } from "./StormPlugin.ts"
import { makeTask } from "./StormTasks.ts"
import { long, makeRandom, moment, seed, until } from "./Until.ts"

/** The law of the tables is not asked. */
const lawless = (statement: string) => `
  with without_law as (select set_config('session_replication_role', 'replica', true) as role) ${statement}`

/** The key contains the attempt, and what was not known counts as not begun. */
const guessing = lawless(`
  update steps s
  set status = 'pending', tool_call_id = null, ordinal = s.ordinal + 1
  from without_law
  where without_law.role = 'replica' and s.kind = 'tool' and s.status in ('running', 'waiting')`)

/** What succeeded is forgotten. */
const forgetting = lawless(`
  update steps s
  set status = 'pending', tool_call_id = null, ordinal = s.ordinal + 1, output = null, ended_at = null
  from without_law, work w
  where without_law.role = 'replica' and w.work_id = s.task_id and s.status <> 'pending'`)

const free = "update work set claimed_by = null, parked = false, waits_for = null, due_at = clock_timestamp()"

describe("the same storm under a naive runner of tasks", () => {
  for (const [name, statement] of Object.entries({ guessing, forgetting })) {
    it(`that is ${name} doubles what it does, and the test sees it`, async () => {
      const random = makeRandom(seed)
      const home = folder("task-red")
      const database = await makeDatabase()
      const remote = await startRemote({ random, lost: 0.1, slow: { share: 0.2, maximumMs: 300 } })
      try {
        await database.query(outsideTable)
        const place = { home, config: writeStorm(home, remote.url), databaseUrl: database.url }
        let starting = beginHost(place)
        await starting.ready
        const step = (kind: string, id: string) => ({
          name: kind,
          tool: `storm.${kind}`,
          input: { id: `${id}/${kind}` }
        })
        const load = startLoad({
          host: () => starting.ready,
          inFlight: 8,
          next: () => "list",
          send: (host, { again, id }, signal) => {
            const label = `${id}.${again}`
            const steps = ["insert", "keyed", "probed", "plain"].map((kind) => step(kind, label))
            return makeTask(host, label, { steps }, signal)
          },
          pause: 20,
          room: async () => {
            await until("room for another task", async () => {
              const rows = await database.query("select 1 from work where not parked limit 40")
              return rows.length < 40
            }, 60_000)
          }
        })
        for (let kill = 0; kill < (long ? 8 : 1); kill++) {
          // One at least has a step that was done and recorded, and one that was done and is not recorded.
          const held = `held-${kill}`
          const release = remote.hold(`${held}/keyed`)
          await makeTask(await starting.ready, held, { steps: [step("insert", held), step("keyed", held)] })
          await remote.arrived(`${held}/keyed`)
          const before = load.acknowledged.length
          await until("some tasks", () => load.acknowledged.length > before + 8)
          await moment(random() * 300)
          await starting.kill()
          release()
          await database.query(statement)
          await database.query(free)
          starting = beginHost(place)
        }
        const host = await starting.ready
        await load.finish()
        if (long) await quiet(database)
        const doubles = () => database.query("select id from outside_ledger group by id having count(*) > 1")
        await until(
          "what was held to be done again",
          async () =>
            remote.doubled().includes("held-0/keyed") && (name === "guessing" || (await doubles()).length > 0),
          90_000
        )
        const twice = await doubles()
        const doubled = remote.doubled()
        const of = (kind: string) => doubled.filter((id) => id.endsWith(`/${kind}`)).length
        console.log(
          `${name}, red control of tasks (seed ${seed}): ` + JSON.stringify({
            acknowledged: load.acknowledged.length,
            keyed: of("keyed"),
            probed: of("probed"),
            plain: of("plain"),
            inserted: twice.length
          })
        )
        assert.isNotEmpty(doubled)
        // A transaction that was not committed left nothing: only who forgets what was committed doubles it.
        if (name === "forgetting") assert.isNotEmpty(twice)
        await host.kill()
      } finally {
        endHosts()
        await remote.close()
        await database.close()
        fs.rmSync(home, { recursive: true, force: true })
      }
    }, 300_000)
  }
})
