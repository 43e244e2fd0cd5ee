/**
 * Two hosts on one database: each event is done once, whichever host it came to; a host that stood still while the other
 * took over writes nothing that counts.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder, type Host, startHost } from "../storms/Hosts.ts"
import { startLoad } from "../storms/Load.ts"
import { quiet, reckon } from "../storms/Reckoning.ts"
import { type Remote, startRemote } from "../storms/Remote.ts"
import { eventOf, kinds, outsideTable, writeStorm } from "../storms/StormPlugin.ts"
import { long, makeRandom, moment, seed, until } from "../storms/Until.ts"

describe("two hosts on one database", () => {
  let homes: ReadonlyArray<string> = []
  let database: OwnDatabase
  let remote: Remote
  let one: Host
  let two: Host
  const random = makeRandom(seed)

  beforeAll(async () => {
    homes = [folder("one"), folder("two")]
    // Both hosts bring the schema at once.
    database = await makeDatabase({ empty: true })
    await database.query(outsideTable)
    remote = await startRemote({ random, slow: { share: 0.2, maximumMs: 100 } })
    const [first, second] = await Promise.all(
      homes.map((home) =>
        startHost({ home, config: writeStorm(home, remote.url, "10 seconds"), databaseUrl: database.url })
      )
    )
    if (first === undefined || second === undefined) throw new Error("two hosts were asked for")
    one = first
    two = second
  })

  afterAll(async () => {
    for (const host of [one, two]) await host?.kill()
    await remote?.close()
    await database?.close()
    for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
  })

  it("do each event once, also where a message comes to both at once", async () => {
    const load = startLoad({
      host: () => Promise.resolve(random() < 0.5 ? one : two),
      next: (n) => kinds[n % kinds.length] ?? "insert",
      twin: (n) => n % 2 === 0 ? undefined : () => Promise.resolve(n % 4 === 1 ? one : two)
    })
    const wanted = long ? 5_000 : 200
    await until("enough events", () => load.acknowledged.length > wanted, 120_000)
    await load.finish()
    await quiet(database)
    assert.deepEqual(load.contradictions, [])
    const reckoned = await reckon(database, remote, load.acknowledged)
    assert.strictEqual(reckoned.settled, load.acknowledged.length)
    assert.strictEqual(reckoned.duplicates, 0)
    assert.deepEqual({ unknown: reckoned.unknown, failed: reckoned.failed }, { unknown: {}, failed: {} })
    const by = await database.query("select held_by, count(*)::int as n from tool_calls group by 1")
    assert.strictEqual(by.length, 2, "both hosts worked")
  }, 200_000)

  it.runIf(long)(
    "of which one stands still in mid-tool past its lease: the other finishes, the first writes nothing that counts",
    async () => {
      const held = (["keyed", "probed", "plain"] as const).map((kind) => {
        const id = `still-${kind}`
        return { id, kind, release: remote.hold(id) }
      })
      const acknowledged = []
      for (const { id, kind } of held) {
        const { event_id, trace_id } = await one.send(eventOf(kind, id))
        acknowledged.push({ id, kind, event_id, trace_id })
        await remote.arrived(id)
      }
      one.signal("SIGSTOP")
      try {
        // The effects have happened; the one who did them can't say so.
        for (const { release } of held) release()
        await quiet(database, 60_000)
        const calls = `select tool_call_id, status, fence, attempts, resolved_at from tool_calls
                       where input->>'id' like 'still-%' order by 1`
        const before = await database.query(calls)
        const told = await database.query("select count(*)::int as n from audit_events where type like 'tool_call.%'")
        assert.deepEqual(before.map((row) => row["status"]).toSorted(), ["succeeded", "succeeded", "unknown"])
        one.signal("SIGCONT")
        await until("the first host to say what it knows", async () => {
          const [row] = await database.query<{ n: number }>("select count(*)::int as n from tool_call_evidence")
          return row?.n === held.length
        }, 30_000)
        assert.deepEqual(await database.query(calls), before)
        assert.deepEqual(
          await database.query("select count(*)::int as n from audit_events where type like 'tool_call.%'"),
          told
        )
        assert.strictEqual((await reckon(database, remote, acknowledged)).duplicates, 0)
        for (const host of [one, two]) {
          await until("a healthy host", async () => (await host.get("/health")).status === "healthy")
          const sent = await host.send(eventOf("insert", `after-${host.pid}`), { wait: 20 })
          assert.deepInclude(sent, { settled: true, outcome: "succeeded" })
        }
      } finally {
        one.signal("SIGCONT")
        await moment(0)
      }
    },
    180_000
  )

  it("of which one is killed: the other settles what it left", async () => {
    const [{ n: before } = { n: 0 }] = await database.query<{ n: number }>(
      "select coalesce(sum(attempts), 0)::int as n from tool_calls"
    )
    let to = one
    const load = startLoad({
      host: async () => to,
      ...long ? {} : { inFlight: 12 },
      name: "k",
      next: (n) => kinds[n % kinds.length] ?? "insert"
    })
    // That the kill interrupts something is not left to the dice.
    const release = remote.hold("held")
    const { event_id, trace_id } = await one.send(eventOf("keyed", "held"))
    await remote.arrived("held")
    await until("some events", () => load.acknowledged.length > 50)
    to = two
    await one.kill()
    release()
    // Nobody has proved the first dead: its lease has to end. The short form does not wait for it.
    const [held] = await database.query("select status from tool_calls where event_id = $1::uuid", [event_id])
    assert.strictEqual(held?.["status"], "attempted")
    await load.finish()
    if (!long) {
      await database.query("update hosts set lease_until = clock_timestamp() where pid = $1 and ended_at is null", [
        one.pid
      ])
    }
    await quiet(database, 60_000)
    const acknowledged = [...load.acknowledged, { id: "held", kind: "keyed" as const, event_id, trace_id }]
    const reckoned = await reckon(database, remote, acknowledged)
    assert.strictEqual(reckoned.settled, acknowledged.length)
    assert.strictEqual(reckoned.duplicates, 0)
    assert.isAbove(reckoned.attempts, before + acknowledged.length, "the kill interrupted nothing")
    assert.strictEqual(await two.stop(), 0)
  }, 120_000)
})
