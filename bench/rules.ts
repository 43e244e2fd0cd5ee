/**
 * A thousand rules and one event: which are for it. Against a scan of all of them, in the same process. Then what they cost a
 * whole host: events through HTTP until all that follows is committed, with a thousand rules of which one in a hundred events
 * meets one, and with one more that every event meets and that fires once in a second; against the same host without rules.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { EventRow } from "../core/contract/Rows.ts"
import { readRule } from "../core/plugin/RuleReading.ts"
import { type LiveRule, liveRule } from "../core/rules/LiveRule.ts"
import { makeRouting } from "../core/rules/RuleRouting.ts"
import { subjectOf } from "../core/rules/Subject.ts"
import { load, request, type Target } from "./HttpLoad.ts"
import type { PgWire } from "./PgWire.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { startHost, startPostgres, temporaryFolder, until } from "./Setup.ts"

const ruleCount = 1_000
const atOnce = 64

const leaf = (path: string, op: string, value?: unknown) => ({ path, op, ...(value === undefined ? {} : { value }) })
const channel = (name: string) => leaf("source.channel", "eq", name)

/** Of the kinds that operators write: most are about one thing, some about words, numbers, changes. */
const usual = (index: number): object => {
  const thing = leaf("content.structured.entity_id", "eq", `sensor.room_${index}`)
  switch (index % 10) {
    case 0:
      return { all: [channel("email"), leaf("content.text", "regex", `(?i)invoice ${index}`)] }
    case 1:
      return { all: [channel("mqtt"), leaf("content.structured.topic", "matches", `home/${index}/*`)] }
    case 2:
      return { all: [thing, leaf("content.structured.value", "gt", index)] }
    case 3:
      return { all: [thing, leaf("content.structured.state", "changed")] }
    case 4:
      return {
        any: [
          leaf("actor.actor_id", "eq", `friend-${index}`),
          leaf("actor.actor_id", "ends_with", `@house-${index}.org`)
        ]
      }
    default:
      return { all: [channel("ha_event"), thing, leaf("content.structured.state", "eq", "on")] }
  }
}

/** All look at the words of one channel. */
const words = (index: number): object => ({
  all: [channel("ha_event"), leaf("content.text", "regex", `(?i)alarm ${index}\\b`)]
})

const compile = (when: (index: number) => object): ReadonlyArray<LiveRule> =>
  Array.from({ length: ruleCount }, (_, index) => {
    const definition = { name: `rule ${index}`, when: when(index), then: [{ emit: {} }] }
    const read = readRule(definition, { style: "wire", timezone: "UTC" })
    if (!read.ok) throw new Error(read.mistakes.join("; "))
    return liveRule(read.value, {
      rule_id: `config.rule ${index}`,
      origin: "config",
      trust: "operator",
      risk: "low",
      enabled: true
    })
  })

const eventAt = (index: number): EventRow => ({
  event_id: "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e40",
  trace_id: "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e41",
  schema_version: "1.0",
  occurred_at: "2026-11-22T10:00:00.000Z",
  ingested_at: "2026-11-22T10:00:00.000Z",
  channel: ["ha_event", "email", "mqtt"][index % 3] ?? "ha_event",
  connector_id: "home",
  actor_type: "system",
  actor_id: `someone-${index}`,
  text: `Alarm in the ${index}th room, nobody is there, please have a look at it`,
  structured: {
    entity_id: `sensor.room_${index % 4_000}`,
    topic: `home/${index % 4_000}/door`,
    state: index % 2 === 0 ? "on" : "off",
    value: index % 500
  },
  attachment_refs: [],
  links: [],
  timezone: "UTC",
  locale: "en",
  sensitivity: "low",
  trust: "trusted",
  redaction_policy_id: "default",
  depth: 0
})

/** One call at a time, microseconds. */
const time = (count: number, one: (index: number) => unknown): ReadonlyArray<number> => {
  const times = new Float64Array(count)
  for (let index = 0; index < count; index++) {
    const from = performance.now()
    one(index)
    times[index] = (performance.now() - from) * 1_000
  }
  return [...times]
}

const inProcess = (
  name: string,
  rules: ReadonlyArray<LiveRule>,
  count: number,
  event: (n: number) => EventRow
): void => {
  const events = Array.from({ length: 1_000 }, (_, index) => event(index * 7))
  const state = { autonomy: "A2", health: "healthy", time: new Date() }
  const eventOf = (index: number): EventRow => events[index % events.length] ?? event(index)
  const routing = makeRouting(rules)
  const route = (index: number) => routing(subjectOf(eventOf(index), state))
  const scan = (index: number) => {
    const subject = subjectOf(eventOf(index), state)
    return rules.filter((rule) => rule.enabled && rule.concerns(subject)).map(({ owed }) => owed.rule_id)
  }
  for (const one of [route, scan]) time(1_000, one)
  const rounds = Array.from({ length: 5 }, () => ({ routed: time(count / 5, route), scanned: time(count / 50, scan) }))
  const routed = rounds.flatMap((round) => round.routed)
  const scanned = rounds.flatMap((round) => round.scanned)
  figure(`${name}: one event, median`, median(routed), "µs")
  target(`${name}: one event, p99`, percentile(routed, 0.99), "µs", "at most", 1_000)
  figure(`${name}: control, a scan of all, median`, median(scanned), "µs")
  figure(`${name}: control, a scan of all, p99`, percentile(scanned, 0.99), "µs")
  figure(
    `${name}: the scan / the index`,
    median(rounds.map((round) => median(round.scanned) / median(round.routed))),
    ""
  )
}

