/**
 * A host stands still in the middle of its tasks' steps, past its lease: another takes them over and finishes them. When
 * the first wakes it writes nothing but what it knows, as evidence. The same with the check of the fence taken out of what
 * it sends, and the guards of the tables dropped, which would refuse the most of it, shows that the comparison would see it.
 *
 * The short form ends the lease in the database; SYRIS_TEST_LONG=1 waits for the real one of 15 s.
 */
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase, type OwnDatabase } from "./Databases.ts"
import { folder, type Host, startHost } from "./Hosts.ts"
import type { Acknowledged } from "./Load.ts"
import { type Proxy, startProxy } from "./Proxy.ts"
import { quiet } from "./Reckoning.ts"
import { type Remote, startRemote } from "./Remote.ts"
import { kinds, outsideTable, writeStorm } from "./StormPlugin.ts"
import { makeTask } from "./StormTasks.ts"
import { reckonTasks } from "./TaskReckoning.ts"
import { long, until } from "./Until.ts"

/** Every row that a task can have, with the transaction that wrote it. */
const everything = ["tasks", "steps", "tool_calls", "work", "settlements", "events", "schedules", "outside_ledger"]
  .map((table) => `select '${table}' as of, x.xmin::text, to_jsonb(x) as row from ${table} x`)
  .concat("select 'audit', x.xmin::text, to_jsonb(x) from audit_events x where x.stage <> 'system'")
  .join(" union all ") + " order by 1, 3"

