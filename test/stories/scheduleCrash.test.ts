/**
 * Schedules of a host that dies: a slot each second while it runs, and after kill -9 and a restart what each policy says of the
 * slots in between, slot by slot. The time in between is not waited for: the schedules are moved back.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type HostProcess, type Place, runSyris, startHost } from "./HostProcess.ts"

describe("kill -9 of a host with schedules", { timeout: 60_000 }, () => {
  const home = folder("schedule-crash")
  let database: OwnDatabase
  let host: HostProcess
  let place: Place

  beforeAll(async () => {
    database = await makeDatabase()
    const config = path.join(home, "syris.config.ts")
    fs.writeFileSync(
      config,
      "import { defineConfig } from \"syris\"\nexport default defineConfig({ timezone: \"UTC\" })\n"
    )
    place = { home, config, databaseUrl: database.url }
    host = await startHost(place)
  })
  afterAll(async () => {
    await host?.kill()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const make = async (body: object): Promise<string> => {
    const response = await host.request("/schedules", {
      method: "POST",
      body: JSON.stringify({ type: "interval", spec: "PT1S", payload: { text: "tick" }, ...body })
    })
    assert.strictEqual(response.status, 201)
    return (await response.json() as { readonly schedule_id: string }).schedule_id
  }
  const slotsOf = (id: string) =>
    database.query<{ slot: Date; status: string; reason: string | null; late_ms: number }>(
      `select slot, status, reason, (extract(epoch from recorded_at - slot) * 1000)::float8 as late_ms
       from occurrences where schedule_id = $1 order by slot`,
      [id]
    )

  it("every second, none left out", async () => {
    const id = await make({ name: "seconds" })
    const slots = await until("six seconds", async () => {
      const some = await slotsOf(id)
      return some.length >= 6 && some
    })
    slots.forEach(({ late_ms, slot, status }, index) => {
      assert.strictEqual(slot.getTime(), slots[0]!.slot.getTime() + index * 1_000)
      assert.strictEqual(status, "fired")
      // `bench/schedules.ts` has the figure; a machine that does much else besides may be late.
      assert.isAtLeast(late_ms, 0)
    })
    assert.strictEqual((await host.request(`/schedules/${id}`, { method: "DELETE" })).status, 204)
  })

  it("each policy, slot by slot", { timeout: 60_000 }, async () => {
    const policies = [
      { catch_up: "skip" },
      { catch_up: "run_once" },
      { catch_up: "run_all_capped", catch_up_cap: 3 }
    ] as const
    const spec = "PT1M"
    const ids = new Map<string, string>()
    for (const policy of policies) {
      ids.set(policy.catch_up, await make({ name: policy.catch_up, spec, ...policy }))
    }
    const once = await make({
      name: "once",
      type: "one_shot",
      spec: new Date(Date.now() + 3_600_000).toISOString()
    })
    await host.kill()
    // Five slots came while nobody ran: the latest of them half a minute ago.
    await database.query(
      `update schedules
       set anchor = n.at, next_run_at = n.at,
           spec = case type when 'one_shot' then to_char(n.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') else spec end
       from (select date_trunc('second', clock_timestamp()) - interval '270 seconds' as at) n`
    )
    host = await startHost(place)
    const missed = "missed (no host ran)"
    const made = "fired (made up)"
    const expected: Record<string, ReadonlyArray<string>> = {
      skip: [missed, missed, missed, missed, missed],
      run_once: [missed, missed, missed, missed, made],
      run_all_capped: [missed, missed, made, made, made]
    }
    for (const [policy, id] of ids) {
      const slots = await until(`the slots of ${policy}`, async () => {
        const some = await slotsOf(id)
        return some.length >= 5 && some
      })
      const shown = slots.map(({ reason, status }) => reason === null ? status : `${status} (${reason})`)
      assert.deepEqual(shown.slice(0, 5), expected[policy], policy)
    }
    assert.deepEqual(
      (await until("the one-shot", async () => {
        const some = await slotsOf(once)
        return some.length > 0 && some
      })).map(({ reason }) => reason),
      ["made up"]
    )
    const told = await database.query<{ n: number; types: ReadonlyArray<string> }>(
      `select count(*)::int as n, array_agg(distinct type order by type) as types
       from audit_events where type like 'schedule.%' and refs->>'schedule_id' = $1`,
      [ids.get("run_once")]
    )
    assert.deepEqual(told, [{ n: 5, types: ["schedule.fired", "schedule.missed"] }])
  })

  it("the command line shows them, with the reasons", async () => {
    const list = await runSyris(["schedules"], place)
    assert.strictEqual(list.code, 0)
    assert.match(list.out, /NAME +WHEN +NEXT +LAST +ENABLED[^]*run_once +every minute/)
    assert.notMatch(list.out, / once +/)
    assert.match((await runSyris(["schedules", "--all"], place)).out, /once +once on /)
    const one = await runSyris(["schedules", "run_all_capped"], place)
    assert.strictEqual(one.code, 0)
    assert.match(one.out, /catch-up +run_all_capped, 3[^]*fired[^]*made up[^]*missed[^]*no host ran/)
    const json = await runSyris(["schedules", "--json"], place)
    assert.lengthOf(json.out.trim().split("\n").map((line) => JSON.parse(line)), 3)
    const unknown = await runSyris(["schedules", "nobody"], place)
    assert.match(unknown.err, /None of the schedules has an id/)
  })
})
