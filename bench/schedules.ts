/**
 * What schedules cost and how exact they are: the processor time at rest of a host and its PostgreSQL with 100 000 of them and
 * without, in the same minute; the time until a thousand that are due in the same second are all fired; and how late single
 * ones are.
 */
import * as path from "node:path"
import type { PgWire } from "./PgWire.ts"
import { familySeconds, processorSeconds } from "./Processes.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { type Host, type Postgres, startHost, startPostgres, temporaryFolder, until } from "./Setup.ts"

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))

/** One-shots, the first of them due at an expression of SQL, each `step` later than the one before. */
const oneShots = (database: PgWire, count: number, first: string, step: string) =>
  database.query(
    `insert into schedules (schedule_id, name, type, spec, timezone, payload, trust, trace_id, next_run_at, created_at, updated_at)
     select uuidv7(), 'bench', 'one_shot', to_char(n.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'UTC',
            '{"channel": "scheduler", "text": "noop"}', 'operator', uuidv7(), n.at, clock_timestamp(), clock_timestamp()
     from generate_series(1, ${count}) i,
          lateral (select date_trunc('milliseconds', (${first}) + i * interval '${step}') as at) n`
  )

const atRest = async ({ quick }: Options): Promise<void> => {
  const count = quick ? 20_000 : 100_000
  title(`At rest: two hosts, each with its PostgreSQL, one of them with ${count.toLocaleString("en")} schedules`)
  if (process.platform !== "linux") return say("SKIPPED: /proc is needed.")
  await using folder = temporaryFolder()
  await using emptyPostgres = await startPostgres(path.join(folder.path, "empty-postgres"))
  await using fullPostgres = await startPostgres(path.join(folder.path, "full-postgres"))
  for (const postgres of [emptyPostgres, fullPostgres]) await postgres.createDatabase("host")
  const database = await fullPostgres.connect("host")
  await oneShots(database, count, "clock_timestamp() + interval '1 hour'", "100 ms")
  await database.query("vacuum analyze")
  await database.query("checkpoint")
  await database.close()
  await using empty = await startHost(path.join(folder.path, "empty-home"), emptyPostgres.url("host"))
  await using full = await startHost(path.join(folder.path, "full-home"), fullPostgres.url("host"))
  await pause(quick ? 5 : 15)
  const look = (host: Host, postgres: Postgres) => ({
    node: processorSeconds(host.child.pid ?? 0),
    postgres: familySeconds(postgres.pid)
  })
  const seconds = quick ? 20 : 60
  const subjects = { without: [empty, emptyPostgres], with: [full, fullPostgres] } as const
  const before = { without: look(...subjects.without), with: look(...subjects.with) }
  await pause(seconds)
  const used = (which: "with" | "without") => {
    const now = look(...subjects[which])
    const node = (now.node - before[which].node) / seconds * 100
    const postgres = (now.postgres - before[which].postgres) / seconds * 100
    figure(`${which} them: Node`, node, "% of a core")
    figure(`${which} them: PostgreSQL`, postgres, "% of a core")
    return node + postgres
  }
  const less = used("without")
  const more = used("with")
  target("what they cost", Math.max(0, more - less), "% of a core", "at most", 0.1)
}

const latest = async (database: PgWire, since: string) => {
  const rows = await database.query(
    `select extract(epoch from recorded_at - slot) * 1000 from occurrences where status = 'fired' and slot >= '${since}' order by 1`
  )
  return rows.map(([late]) => Number(late))
}

const nowOf = async (database: PgWire) => (await database.query("select clock_timestamp()::text"))[0]?.[0] ?? ""

const exactness = async ({ quick }: Options): Promise<void> => {
  title("In time: a host that has 100 000 schedules besides")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres"))
  await postgres.createDatabase("host")
  const database = await postgres.connect("host")
  await oneShots(database, quick ? 20_000 : 100_000, "clock_timestamp() + interval '1 hour'", "100 ms")
  await database.query("vacuum analyze")
  await using _host = await startHost(path.join(folder.path, "home"), postgres.url("host"))
  await pause(5)

  const singles = quick ? 60 : 300
  const since = await nowOf(database)
  await oneShots(database, singles, "clock_timestamp() + interval '200 ms'", "67 ms")
  const late = await until(async () => {
    const all = await latest(database, since)
    return all.length === singles ? all : undefined
  }, 100)
  figure("single ones, 67 ms apart: late by, p50", median(late), "ms")
  target("p99", percentile(late, 0.99), "ms", "at most", 100)

  const together = 1_000
  const rounds: Array<number> = []
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    await pause(2)
    const from = await nowOf(database)
    await oneShots(database, together, "statement_timestamp() + interval '2 seconds'", "0 ms")
    const all = await until(async () => {
      const found = await latest(database, from)
      return found.length === together ? found : undefined
    }, 100)
    const [took] = await database.query(
      `select extract(epoch from max(recorded_at) - min(slot)) from occurrences where slot >= '${from}'`
    )
    rounds.push(Number(took?.[0]))
    say(`round ${round + 1}: late by, p50 ${median(all).toFixed(0)} ms, most ${Math.max(...all).toFixed(0)} ms`)
  }
  target(`${together.toLocaleString("en")} due at the same moment: all fired after`, median(rounds), "s", "at most", 2)
  await database.close()
}

export const schedules = async (options: Options): Promise<void> => {
  await exactness(options)
  await atRest(options)
}
