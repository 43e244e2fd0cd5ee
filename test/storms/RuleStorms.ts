/**
 * The rules of the rule storm, the events that they are for, and what must be true of them afterwards. The client knows which
 * rules an event is for: it made it. What it does not know of is not counted for right.
 */
import type { Eyes } from "./Databases.ts"
import type { Send } from "./Load.ts"
import { type Findings, makeFindings } from "./Reckoning.ts"
import type { Remote } from "./Remote.ts"

export const ruleKinds = ["plain", "debounced", "deduped", "held", "keyed", "once"] as const
export type RuleKind = (typeof ruleKinds)[number]

const debounceMs = 120
const windowMs = 1_500
const heldForMs = 200

const of = (kind: RuleKind) => ({
  all: [
    { path: "source.channel", op: "eq", value: "storm" },
    { path: "content.structured.kind", op: "eq", value: kind }
  ]
})
const told = { emit: { structured: { about: "{{content.structured.id}}" } } }

/** As in the configuration. */
export const stormRules = [
  { name: "all", priority: -1, when: { path: "content.structured.kind", op: "exists" }, then: [told] },
  { name: "plain", when: of("plain"), then: [told, told] },
  { name: "debounced", when: of("debounced"), then: [told], debounceMs },
  { name: "deduped", when: of("deduped"), then: [told], dedupe: { key: "content.structured.key", windowMs } },
  {
    name: "held",
    when: { all: [...of("held").all, { path: "content.structured.state", op: "eq", value: "on" }] },
    then: [told],
    per: "content.structured.thing",
    heldForMs
  },
  { name: "keyed", when: of("keyed"), then: [{ tool: "storm.keyed", input: { id: "{{content.structured.id}}" } }] },
  { name: "once", when: of("once"), then: [{ tool: "storm.plain", input: { id: "{{content.structured.id}}" } }] }
] as const

/** The children that each firing has. */
const childrenOf = (rule: string): number => stormRules.find(({ name }) => name === rule)?.then.length ?? 0

/** What an event says follows from its id, so that it is the same when it is sent again. */
export const structuredOf = (kind: RuleKind, id: string) => {
  const n = Number(id.slice(id.lastIndexOf("-") + 1))
  // What another event says of a thing ends what is held of it.
  const thing = kind === "held" ? `thing ${n % 4}` : "nothing"
  return { kind, id, key: n % 5, thing, state: n % 3 === 0 ? "off" : "on" }
}

export const sendRuleEvent: Send<RuleKind> = (host, { id, kind }, signal) =>
  host.send({ channel: "storm", message_id: id, structured: structuredOf(kind, id) }, { signal })

export interface KnownEvent {
  readonly event_id: string
  readonly kind: RuleKind
}

interface RuleRow {
  readonly rule: string
  readonly event_id: string
  readonly trace_id: string
  readonly type: "rule.triggered" | "rule.suppressed"
  readonly at: string
  readonly children: ReadonlyArray<string> | null
  readonly structured: { readonly id: string; readonly key: number; readonly thing: string }
}

export interface RuleReckoned {
  readonly triggered: number
  readonly suppressed: number
  readonly children: number
  readonly calls: number
  readonly broken: ReadonlyArray<string>
}

