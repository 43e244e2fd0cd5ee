/**
 * The host is killed at every statement that it sends for one task: before the database gets it, and after the database
 * has done it and before the host hears so. Whatever the point, the next host goes on, and each step acts once.
 *
 * The short form kills at two statements on each side, at others each time (SYRIS_TEST_SEED repeats them).
 * SYRIS_TEST_LONG=1 kills at all, walks tasks of each tool, of stages, of code and with refusals, and the statements of a
 * start that takes over what the last host left: release, claim, load, recovery, checkpoints.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase, type OwnDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder, type Host, type HostPlace, startHost } from "./Hosts.ts"
import type { Acknowledged } from "./Load.ts"
import { type Proxy, type Side, startProxy } from "./Proxy.ts"
import { quiet } from "./Reckoning.ts"
import { type Remote, startRemote } from "./Remote.ts"
import { kinds, outsideTable, writeStorm } from "./StormPlugin.ts"
import { makeTask, settleUnknown } from "./StormTasks.ts"
import { reckonTasks } from "./TaskReckoning.ts"
import { long, makeRandom, sample, seed, until } from "./Until.ts"

const sides = ["request", "answer"] satisfies ReadonlyArray<Side>

const step = (kind: string, id: string, name = kind, more: object = {}) => ({
  name,
  tool: `storm.${kind}`,
  input: { id: `${id}/${name}`, ...more },
  retry: { base_delay_ms: 20 }
})
const wait = { name: "wait", kind: "wait", input: { delay_ms: 20 } }

const lists: Readonly<Record<string, (id: string) => object>> = {
  list: (id) => ({ steps: [step("plain", id), step("keyed", id), step("insert", id)] }),
  ...(long
    ? {
      ...Object.fromEntries(
        kinds.map((kind) => [kind, (id: string) => ({ steps: [step(kind, id), step("insert", id, "last")] })])
      ),
      stages: (id) => ({
        steps: [
          ["insert", "keyed", "plain", "schedule"].map((kind) => step(kind, id)),
          wait,
          step("insert", id, "last")
        ]
      }),
      refused: (id) => ({
        steps: ["insert", "keyed", "plain"].map((kind) => step(kind, id, kind, { refuse: 1 }))
      }),
      code: (id) => ({ task: "storm.code", input: { id } })
    }
    : {})
}

describe("kill -9 at every statement of a task", () => {
  const home = folder("task-statements")
  let database: OwnDatabase
  let remote: Remote
  let proxy: Proxy
  let place: HostPlace
  let host: Host
  const acknowledged: Array<Acknowledged<string>> = []
  const walked: Record<string, number> = {}
  const random = makeRandom(seed)
  let kills = 0

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

  /** Whether a task is there, and whether anything of it goes on by itself. */
  const standing = (id: string) =>
    database.query<{ task_id: string; event_id: string; trace_id: string; open: boolean; quiet_in: number | null }>(
      `select t.task_id, t.trigger_event_id as event_id, t.trace_id, w.work_id is not null and not w.parked as open,
              extract(epoch from w.due_at - clock_timestamp())::float8 as quiet_in
       from tasks t left join work w on w.work_id = t.task_id
       where t.name = $1`,
      [id]
    ).then(([row]) => row)

  /** Over, or put off for so long that nothing more of it is seen for now. */
  const over = async (id: string) => {
    const row = await standing(id)
    return row !== undefined && (!row.open || (row.quiet_in ?? 0) > 3)
  }

  const acknowledge = async (kind: string, id: string, made: { event_id: string; trace_id: string }) => {
    acknowledged.push({ id, kind, event_id: made.event_id, trace_id: made.trace_id })
  }

  for (const side of sides) {
    for (const [name, body] of Object.entries(lists)) {
      it(`${name}, ${side === "request" ? "before the database gets it" : "before its answer is heard"}`, async () => {
        /** Kills at a statement; answers how many have passed where there are less. */
        const killAt = async (at: number): Promise<number | undefined> => {
          const id = `${name}-${side}-${at}`
          let dead = false
          const blow = proxy.arm({
            side,
            at,
            strike: () => {
              dead = true
              void host.kill()
            }
          })
          const sent = makeTask(host, id, body(id)).catch(() => undefined)
          await until(`the end of ${id}, or of the host`, async () => dead || await over(id))
          const struck = blow.struck()
          if (struck) {
            kills++
            await host.gone
          }
          proxy.disarm()
          const answer = await sent
          if (answer !== undefined) {
            assert.strictEqual(answer.status, 201, host.log())
            await acknowledge(name, id, answer)
          }
          if (!struck) {
            walked[`${name} ${side}`] = blow.passed()
            return blow.passed()
          }
          host = await startHost(place)
          // What was not answered may be there or not; what was not stored is asked for again.
          if (await standing(id) === undefined) {
            const again = await makeTask(host, `${id}.1`, body(`${id}.1`))
            assert.strictEqual(again.status, 201)
            await acknowledge(name, `${id}.1`, again)
            await until(`the end of ${id}.1`, () => over(`${id}.1`))
          } else {
            await until(`the end of ${id}`, () => over(id))
          }
          return undefined
        }
        const before = kills
        if (long) {
          for (let at = 1; await killAt(at) === undefined; at++) assert.isBelow(at, 80, "the walk has no end")
        } else {
          const all = await killAt(Infinity) ?? 0
          const [one, ...more] = sample(all, 2, random)
          if (one !== undefined) await killAt(one)
          for (const at of more) if (at > 1 || kills === before) await killAt(at)
        }
        assert.isAbove(kills, before, "no statement was seen")
      }, 300_000)
    }
  }

  it.runIf(long)("of a start that takes over what the last host left", async () => {
    for (const side of sides) {
      let at = 0
      for (let struck = true; struck && at < 120;) {
        at++
        // Killed in the middle of a step of every tool, so that the next host has something to take over.
        const id = (kind: string) => `start-${side}-${at}-${kind}`
        const releases = kinds.map((kind) => remote.hold(`${id(kind)}/${kind}`))
        for (const kind of kinds) {
          const body = { steps: [step(kind, id(kind), kind, { refuse: 0 }), step("insert", id(kind), "last")] }
          const made = await makeTask(host, id(kind), body)
          assert.strictEqual(made.status, 201)
          await acknowledge(kind, id(kind), made)
        }
        await Promise.all(kinds.map((kind) => remote.arrived(`${id(kind)}/${kind}`)))
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
        struck = blow.struck()
        if (struck) {
          kills++
          await first.gone
          starting = beginHost(place)
        }
        host = await starting.ready
      }
      walked[`takeover ${side}`] = at - 1
    }
  }, 1_500_000)

  it("and every task has ended or waits for a person, each step done once", async () => {
    await quiet(database)
    const { duplicates, ...reckoned } = await reckonTasks(database, remote, acknowledged)
    console.log(
      `kill at every statement of a task (seed ${seed}): ` +
        JSON.stringify({ kills, walked, acknowledged: acknowledged.length, duplicates, ...reckoned })
    )
    assert.strictEqual(reckoned.settled, acknowledged.length)
    assert.strictEqual(duplicates, 0)
    assert.deepEqual(reckoned.failed_tasks, {})
    // Every walk has one at least; how many statements there are is for others to bound.
    assert.isAtLeast(kills, sides.length * Object.keys(lists).length)
    await settleUnknown(host, remote, database)
    assert.deepEqual((await reckonTasks(database, remote, acknowledged)).unknown, {})
  }, 180_000)
})
