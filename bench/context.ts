/**
 * The context of a question to a model: looked up and put together, for a thread of 1 000 messages, with 300 tools, beside a
 * million audit rows. `BENCH_AUDIT_ROWS` sets how many; `--quick` uses 100 000.
 *
 * The control is the bare SQL of the thread, on the same pool, in turns.
 */
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as path from "node:path"
import { Audit, toRow } from "../core/audit/Audit.ts"
import { fromUrl, layerPool } from "../core/database/Database.ts"
import { newId } from "../core/database/Ids.ts"
import type { OfferedTool } from "../core/llm/CompletionProvider.ts"
import { defaultBudgets, renderContext } from "../core/llm/Context.ts"
import { defaultPrompts } from "../core/llm/prompts/Prompts.ts"
import { vectorOf } from "../core/memory/Words.ts"
import { Registry } from "../core/plugin/Registry.ts"
import { Settings } from "../core/plugin/Settings.ts"
import { Redactor } from "../core/secrets/Redactor.ts"
import { ContextGather } from "../core/tasks/ContextGather.ts"
import type { PgWire } from "./PgWire.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { startPostgres, temporaryFolder } from "./Setup.ts"

const messages = 1_000
const memories = 1_000
const openTasks = 200
const thread = "bench"

const audit = `
  insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, risk, autonomy, data)
  select gen_random_uuid(), clock_timestamp() - n * interval '1 second', gen_random_uuid(), 'route', 'routing.decided', 'info',
         'Goes to noop.run in the fast lane.', '{}', 'noop.run', 'low', 'A2', '{"attempt": 1}'
  from generate_series($1::bigint, $2::bigint) n`

/** Events with ids of their time, over the last 25 days: the thread is spread among ten times as many others. */
const events = `
  insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, thread_id, actor_type,
                      actor_id, text, structured, attachment_refs, links, timezone, locale, sensitivity, trust,
                      redaction_policy_id, depth)
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
         gen_random_uuid(), '1.0', at, at, 'chat', 'chat', case when n % 10 = 0 then '${thread}' else 'other' || n % 97 end,
         'user', 'me', 'message ' || n || ': what is to be done about the garden and the boiler today', '{}', '[]', '[]',
         'Europe/London', 'en', 'low', 'operator', 'default', 0
  from (select n, clock_timestamp() - (1 - n / $1::float8) * interval '25 days' as at from generate_series(1, $1::int - 1) n) r`

const settled = `
  insert into settlements (event_id, trace_id, lane, outcome, reply, settled_at)
  select event_id, trace_id, 'fast', 'succeeded', 'Done: the boiler was checked and the garden is watered.', ingested_at
  from events`

const decided = `
  insert into routing_decisions (event_id, trace_id, decided_at, lane, match, required_scopes, notes, tool)
  select event_id, trace_id, ingested_at, 'fast', '{}', '[]', '[]', 'noop.run' from events`

const tasks = `
  with made as (
    insert into tasks (task_id, trace_id, trigger_event_id, name, kind, status, priority, labels, autonomy_at_start, created_at,
                       updated_at)
    select event_id, trace_id, event_id, 'task of ' || occurred_at, 'llm_plan', 'running', 5, '[]', 'A2', now(), now()
    from events order by event_id desc limit $1
    returning task_id, trace_id, trigger_event_id
  )
  insert into work (work_id, kind, event_id, trace_id, fence)
  select task_id, 'task', trigger_event_id, trace_id, 1 from made`

const approvals = `
  insert into approvals (approval_id, number, trace_id, event_id, tool_call_id, work_id, status, tool, what, what_hash, tool_pin,
                         why, reasons, risk, autonomy, basis, question, labels, created_at, expires_at)
  select gen_random_uuid(), n, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'pending', 'mail.send',
         '{"to":"anna@example.com"}', 'h', 'p', 'w', '[]', 'low', 'A2', 'b', 'q', '{"trust":"operator"}', now(),
         now() + interval '1 day'
  from generate_series(1, 20) n`

const remembered = `
  insert into memories (memory_id, text, words, labels, event_id, trace_id, tool_call_id, channel, actor_id, tags, created_at)
  select id, text, words::tsvector, '{"trust":"operator","confidentiality":"public"}', id, id, id, 'chat', 'chat', '{}', now()
  from unnest($1::uuid[], $2::text[], $3::text[]) as t(id, text, words)`

const arrayOf = (texts: ReadonlyArray<string>): string =>
  `{${texts.map((text) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`