/** Compares; every promise that was broken is named in `broken`. */
export const reckonRules = async (
  eyes: Eyes,
  remote: Remote,
  acknowledged: ReadonlyArray<KnownEvent>
): Promise<RuleReckoned> => {
  const findings = makeFindings()
  const rows = await eyes.query<RuleRow>(`
    select substr(a.refs->>'rule_id', 8) as rule, a.refs->>'event_id' as event_id, a.trace_id, a.type,
           (extract(epoch from a.timestamp) * 1000)::text as at, a.data->'children' as children, e.structured
    from audit_events a left join events e on e.event_id = (a.refs->>'event_id')::uuid
    where a.type in ('rule.triggered', 'rule.suppressed')
    order by a.timestamp, a.xid, a.seq`)
  const triggered = rows.filter(({ type }) => type === "rule.triggered")
  onceForEach(rows, acknowledged, findings)
  const children = await childrenAre(eyes, triggered, findings)
  await countsAgree(eyes, rows, findings)
  apart(triggered.filter(({ rule }) => rule === "debounced"), () => "", debounceMs, "a broken debounce", findings)
  apart(
    triggered.filter(({ rule }) => rule === "deduped"),
    ({ structured }) => String(structured.key),
    windowMs,
    "a broken dedupe",
    findings
  )
  await holdsAre(eyes, findings)
  findings.say("work that is owed", await eyes.query("select kind, waits_for, tries from work where not parked"))
  findings.say("rules that are owed", await eyes.query("select work_id, event_id from rule_work"))
  const calls = await callsAre(eyes, remote, acknowledged, findings)
  return {
    triggered: triggered.length,
    suppressed: rows.length - triggered.length,
    children,
    calls,
    broken: findings.broken()
  }
}

/** Each event has one row of each rule that it is for, and none of another. A held one is not for each of its events. */
const onceForEach = (
  rows: ReadonlyArray<RuleRow>,
  acknowledged: ReadonlyArray<KnownEvent>,
  { say }: Findings
): void => {
  const seen = new Map<string, Array<string>>()
  for (const { event_id, rule } of rows) {
    const all = seen.get(event_id) ?? []
    seen.set(event_id, [...all, rule])
  }
  const known = new Map(acknowledged.map((one) => [one.event_id, one]))
  for (const { event_id, kind } of acknowledged) {
    const expected = kind === "held" ? ["all"] : ["all", kind]
    const found = (seen.get(event_id) ?? []).filter((rule) => rule !== "held")
    for (const rule of expected) {
      const times = found.filter((one) => one === rule).length
      if (times === 0) say("a firing that was lost", [{ event_id, rule }])
      if (times > 1) say("a rule that was asked twice", [{ event_id, rule, times }])
    }
    say("a rule that was not meant", found.filter((rule) => !expected.includes(rule)))
  }
  // What was not acknowledged may be there all the same; it is asked once, too.
  for (const [event_id, rules] of seen) {
    if (!known.has(event_id) && new Set(rules).size < rules.length) {
      say("a rule that was asked twice", [{ event_id, rules }])
    }
  }
}

/** Each firing has its children, in its trace, and there are no others. */
const childrenAre = async (eyes: Eyes, triggered: ReadonlyArray<RuleRow>, { say }: Findings): Promise<number> => {
  const events = await eyes.query<{ event_id: string; parent_event_id: string; trace_id: string; actor_id: string }>(
    "select event_id, parent_event_id, trace_id, actor_id from events where channel = 'rule_engine'"
  )
  const children = new Map(events.map((event) => [event.event_id, event]))
  const named = new Set<string>()
  for (const { children: ids, event_id, rule, trace_id } of triggered) {
    if (ids?.length !== childrenOf(rule)) say("a firing without all its children", [{ event_id, rule, ids }])
    for (const id of ids ?? []) {
      const child = children.get(id)
      named.add(id)
      if (child?.parent_event_id !== event_id || child.trace_id !== trace_id || child.actor_id !== `rule ${rule}`) {
        say("a child that is not there, or another's", [{ event_id, rule, child: child ?? id }])
      }
    }
  }
  say("a child of no firing", events.filter(({ event_id }) => !named.has(event_id)))
  return events.length
}

const countsAgree = async (eyes: Eyes, rows: ReadonlyArray<RuleRow>, { say }: Findings): Promise<void> => {
  const states = await eyes.query<{ rule: string; hits: number; held: number }>(
    "select substr(rule_id, 8) as rule, hit_count::int as hits, suppressed_count::int as held from rule_states"
  )
  for (const { held, hits, rule } of states) {
    const of = rows.filter((row) => row.rule === rule)
    const fired = of.filter(({ type }) => type === "rule.triggered").length
    if (fired !== hits || of.length - fired !== held) {
      say("counts that differ from the audit", [{ rule, hits, held, fired, rows: of.length }])
    }
  }
}

