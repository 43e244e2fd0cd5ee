/**
 * Dense schedules on two hosts of one database, each killed with -9 at random and started again: each slot has one row and at
 * most one event, none is lost, and the audit says the same. A second and a third run show that the check sees a doubled event and a lost slot.
 *
 * SYRIS_TEST_LONG=1 rages for more than a minute; SYRIS_TEST_SEED repeats the dice of a run.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { makeDatabase, type OwnDatabase } from "./Databases.ts"
import { beginHost, endHosts, folder, type HostPlace, type Starting } from "./Hosts.ts"
import { reckonSchedules } from "./ScheduleReckoning.ts"
import { long, makeRandom, moment, seed, until } from "./Until.ts"

const schedules = 40
const rageMs = long ? 75_000 : 6_000

describe("kill -9 of hosts with dense schedules", () => {
  const home = folder("schedule-storm")
  let database: OwnDatabase

  beforeAll(async () => {
    database = await makeDatabase()
  })
  afterAll(async () => {
    endHosts()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  it("no slot twice, none lost", async () => {
    const random = makeRandom(seed)
    const config = path.join(home, "syris.config.ts")
    fs.writeFileSync(
      config,
      "import { defineConfig } from \"syris\"\nexport default defineConfig({ timezone: \"UTC\" })\n"
    )
    const places = ["a", "b"].map((name): HostPlace => ({
      home: path.join(home, name),
      config,
      databaseUrl: database.url
    }))
    const [first] = places
    const starting = new Map<HostPlace, Starting>()
    const begin = (place: HostPlace) => {
      const begun = beginHost(place)
      starting.set(place, begun)
      return begun
    }
    await begin(first!).ready
    // A schedule each second at another millisecond, each second kind with another policy.
    await database.query(
      `insert into schedules (schedule_id, name, type, spec, timezone, catch_up, catch_up_cap, overrun, payload, trust, trace_id,
                              anchor, next_run_at, created_at, updated_at)
       select gen_random_uuid(), 'storm ' || i, 'interval', 'PT' || (1 + i % 3) || 'S', 'UTC',
              (array['skip', 'run_once', 'run_all_capped'])[1 + i % 3], 3, (array['skip', 'queue_one', 'allow'])[1 + i / 3 % 3],
              '{"channel": "scheduler", "text": "storm"}', 'operator', gen_random_uuid(),
              n.at, n.at + make_interval(secs => 1 + i % 3), clock_timestamp(), clock_timestamp()
       from generate_series(1, $1::int) i,
            lateral (select date_trunc('milliseconds', clock_timestamp()) + i * interval '23 milliseconds' as at) n`,
      [schedules]
    )
    await begin(places[1]!).ready
    const end = performance.now() + rageMs
    let kills = 0
    let changes = 0
    /** The operator changes one, or deletes it; the host may die under it. */
    const change = async (place: HostPlace, remove: boolean) => {
      const host = await starting.get(place)!.ready
      const [one] = await database.query<{ schedule_id: string; spec: string }>(
        "select schedule_id, spec from schedules order by held desc, random() limit 1"
      )
      const response = await fetch(`${host.url}/schedules/${one!.schedule_id}`, {
        headers: { authorization: `Bearer ${host.token}`, "content-type": "application/json" },
        ...(remove
          ? { method: "DELETE" }
          : { method: "PATCH", body: JSON.stringify({ spec: one!.spec === "PT1S" ? "PT2S" : "PT1S" }) })
      })
      if (response.ok) changes++
      else console.log(await response.text())
    }
    // In the second round, as in every other one after it, the changes are waited for.
    for (let round = 0; performance.now() < end || round < 3; round++) {
      await moment(300 + random() * (long ? 1_700 : 1_000))
      const place = places[Math.floor(random() * 2)]!
      const made = [0, 1, 2].map((i) => change(place, i === 0 && round % 4 === 1).catch(() => {}))
      // Some are answered before the host dies, some not.
      if (round % 2 === 1) await Promise.all(made)
      await moment(random() * 300)
      // Both at once, first and now and then: a downtime.
      const dying = round === 0 || random() < 0.3 ? places : [place]
      await Promise.all(dying.map(async (one) => starting.get(one)?.kill()))
      kills += dying.length
      await moment(random() * 400)
      dying.forEach(begin)
      if (random() < 0.8) await Promise.all(dying.map((one) => starting.get(one)!.ready))
    }
    await Promise.all([...starting.values()].map(({ ready }) => ready))
    // Until the last slots are looked at, those that are held included; then nothing moves any more.
    await until("a look at all", async () => {
      const [late] = await database.query<{ n: number }>(
        "select count(*)::int as n from schedules where next_run_at < clock_timestamp() - interval '1 second' and not held"
      )
      return late?.n === 0
    })
    await Promise.all([...starting.values()].map((one) => one.kill()))
    const { broken, ...reckoned } = await reckonSchedules(database)
    console.log(`schedule storm (seed ${seed}): ${JSON.stringify({ kills, changes, ...reckoned })}`)
    assert.deepEqual(broken, [], "what the storm broke")
    assert.isAbove(reckoned.slots, schedules * (rageMs / 1_000) / 4)
    assert.isAbove(reckoned.fired, reckoned.slots / 10)
    assert.isAbove(changes, 0, "nothing was changed")
    assert.isAbove(reckoned.missed, 0, "the storm made no downtime")
  }, rageMs + 90_000)

  const foundIn = async (damage: string): Promise<string> => {
    await database.query(damage)
    return (await reckonSchedules(database)).broken.join("\n")
  }

  it("the check sees a doubled event", async () => {
    const found = await foundIn(`
      insert into events
      select (json_populate_record(e, json_build_object('event_id', overlay(e.event_id::text placing 'ffffffffffff' from 25)))).*
      from events e where e.actor_id like 'schedule:%' limit 1`)
    assert.match(found, /1 × slots with several events/)
    assert.match(found, /events of schedules that are of no slot/)
  })

  it("the check sees a lost slot", async () => {
    const found = await foundIn(
      `delete from occurrences where (schedule_id, slot) in (
         select o.schedule_id, o.slot from occurrences o join schedules s using (schedule_id, revision) where o.slot > s.anchor
         order by o.slot limit 1)`
    )
    assert.match(found, /1 × slots that have no row/)
    assert.match(found, /1 × slots that the audit does not tell once/)
  })

  it("the check sees a slot that a deletion lost", async () => {
    const found = await foundIn(`
      with one as (
        select schedule_id, revision from occurrences join schedules using (schedule_id, revision)
        group by 1, 2 having count(*) > 4 order by 1 limit 1),
      gone as (delete from schedules s using one where s.schedule_id = one.schedule_id),
      lost as (
        delete from occurrences o using one where o.schedule_id = one.schedule_id and o.revision = one.revision
          and o.slot > (select min(p.slot) + interval '3 seconds' from occurrences p
                        where p.schedule_id = one.schedule_id and p.revision = one.revision))
      insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
      select gen_random_uuid(), clock_timestamp(), gen_random_uuid(), 'operator', 'operator.schedule_deleted', 'success', '',
             jsonb_build_object('schedule_id', one.schedule_id), '{}'
      from one`)
    assert.match(found, /1 × slots that a change or a deletion lost/)
  })
})