describe("a host that stands still in the middle of its tasks", () => {
  let homes: ReadonlyArray<string> = []
  let database: OwnDatabase
  let remote: Remote
  let proxy: Proxy
  let first: Host
  let second: Host

  beforeEach(async () => {
    homes = [folder("still"), folder("awake")]
    database = await makeDatabase()
    await database.query(outsideTable)
    remote = await startRemote({ random: () => 0.5 })
    proxy = await startProxy(database.url)
    const [one, two] = await Promise.all(
      homes.map((home, n) =>
        startHost({
          home,
          config: writeStorm(home, remote.url, "10 seconds"),
          databaseUrl: n === 0 ? proxy.url : database.url
        })
      )
    )
    if (one === undefined || two === undefined) throw new Error("two hosts were asked for")
    first = one
    second = two
  })

  afterEach(async () => {
    first?.signal("SIGCONT")
    for (const host of [first, second]) await host?.kill()
    await proxy?.close()
    await remote?.close()
    await database?.close()
    for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
  })

  /**
   * Makes a task for each tool, and code; stops the first host while each is in a step whose effect has happened; waits
   * until the second has done what can be done; wakes the first and waits until it has said what it has to say. Answers
   * all rows before and after.
   */
  const sleepThrough = async (hasSpoken: (held: number, before: ReadonlyArray<unknown>) => Promise<boolean>) => {
    const acknowledged: Array<Acknowledged<string>> = []
    const held: Array<{ readonly id: string; readonly release: () => void }> = []
    const make = async (name: string, effect: string, body: object) => {
      held.push({ id: effect, release: remote.hold(effect) })
      const made = await makeTask(first, name, body)
      assert.strictEqual(made.status, 201)
      acknowledged.push({ id: name, kind: name, event_id: made.event_id, trace_id: made.trace_id })
    }
    const step = (id: string, kind: string) => ({ name: kind, tool: `storm.${kind}`, input: { id, refuse: 0 } })
    for (const kind of kinds) {
      await make(kind, `${kind}/held`, { steps: [step(`${kind}/held`, kind), step(`${kind}/last`, "insert")] })
    }
    await make("sleeper", "sleeper/held", {
      steps: [step("sleeper/held", "keyed"), { name: "wait", kind: "wait", input: { delay_ms: 3_600_000 } }]
    })
    await make("code", "code/keyed", { task: "storm.code", input: { id: "code" } })
    for (const { id } of held) await remote.arrived(id)
    await until("all to be noted as attempted", async () => {
      const rows = await database.query("select 1 from tool_calls where status = 'attempted'")
      return rows.length === held.length
    })
    first.signal("SIGSTOP")
    // The effects have happened; the one who had them done can't say so.
    for (const { release } of held) release()
    if (!long) {
      await database.query("update hosts set lease_until = clock_timestamp() where pid = $1 and ended_at is null", [
        first.pid
      ])
    }
    await until("the second host to do what can be done", async () => {
      const open = await database.query(
        "select 1 from work where not parked and due_at < clock_timestamp() + interval '10 minutes'"
      )
      return open.length === 0
    }, 90_000)
    const before = await database.query(everything)
    first.signal("SIGCONT")
    await until("the first host to speak", () => hasSpoken(held.length, before))
    await until("the first host to be well", async () => (await first.get("/health")).status === "healthy")
    return { acknowledged, before, after: await database.query(everything) }
  }

  it("writes nothing when it wakes but what it knows, and goes on with others", async () => {
    const { acknowledged, after, before } = await sleepThrough(async (held) => {
      const evidence = await database.query("select 1 from tool_call_evidence")
      return evidence.length === held
    })
    assert.deepEqual(after, before)
    const [evidence] = await database.query<{ kinds: ReadonlyArray<string> }>(
      `select array_agg(c.guarantee order by c.guarantee) as kinds
       from tool_call_evidence v join tool_calls c on c.tool_call_id = v.tool_call_id and v.fence < c.fence`
    )
    assert.deepEqual(
      evidence?.kinds,
      ["native_key", "native_key", "native_key", "none", "probe", "transactional", "transactional"]
    )
    // Only the one that nobody can know waits for a person, and the one that waits an hour.
    const waiting = await database.query(
      "select name, waits_for from tasks t join work w on w.work_id = t.task_id order by 1"
    )
    assert.deepEqual(waiting, [{ name: "plain", waits_for: "person" }, { name: "sleeper", waits_for: "time" }])
    for (const host of [first, second]) {
      const { body, status } = await host.request("POST", "/tasks", {
        name: `after-${host.pid}`,
        steps: [{ name: "insert", tool: "storm.insert", input: { id: `after-${host.pid}` } }]
      }, { wait: 20 })
      assert.deepEqual([status, body.status], [201, "succeeded"])
    }
    const sleeper = acknowledged.find(({ id }) => id === "sleeper")
    const [task] = await database.query("select task_id from tasks where name = $1", [sleeper?.id])
    assert.strictEqual((await first.request("POST", `/tasks/${task?.["task_id"]}/cancel`)).status, 200)
    await quiet(database)
    const reckoned = await reckonTasks(database, remote, acknowledged)
    console.log(`${long ? "15 s of lease" : "its lease ended"}, and a host that wakes: ` + JSON.stringify(reckoned))
    assert.strictEqual(reckoned.duplicates, 0)
    for (const host of [first, second]) assert.strictEqual(await host.stop(), 0)
  }, 180_000)

  it(
    "the red control: without the check of its fence it writes over what the other did, and that is seen",
    async () => {
      const check = "w.claimed_by = $1::uuid and w.fence = a.fence and w.checkpoint = a.checkpoint - 1"
      proxy.replace(check, "w.checkpoint >= 0 and a.fence >= 0 and $1::uuid is not null")
      const guards = await database.query<{ drop: string }>(
        `select format('drop trigger %I on %s', tgname, tgrelid::regclass) as drop from pg_trigger
       where not tgisinternal and tgparentid = 0 and tgrelid in ('tasks'::regclass, 'steps'::regclass, 'tool_calls'::regclass)`
      )
      assert.isNotEmpty(guards)
      for (const { drop } of guards) await database.query(drop)
      const { after, before } = await sleepThrough(async (_, before) =>
        JSON.stringify(await database.query(everything)) !== JSON.stringify(before)
      )
      const changed = after.filter((row) => !before.some((other) => JSON.stringify(other) === JSON.stringify(row)))
      const tables: Record<string, number> = {}
      for (const { of } of changed) tables[of] = (tables[of] ?? 0) + 1
      console.log(`a host without the check of its fence wrote: ${JSON.stringify(tables)}`)
      assert.isAbove(changed.length, 0)
      assert.isAbove(tables["audit"] ?? 0, 0)
    },
    180_000
  )
})