const apart = (
  triggered: ReadonlyArray<RuleRow>,
  keyOf: (row: RuleRow) => string,
  least: number,
  what: string,
  { say }: Findings
): void => {
  const last = new Map<string, number>()
  for (const row of triggered) {
    const key = keyOf(row)
    const gap = Number(row.at) - (last.get(key) ?? -Infinity)
    if (gap < least) say(what, [{ event_id: row.event_id, key, gap }])
    last.set(key, Number(row.at))
  }
}

/** Between two firings for a thing its condition has ended; a thing that was left on has fired. */
const holdsAre = async (eyes: Eyes, { say }: Findings): Promise<void> => {
  say(
    "a hold that fired twice",
    await eyes.query(`
      with fired as (
        select e.structured->>'thing' as thing, e.event_id,
               i.seq, lag(i.seq) over (partition by e.structured->>'thing' order by i.seq) as before
        from audit_events a
        join events e on e.event_id = (a.refs->>'event_id')::uuid
        join audit_events i on i.type = 'event.ingested' and i.refs->>'event_id' = a.refs->>'event_id'
        where a.type = 'rule.triggered' and a.refs->>'rule_id' = 'config.held'
      )
      select f.thing, f.event_id, f.before::int, f.seq::int from fired f
      where f.before is not null and not exists (
        select 1 from events o join audit_events i on i.type = 'event.ingested' and i.refs->>'event_id' = o.event_id::text
        where o.channel = 'storm' and o.structured->>'kind' = 'held' and o.structured->>'thing' = f.thing
          and o.structured->>'state' = 'off' and i.seq > f.before and i.seq < f.seq)`)
  )
  say(
    "a hold that does not go with what was seen last",
    await eyes.query(`
      with last as (
        select distinct on (thing) o.*
        from (select structured->>'thing' as thing, structured->>'state' as state, event_id, ingested_at,
                     lag(structured->>'state') over w as state_before, lag(ingested_at) over w as at_before
              from events where channel = 'storm' and structured->>'kind' = 'held'
              window w as (partition by structured->>'thing' order by event_id)) o
        order by thing, event_id desc
      )
      select l.*, m.hold_id, m.seq::int as seen
      from last l left join rule_memory m on m.rule_id = 'config.held' and m.thing like '%' || l.thing || '%'
      -- Two that came at once on two hosts: which is the last is the database's to say.
      where (l.state_before is null or l.state_before = l.state or l.ingested_at - l.at_before > interval '10 seconds')
        and ((l.state = 'on') <> (m.hold_id is not null) or m.seq is null
         or (l.state = 'on' and not exists (
               select 1 from audit_events a join events e on e.event_id = (a.refs->>'event_id')::uuid
               where a.type like 'rule.%' and a.refs->>'rule_id' = 'config.held' and e.structured->>'thing' = l.thing)))`)
  )
}

/** Each firing that calls has one call; what promises it acts once, what does not at most once. */
const callsAre = async (
  eyes: Eyes,
  remote: Remote,
  acknowledged: ReadonlyArray<KnownEvent>,
  { say }: Findings
): Promise<number> => {
  const calls = await eyes.query<{ id: string; tool: string; status: string }>(
    "select input->>'id' as id, tool, status from tool_calls where tool like 'storm.%'"
  )
  const [wanted] = await eyes.query<{ n: number }>(`
    select count(*)::int as n from audit_events
    where type = 'rule.triggered' and refs->>'rule_id' in ('config.keyed', 'config.once')`)
  if (wanted?.n !== calls.length) say("calls that are not the firings", [{ firings: wanted?.n, calls: calls.length }])
  for (const { id, status, tool } of calls) {
    const done = remote.effects(id)
    if (done > 1) say("an effect that was doubled", [{ id, tool, done }])
    if (status === "succeeded" && done !== 1) say("a success that was none", [{ id, tool, done }])
  }
  if (acknowledged.length > 0) say("what was done twice outside", remote.doubled())
  return calls.length
}
