/**
 * The first page of a trace of 10 000 audit rows beside ten million others, through HTTP. `BENCH_AUDIT_ROWS` sets how
 * many others there are; `--quick` uses 200 000.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import { connect, request } from "./HttpLoad.ts"
import type { PgWire } from "./PgWire.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { startHost, startPostgres, temporaryFolder } from "./Setup.ts"

/** Rows spread over the last weeks, five to a trace as an event has them. */
const others = `
  insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, risk, autonomy, data)
  select gen_random_uuid(), r.at, (lpad(to_hex((extract(epoch from r.at) * 1000)::bigint), 12, '0')
                                   || '7000' || '8' || substr(md5((n / 5)::text), 1, 15))::uuid,
         (array['normalize', 'route', 'tool_call', 'tool_call', 'system'])[n % 5 + 1],
         (array['event.ingested', 'routing.decided', 'tool_call.attempted', 'tool_call.succeeded', 'system.started'])[n % 5 + 1],
         'info', 'Goes to noop.run in the fast lane.', jsonb_build_object('event_id', gen_random_uuid()), 'noop.run', 'low', 'A2',
         '{"attempt": 1, "guarantee": "transactional"}'
  from (select n, clock_timestamp() - (1 - n / 5 * 5 / $3::float8) * interval '25 days' as at
        from generate_series($1::bigint, $2::bigint) n) r`

const ofTrace = `
  insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, risk, autonomy, data)
  select gen_random_uuid(), clock_timestamp() - (1 - $2::float8) * interval '25 days' - (100 - n) * interval '1 second', $1::uuid,
         'tool_call', 'tool_call.attempted', 'info', 'A step of a long task.', '{}', 'noop.run', 'low', 'A2', '{"attempt": 1}'
  from generate_series(1, 100) n`

/** Fills the audit, and spreads 10 000 rows of a trace among the others where one is named. */
export const fillAudit = async (
  database: PgWire,
  rows: number,
  { verbose }: Options,
  trace?: string
): Promise<void> => {
  await database.query("set synchronous_commit = off")
  const parts = 100
  for (let part = 0; part < parts; part++) {
    const size = Math.ceil(rows / parts)
    await database.query(others, [String(part * size), String((part + 1) * size - 1), String(rows)])
    if (trace !== undefined) await database.query(ofTrace, [trace, String((part + 1) / parts)])
    if (verbose && part % 20 === 19) say(`${((part + 1) * size).toLocaleString("en")} rows are there`)
  }
  await database.query("vacuum analyze audit_events")
  await database.query("checkpoint")
}

export const auditPage = async (options: Options): Promise<void> => {
  const rows = Number(process.env["BENCH_AUDIT_ROWS"] ?? (options.quick ? 200_000 : 10_000_000))
  title(`Audit: first page of a trace of 10,000 rows beside ${rows.toLocaleString("en")} others, through HTTP`)
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  await postgres.createDatabase("host")
  const database = await postgres.connect("host")
  const trace = randomUUID()
  const began = performance.now()
  await fillAudit(database, rows, options, trace)
  say(`The rows took ${((performance.now() - began) / 1_000).toFixed(0)} s to make.`)

  await using host = await startHost(path.join(folder.path, "home"), postgres.url("host"))
  const http = await connect(host.target.host, host.target.port)
  const measure = async (target: string, expected = 100, repeats = 60): Promise<ReadonlyArray<number>> => {
    const times: Array<number> = []
    for (let i = 0; i < repeats; i++) {
      const from = performance.now()
      const answer = await http.send(request(host.target, "GET", target))
      times.push(performance.now() - from)
      const items = answer.status === 200
        ? (JSON.parse(answer.body) as { items: ReadonlyArray<unknown> }).items.length
        : 0
      if (items !== expected) throw new Error(`${target} was answered ${answer.status} with ${items} rows.`)
    }
    return times
  }
  const ofTraceTimes = await measure(`/audit?trace_id=${trace}&limit=100`)
  figure("the first request of all", ofTraceTimes[0] ?? Number.NaN, "ms")
  target("first page of the trace, 100 rows, median", median(ofTraceTimes), "ms", "at most", 20)
  figure("the same, p95", percentile(ofTraceTimes, 0.95), "ms")
  figure("first page of everything, newest first, median", median(await measure("/audit?limit=100")), "ms")
  figure("first page of one type, median", median(await measure("/audit?type=tool_call.succeeded&limit=100")), "ms")
  figure("first page of one tool, median", median(await measure("/audit?tool=noop.run&limit=100")), "ms")
  const failures = await measure("/audit?outcome=failure&limit=100", 0, 5)
  figure("an outcome that no row has, median", median(failures), "ms")
  const stage = await measure("/audit?stage=watcher&limit=100", 0, 5)
  figure("a stage that no row has (no index helps: a bounded page), median", median(stage), "ms")
  http.close()
  if (options.verbose) {
    const plan = await database.query(
      `explain (analyze, buffers, costs off) select * from audit_events a where a.trace_id = '${trace}' order by a.seq limit 101`
    )
    for (const [line] of plan) say(String(line))
  }
  await database.close()
}
