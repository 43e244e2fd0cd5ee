/**
 * The first page of the approvals beside ten thousand that are pending and a hundred thousand that are decided, through HTTP.
 * The control is a page of as many approvals of a host that has no others.
 */
import * as path from "node:path"
import { connect, request } from "./HttpLoad.ts"
import { figure, median, type Options, percentile, target, title } from "./Report.ts"
import { startHost, startPostgres, temporaryFolder } from "./Setup.ts"

/** From number `$1` to `$2`, of this status; what is pending was asked in the last minutes. */
const make = (status: string): string => `
  with made as (
    insert into tool_calls (tool_call_id, trace_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key, effect,
                            guarantee, risk, autonomy, status, needs_approval, created_at, resolved_at)
    select gen_random_uuid(), gen_random_uuid(), 0, 'email.send', 'pin', r.input, md5(n::text), 'bench-' || n, 'write', 'none',
           'medium', 'A2', 'planned', true, clock_timestamp(), null
    from (select n, jsonb_build_object('to', 'friend-' || n || '@example.org', 'body', repeat('as we said ', 40)) as input
          from generate_series($1::int, $2::int) n) r
    returning *
  )
  insert into approvals (approval_id, number, trace_id, tool_call_id, work_id, status, tool, what, what_hash, tool_pin, preview,
                         why, reasons, risk, autonomy, basis, question, created_at, expires_at)
  select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7000' || '8'
          || substr(md5(m.idempotency_key), 1, 15))::uuid,
         nextval('approval_numbers'), m.trace_id, m.tool_call_id, m.tool_call_id, '${status}', m.tool, m.input, m.input_hash, 'pin',
         'Sends a mail to a friend.', 'Risk medium at autonomy A2.', '["the tool says risk medium"]', 'medium', 'A2',
         'tool medium', 'Yes?', clock_timestamp(), clock_timestamp() + interval '1 hour'
  from made m`

const deny =
  `update approvals set status = 'denied', decided_by = 'operator', decided_at = clock_timestamp() where status = 'pending'`

const page = 100

export const approvals = async (options: Options): Promise<void> => {
  const [pending, decided] = options.quick ? [10_000, 10_000] : [10_000, 100_000]
  title(`Approvals: first page beside ${pending.toLocaleString("en")} pending, ${decided.toLocaleString("en")} decided`)
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  const world = async (name: string, counts: { readonly pending: number; readonly decided: number }) => {
    await postgres.createDatabase(name)
    const database = await postgres.connect(name)
    if (counts.decided > 0) {
      await database.query(make("pending"), ["1", String(counts.decided)])
      await database.query(deny)
    }
    await database.query(make("pending"), [String(counts.decided + 1), String(counts.decided + counts.pending)])
    await database.query("vacuum analyze approvals")
    await database.close()
    return startHost(path.join(folder.path, name), postgres.url(name))
  }
  await using full = await world("host", { pending, decided })
  await using bare = await world("bare", { pending: page, decided: 0 })
  const sides = await Promise.all([full, bare].map(async (host) => ({
    host,
    http: await connect(host.target.host, host.target.port)
  })))
  const measure = async (side: (typeof sides)[number] | undefined, query: string): Promise<number> => {
    if (side === undefined) throw new Error("There are two hosts.")
    const from = performance.now()
    const answer = await side.http.send(request(side.host.target, "GET", `/approvals?${query}&limit=${page}`))
    const took = performance.now() - from
    const { items = [] } = JSON.parse(answer.body) as { readonly items?: ReadonlyArray<unknown> }
    if (items.length !== page) {
      throw new Error(`/approvals?${query} was answered ${answer.status} with ${items.length} rows.`)
    }
    return took
  }
  const [ours, theirs] = sides
  const rounds: Array<{ readonly ours: number; readonly theirs: number }> = []
  for (let i = 0; i < (options.quick ? 60 : 200); i++) {
    rounds.push({ ours: await measure(ours, "status=pending"), theirs: await measure(theirs, "status=pending") })
  }
  const times = rounds.slice(5).map((round) => round.ours)
  target(`first page of the pending ones, ${page} rows, median`, median(times), "ms", "at most", 20)
  figure("the same, p95", percentile(times, 0.95), "ms")
  figure(
    "control: the same page, of a host that has no more",
    median(rounds.slice(5).map((round) => round.theirs)),
    "ms"
  )
  figure("ratio", median(rounds.slice(5).map((round) => round.ours / round.theirs)), "")
  const unfiltered: Array<number> = []
  for (let i = 0; i < 40; i++) unfiltered.push(await measure(ours, "tool=email.send"))
  figure("first page of one tool, whatever became of them, median", median(unfiltered.slice(5)), "ms")
  for (const { http } of sides) http.close()
}
