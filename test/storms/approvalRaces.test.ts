/**
 * Many people answer at once, hosts are killed, the system is paused and goes on: never two effects, never an effect after
 * a denial, and each question has one end that everybody agrees on.
 *
 * SYRIS_TEST_LONG=1 plays 1000 rounds; SYRIS_TEST_SEED repeats the dice of a run.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { reckonApprovals, type Said } from "./ApprovalReckoning.ts"
import { startRounds } from "./ApprovalRounds.ts"
import { makeDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder, type Starting, startHost } from "./Hosts.ts"
import { quiet, reckon } from "./Reckoning.ts"
import { startRemote } from "./Remote.ts"
import { eventOf, outsideTable, writeStorm } from "./StormPlugin.ts"
import { settleUnknown } from "./StormTasks.ts"
import { long, makeRandom, moment, seed, until } from "./Until.ts"

const rounds = Number(process.env["SYRIS_TEST_ROUNDS"] ?? (long ? 1_000 : 12))

/** Rounds at once. */
const atOnce = 12

/** A round of the short form is over sooner than its hosts could die much more often. */
const killsOfEach = long ? Infinity : 2

const ttlMs = 3_000
const settings = { autonomy: "A1", safety: { approvalTtl: `${ttlMs / 1_000} seconds` } }

describe("people who answer at once while hosts are killed", () => {
  it(`${rounds} rounds: never two effects, never one after a denial`, async () => {
    const random = makeRandom(seed)
    const homes = [folder("approvals-one"), folder("approvals-two")]
    const database = await makeDatabase()
    const remote = await startRemote({ random, lost: 0.03, slow: { share: 0.2, maximumMs: 200 } })
    try {
      await database.query(outsideTable)
      const places = homes.map((home) => ({
        home,
        config: writeStorm(home, remote.url, "2 seconds", settings),
        databaseUrl: database.url
      }))
      const hosts: Array<Starting> = places.map(beginHost)
      await Promise.all(hosts.map((host) => host.ready))
      const up = new Set([0, 1])
      const any = () => {
        const live = [...up]
        const one = hosts[live[Math.floor(random() * live.length)] ?? 0]
        return one === undefined ? Promise.reject(new Error("no host")) : one.ready
      }
      const played = startRounds({ eyes: database, host: any, random, ttlMs })
      let storming = true
      let [kills, pauses] = [0, 0]
      const pauser = (async () => {
        while (storming) {
          await moment(500 + random() * 3_000)
          const say = async (verb: "pause" | "resume") =>
            (await (await any()).request("POST", `/controls/${verb}`, undefined, {
              signal: AbortSignal.timeout(2_000)
            })).status
          pauses++
          await say("pause").catch(() => {})
          await moment(random() * 300)
          await until("the pause to end", async () => await say("resume") === 200)
        }
      })()
      const killers = places.map(async (place, at) => {
        for (let times = 0; storming && times < killsOfEach; times++) {
          await moment(200 + random() * 2_500)
          const killed = hosts[at]?.kill()
          // Whoever speaks does not know yet.
          await moment(random() * 30)
          up.delete(at)
          await killed
          kills++
          const starting = beginHost(place)
          hosts[at] = starting
          await starting.ready
          up.add(at)
        }
      })
      let next = 0
      const began = performance.now()
      await Promise.all(Array.from({ length: atOnce }, async () => {
        while (next < rounds) await played.play(next++)
      }))
      storming = false
      await Promise.all([pauser, ...killers])
      await quiet(database)
      const { acknowledged, answers, said } = played
      const before = await reckon(database, remote, acknowledged)
      const reckoned = await reckonApprovals(database, remote, said)
      const [host] = await Promise.all(hosts.map((one) => one.ready))
      if (host === undefined) throw new Error("two hosts were asked for")
      const settled = await settleUnknown(host, remote, database)
      await reckonApprovals(database, remote, said)
      assert.deepEqual(await database.query("select * from work"), [])
      console.log(
        `approvals (seed ${seed}): ` + JSON.stringify({
          rounds,
          ms: Math.round(performance.now() - began),
          kills,
          pauses,
          ...reckoned,
          duplicates: before.duplicates,
          unknown: before.unknown,
          settled,
          answers
        })
      )
      assert.strictEqual(before.duplicates, 0)
      assert.isAbove(kills, rounds / 100)
      assert.isEmpty(
        Object.keys(answers).filter((answer) => !/ (0|200|201|409|503)$/.test(answer)),
        JSON.stringify(answers)
      )
      for (const one of hosts) {
        assert.strictEqual(/\[[^\n]* ERROR [^]*/.exec(one.log())?.[0].slice(0, 4_000), undefined)
        assert.strictEqual(await (await one.ready).stop(), 0)
      }
    } finally {
      endHosts()
      await remote.close()
      await database.close()
      for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
    }
  }, rounds * 2_000 + 300_000)

  it("and where a yes is forged, or a call begun anew, the reckoning sees it", async () => {
    const home = folder("approvals-red")
    const database = await makeDatabase()
    const remote = await startRemote({ random: () => 0.5 })
    try {
      await database.query(outsideTable)
      const config = writeStorm(home, remote.url, "2 seconds", { autonomy: "A1" })
      const host = await startHost({ home, config, databaseUrl: database.url })
      const said: Array<Said> = []
      const speak = async (id: string, verb: "approve" | "deny") => {
        const { trace_id } = await host.send(eventOf("plain", id), { wait: 10 })
        const { items: [approval] } = await host.get(`/approvals?trace_id=${trace_id}`)
        const { status } = await host.request("POST", `/approvals/${approval.approval_id}/${verb}`)
        said.push({ approval_id: approval.approval_id, verb, status })
        await quiet(database)
      }
      await speak("twice", "approve")
      await speak("denied", "deny")
      await reckonApprovals(database, remote, said)
      // The law of the tables is not asked: both are taken for approved and not begun.
      await database.query(
        `with without_law as materialized (select set_config('session_replication_role', 'replica', true) as role),
              yes as (
                update approvals set status = 'approved', consumed_at = null, consumed_fence = null
                from without_law where without_law.role = 'replica' returning tool_call_id
              ),
              anew as (
                update tool_calls c
                set status = 'planned', attempts = 0, open_attempts = 0, resolved_at = null, output = null, error = null
                from yes where c.tool_call_id = yes.tool_call_id
                returning c.tool_call_id, c.event_id, c.trace_id, c.tool
              )
         insert into work (work_id, kind, event_id, trace_id, tool_call_id, tool, fence)
         select event_id, 'event', event_id, trace_id, tool_call_id, tool, nextval('fence_seq') from anew`
      )
      await quiet(database)
      const seen = await reckonApprovals(database, remote, said).then(() => "", (error: Error) => JSON.stringify(error))
      assert.match(seen, /done 2 times/)
      assert.match(seen, /done after a no/)
      assert.match(seen, /a word that was heard, and is not so/)
      assert.match(seen, /done, and nobody said yes/)
      await host.kill()
    } finally {
      endHosts()
      await remote.close()
      await database.close()
      fs.rmSync(home, { recursive: true, force: true })
    }
  }, 60_000)
})
