/**
 * What waiting tasks cost: the processor time at rest of a host and its PostgreSQL with 100 000 of them and without, in the
 * same minute; and the host's claim beside a thousand to a million rows of work, its time and its plan, in turns.
 */
import * as path from "node:path"
import { claimStatement } from "../core/pipeline/WorkStatements.ts"
import { type TaskHost, tryTaskHost } from "./Controls.ts"
import type { PgWire } from "./PgWire.ts"
import { familySeconds, processorSeconds } from "./Processes.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { type Postgres, startPostgres, temporaryFolder } from "./Setup.ts"
import { enterHost } from "./throughput.ts"

/** Tasks of one step that wait: half for a time that lies an hour or more ahead, half for a person. */
const waitingTasks = async (database: PgWire, count: number): Promise<void> => {
  await database.query(
    `create temporary table made as
     select uuidv7() as task_id, uuidv7() as trace_id, uuidv7() as event_id, i,
            date_trunc('milliseconds', clock_timestamp() + interval '1 hour' + i * interval '100 ms') as due_at,
            i % 2 = 0 as by_time
     from generate_series(1, ${count}) i`
  )
  await database.query(
    `insert into tasks (task_id, trace_id, trigger_event_id, name, kind, status, priority, labels, autonomy_at_start,
                        created_at, updated_at)
     select task_id, trace_id, event_id, 'waits', 'steps', 'running', 5, '[]', 'A2', clock_timestamp(), clock_timestamp()
     from made`
  )
  await database.query(
    `update tasks t set status = 'waiting', next_wake_at = case when m.by_time then m.due_at end
     from made m where m.task_id = t.task_id`
  )
  await database.query(
    `insert into steps (task_id, position, step_id, stage, name, kind, status, max_attempts, retry, input, wake_at, started_at)
     select task_id, 0, uuidv7(), 0, 'wait', 'wait', 'waiting', 1,
            '{"strategy": "none", "base_delay_ms": 0, "max_delay_ms": 0, "jitter": 0}', '{}',
            case when by_time then due_at end, clock_timestamp()
     from made`
  )
  await database.query(
    `insert into work (work_id, kind, event_id, trace_id, priority, fence, checkpoint, due_at, parked, waits_for)
     select task_id, 'task', event_id, trace_id, 5, nextval('fence_seq'), 1, case when by_time then due_at else clock_timestamp() end,
            not by_time, case when by_time then 'time' else 'person' end
     from made`
  )
  await database.query("drop table made")
}

/** Nothing is left to be done later, of what was written. */
const tidy = async (database: PgWire): Promise<void> => {
  await database.query("vacuum analyze")
  await database.query("checkpoint")
}

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))

