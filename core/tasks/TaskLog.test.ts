import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { SearchBounds } from "../audit/Search.ts"
import { Step, Task } from "../contract/Task.ts"
import { newId } from "../database/Ids.ts"
import { rowsRead } from "../testing/RowsRead.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { ToolCall } from "../contract/ToolCall.ts"
import { ToolCallLog } from "../tools/ToolCallLog.ts"
import { TaskLog } from "./TaskLog.ts"
import { storeCall, storeTask } from "./TestTasks.ts"

const services = Layer.merge(TaskLog.layer, ToolCallLog.layer).pipe(Layer.provideMerge(layerTestDatabase))

const exact = { onExcessProperty: "error" } as const
const at = (second: number) => new Date(Date.UTC(2026, 4, 1, 10, 0, second)).toISOString()

/** The ids of all pages, each of two. */
const walk = Effect.fnUntraced(function*(filter: Parameters<TaskLog["Service"]["page"]>[0]) {
  const log = yield* TaskLog
  const found: Array<string> = []
  let cursor: string | undefined
  do {
    const page = yield* log.page(filter, { limit: 2, cursor })
    found.push(...page.items.map((task) => task.task_id))
    cursor = page.next_cursor
  } while (cursor !== undefined)
  return found
})

layer(services, { timeout: "60 seconds", excludeTestServices: true })("the log of tasks", (it) => {
  it.effect("tells a task as the contract has it, with what is empty left out", () =>
    Effect.gen(function*() {
      const log = yield* TaskLog
      const bare = yield* log.byId((yield* storeTask()).task_id)
      const stored = yield* storeTask({
        thread_id: "home",
        name: "Pay",
        definition: "bank.pay",
        input: { amount: 5 },
        labels: { who: "me" },
        status: "waiting",
        waits_for: "person",
        next_wake_at: at(50),
        created_at: at(0),
        error: { code: "a.b", message: "No.", retryable: false },
        output: [1],
        steps: [
          { name: "look", status: "succeeded", output: null, input: null, started_at: at(1), ended_at: at(2) },
          {
            name: "pay",
            status: "waiting",
            tool: "bank.pay",
            tool_call_id: newId(),
            started_at: at(3),
            wake_at: at(9)
          },
          { name: "tell" }
        ]
      })
      const task = yield* log.byId(stored.task_id.toUpperCase())
      for (const one of [bare, task]) {
        const { steps = [], ...record } = one ?? {}
        yield* Schema.decodeUnknownEffect(Task, exact)(record)
        for (const step of steps) yield* Schema.decodeEffect(Step, exact)(step)
      }
      assert.deepStrictEqual(bare?.steps, [])
      for (const key of ["thread_id", "input", "waits_for", "error", "next_wake_at", "definition"]) {
        assert.notProperty(bare, key)
      }
      assert.deepInclude(task, {
        name: "Pay",
        input: { amount: 5 },
        labels: { who: "me" },
        status: "waiting",
        waits_for: "person",
        next_wake_at: at(50),
        created_at: at(0),
        // The newest of its own and of its steps' times.
        updated_at: at(3)
      })
      assert.deepStrictEqual(task?.steps.map((step) => [step.position, step.name, step.status, step.step_id]), [
        [0, "look", "succeeded", stored.step_ids[0]],
        [1, "pay", "waiting", stored.step_ids[1]],
        [2, "tell", "pending", stored.step_ids[2]]
      ])
      assert.isNull(task?.steps[0]?.input)
      assert.strictEqual(task?.steps[1]?.wake_at, at(9))
      assert.isUndefined(yield* log.byId(newId()))
    }))

  it.effect("is newest first, in pages that meet, whichever way they are found", () =>
    Effect.gen(function*() {
      const log = yield* TaskLog
      const trace_id = newId()
      const made: Array<string> = []
      for (const status of ["succeeded", "waiting", "pending", "failed", "waiting", "running", "paused"] as const) {
        made.unshift((yield* storeTask({ trace_id, status })).task_id)
      }
      const by = (...places: ReadonlyArray<number>) => places.map((place) => made[place])
      assert.deepStrictEqual(yield* walk({ trace_id }), made)
      assert.deepStrictEqual(yield* walk({ trace_id, status: "open" }), by(0, 1, 2, 4, 5))
      assert.deepStrictEqual(yield* walk({ trace_id, status: "waiting" }), by(2, 5))
      assert.deepStrictEqual(yield* walk({ trace_id, status: "failed" }), by(3))
      assert.deepStrictEqual(yield* walk({ trace_id, status: "canceled" }), [])
      assert.deepStrictEqual(yield* walk({ trace_id, status: "ended" }), by(3, 6))
      assert.deepStrictEqual(yield* walk({ trace_id, status: ["waiting", "failed", "failed"] }), by(2, 3, 5))
      assert.deepStrictEqual(yield* walk({ trace_id, status: ["open", "ended"] }), made)
      const hour = 3_600_000
      const around = { since: new Date(Date.now() - hour), until: new Date(Date.now() + hour) }
      for (const status of ["open", "succeeded"] as const) {
        assert.isAbove((yield* walk({ trace_id, status, ...around })).length, 0)
        assert.deepStrictEqual(yield* walk({ trace_id, status, since: around.until }), [])
        assert.deepStrictEqual(yield* walk({ trace_id, status, until: around.since }), [])
      }
      const sealed = Buffer.from("task:1").toString("base64url")
      for (const cursor of ["x", sealed, ""]) {
        assert.strictEqual((yield* Effect.flip(log.page({}, { limit: 1, cursor })))._tag, "CursorInvalid")
      }
    }))

  it.effect("finds by an element of the labels, by a key and by a value", () =>
    Effect.gen(function*() {
      const trace_id = newId()
      const list = (yield* storeTask({ trace_id, labels: ["home", "daily"] })).task_id
      const named = (yield* storeTask({ trace_id, labels: { room: "home", "a.b": "$x" } })).task_id
      assert.deepStrictEqual(yield* walk({ trace_id, label: "home" }), [named, list])
      assert.deepStrictEqual(yield* walk({ trace_id, label: "room" }), [named])
      assert.deepStrictEqual(yield* walk({ trace_id, label: "a.b" }), [named])
      assert.deepStrictEqual(yield* walk({ trace_id, label: "$x" }), [named])
      assert.deepStrictEqual(yield* walk({ trace_id, label: "daily", status: "open" }), [list])
      assert.deepStrictEqual(yield* walk({ trace_id, label: "hom" }), [])
    }))

  it.effect("says how far a listed task is", () =>
    Effect.gen(function*() {
      const log = yield* TaskLog
      const trace_id = newId()
      yield* storeTask({
        trace_id,
        status: "running",
        created_at: at(0),
        steps: [
          { name: "a", status: "succeeded", ended_at: at(7) },
          { name: "b", status: "skipped" },
          { name: "c", status: "running" },
          { name: "d" }
        ]
      })
      yield* storeTask({ trace_id, kind: "code" })
      const [code, steps] = (yield* log.page({ trace_id }, { limit: 10 })).items
      assert.deepStrictEqual(steps?.progress, { done: 1, steps: 4, step: "c" })
      assert.strictEqual(steps?.updated_at, at(7))
      assert.deepStrictEqual(code?.progress, { done: 0, steps: 0 })
    }))

  it.effect("has the tasks of a trace with their steps, and says what it cut", () =>
    Effect.gen(function*() {
      const log = yield* TaskLog
      const trace_id = newId()
      const first = yield* storeTask({ trace_id, steps: [{ name: "a" }, { name: "b" }] })
      const second = yield* storeTask({ trace_id, steps: [{ name: "c" }] })
      const whole = yield* log.ofTrace(trace_id, 2)
      assert.deepStrictEqual(whole.truncated, [])
      assert.deepStrictEqual(whole.tasks.map((task) => [task.task_id, task.steps.map((step) => step.name)]), [
        [first.task_id, ["a", "b"]],
        [second.task_id, ["c"]]
      ])
      const cut = yield* log.ofTrace(trace_id, 1)
      assert.deepStrictEqual([cut.tasks.length, cut.truncated], [1, ["tasks"]])
      assert.deepStrictEqual(yield* log.ofTrace(newId(), 10), { tasks: [], truncated: [] })
    }))

  it.effect("those of several statuses meet in pages that looked at a few tasks each, and none is there twice", () =>
    Effect.gen(function*() {
      const made: Array<string> = []
      const mark = `m${newId()}`
      for (let i = 0; i < 12; i++) {
        const status = (["succeeded", "waiting", "failed", "canceled"] as const)[i % 4] ?? "succeeded"
        const { task_id } = yield* storeTask({ labels: [mark], status })
        if (status === "failed" || status === "canceled") made.unshift(task_id)
      }
      const found = yield* Effect.provideService(
        walk({ label: mark, status: ["failed", "canceled"] }),
        SearchBounds,
        { rows: 3, milliseconds: 60_000 }
      )
      assert.deepStrictEqual(found, made)
    }))

  it.effect("reads open tasks beside many that have ended without looking at those", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const log = yield* TaskLog
      yield* sql`
        insert into tasks (task_id, trace_id, trigger_event_id, name, kind, status, priority, labels, autonomy_at_start,
                           created_at, updated_at)
        select uuid_floor(now() - interval '1 minute' + make_interval(secs => n / 1e3)), gen_random_uuid(),
               gen_random_uuid(), 'ended', 'steps', 'running', 5, '[]', 'A2', now(), now()
        from generate_series(1, 20000) n`
      yield* sql`update tasks set status = 'succeeded' where name = 'ended'`
      yield* sql`analyze tasks, work, steps`
      for (const filter of [{ status: "open" }, { status: "waiting" }, { status: "open", label: "none" }] as const) {
        const read = yield* rowsRead("tasks", log.page(filter, { limit: 50 }))
        assert.isBelow(read, 200, JSON.stringify(filter))
      }
      // What goes by the id looks at some of them, and goes on from there.
      const few = { rows: 1_000, milliseconds: 60_000 }
      const bounded = Effect.provideService(SearchBounds, few)
      for (const filter of [{ label: "none" }, { status: ["failed", "canceled"] }] as const) {
        const page = yield* bounded(log.page(filter, { limit: 50 }))
        assert.isString(page.next_cursor, JSON.stringify(filter))
        assert.isAtMost(
          yield* rowsRead("tasks", bounded(log.page(filter, { limit: 50 }))),
          1_200,
          JSON.stringify(filter)
        )
      }
      // The control: with another bound it is all of them.
      const all = yield* Effect.provideService(log.page({ label: "none" }, { limit: 50 }), SearchBounds, {
        rows: 50_000,
        milliseconds: 60_000
      }).pipe((page) => rowsRead("tasks", page))
      assert.isAbove(all, 20_000)
    }))
})

