/**
 * The database behaves badly while hosts run many tasks and operators steer them: connections are cut at random, the
 * server is killed or shut down at once and started again. No task is lost or stuck, none does a thing twice, and the hosts
 * are well afterwards without a restart.
 *
 * SYRIS_TEST_LONG=1 cuts for five minutes and kills the server 20 times.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { type Eyes, look, makeDatabase, sparesClaims, startServer } from "./Databases.ts"
import { endHosts, folder, type Host, startHost } from "./Hosts.ts"
import { type Load, startLoad } from "./Load.ts"
import { disobeyed, type Operators, startOperators } from "./Operator.ts"
import { quiet } from "./Reckoning.ts"
import { type Remote, startRemote } from "./Remote.ts"
import { outsideTable, writeStorm } from "./StormPlugin.ts"
import { nextShape, sendTask, settleUnknown, type Shape } from "./StormTasks.ts"
import { reckonTasks } from "./TaskReckoning.ts"
import { Hopeless, long, makeRandom, moment, seed, until } from "./Until.ts"

interface Storm {
  readonly hosts: ReadonlyArray<Host>
  readonly load: Load<Shape>
  readonly operators: Operators
}

/** Most tasks that are open at once. */
const openAtOnce = long ? 60 : 24

/** Two hosts, a load for both and operators; what rages is up to `use`. Then all is reckoned, and the hosts are well. */
const rage = async (
  name: string,
  databaseUrl: string,
  eyes: Eyes,
  use: (storm: Storm, random: () => number) => Promise<string>
): Promise<void> => {
  const random = makeRandom(seed)
  const homes = [folder("task-db-one"), folder("task-db-two")]
  const remote: Remote = await startRemote({ random, slow: { share: 0.2, maximumMs: 200 } })
  try {
    await eyes.query(outsideTable)
    const hosts = await Promise.all(
      homes.map((home) => startHost({ home, config: writeStorm(home, remote.url), databaseUrl }))
    )
    const load = startLoad({
      host: () => Promise.resolve(hosts[Math.floor(random() * hosts.length)] as Host),
      inFlight: long ? 8 : 4,
      name: "t",
      next: nextShape(random),
      send: sendTask(random),
      pause: 20,
      room: async () => {
        await until("room for another task", async () => {
          const rows = await eyes.query(`select 1 from work where not parked limit ${openAtOnce}`)
          return rows.length < openAtOnce
        }, 300_000)
      }
    })
    const operators = startOperators({ eyes, hosts: () => hosts, random, count: 2 })
    const raged = await use({ hosts, load, operators }, random)
    await load.finish()
    await operators.finish()
    await quiet(eyes)
    const { duplicates, failed, settled, ...figures } = await reckonTasks(eyes, remote, load.acknowledged)
    console.log(
      `${name}, ${raged} (seed ${seed}): ` + JSON.stringify({
        acknowledged: load.acknowledged.length,
        sent_again: load.unanswered(),
        settled,
        duplicates,
        failed,
        ...figures,
        moves: operators.moves.length,
        answers: operators.answers
      })
    )
    assert.strictEqual(settled, load.acknowledged.length)
    assert.strictEqual(duplicates, 0)
    const { "tool.refused": _, "tool.timeout": __, ...others } = figures.failed_tasks
    assert.deepEqual(others, {}, "what the host's own database took from a task is done again")
    assert.deepEqual(await disobeyed(eyes, remote, operators.moves, { deaf: true }), [])
    assert.deepEqual(operators.faults, [])
    await settleUnknown(hosts[0] as Host, remote, eyes)
    assert.deepEqual((await reckonTasks(eyes, remote, load.acknowledged)).unknown, {})
    for (const host of hosts) {
      await until("a healthy host", async () => (await host.get("/health")).status === "healthy")
      assert.strictEqual(await host.stop(), 0)
    }
  } finally {
    endHosts()
    await remote.close()
    for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
  }
}

/** Some more tasks are acknowledged. */
const goesOn = async (load: Load<Shape>) => {
  const before = load.acknowledged.length
  await until("work to go on", () => {
    if (load.failed() !== undefined) throw new Hopeless("The load has ended.", { cause: load.failed() })
    return load.acknowledged.length > before + (long ? 15 : 10)
  }, 300_000)
}

describe("a hostile database under many tasks", () => {
  it("cuts connections at random", async () => {
    const database = await makeDatabase()
    try {
      await rage("connections cut", database.url, database, async ({ load }, random) => {
        const end = performance.now() + (long ? 300_000 : 2_000)
        let cuts = 0
        await until("enough of both", async () => {
          if (load.failed() !== undefined) throw new Hopeless("The load has ended.", { cause: load.failed() })
          // A slow machine gets through less meanwhile, and is given its time.
          if (performance.now() > end && cuts > 15) return load.acknowledged.length > 20
          await moment(100 + random() * 300)
          const share = random()
          const cut = await database.query(
            `select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = 'syris' and pid <> pg_backend_pid()
               and random() < ${share < 0.2 ? 1 : share}
               -- A claim whose answer is lost is found forgotten after 30 s.
               ${sparesClaims}`
          ).catch(() => [])
          cuts += cut.length
          return false
        }, long ? 400_000 : 100_000)
        return `${cuts} connections`
      })
    } finally {
      await database.close()
    }
  }, long ? 600_000 : 300_000)

  it("is killed, or shut down at once, and started again", async () => {
    const home = folder("task-db")
    let server = await startServer(home)
    const eyes = look(server.connection)
    const times = long ? 20 : 2
    try {
      await rage("the server killed", server.url, eyes, async ({ load }, random) => {
        for (let time = 0; time < times; time++) {
          await goesOn(load)
          await moment(random() * 500)
          await server.crash(time % 2 === 0 ? "SIGKILL" : "SIGQUIT")
          // Long enough for hosts to see that it is away, seldom so long that they lose their leases.
          if (long) await moment(random() ** 6 * 20_000)
          server = await startServer(home)
        }
        await goesOn(load)
        return `${times} times`
      })
    } finally {
      await eyes.close()
      await server.stop()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, long ? 900_000 : 400_000)
})
