/**
 * The host loses its connection to the database at each statement on the way from an event to what its rules make, before the
 * statement is there and after it was done: each rule is asked once all the same, and what it makes is there once. What the
 * reckoning would say of a host that breaks its word is shown in `ruleStorm`.
 *
 * SYRIS_TEST_LONG=1 walks over all of them; SYRIS_TEST_SEED repeats those of a run.
 */
import { assert, describe, it } from "vitest"
import * as fs from "node:fs"
import { makeDatabase } from "./Databases.ts"
import { endHosts, folder, startHost } from "./Hosts.ts"
import { type Side, startProxy } from "./Proxy.ts"
import { quiet } from "./Reckoning.ts"
import { startRemote } from "./Remote.ts"
import { type KnownEvent, reckonRules, type RuleKind, ruleKinds, stormRules, structuredOf } from "./RuleStorms.ts"
import { outsideTable, writeStorm } from "./StormPlugin.ts"
import { first, seed, stride } from "./Until.ts"

/** What is told of an event, of its rules and of the calls that follow: the statements between those are of the same way. */
const ofRules = /event\.ingested|rule\.|rule_work|rule_states|tool_call\./

describe("rules of a host whose connection is lost", () => {
  for (const side of ["request", "answer"] satisfies ReadonlyArray<Side>) {
    it(`at each statement, ${side === "answer" ? "after it was done" : "before it is there"}`, async () => {
      const home = folder("rule-doubt")
      const database = await makeDatabase()
      const remote = await startRemote({ random: () => 0.5 })
      const proxy = await startProxy(database.url)
      try {
        await database.query(outsideTable)
        const config = writeStorm(home, remote.url, "2 seconds", { rules: stormRules })
        const host = await startHost({ home, config, databaseUrl: proxy.url })
        const acknowledged: Array<KnownEvent> = []
        const told: Array<string> = []
        const walk = async (kind: RuleKind) => {
          for (let at = first(side); at < 40; at += stride) {
            const message_id = `${kind}-${at}`
            const blow = proxy.arm({ side, at, of: ofRules, strike: ({ cut }) => cut() })
            const event = { channel: "storm", message_id, structured: structuredOf(kind, message_id) }
            const began = performance.now()
            // One that was not taken is sent again, as every client does.
            let answer = await host.send(event, { wait: 60 })
            if (answer.status === 503) answer = await host.send(event, { wait: 60 })
            proxy.disarm()
            assert.include([200, 202], answer.status, message_id)
            acknowledged.push({ event_id: answer.event_id, kind })
            told.push(`${message_id} ${Math.round(performance.now() - began)} ms`)
            if (!blow.struck()) return
          }
          assert.fail("the walk has no end")
        }
        for (const kind of ruleKinds) await walk(kind)
        await quiet(database)
        const { broken, ...reckoned } = await reckonRules(database, remote, acknowledged)
        console.log(`connection lost at each ${side} (seed ${seed}): ${told.join(", ")} ${JSON.stringify(reckoned)}`)
        assert.deepEqual(broken, [])
        assert.isAbove(told.length, ruleKinds.length, "no connection was lost")
        assert.strictEqual(await host.stop(), 0)
      } finally {
        endHosts()
        await proxy.close()
        await remote.close()
        await database.close()
        fs.rmSync(home, { recursive: true, force: true })
      }
    }, 300_000)
  }
})