layer(services, { timeout: "60 seconds", excludeTestServices: true })("the log of tool calls", (it) => {
  it.effect("is newest first by each filter; those of which nobody knows come by their index", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const log = yield* ToolCallLog
      const task = yield* storeTask({ steps: [{ name: "pay" }] })
      const mine = { trace_id: task.trace_id, task_id: task.task_id, step_id: task.step_ids[0] ?? "" }
      const made: Array<string> = []
      for (const status of ["unknown", "succeeded", "unknown", "failed", "unknown"] as const) {
        const error = { code: "tool.timeout", message: "No answer.", retryable: true }
        made.unshift(yield* storeCall({ ...mine, status, ...(status === "unknown" ? { error } : {}) }))
      }
      const other = yield* storeCall({ trace_id: task.trace_id, tool: "lamp.blink" })
      const walkCalls = Effect.fnUntraced(function*(filter: Parameters<typeof log.page>[0]) {
        const found: Array<string> = []
        let cursor: string | undefined
        do {
          const page = yield* log.page(filter, { limit: 2, cursor })
          for (const call of page.items) yield* Schema.decodeEffect(ToolCall, exact)(call)
          found.push(...page.items.map((call) => call.tool_call_id))
          cursor = page.next_cursor
        } while (cursor !== undefined)
        return found
      })
      assert.deepStrictEqual(yield* walkCalls({ trace_id: task.trace_id }), [other, ...made])
      assert.deepStrictEqual(yield* walkCalls({ task_id: task.task_id }), made)
      assert.deepStrictEqual(yield* walkCalls({ status: "unknown" }), [made[0], made[2], made[4]])
      assert.deepStrictEqual(yield* walkCalls({ status: "unknown", tool: "lamp.blink" }), [])
      assert.deepStrictEqual(yield* walkCalls({ tool: "lamp.blink" }), [other])
      assert.deepStrictEqual(yield* walkCalls({ task_id: newId() }), [])
      assert.deepInclude(yield* log.byId(made[0] ?? ""), { ...mine, status: "unknown", input: { amount: 5 } })
      assert.isUndefined(yield* log.byId(newId()))
      assert.strictEqual((yield* Effect.flip(log.page({}, { limit: 1, cursor: "x" })))._tag, "CursorInvalid")

      yield* sql`
        insert into tool_calls (tool_call_id, trace_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key,
                                effect, guarantee, risk, autonomy, status, created_at, resolved_at)
        select uuid_floor(now() - interval '1 minute' + make_interval(secs => n / 1e3)), gen_random_uuid(), 0, 'a.b', 'p',
               '{}', 'h', n, 'read', 'none', 'low', 'A2', 'succeeded', now(), now()
        from generate_series(1, 20000) n`
      yield* sql`analyze tool_calls`
      assert.isBelow(yield* rowsRead("tool_calls", log.page({ status: "unknown" }, { limit: 50 })), 200)
    }))
})
