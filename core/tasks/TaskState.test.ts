/**
 * The state machine of tasks and steps stands in four places: the table in the code, the functions of the migration, the
 * drawing in the documentation, and what a real PostgreSQL lets through. Here they are the same.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as path from "node:path"
import { StepStatus, TaskStatus } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { drawings, guards, mayFollow, stepMoves, taskMoves } from "./TaskState.ts"

const root = path.join(import.meta.dirname, "../..")
const read = (file: string) => fs.readFileSync(path.join(root, file), "utf8")

/** What stands between two markers, each on a line of its own. */
const between = (text: string, begin: string, end: string): string => {
  const [, rest] = text.split(`${begin}\n`)
  assert.isDefined(rest, `${begin} is missing`)
  return rest!.split(end)[0]!.trim()
}

describe("the state machine", () => {
  it("is drawn in the documentation", () => {
    const text = read("docs/tasks.md")
    const { step, task } = drawings()
    assert.strictEqual(between(text, "<!-- states:task -->", "<!-- /states:task -->"), task)
    assert.strictEqual(between(text, "<!-- states:step -->", "<!-- /states:step -->"), step)
  })

  it("is what the migration guards", () => {
    const text = read("migrations/0002_tasks.sql")
    assert.strictEqual(between(text, "--BEGIN TASK STATE", "--END TASK STATE"), guards())
  })

  it("leads everywhere, and nowhere but to statuses that there are", () => {
    assert.sameMembers(Object.keys(taskMoves), ["born", ...TaskStatus.literals])
    assert.sameMembers(Object.keys(stepMoves), ["born", ...StepStatus.literals])
    for (const status of TaskStatus.literals) assert.isDefined(wayTo(taskMoves, status), status)
    for (const status of StepStatus.literals) assert.isDefined(wayTo(stepMoves, status), status)
  })
})

type AnyMoves = Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>

/** The statuses from birth to this one, itself included. */
const wayTo = (moves: AnyMoves, status: string): ReadonlyArray<string> => {
  const ways: Array<ReadonlyArray<string>> = Object.keys(moves["born"] ?? {}).map((first) => [first])
  for (const way of ways) {
    const last = way.at(-1)!
    if (last === status) return way
    ways.push(...Object.keys(moves[last] ?? {}).filter((next) => !way.includes(next)).map((next) => [...way, next]))
  }
  throw new Error(`nothing leads to ${status}`)
}

interface Guarded {
  readonly table: "tasks" | "steps"
  readonly moves: AnyMoves
  readonly statuses: ReadonlyArray<string>
  readonly codes: { readonly identity: string; readonly move: string }
  /** What a row has besides its status. */
  readonly row: () => Readonly<Record<string, unknown>>
  /** Columns that never change, each with another value. */
  readonly fixed: ReadonlyArray<readonly [column: string, value: unknown]>
  /** Some that may. */
  readonly free: ReadonlyArray<readonly [column: string, value: unknown]>
}

const guarded: ReadonlyArray<Guarded> = [
  {
    table: "tasks",
    moves: taskMoves,
    statuses: TaskStatus.literals,
    codes: { identity: "SY030", move: "SY031" },
    row: () => ({
      task_id: newId(),
      trace_id: newId(),
      trigger_event_id: newId(),
      name: "backup",
      kind: "code",
      definition: "backup.nightly",
      input: { folder: "a" },
      priority: 5,
      labels: [],
      autonomy_at_start: "A2",
      created_at: new Date().toISOString(),
      updated_at: new Date().toISOString()
    }),
    fixed: [
      ["task_id", newId()],
      ["trace_id", newId()],
      ["trigger_event_id", newId()],
      ["kind", "steps"],
      ["definition", "backup.weekly"],
      ["definition", null],
      ["input", { folder: "b" }],
      ["input", null]
    ],
    free: [["labels", ["roof"]], ["output", { done: true }], ["fence", 7], ["priority", 9]]
  },
  {
    table: "steps",
    moves: stepMoves,
    statuses: StepStatus.literals,
    codes: { identity: "SY032", move: "SY033" },
    row: () => ({
      task_id: newId(),
      position: 0,
      step_id: newId(),
      stage: 0,
      name: "copy",
      kind: "tool",
      max_attempts: 3,
      retry: {},
      tool: "files.copy",
      input: { file: "a" },
      checkpoint: {},
      attempt: 0,
      ordinal: 0
    }),
    fixed: [
      ["task_id", newId()],
      ["position", 1],
      ["step_id", newId()],
      ["kind", "wait"],
      ["tool", "files.move"],
      ["tool", null],
      ["input", { file: "b" }]
    ],
    free: [["attempt", 1], ["checkpoint", { at: 1 }], ["output", { done: true }], ["tool_call_id", newId()]]
  }
]

