/**
 * Rules on two hosts that are killed with -9 at random moments under a flood of events: each rule is asked once for each event
 * that it is for, what it makes is there once, and debounce, dedupe and holds are not broken, whatever dies in between.
 *
 * SYRIS_TEST_LONG=1 kills 60 times; SYRIS_TEST_SEED repeats the dice of a run.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase, type OwnDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder } from "./Hosts.ts"
import { startLoad } from "./Load.ts"
import { quiet } from "./Reckoning.ts"
import { startRemote } from "./Remote.ts"
import { type KnownEvent, reckonRules, ruleKinds, sendRuleEvent, stormRules } from "./RuleStorms.ts"
import { outsideTable, writeStorm } from "./StormPlugin.ts"
import { long, makeRandom, moment, seed, until } from "./Until.ts"

/** Most that is owed before the flood waits: two busy cores work it off in some seconds. */
const maximumOwed = 300

/** What a broken host would have left: a child too many, an event whose rules nobody asked, a firing too early. */
const breakIt = async (database: OwnDatabase): Promise<KnownEvent> => {
  const columns = (await database.query<{ name: string }>(
    "select column_name as name from information_schema.columns where table_name = 'events' and column_name <> 'event_id'"
  )).map(({ name }) => name).join(", ")
  const copy = async (where: string): Promise<string> => {
    const [row] = await database.query<{ event_id: string }>(
      `insert into events (event_id, ${columns})
       select (overlay(event_id::text placing substr(md5(event_id::text), 1, 12) from 25))::uuid, ${columns}
       from events where ${where} order by event_id limit 1 returning event_id`
    )
    if (row === undefined) throw new Error(`There is no event ${where}.`)
    return row.event_id
  }
  await copy("channel = 'rule_engine'")
  const lost = await copy("channel = 'storm' and structured->>'kind' = 'plain'")
  await database.query(
    `insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
     select gen_random_uuid(), timestamp + interval '5 milliseconds', trace_id, stage, type, outcome, summary, refs, data
     from audit_events where type = 'rule.triggered' and refs->>'rule_id' = 'config.debounced' limit 1`
  )
  return { event_id: lost, kind: "plain" }
}

describe("rules on two hosts that are killed under load", () => {
  it("are asked once for each event, make what they make once, and break no window", async () => {
    const random = makeRandom(seed)
    const homes = [folder("rules-one"), folder("rules-two")]
    const database = await makeDatabase()
    const remote = await startRemote({ random, lost: 0.02, slow: { share: 0.1, maximumMs: 200 } })
    const kills = long ? 60 : 2
    try {
      await database.query(outsideTable)
      const begin = (home: string) =>
        beginHost({
          home,
          config: writeStorm(home, remote.url, "2 seconds", { rules: stormRules }),
          databaseUrl: database.url
        })
      const hosts = homes.map(begin)
      await Promise.all(hosts.map(({ ready }) => ready))
      /** Those that are up; the other one starts. */
      const up = new Set([0, 1])
      const either = () => {
        const [one = 0, two = one] = up
        return hosts[random() < 0.5 ? one : two]?.ready ?? Promise.reject(new Error("There are two hosts."))
      }
      const load = startLoad({
        host: either,
        inFlight: long ? 12 : 8,
        name: "r",
        next: () => ruleKinds[Math.floor(random() * ruleKinds.length)] ?? "plain",
        send: sendRuleEvent,
        pause: long ? 5 : 20,
        room: async () => {
          await until("room for another event", async () => {
            const [row] = await database.query<{ n: number }>("select count(*)::int as n from work where not parked")
            return (row?.n ?? 0) < maximumOwed || undefined
          }, 300_000)
        }
      })
      for (let kill = 0; kill < kills; kill++) {
        const which = random() < 0.5 ? 0 : 1
        // One is there for the flood. Most die at work, some while they start or take over what the last one left.
        await hosts[1 - which]?.ready
        if (random() < 0.75) await hosts[which]?.ready
        await moment(500 + random() * 1_500)
        await hosts[which]?.kill()
        up.delete(which)
        const begun = begin(homes[which] ?? "")
        hosts[which] = begun
        void begun.ready.then(() => hosts[which] === begun && up.add(which), () => {})
      }
      await Promise.all(hosts.map(({ ready }) => ready))
      await until(
        "a flood",
        () => load.failed() !== undefined || load.acknowledged.length >= Math.max(150, 50 * kills),
        60_000
      )
      await load.finish()
      await quiet(database)
      const { broken, ...reckoned } = await reckonRules(database, remote, load.acknowledged)
      console.log(
        `rule storm (seed ${seed}): ` +
          JSON.stringify({ kills, acknowledged: load.acknowledged.length, sent_again: load.unanswered(), ...reckoned })
      )
      assert.deepEqual(broken, [])
      assert.deepEqual(load.contradictions, [])
      assert.isAbove(reckoned.suppressed, 0, "nothing was held back")
      assert.isAbove(reckoned.triggered, 100)
      for (const host of await Promise.all(hosts.map(({ ready }) => ready))) assert.strictEqual(await host.stop(), 0)

      // The control: what this would have said of a host that breaks its word.
      const lost = await breakIt(database)
      const seen = (await reckonRules(database, remote, [...load.acknowledged, lost])).broken.join("\n")
      for (
        const what of [
          "a child of no firing",
          "a firing that was lost",
          "a rule that was asked twice",
          "a broken debounce",
          "counts that differ from the audit"
        ]
      ) assert.include(seen, what)
    } finally {
      endHosts()
      await remote.close()
      await database.close()
      for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
    }
  }, long ? 900_000 : 300_000)
})
