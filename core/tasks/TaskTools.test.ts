/**
 * What a person can ask about tasks: which sentences mean what, which task is meant, and the words of the answer.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import type { TaskStatus } from "../contract/Enums.ts"
import type { Labels, Task } from "../contract/Task.ts"
import { newId } from "../database/Ids.ts"
import { isForOperatorOnly } from "../plugin/OperatorOnly.ts"
import { makeIntentMatcher } from "../plugin/IntentMatcher.ts"
import { ToolRefused, type TransactionalContext } from "../plugin/Tool.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { intents as timers } from "../../plugins/timers/index.ts"
import type { OpenStep } from "./TaskSearch.ts"
import { taskSentences } from "./TaskSentences.ts"
import { taskTools } from "./TaskTools.ts"
import { type Here, lengthInWords, listed, timeInWords } from "./TaskWords.ts"

const parts = await taskTools.spec.setup({
  options: {},
  name: "syris",
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  timezone: "Europe/London",
  secret: () => {
    throw new Error("unused")
  }
})
const toolOf = (name: string) => {
  const tool = (parts as { readonly tools: ReadonlyArray<any> }).tools.find((one) => one.name === name)
  assert.isDefined(tool)
  return tool
}

describe("the sentences", () => {
  const registered = [
    ...timers.map((intent) => ({ ...intent, plugin: "timers" })),
    ...taskSentences.map((intent) => ({ ...intent, plugin: "syris" }))
  ]
  const match = makeIntentMatcher(registered)
  const understood = (text: string) => {
    const found = match(text)
    return found === undefined ? undefined : [found.intent.name, found.intent.input?.(found.groups)]
  }
  const status = (which = "") => ["task.status", { which }]
  const cancel = (which = "") => ["task.cancel", { which }]

  it.each([
    ["what are you doing?", status()],
    ["What are you doing right now?", status()],
    ["what's running", status()],
    ["What is currently running?", status()],
    ["is anything running?", status()],
    ["which tasks are open?", status()],
    ["tasks", status()],
    ["show me the running tasks", status()],
    ["status", status()],
    ["Status.", status()],
    ["status of the task", status()],
    ["status of the Backup task", status("Backup")],
    ["what's the status of backup.nightly", status("backup.nightly")],
    ["status of \"the big one\" please", status("the big one")],
    ["how is the backup task going?", status("backup")],
    ["how is the task going?", status()],
    ["how's task backup coming along", status("backup")],
    ["is the backup task done yet?", status("backup")],
    ["cancel the backup task", cancel("backup")],
    ["Please cancel my nightly backup task.", cancel("nightly backup")],
    ["cancel task backup", cancel("backup")],
    ["cancel the task called backup", cancel("backup")],
    ["stop the backup task", cancel("backup")],
    ["cancel the task", cancel()],
    ["stop the current task", cancel()],
    ["abort task 3f9a21", cancel("3f9a21")]
  ])("%j", (text, expected) => assert.deepStrictEqual(understood(text), expected))

  it.each([
    "cancel the pasta timer",
    "cancel",
    "stop",
    "stop the music",
    "how is the weather going",
    "what is a task",
    "what are you",
    "status quo",
    "remind me to cancel the backup task"
  ])("leaves %j alone", (text) => assert.isUndefined(understood(text)))

  it("take nothing from timers, whoever comes first", () => {
    const ownFirst = makeIntentMatcher(registered.toReversed())
    for (
      const text of [
        "set a timer for 5 minutes",
        "set a timer for 5 minutes to cancel the backup task",
        "remind me in 5 minutes to cancel the backup task",
        "remind me to cancel the backup task in 5 minutes",
        "in 2 hours remind me about the status of the backup task",
        "start a 5-minute timer called task"
      ]
    ) {
      assert.match(match(text)?.intent.name ?? "", /^timer\./, text)
      assert.match(ownFirst(text)?.intent.name ?? "", /^timer\./, text)
    }
  })

  it("call tools that are there; only the operator may cancel", () => {
    for (const intent of taskSentences) assert.isDefined(toolOf(intent.tool ?? ""))
    assert.isTrue(isForOperatorOnly(toolOf("task.cancel")))
    assert.isFalse(isForOperatorOnly(toolOf("task.status")))
  })
})

const now = new Date("2026-07-01T12:00:00Z")
const here: Here = { now, timeZone: "Europe/London" }
const before = (ms: number) => new Date(now.getTime() - ms)

describe("the words", () => {
  it("say lengths and times as people do", () => {
    const lengths = [0, 1_500, 59_999, 180_000, 3_600_000, 7_300_000, 86_400_000 * 3].map(lengthInWords)
    assert.deepStrictEqual(lengths, [
      "a moment",
      "1 second",
      "59 seconds",
      "3 minutes",
      "1 hour",
      "2 hours",
      "3 days"
    ])
    assert.strictEqual(timeInWords(new Date("2026-07-01T16:00:00Z"), here), "17:00")
    assert.strictEqual(timeInWords(new Date("2026-07-01T12:01:05Z"), here), "13:01:05")
    assert.strictEqual(timeInWords(new Date("2026-07-02T16:00:00Z"), here), "Thu, 2 Jul 2026 at 17:00")
  })

  it("name a few of many", () => {
    const many = Array.from({ length: 12 }, (_, i) => ({
      task_id: newId(),
      name: `t${i}`,
      definition: null,
      kind: "steps" as const,
      labels: [],
      status: "pending" as const,
      waits_for: null,
      next_wake_at: null,
      cancel_reason: null,
      error: null,
      updated_at: now
    }))
    const words = listed(many, new Map(), here)
    assert.match(words, /^12 tasks: t0 waits for its turn; .*t9 waits for its turn; and 2 more\.$/)
  })
})

interface Given {
  readonly status?: TaskStatus
  readonly kind?: Task["kind"]
  readonly definition?: string
  readonly labels?: Labels
  readonly waits_for?: Task["waits_for"]
  readonly next_wake_at?: Date
  readonly cancel_reason?: string
  readonly error?: string
  readonly steps?: ReadonlyArray<Partial<OpenStep>>
}

layer(layerTestDatabase, { timeout: "60 seconds", excludeTestServices: true })("the tools", (it) => {
  /** A task as the engine would have left it: born legally, then moved. */
  const make = Effect.fnUntraced(function*(name: string, given: Given = {}) {
    const sql = yield* SqlClient.SqlClient
    const task_id = newId()
    const { status = "running", steps = [] } = given
    const path = ["pending", "running", "waiting", "paused"].includes(status) ? [status] : ["running", status]
    yield* sql`
      insert into tasks (task_id, trace_id, trigger_event_id, name, kind, definition, status, priority, labels,
                         autonomy_at_start, created_at, updated_at)
      values (${task_id}, ${newId()}, ${newId()}, ${name}, ${given.kind ?? "steps"}, ${
      given.definition ?? null
    }, 'running',
              5, ${JSON.stringify(given.labels ?? [])}::jsonb, 'A2', ${now}, ${before(300_000)})`
    if (status === "running" || path.length === 1) {
      yield* sql`
        insert into work (work_id, kind, event_id, trace_id, fence, parked, waits_for)
        values (${task_id}, 'task', ${newId()}, ${newId()}, 1, ${status === "paused"}, ${given.waits_for ?? null})`
    }
    for (const to of path.filter((one) => one !== "running")) {
      yield* sql`
        update tasks set status = ${to}, next_wake_at = ${given.next_wake_at ?? null},
          cancel_reason = ${given.cancel_reason ?? null},
          error = ${given.error === undefined ? null : JSON.stringify({ code: "x", message: given.error })}::jsonb
        where task_id = ${task_id}`
    }
    for (const [position, step] of steps.entries()) {
      yield* sql`
        insert into steps (task_id, position, step_id, stage, name, kind, status, attempt, max_attempts, retry, tool, input,
                           started_at)
        values (${task_id}, ${position}, ${newId()}, ${position}, ${step.name ?? `step ${position}`}, ${
        step.kind ?? "tool"
      }, ${step.status ?? "pending"}, ${step.attempt ?? 0}, 3, '{}', 't.run', '{}', ${step.started_at ?? null})`
    }
    return task_id
  })

  const call = (tool: string, input: object) =>
    Effect.exit(
      toolOf(tool).run(input, { now: () => now } as TransactionalContext) as Effect.Effect<
        { readonly message: string; readonly tasks: ReadonlyArray<Record<string, unknown>> },
        unknown,
        SqlClient.SqlClient
      >
    )
  const status = (which?: string) =>
    Effect.flatMap(
      call("task.status", which === undefined ? {} : { which }),
      (exit) => Exit.isSuccess(exit) ? Effect.succeed(exit.value) : Effect.die(Cause.squash(exit.cause))
    )
  const refused = (which: string) =>
    Effect.map(call("task.cancel", { which }), (exit) => {
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(error, ToolRefused)
      return (error as Error).message
    })
  const clear = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`truncate work, tasks, steps`)

  it.effect("answer what is being done", () =>
    Effect.gen(function*() {
      yield* clear
      assert.deepStrictEqual(yield* status(), { message: "Nothing is running.", tasks: [] })
      const backup = yield* make("backup", {
        steps: [
          { status: "succeeded" },
          { name: "copying", status: "running", started_at: before(185_000) },
          {},
          {},
          {}
        ]
      })
      assert.deepStrictEqual(yield* status(), {
        message: "backup is running (step 2 of 5, copying, for 3 minutes).",
        tasks: [{ task_id: backup, name: "backup", status: "running", labels: [], step: "copying" }]
      })
      yield* make("report", {
        status: "waiting",
        waits_for: "time",
        next_wake_at: new Date("2026-07-01T16:00:00Z"),
        steps: [{ kind: "wait", status: "waiting" }]
      })
      yield* make("done", { status: "succeeded" })
      assert.strictEqual(
        (yield* status()).message,
        "2 tasks: backup (step 2 of 5, copying, for 3 minutes); report waits until 17:00."
      )
    }))

  it.effect("say what a task waits for, and how one ended", () =>
    Effect.gen(function*() {
      yield* clear
      const words = (which: string) => Effect.map(status(which), ({ message }) => message)
      const step = { name: "send", status: "waiting" as const }
      yield* make("a", { status: "pending" })
      yield* make("b", { status: "waiting", waits_for: "person", steps: [step] })
      yield* make("c", { status: "paused", steps: [{ status: "succeeded" }, { name: "send" }] })
      yield* make("d", { status: "waiting", waits_for: "approval", steps: [step] })
      yield* make("e", {
        status: "waiting",
        waits_for: "time",
        next_wake_at: new Date("2026-07-01T14:00:00Z"),
        steps: [{ name: "send", attempt: 1 }]
      })
      yield* make("f", {
        kind: "code",
        steps: [{ status: "succeeded" }, { name: "x", status: "running" }, { name: "y", status: "running" }]
      })
      yield* make("g", { status: "failed", error: "The disk is full." })
      yield* make("h", { status: "canceled", cancel_reason: "too slow" })
      yield* make("i", { status: "succeeded" })
      assert.deepStrictEqual(yield* Effect.forEach("abcdefghij".split(""), words), [
        "a waits for its turn.",
        "b waits for you to say what became of send.",
        "c is paused (step 2 of 2, send).",
        "d waits for your yes (step 1 of 1, send).",
        "e tries send again at 15:00.",
        "f is running (steps 2 and 3, x and y).",
        "g failed 5 minutes ago: The disk is full.",
        "h was canceled 5 minutes ago: too slow.",
        "i ended well 5 minutes ago.",
        "There is no task called \"j\"."
      ])
    }))

  it.effect("find a task by its name, definition, label or the end of its id, open ones first", () =>
    Effect.gen(function*() {
      yield* clear
      const names = (which: string) =>
        Effect.map(status(which), ({ tasks }) => tasks.map((task) => task["name"]).toSorted())
      yield* make("Bücher", { status: "succeeded" })
      const nightly = yield* make("Backup", { definition: "backup.nightly", labels: ["roof"] })
      yield* make("Übung 100%", { definition: "backup.weekly", labels: { project: "Garden shed" } })
      yield* make("backup", { status: "succeeded" })
      assert.deepStrictEqual(yield* names("BACKUP"), ["Backup"])
      assert.deepStrictEqual(yield* names("backup.nightly"), ["Backup"])
      assert.deepStrictEqual(yield* names("nightly backup"), ["Backup"])
      assert.deepStrictEqual(yield* names("Roof"), ["Backup"])
      assert.deepStrictEqual(yield* names(nightly.slice(-6)), ["Backup"])
      assert.deepStrictEqual(yield* names("übung 100%"), ["Übung 100%"])
      assert.deepStrictEqual(yield* names("garden shed"), ["Übung 100%"])
      assert.deepStrictEqual(yield* names("project"), ["Übung 100%"])
      assert.deepStrictEqual(yield* names("back"), [])
      assert.deepStrictEqual(yield* names("%"), [])
      assert.deepStrictEqual(yield* names("bücher"), ["Bücher"])
    }))

  it.effect("cancel the one that is meant, and ask where several are", () =>
    Effect.gen(function*() {
      yield* clear
      const sql = yield* SqlClient.SqlClient
      assert.strictEqual(yield* refused(""), "Nothing is running.")
      assert.strictEqual(yield* refused("backup"), "No task called \"backup\" is running or waiting.")
      const one = yield* make("backup")
      const other = yield* make("backup", { status: "pending" })
      yield* make("report")
      assert.strictEqual(
        yield* refused("backup"),
        `Which one? 2 tasks: backup …${one.slice(-6)}; backup …${other.slice(-6)} waits for its turn. ` +
          "Name it, or give the end of its id."
      )
      assert.match(yield* refused(""), /^Which one\? 3 tasks: /)
      const exit = yield* sql.withTransaction(call("task.cancel", { which: other.slice(-6) }))
      assert.deepInclude(Exit.isSuccess(exit) ? exit.value : {}, { message: "backup is canceled.", task_id: other })
      const rows = yield* sql`select status from tasks where task_id in (${one}, ${other}) order by task_id`
      assert.deepStrictEqual(rows, [{ status: "running" }, { status: "canceled" }])
      assert.lengthOf(yield* sql`select 1 from work where work_id = ${other}`, 0)
    }))
})
