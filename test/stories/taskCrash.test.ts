/**
 * A task of three steps whose host is killed with -9 in the middle of the second: the next start goes on at the second
 * step, the first is not done again, and what the operator sees says so. What becomes of the call that was under way
 * follows from its tool's guarantee, and of one without any the operator says it.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { type Remote, startRemote } from "../storms/Remote.ts"
import { type Kind, outsideTable, writeStorm } from "../storms/StormPlugin.ts"
import { until } from "../storms/Until.ts"
import { auditTypes, type HostProcess, type Place, runSyris, startHost } from "./HostProcess.ts"

const told = ["keyed", "insert", "probed", "plain"] as const satisfies ReadonlyArray<Kind>
type Told = (typeof told)[number]

describe("kill -9 in the second step of a task of three", { timeout: 60_000 }, () => {
  const home = folder("task-crash")
  const tasks = new Map<Told, any>()
  const taskOf = (kind: Told) => tasks.get(kind) as { readonly task_id: string; readonly trace_id: string }
  let database: OwnDatabase
  let remote: Remote
  let host: HostProcess
  let place: Place

  beforeAll(async () => {
    database = await makeDatabase()
    await database.query(outsideTable)
    remote = await startRemote({ random: () => 0.5 })
    place = { home, config: writeStorm(home, remote.url, "5 seconds"), databaseUrl: database.url }
    host = await startHost(place)
  })
  afterAll(async () => {
    await host?.kill()
    await remote?.close()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const read = (kind: Told) => host.get(`/tasks/${taskOf(kind).task_id}`)
  const statuses = async (kind: Told) => {
    const task = await read(kind)
    return [task.status, ...task.steps.map((step: any) => step.status)]
  }
  /** What `syris task` says of it. */
  const shown = async (kind: Told) => {
    const { code, out } = await runSyris(["task", taskOf(kind).task_id], place)
    assert.strictEqual(code, 0)
    return out
  }
  const inserted = async (id: string) => {
    const [row] = await database.query<{ n: number }>("select count(*)::int as n from outside_ledger where id = $1", [
      id
    ])
    return row?.n
  }
  const done = (kind: Told) => kind === "insert" ? inserted(`${kind}/second`) : remote.effects(`${kind}/second`)

  it("before it: each is in its second step, by HTTP and by the command line", async () => {
    const releases = told.map((kind) => remote.hold(`${kind}/second`))
    for (const kind of told) {
      const response = await host.request("/tasks", {
        method: "POST",
        body: JSON.stringify({
          name: `slow ${kind}`,
          steps: [
            // Without a guarantee: a second time would be seen.
            { name: "first", tool: "storm.plain", input: { id: `${kind}/first` } },
            { name: "second", tool: `storm.${kind}`, input: { id: `${kind}/second`, refuse: 0 } },
            { name: "third", tool: "storm.insert", input: { id: `${kind}/third` } }
          ]
        })
      })
      assert.strictEqual(response.status, 201)
      const made = await response.json() as { readonly task_id: string }
      assert.strictEqual(response.headers.get("location"), `/tasks/${made.task_id}`)
      tasks.set(kind, made)
    }
    for (const kind of told) {
      await remote.arrived(`${kind}/second`)
      await until(
        "the second step to run",
        async () => (await statuses(kind)).join() === "running,succeeded,running,pending"
      )
    }
    assert.match(await shown("keyed"), /"slow keyed" +running[^]*succeeded +first[^]*running +second[^]*pending +third/)
    // A call that leaves no trace is noted as attempted when it takes its time: then it is known what was interrupted.
    await until("all to be noted", async () => {
      const { items } = await host.get("/tool-calls?status=attempted")
      return items.length === told.length
    })
    await host.kill()
    for (const release of releases) release()
    host = await startHost(place)
  })

  it("goes on at the second step of those that can be repeated or asked", async () => {
    for (const kind of ["keyed", "insert", "probed"] as const) {
      await until(
        `${kind} to end`,
        async () => (await statuses(kind)).join() === "succeeded,succeeded,succeeded,succeeded"
      )
      assert.strictEqual(await done(kind), 1)
      assert.strictEqual(await inserted(`${kind}/third`), 1)
      const { items } = await host.get(`/tool-calls?task_id=${taskOf(kind).task_id}`)
      const attempts = new Map(items.map((call: any) => [call.step_id, call.attempts]))
      const { steps } = await read(kind)
      // The one that was done is found out by asking, not by doing it again.
      assert.deepEqual(steps.map((step: any) => attempts.get(step.step_id)), [1, kind === "probed" ? 1 : 2, 1])
    }
  }, 60_000)

  it("waits for a person where nobody can know, and goes on by that person's word", async () => {
    await until("the call to wait for a person", async () => (await read("plain")).waits_for === "person")
    assert.deepEqual(await statuses("plain"), ["waiting", "succeeded", "waiting", "pending"])
    const { items } = await host.get("/tool-calls?status=unknown")
    assert.deepEqual(items.map((call: any) => call.input.id), ["plain/second"])
    assert.match(await shown("plain"), /waiting for you[^]*settle/)
    const { code, out } = await runSyris(["settle", items[0].tool_call_id, "happened", "--note", "seen there"], place)
    assert.deepEqual([code, out.trim()], [0, `storm.plain (${items[0].tool_call_id.slice(-12)}) counts as done.`])
    await until("its end", async () => (await statuses("plain")).join() === "succeeded,succeeded,succeeded,succeeded")
    assert.strictEqual(await done("plain"), 1)
    assert.strictEqual(await inserted("plain/third"), 1)
  })

  it("the first step was not done again, and the audit tells the interruption and the recovery", async () => {
    const first = ["event.ingested", "task.created", "task.started", "task.step_started"]
    const call = ["tool_call.attempted", "tool_call.succeeded"]
    const second = ["task.step_succeeded", "task.step_started", "tool_call.attempted"]
    const crash = ["task.interrupted", "tool_call.unknown", "task.recovered"]
    const third = ["task.step_succeeded", "task.step_started", ...call, "task.step_succeeded", "task.succeeded"]
    const between = {
      keyed: call,
      insert: call,
      probed: ["tool_call.reconciled"],
      plain: ["task.waiting", "tool_call.reconciled", "operator.call_settled"]
    }
    for (const kind of told) {
      assert.strictEqual(remote.effects(`${kind}/first`), 1)
      assert.lengthOf(remote.arrivals(`${kind}/first`), 1)
      assert.deepEqual(
        await auditTypes(host, `trace_id=${taskOf(kind).trace_id}`),
        [...first, ...call, ...second, ...crash, ...between[kind], ...third],
        kind
      )
    }
    assert.match(
      await shown("plain"),
      /"slow plain" +succeeded[^]*succeeded +first[^]*succeeded +second[^]*succeeded +third/
    )
  })
})