/** A configuration in a folder of its own. */
const configuration = (folder: string, name: string, rules: ReadonlyArray<object>): string => {
  const file = path.join(folder, name, "syris.config.ts")
  fs.mkdirSync(path.dirname(file))
  fs.writeFileSync(
    file,
    `import { defineConfig } from "syris"\nimport noop from "syris/plugins/noop"\n` +
      `export default defineConfig({ timezone: "UTC", plugins: [noop()], rules: ${JSON.stringify(rules)} })\n`
  )
  return file
}

const hostRules = Array.from({ length: ruleCount }, (_, index) => ({
  name: `thing ${index}`,
  when: { all: [channel("webhook"), leaf("content.structured.entity_id", "eq", `thing-${index}`)] },
  then: [{ emit: { structured: { about: "{{content.structured.entity_id}}" } } }]
}))
const everyEvent = {
  name: "every event",
  when: leaf("content.text", "eq", "noop"),
  then: [{ emit: { structured: { seen: "one" } } }],
  debounceMs: 1_000
}

/** One in a hundred is about a thing that a rule knows. */
const eventOf = (at: Target, messageId: string): Buffer => {
  const n = Number(messageId.slice(messageId.lastIndexOf("-") + 1))
  const entity_id = n % 100 === 0 ? `thing-${(n / 100) % ruleCount}` : `other-${n}`
  const body = { channel: "webhook", text: "noop", message_id: `m-${messageId}`, structured: { entity_id } }
  return request(at, "POST", "/events", JSON.stringify(body))
}

/** The number of an event comes last in its id, as `eventOf` wants it. */
const numbered = (): (at: Target, messageId: string) => Buffer => {
  let n = 0
  return (at, messageId) => eventOf(at, `${messageId}-${n++}`)
}

/** Events a second until all that follows is settled. */
const measure = async (at: Target, database: PgWire, count: number): Promise<number> => {
  const began = performance.now()
  await load(at, count, atOnce, numbered())
  await until(async () => (await database.query("select 1 from work limit 1")).length === 0 ? true : undefined, 1)
  return count / (performance.now() - began) * 1_000
}

export const rules = async ({ quick, verbose }: Options): Promise<void> => {
  title("Rules: which of 1,000 are for one event")
  const count = quick ? 10_000 : 100_000
  inProcess("usual rules", compile(usual), count, eventAt)
  inProcess("(?i) words of one channel", compile(words), count / 10, (n) => ({ ...eventAt(n), channel: "ha_event" }))

  title("Rules in a whole host: events a second until settled, 64 at once over HTTP")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  for (const name of ["without", "few", "every"]) await postgres.createDatabase(name)
  const [none, some, every] = await Promise.all(["without", "few", "every"].map(postgres.connect)) as [
    PgWire,
    PgWire,
    PgWire
  ]
  const start = (name: string, given: ReadonlyArray<object>) =>
    startHost(path.join(folder.path, `${name}-home`), postgres.url(name), {
      SYRIS_CONFIG: configuration(folder.path, name, given)
    })
  await using without = await start("without", [])
  await using withSome = await start("few", hostRules)
  await using withEvery = await start("every", [...hostRules, everyEvent])
  const events = quick ? 2_000 : 10_000
  const hosts = [["none", without, none], ["some", withSome, some], ["every", withEvery, every]] as const
  const rates = { none: [] as Array<number>, some: [] as Array<number>, every: [] as Array<number> }
  for (let warm = 0; warm < 2; warm++) {
    for (const [, host, database] of hosts) await measure(host.target, database, 1_000)
  }
  for (let round = 0; round < (quick ? 3 : 5); round++) {
    for (const [name, host, database] of hosts) rates[name].push(await measure(host.target, database, events))
    if (verbose) say(Object.entries(rates).map(([name, all]) => `${name} ${all.at(-1)?.toFixed(0)}`).join("   "))
  }
  const fired = async (database: PgWire) =>
    Number((await database.query("select count(*) from audit_events where type = 'rule.triggered'"))[0]?.[0])
  say(`fired: ${await fired(some)} with 1,000 rules, ${await fired(every)} with one more for every event`)
  await Promise.all([none, some, every].map((connection) => connection.close()))
  const ratio = (over: ReadonlyArray<number>) =>
    median(over.map((rate, round) => rate / (rates.none[round] ?? Number.NaN)))
  figure("without rules", median(rates.none), "events/s")
  figure("1,000 rules, one event in a hundred meets one", median(rates.some), "events/s")
  target("1,000 rules / without rules", ratio(rates.some), "", "at least", 0.77)
  figure("and one that every event meets, debounced", median(rates.every), "events/s")
  figure("and one that every event meets / without rules", ratio(rates.every), "")
}