const atRest = async ({ quick }: Options): Promise<void> => {
  const count = quick ? 20_000 : 100_000
  title(`At rest: two hosts, each with its PostgreSQL, one of them with ${count.toLocaleString("en")} waiting tasks`)
  if (process.platform !== "linux") return say("SKIPPED: /proc is needed.")
  await using folder = temporaryFolder()
  await using emptyPostgres = await startPostgres(path.join(folder.path, "empty-postgres"))
  await using fullPostgres = await startPostgres(path.join(folder.path, "full-postgres"))
  for (const postgres of [emptyPostgres, fullPostgres]) await postgres.createDatabase("host")
  const database = await fullPostgres.connect("host")
  await waitingTasks(database, count)
  for (const postgres of [emptyPostgres, fullPostgres]) {
    const connection = await postgres.connect("host")
    await tidy(connection)
    await connection.close()
  }
  await using empty = await tryTaskHost(path.join(folder.path, "empty-home"), emptyPostgres, "host")
  if (empty === undefined) return database.close()
  await using full = await tryTaskHost(path.join(folder.path, "full-home"), fullPostgres, "host")
  if (full === undefined) return database.close()

  await pause(quick ? 5 : 15)
  const look = (host: TaskHost, postgres: Postgres) => ({
    node: processorSeconds(host.pid),
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
  const [left] = await database.query("select count(*) from work")
  if (Number(left?.[0]) !== count) say(`Of them ${left?.[0]} are left: the figure above is not one at rest.`)
  await database.close()
}

interface Backlog {
  readonly rows: number
  readonly kind: "waiting" | "free"
  readonly database: PgWire
  readonly hostId: string
  readonly took: Array<number>
}

/** Most rows of one claim, as the host asks for. */
const claimed = 100

let statements = 0

/** The host has it planned each time: so here, by a comment that makes a new text of it. */
const claim = (backlog: Backlog, prefix = "") =>
  backlog.database.query(`${prefix} ${claimStatement} -- ${statements++}`, [
    backlog.hostId,
    `{${claimed},${claimed}}`,
    "{event,task}",
    "{}"
  ])

/** The time of the claim alone; what it claims is free again at once. */
const timeClaim = async (backlog: Backlog): Promise<void> => {
  await backlog.database.query("begin")
  const began = performance.now()
  const rows = await claim(backlog)
  const took = performance.now() - began
  await backlog.database.query("rollback")
  if (rows.length !== 1 || rows[0]?.[0] === null) throw new Error("Nothing was claimed.")
  backlog.took.push(took)
}

const explain = async (backlog: Backlog): Promise<ReadonlyArray<string>> => {
  await backlog.database.query("begin")
  const rows = await claim(backlog, "explain (analyze, buffers, timing off)")
  await backlog.database.query("rollback")
  return rows.map((row) => row[0] ?? "")
}

/** `rows` of work, of all priorities, with as many free ones as a claim takes, if they all wait. */
const backlog = async (postgres: Postgres, kind: Backlog["kind"], rows: number): Promise<Backlog> => {
  const name = `${kind}_${rows}`
  await postgres.createDatabase(name)
  const database = await postgres.connect(name)
  // As the host's pool has it.
  await database.query("set random_page_cost = 1.1")
  const hostId = await enterHost(database)
  const insert = (count: number, what: Backlog["kind"]) =>
    database.query(
      `insert into work (work_id, kind, event_id, trace_id, priority, fence, due_at, parked, waits_for)
       select uuidv7(), 'task', uuidv7(), uuidv7(), i % 10, i,
              ${
        what === "free"
          ? "clock_timestamp() - i * interval '1 ms', false, null"
          : `clock_timestamp() + interval '1 day' + i * interval '1 ms', i % 2 = 0,
              case when i % 2 = 0 then 'person' else 'time' end`
      }
       from generate_series(1, ${count}) i`
    )
  await insert(rows, kind)
  if (kind === "waiting") await insert(claimed, "free")
  await tidy(database)
  return { rows, kind, database, hostId, took: [] }
}

const buffersOf = (plan: ReadonlyArray<string>): number => {
  const line = plan.find((each) => each.trim().startsWith("Buffers:")) ?? ""
  return [...line.matchAll(/(?:hit|read)=(\d+)/g)].reduce((sum, [, pages]) => sum + Number(pages), 0)
}

const claims = async ({ quick, verbose }: Options): Promise<void> => {
  const sizes = quick ? [1_000, 100_000] : [1_000, 30_000, 1_000_000]
  title(
    `The claim of ${claimed} tasks beside ${sizes.map((size) => size.toLocaleString("en")).join(", ")} rows of work`
  )
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  for (const kind of ["waiting", "free"] as const) {
    const all: Array<Backlog> = []
    for (const size of sizes) all.push(await backlog(postgres, kind, size))
    for (let warm = 0; warm < 10; warm++) for (const one of all) await timeClaim(one)
    for (const one of all) one.took.length = 0
    for (let round = 0; round < (quick ? 60 : 200); round++) for (const one of all) await timeClaim(one)
    const as = (rows: number) =>
      `${rows.toLocaleString("en")} rows, ${kind === "waiting" ? "all others wait" : "all free"}`
    for (const one of all) {
      const plan = await explain(one)
      figure(
        as(one.rows),
        median(one.took),
        "ms",
        `p95 ${percentile(one.took, 0.95).toFixed(2)}, ${buffersOf(plan)} buffers`
      )
      if (verbose) plan.forEach((line) => say(`    ${line}`))
    }
    const [least, most] = [all[0], all.at(-1)]
    const ratio = median((most?.took ?? []).map((took, round) => took / (least?.took[round] ?? Number.NaN)))
    target(`${as(most?.rows ?? 0)} / ${as(least?.rows ?? 0)}`, ratio, "", "at most", 1.5)
    for (const one of all) await one.database.close()
  }
}

export const waiting = async (options: Options): Promise<void> => {
  await claims(options)
  await atRest(options)
}