layer(layerTestDatabase, { timeout: "120 seconds", excludeTestServices: true })("the database", (it) => {
  /** The SQLSTATE that a statement is refused with, or `ok`. */
  const attempt = Effect.fnUntraced(function*(text: string, ...values: ReadonlyArray<unknown>) {
    const sql = yield* SqlClient.SqlClient
    const result = yield* Effect.result(sql.unsafe(text, values))
    if (result._tag === "Success") return "ok"
    for (let one: any = result.failure; one !== undefined && one !== null; one = one.cause ?? one.reason) {
      if (typeof one.code === "string") return one.code as string
    }
    return yield* Effect.die(result.failure)
  })

  const born = (into: string, table: Guarded, status: string, row = table.row()) => {
    const columns = [...Object.keys(row), "status"]
    return attempt(
      `insert into ${into} (${columns.join(", ")}) select ${
        columns.join(", ")
      } from json_populate_record(null::${into}, $1)`,
      JSON.stringify({ ...row, status, fence: 0 })
    )
  }

  const move = (into: string, task_id: unknown, status: string) =>
    attempt(`update ${into} set status = $2 where task_id = $1`, task_id, status)

  /** A row that came to this status by legal moves. */
  const rowIn = Effect.fnUntraced(function*(into: string, table: Guarded, status: string) {
    const row = table.row()
    const [first, ...rest] = wayTo(table.moves, status)
    assert.strictEqual(yield* born(into, table, first!, row), "ok")
    for (const next of rest) {
      assert.strictEqual(yield* move(into, row["task_id"], next), "ok", `on the way to ${status}`)
    }
    return row["task_id"]
  })

  /** The partition that the rows of this month go to. */
  const partitionOf = Effect.fnUntraced(function*({ table }: Guarded) {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly name: string }>`
      select ${table} || '_' || to_char(now() at time zone 'UTC', 'YYYYMM') as name`
    return row!.name
  })
  const doors = (table: Guarded) => Effect.map(partitionOf(table), (partition) => [table.table, partition])

  for (const table of guarded) {
    it.effect(`lets a row of ${table.table} be born and move as the table says, each pair tried`, () =>
      Effect.gen(function*() {
        for (const into of yield* doors(table)) {
          for (const to of table.statuses) {
            const legal = mayFollow(table.moves, "born", to)
            assert.strictEqual(yield* born(into, table, to), legal ? "ok" : table.codes.move, `${into}: born ${to}`)
          }
          for (const from of table.statuses) {
            for (const to of table.statuses) {
              const task_id = yield* rowIn(into, table, from)
              const legal = from === to || mayFollow(table.moves, from, to)
              const what = `${into}: ${from} → ${to}`
              assert.strictEqual(yield* move(into, task_id, to), legal ? "ok" : table.codes.move, what)
            }
          }
        }
      }))

    it.effect(`never lets the identity and the input of a row of ${table.table} change`, () =>
      Effect.gen(function*() {
        const [first] = Object.keys(table.moves["born"]!)
        const [next] = Object.keys(table.moves[first!]!)
        for (const into of yield* doors(table)) {
          const task_id = yield* rowIn(into, table, first!)
          const change = (column: string, value: unknown, also = "") =>
            attempt(
              `update ${into} set ${column} = (json_populate_record(null::${table.table}, $2)).${column}${also}
               where task_id = $1`,
              task_id,
              JSON.stringify({ [column]: value })
            )
          for (const [column, value] of table.fixed) {
            const what = `${into}.${column}`
            assert.strictEqual(yield* change(column, value), table.codes.identity, what)
            assert.strictEqual(yield* change(column, value, `, status = '${next}'`), table.codes.identity, what)
          }
          for (const [column, value] of table.free) assert.strictEqual(yield* change(column, value), "ok", column)
        }
      }))
  }

  it.effect("would notice a guard that is gone", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [tasks] = guarded
      const task_id = yield* rowIn("tasks", tasks!, "succeeded")
      yield* sql`alter table tasks disable trigger tasks_moved`
      assert.strictEqual(yield* move("tasks", task_id, "running"), "ok")
      yield* sql`alter table tasks enable trigger tasks_moved`
    }))
})
