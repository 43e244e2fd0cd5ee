/**
 * Two hosts share many tasks: each is run by one at a time, and both work. Meanwhile operators cancel, pause, resume and
 * try again through the host that does not run it, and what they are answered is so.
 *
 * SYRIS_TEST_LONG=1 goes on for 1500 tasks; SYRIS_TEST_SEED repeats the dice of a run.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase, type OwnDatabase } from "./Databases.ts"
import { endHosts, folder, type Host, startHost } from "./Hosts.ts"
import { startLoad } from "./Load.ts"
import { disobeyed, startOperators } from "./Operator.ts"
import { quiet } from "./Reckoning.ts"
import { type Remote, startRemote } from "./Remote.ts"
import { type Kind, outsideTable, writeStorm } from "./StormPlugin.ts"
import { makeTask, nextShape, sendTask, settleUnknown } from "./StormTasks.ts"
import { reckonTasks } from "./TaskReckoning.ts"
import { long, makeRandom, seed, until } from "./Until.ts"

const step = (kind: Kind, id: string) => ({ name: kind, tool: `storm.${kind}`, input: { id } })

describe("two hosts that share many tasks", () => {
  const homes = [folder("task-one"), folder("task-two")]
  const random = makeRandom(seed)
  let database: OwnDatabase
  let remote: Remote
  let hosts: readonly [Host, Host]

  beforeAll(async () => {
    database = await makeDatabase()
    remote = await startRemote({ random, lost: 0.01, slow: { share: 0.3, maximumMs: 300 } })
    await database.query(outsideTable)
    const [one, two] = await Promise.all(
      homes.map((home) =>
        startHost({ home, config: writeStorm(home, remote.url, "5 seconds"), databaseUrl: database.url })
      )
    )
    if (one === undefined || two === undefined) throw new Error("two hosts were asked for")
    hosts = [one, two]
  })
  afterAll(async () => {
    endHosts()
    await remote?.close()
    await database?.close()
    for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
  })

  it("run each once, and obey whoever asks the other one", async () => {
    const either = () => hosts[Math.floor(random() * 2)] as Host
    const load = startLoad({
      host: () => Promise.resolve(either()),
      inFlight: long ? 8 : 6,
      name: "t",
      next: nextShape(random),
      send: sendTask(random),
      pause: 20,
      room: async () => {
        await until("room for another task", async () => {
          const [row] = await database.query<{ n: number }>("select count(*)::int as n from work where not parked")
          return (row?.n ?? 0) < (long ? 60 : 30) || undefined
        }, 120_000)
      }
    })
    const operators = startOperators({ eyes: database, hosts: () => hosts, random })
    const [tasks, moved] = long ? [1_500, 300] : [50, 12]
    await until(
      "enough of both",
      () => load.acknowledged.length >= tasks && operators.moves.length >= moved,
      300_000
    )
    await load.finish()
    await operators.finish()
    await quiet(database)
    const { answers, moves } = operators
    const reckoned = await reckonTasks(database, remote, load.acknowledged)
    const by = await database.query(
      "select held_by, count(*)::int as n from tool_calls where held_by is not null group by 1"
    )
    const { duplicates, failed, settled, ...figures } = reckoned
    console.log(
      `two hosts, many tasks (seed ${seed}): ` + JSON.stringify({
        acknowledged: load.acknowledged.length,
        settled,
        duplicates,
        failed,
        ...figures,
        moves: moves.length,
        answers,
        calls_by_host: by.map(({ n }) => n)
      })
    )
    assert.strictEqual(settled, load.acknowledged.length)
    assert.strictEqual(duplicates, 0)
    assert.strictEqual(by.length, 2, "both hosts worked")
    assert.deepEqual(await disobeyed(database, remote, moves), [])
    // 503: not done now, and said so.
    assert.isEmpty(Object.keys(answers).filter((answer) => !/ (200|409|503)$/.test(answer)), JSON.stringify(answers))
    for (const host of hosts) {
      assert.strictEqual(/\[[^\n]* ERROR [^]*/.exec(host.log())?.[0].slice(0, 4_000), undefined)
    }
    await settleUnknown(hosts[0], remote, database)
    assert.deepEqual((await reckonTasks(database, remote, load.acknowledged)).unknown, {})
  }, 400_000)

  it("go on when a resume was not heard by the one that runs the task", async () => {
    const [one, two] = hosts
    remote.calm()
    const release = remote.hold("deaf/keyed")
    const { task_id } = await makeTask(one, "deaf", {
      steps: [step("keyed", "deaf/keyed"), step("insert", "deaf/insert")]
    })
    await remote.arrived("deaf/keyed")
    assert.strictEqual((await two.request("POST", `/tasks/${task_id}/pause`)).status, 200)
    // The notification was heard by whoever listened when it was sent; then the first is deaf for a while.
    await database.query(
      `select pg_terminate_backend(a.pid) from pg_stat_activity a
         where a.datname = current_database() and a.application_name = 'syris' and a.query ilike 'listen%'`
    )
    assert.strictEqual((await two.request("POST", `/tasks/${task_id}/resume`)).status, 200)
    release()
    await until("the task to go on", async () => (await two.get(`/tasks/${task_id}`)).status === "succeeded")
    assert.strictEqual(remote.effects("deaf/keyed"), 1)
  }, 120_000)

  it("end a task that was canceled when its call was to be repeated by a person's word", async () => {
    const [one, two] = hosts
    remote.calm()
    const find = remote.lose("again/plain")
    const { task_id } = await makeTask(one, "again", {
      steps: [step("plain", "again/plain"), step("insert", "again/insert")]
    })
    const call = await until(
      "the call to be unknown",
      async () => (await two.get("/tool-calls?status=unknown")).items[0]
    )
    find()
    const path = `/tool-calls/${call.tool_call_id}/settle`
    // Nothing begins between the two words.
    assert.strictEqual((await two.request("POST", "/controls/pause")).status, 200)
    assert.strictEqual((await two.request("POST", path, { outcome: "retry" })).status, 200)
    assert.strictEqual((await two.request("POST", `/tasks/${task_id}/cancel`)).status, 200)
    assert.strictEqual((await two.request("POST", "/controls/resume")).status, 200)
    await until(
      "the call to be known as unknown again",
      async () => (await one.get("/tool-calls?status=unknown")).items.length === 1 && (await quiet(database), true)
    )
    assert.lengthOf(remote.arrivals("again/plain"), 1)
    assert.strictEqual((await two.request("POST", path, { outcome: "not_happened" })).status, 200)
    await until("nothing to be owed", async () => (await database.query("select 1 from work")).length === 0)
    const { status, steps } = await one.get(`/tasks/${task_id}`)
    assert.deepEqual([status, ...steps.map((one: any) => one.status)], ["canceled", "failed", "skipped"])
    await reckonTasks(database, remote, [])
    for (const host of hosts) assert.strictEqual(await host.stop(), 0)
  }, 120_000)
})
