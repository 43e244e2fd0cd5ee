/**
 * Control: durable tasks of three steps as plain SQL on bare connections. Two tables without partitions, triggers and
 * foreign keys; no claim, fence, lease, policy, audit. Four checkpoints a task: stored with its steps, and the end of each
 * step, the last of which ends the task.
 *
 * `COMMITS=shared`: what gathers while a statement is under way goes into the next one, one connection for births and one
 * for checkpoints. `COMMITS=single`: a statement and a commit for each checkpoint, over ten connections.
 */
import { randomUUID } from "node:crypto"
import * as PgWire from "../PgWire.ts"
import { keepUnderWay, type Run, takeOrders, timed } from "../Subject.ts"

const { COMMITS = "shared", DATABASE = "", SOCKET = "", USER_NAME = "" } = process.env
/** Plans are made while the tables are empty and kept while they grow: by their keys, never by reading all of a table. */
const byKeys = ["enable_hashjoin", "enable_mergejoin", "enable_seqscan"]
const connection = async () => {
  const wire = await PgWire.connect({ path: SOCKET, database: DATABASE, user: USER_NAME })
  for (const setting of byKeys) await wire.query(`set ${setting} = off`)
  return wire
}

const tables = [
  `create table if not exists thin_tasks (
     task_id uuid primary key, name text not null, status text not null, created_at timestamptz not null, ended_at timestamptz
   ) with (fillfactor = 70)`,
  `create table if not exists thin_steps (
     task_id uuid not null, position int not null, name text not null, tool text not null, input jsonb not null,
     status text not null, output jsonb, ended_at timestamptz, primary key (task_id, position)
   ) with (fillfactor = 70)`
]

const births = `
with i as materialized (select * from unnest($1::uuid[]) as i(task_id)),
  stored as (
    insert into thin_tasks (task_id, name, status, created_at) select task_id, 'three', 'running', clock_timestamp() from i
  )
insert into thin_steps (task_id, position, name, tool, input, status)
select i.task_id, s.position, s.name, 'noop.run', '{}', 'pending'
from i, (values (0, 'one'), (1, 'two'), (2, 'three')) as s(position, name)`

const checkpoints = `
with o as materialized (select * from unnest($1::uuid[], $2::int[]) as o(task_id, position)),
  ended as (
    update thin_tasks t set status = 'succeeded', ended_at = clock_timestamp()
    from o where t.task_id = o.task_id and o.position = 2
  )
update thin_steps s set status = 'succeeded', output = '{"message": "Did nothing."}', ended_at = clock_timestamp()
from o where s.task_id = o.task_id and s.position = o.position`

interface Checkpoint {
  readonly taskId: string
  readonly position: number
}

const array = (items: ReadonlyArray<string | number>): string => `{${items.join(",")}}`
const write = (wire: PgWire.PgWire, what: "birth" | "checkpoint", items: ReadonlyArray<Checkpoint>) =>
  what === "birth"
    ? wire.query(births, [array(items.map((item) => item.taskId))])
    : wire.query(checkpoints, [array(items.map((item) => item.taskId)), array(items.map((item) => item.position))])

type Writer = (item: Checkpoint) => Promise<unknown>

/** One writer: what gathers while a statement is under way is the next batch. */
const sharing = async (what: "birth" | "checkpoint"): Promise<Writer> => {
  const wire = await connection()
  let waiting: Array<
    { readonly item: Checkpoint; readonly done: () => void; readonly failed: (error: unknown) => void }
  > = []
  let busy = false
  const drain = async () => {
    busy = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await write(wire, what, batch.map((each) => each.item)).then(
        () => batch.forEach((each) => each.done()),
        (error: unknown) => batch.forEach((each) => each.failed(error))
      )
    }
    busy = false
  }
  return (item) =>
    new Promise<void>((done, failed) => {
      waiting.push({ item, done, failed })
      if (!busy) void drain()
    })
}

/** A pool, first come, first served. */
const single = async (size: number): Promise<(what: "birth" | "checkpoint") => Writer> => {
  const free = await Promise.all(Array.from({ length: size }, connection))
  const asking: Array<(wire: PgWire.PgWire) => void> = []
  return (what) => async (item) => {
    const wire = free.pop() ?? await new Promise<PgWire.PgWire>((resolve) => asking.push(resolve))
    try {
      await write(wire, what, [item])
    } finally {
      const next = asking.shift()
      if (next === undefined) free.push(wire)
      else next(wire)
    }
  }
}

const first = await connection()
for (const table of tables) await first.query(table)
await first.close()

const pool = COMMITS === "single" ? await single(10) : undefined
const birth = pool?.("birth") ?? await sharing("birth")
const checkpoint = pool?.("checkpoint") ?? await sharing("checkpoint")

const orders = {
  run: ({ atOnce, count }: { readonly atOnce: number; readonly count: number }): Promise<Run> =>
    timed(() =>
      keepUnderWay(count, atOnce, async () => {
        const taskId = randomUUID()
        await birth({ taskId, position: 0 })
        for (let position = 0; position < 3; position++) await checkpoint({ taskId, position })
      })
    )
}
export type ThinOrders = typeof orders
takeOrders(orders)