const fill = async (database: PgWire, rows: number): Promise<void> => {
  await database.query("set synchronous_commit = off")
  await database.query("select ensure_partitions(24)")
  const size = 50_000
  for (let from = 0; from < rows; from += size) await database.query(audit, [String(from), String(from + size - 1)])
  await database.query(events, [String(messages * 10)])
  for (const statement of [settled, decided, approvals]) await database.query(statement)
  await database.query(tasks, [String(openTasks)])
  const texts = Array.from(
    { length: memories },
    (_, i) => `The boiler of room ${i} likes ${i % 90} degrees, says Anna.`
  )
  const ids = texts.map(() => newId())
  await database.query(remembered, [arrayOf(ids), arrayOf(texts), arrayOf(texts.map((text) => vectorOf(text)))])
  await database.query("vacuum analyze")
}

const nouns = "boiler garden mail timer light door music invoice backup printer".split(" ")
const tools: ReadonlyArray<OfferedTool> = Array.from({ length: 300 }, (_, i) => ({
  name: `${nouns[i % nouns.length]}${Math.floor(i / nouns.length)}.check`,
  description: `Checks the ${nouns[i % nouns.length]} number ${i}, and tells what is wrong with it and since when.`,
  parameters: {
    type: "object",
    properties: {
      name: { type: "string", description: "Which of them." },
      since: { type: "string", description: "Only what happened after this moment, ISO 8601." },
      deep: { type: "boolean", description: "Looks at every part; takes longer." }
    },
    additionalProperties: false
  }
}))

const layerOf = (url: string) =>
  ContextGather.layer.pipe(
    Layer.provide([
      Layer.mock(Audit)({ row: toRow }),
      Redactor.layerEmpty,
      Layer.succeed(Registry, { tool: () => undefined } as unknown as Registry["Service"]),
      Settings.layerOf({ timezone: "Europe/London" })
    ]),
    Layer.provideMerge(layerPool(fromUrl(Redacted.make(url))))
  )

export const context = async (options: Options): Promise<void> => {
  const rows = Number(process.env["BENCH_AUDIT_ROWS"] ?? (options.quick ? 100_000 : 1_000_000))
  title(`Context: a thread of ${messages} messages, ${tools.length} tools, ${rows.toLocaleString("en")} audit rows`)
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  await postgres.createDatabase("host")
  const database = await postgres.connect("host")
  await fill(database, rows)
  await database.close()

  const runtime = ManagedRuntime.make(layerOf(postgres.url("host")))
  const [own, now] = [newId(), new Date()]
  const event = {
    event_id: own,
    trace_id: own,
    thread_id: thread,
    channel: "chat",
    connector_id: "chat",
    actor_id: "me",
    trust: "operator" as const,
    depth: 0,
    timezone: "Europe/London"
  }
  const run = { event, task: { task_id: own } as never }
  const gather = ContextGather.use((service) =>
    service.gather({ run, step: { step_id: own }, intent: "is the boiler of room 12 well?", history: [], now })
  )
  const control = Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql`
      select e.event_id, e.occurred_at, e.text, e.trust, s.reply
      from events e left join settlements s on s.event_id = e.event_id
      where e.thread_id = ${thread} and e.channel = 'chat' and e.event_id < ${own}::uuid
      order by e.event_id desc
      limit 200`)
  const [gathered, rendered, bare]: [Array<number>, Array<number>, Array<number>] = [[], [], []]
  let tokens = 0
  let offered = 0
  for (let i = 0; i < (options.quick ? 60 : 300); i++) {
    const began = performance.now()
    const facts = await runtime.runPromise(gather)
    const known = performance.now()
    const bundle = renderContext(facts, { tools, prompts: defaultPrompts, budgets: defaultBudgets })
    const done = performance.now()
    await runtime.runPromise(control)
    bare.push(performance.now() - done)
    gathered.push(known - began)
    rendered.push(done - known)
    tokens = bundle.parts.reduce((sum, part) => sum + part.tokens, 0)
    offered = bundle.tools.length
    if (i === 0 && options.verbose) { for (const part of bundle.parts) say(JSON.stringify(part)) }
  }
  await runtime.dispose()
  const both = gathered.map((ms, i) => ms + (rendered[i] ?? 0))
  say(`${tokens} tokens of ${defaultBudgets.total}, ${offered} tools of ${tools.length}.`)
  target("looked up and put together, median", median(both), "ms", "at most", 20)
  figure("the same, p95", percentile(both, 0.95), "ms")
  figure("of these looked up, median", median(gathered), "ms")
  figure("put together, median", median(rendered), "ms")
  figure("control: 200 lines of the thread by SQL, median", median(bare), "ms")
  target("both / control, median", median(both.map((ms, i) => ms / (bare[i] ?? Number.NaN))), "", "at most", 5)
}
