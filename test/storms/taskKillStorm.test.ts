/**
 * kill -9 of the host's whole process group at random moments while it runs many tasks: each goes on where it was, what
 * succeeded is not done again, and what nobody can know waits for a person, whose word brings the task to its end.
 *
 * SYRIS_TEST_LONG=1 kills 200 times; SYRIS_TEST_SEED repeats the dice of a run.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder } from "./Hosts.ts"
import { startLoad } from "./Load.ts"
import { quiet } from "./Reckoning.ts"
import { startRemote } from "./Remote.ts"
import { outsideTable, writeStorm } from "./StormPlugin.ts"
import { all, makeTask, nextShape, sendTask, settleUnknown } from "./StormTasks.ts"
import { reckonTasks } from "./TaskReckoning.ts"
import { long, makeRandom, moment, seed, until } from "./Until.ts"

const kills = Number(process.env["SYRIS_TEST_KILLS"] ?? (long ? 200 : 2))

/** Most tasks that are open at once. */
const openAtOnce = long ? 60 : 24

describe("kill -9 of the host's process group while it runs many tasks", () => {
  it(`${kills} times: each task goes on where it was, and nothing is doubled`, async () => {
    const random = makeRandom(seed)
    const home = folder("task-storm")
    const database = await makeDatabase()
    const remote = await startRemote({ random, lost: 0.03, slow: { share: 0.2, maximumMs: 300 } })
    try {
      await database.query(outsideTable)
      const place = { home, config: writeStorm(home, remote.url), databaseUrl: database.url }
      let starting = beginHost(place)
      await starting.ready
      const load = startLoad({
        host: () => starting.ready,
        inFlight: long ? 12 : 6,
        name: "t",
        next: nextShape(random),
        send: sendTask(random),
        pause: 20,
        room: async () => {
          await until("room for another task", async () => {
            const [row] = await database.query<{ n: number }>("select count(*)::int as n from work where not parked")
            return (row?.n ?? 0) < openAtOnce || undefined
          }, 300_000)
        }
      })
      let atWork = 0
      for (let kill = 0; kill < kills; kill++) {
        // Most die at work, some while they start or take over what the last one left.
        let release = () => {}
        if (kill === 0 || random() < 0.8) {
          atWork++
          const host = await starting.ready
          // One at least is in the middle of a step.
          const held = `held-${kill}`
          release = remote.hold(`${held}/keyed`)
          const step = { name: "keyed", tool: "storm.keyed", input: { id: `${held}/keyed` }, max_attempts: 20 }
          assert.strictEqual((await makeTask(host, held, { steps: [step] })).status, 201)
          await remote.arrived(`${held}/keyed`)
          const before = load.acknowledged.length
          await until("some more tasks", () => load.acknowledged.length > before + 3, 60_000)
        }
        await moment(random() * 1_500)
        await starting.kill()
        release()
        starting = beginHost(place)
      }
      const host = await starting.ready
      const raged = performance.now()
      await load.finish()
      await quiet(database, 45_000)
      const reckoned = await reckonTasks(database, remote, load.acknowledged)
      const { duplicates, failed, settled, ...figures } = reckoned
      const acknowledged = load.acknowledged.length
      console.log(
        `task kill storm (seed ${seed}): ` +
          JSON.stringify({
            kills,
            acknowledged,
            sent_again: load.unanswered(),
            settled,
            duplicates,
            failed,
            ...figures
          })
      )
      assert.strictEqual(settled, acknowledged)
      assert.strictEqual(duplicates, 0)
      assert.isAtLeast(reckoned.interrupted, atWork, "the storm interrupted nothing")
      // A call under which its host ended five times is given up.
      const {
        "tool.connection_lost": _,
        "tool.interrupted": __,
        "tool.refused": ___,
        "tool.timeout": ____,
        ...others
      } = reckoned.failed_tasks
      assert.deepEqual(others, {}, "something failed that was not refused")

      // What waits for a person is listed, and ends by that person's word.
      const unknown = await database.query("select tool_call_id from tool_calls where status = 'unknown'")
      assert.strictEqual((await all(host, "/tool-calls?status=unknown")).length, unknown.length)
      const said = await settleUnknown(host, remote, database)
      const ms = Math.round(performance.now() - raged)
      const after = await reckonTasks(database, remote, load.acknowledged)
      console.log(
        `settled by a person (seed ${seed}): ` +
          JSON.stringify({ ms, said, tasks: after.tasks, unknown: after.unknown })
      )
      assert.deepEqual(after.unknown, {})
      assert.notProperty(after.tasks, "waiting")
      await until("a healthy host", async () => (await host.get("/health")).status === "healthy")
      assert.strictEqual(await host.stop(), 0)
    } finally {
      endHosts()
      await remote.close()
      await database.close()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, kills * 5_000 + 300_000)
})
