import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Task } from "../contract/Task.ts"
import { newId } from "../database/Ids.ts"
import { EventNotAccepted } from "../pipeline/Pipeline.ts"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import { registerTool } from "../plugin/ToolRegistration.ts"
import { TaskMoveRefused, TaskNotFound } from "../tasks/TaskCommands.ts"
import type { NewTask } from "../tasks/TaskPlan.ts"
import { storeCall, storeTask } from "../tasks/TestTasks.ts"
import { CallBusy, CallNotFound, CallNotUnknown } from "../tools/CallSettlement.ts"
import { layerTestServer, send } from "./TestServer.ts"

const log: BoundLog = { debug() {}, info() {}, warn() {}, error() {}, with: () => log }
const brew = registerTool("coffee", {
  name: "coffee.brew",
  description: "Brews.",
  input: Schema.Struct({ cups: Schema.Int }),
  effect: "write",
  risk: "low",
  scopes: [],
  run: () => 1
}, log)
if (typeof brew === "string") throw new Error(brew)

/** What the scripted host does and was told. */
const script: {
  start: Pipeline["Service"]["startTask"]
  settled: Effect.Effect<void>
  readonly told: Array<ReadonlyArray<unknown>>
} = { start: () => Effect.die("no start"), settled: Effect.never, told: [] }

const unknown = "0199b3f2-6c1e-7a51-9d3e-000000000404"

const command = (verb: string) => (task_id: string, ...rest: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    if (task_id === unknown) return yield* new TaskNotFound({ detail: "There is no such task." })
    if (script.told.some((one) => one[0] === verb && one[1] === task_id)) {
      return yield* new TaskMoveRefused({ detail: `It can't be ${verb} twice.` })
    }
    script.told.push([verb, task_id, ...rest])
  })

layer(
  layerTestServer({
    registry: {
      tool: (name) => name === "coffee.brew" ? brew : undefined,
      tools: () => [brew]
    },
    pipeline: {
      startTask: (task, options) => script.start(task, options),
      settled: () => Effect.as(script.settled, { lane: "task" as const, outcome: "succeeded" as const })
    },
    commands: {
      cancel: command("canceled"),
      pause: command("paused"),
      resume: command("resumed"),
      retry: command("retried")
    },
    settlement: {
      settle: (tool_call_id, verdict) =>
        Effect.gen(function*() {
          if (tool_call_id === unknown) return yield* new CallNotFound({ tool_call_id })
          if (verdict.note === "again") return yield* new CallNotUnknown({ detail: "It is known: it was done." })
          if (verdict.note === "busy") return yield* new CallBusy({ detail: "A host works on it." })
          script.told.push(["settled", tool_call_id, verdict])
          return { tool_call_id, trace_id: newId(), status: "succeeded" as const }
        })
    }
  }),
  { timeout: "60 seconds", excludeTestServices: true }
)("tasks over HTTP", (it) => {
  /** Stores what the host is asked to start, as the engine would. */
  const storing = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const started: Array<{ readonly task: NewTask; readonly options: unknown; readonly task_id: string }> = []
    script.start = (task, options) =>
      storeTask({ ...task, thread_id: options?.thread_id ?? "none", steps: task.steps }).pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.orDie,
        Effect.tap(({ task_id }) => Effect.sync(() => started.push({ task, options, task_id }))),
        Effect.map(({ event_id, task_id, trace_id }) => ({ event_id, task_id, trace_id }))
      )
    return started
  })

  it.effect("a task is made whole, and answered with its steps", () =>
    Effect.gen(function*() {
      const started = yield* storing
      const answer = yield* send("/tasks", {
        body: {
          steps: [{ name: "brew", tool: "coffee.brew", input: { cups: 2 } }, {
            name: "rest",
            kind: "wait",
            input: { delay_ms: 5 }
          }],
          labels: ["morning"],
          thread_id: "home"
        }
      })
      assert.strictEqual(answer.status, 201)
      assert.deepEqual(started[0]?.options, { thread_id: "home" })
      assert.notProperty(started[0]?.task, "thread_id")
      const { steps, ...task } = answer.json
      yield* Schema.decodeUnknownEffect(Task, { onExcessProperty: "error" })(task)
      assert.deepInclude(task, { name: "morning", status: "pending", labels: ["morning"], thread_id: "home" })
      assert.deepEqual(steps.map((step: { name: string; input: unknown }) => [step.name, step.input]), [
        ["brew", { cups: 2 }],
        ["rest", { delay_ms: 5 }]
      ])
      assert.strictEqual(answer.headers.location, `/tasks/${task.task_id}`)
      assert.deepEqual((yield* send(`/tasks/${task.task_id}`)).json, answer.json)
      assert.deepEqual((yield* send(`/traces/${task.trace_id}`)).status, 404, "the scripted host made no event")
    }))

  it.effect("a mistake in one step refuses the whole task by its field", () =>
    Effect.gen(function*() {
      const started = yield* storing
      const step = { name: "brew", tool: "coffee.brew", input: { cups: 2 } }
      const refused: ReadonlyArray<readonly [body: unknown, says: RegExp]> = [
        [{ steps: [step, { ...step, tool: "coffee.bru" }] }, /^steps\[1\]\.tool: .*did you mean "coffee\.brew"\?$/],
        [{ steps: [{ ...step, input: {} }] }, /^steps\[0\]\.input: .*"cups" is missing\.$/],
        [{ steps: [{ ...step, naem: 1 }] }, /"steps\[0\]\.naem"; did you mean "name"\?$/],
        [[], /must be an object/],
        ["", /empty/]
      ]
      for (const [body, says] of refused) {
        const answer = yield* send("/tasks", { method: "POST", body })
        assert.deepEqual([answer.status, answer.json.code], [400, body === "" ? "request.not_json" : "task.refused"])
        assert.match(answer.json.detail, says)
      }
      assert.strictEqual(
        (yield* send("/tasks", { body: { steps: [step] }, headers: { "content-type": "text/plain" } })).status,
        415
      )
      assert.lengthOf(started, 0)
      script.start = () => Effect.fail(new EventNotAccepted({ cause: "gone" }))
      const away = yield* send("/tasks", { body: { steps: [step] } })
      assert.deepEqual([away.status, away.json.code], [503, "database.unavailable"])
      assert.match(away.json.detail, /GET \/tasks/)
    }))

  it.effect("Prefer: wait holds the answer until the task can't go on, or the time is up", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const started = yield* storing
      const body = { steps: [{ name: "brew", tool: "coffee.brew", input: { cups: 2 } }] }
      const done = yield* Deferred.make<void>()
      const asked = yield* Deferred.make<void>()
      script.settled = Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(done))
      const waiting = yield* Effect.forkChild(send("/tasks", { body, headers: { prefer: "wait=30" } }))
      yield* Deferred.await(asked)
      yield* sql`update tasks set status = 'running' where task_id = ${started[0]?.task_id ?? ""}`
      yield* Deferred.succeed(done, undefined)
      const answer = yield* Fiber.join(waiting)
      assert.deepEqual([answer.status, answer.json.status, answer.headers["preference-applied"]], [
        201,
        "running",
        "wait=30"
      ])
      script.settled = Effect.never
      const early = yield* send("/tasks", { body, headers: { prefer: "wait=0" } })
      assert.deepEqual([early.status, early.json.status], [201, "pending"])
      assert.notProperty((yield* send("/tasks", { body })).headers, "preference-applied")
    }))

  it.effect("a list has its filters and its pages; what nobody knows is 404", () =>
    Effect.gen(function*() {
      const trace_id = newId()
      const waiting = yield* storeTask({
        trace_id,
        status: "waiting",
        waits_for: "person",
        labels: { room: "kitchen" }
      })
      const failed = yield* storeTask({ trace_id, status: "failed", steps: [{ name: "a", status: "failed" }] })
      const ids = (target: string) =>
        Effect.map(send(target), ({ json }) => json.items.map((task: { task_id: string }) => task.task_id))
      const list = `/tasks?trace_id=${trace_id}`
      const first = yield* send(`${list}&limit=1`)
      assert.deepEqual(first.json.items[0].progress, { done: 0, steps: 1, step: "a" })
      assert.deepEqual(yield* ids(`${list}&limit=1&cursor=${first.json.next_cursor}`), [waiting.task_id])
      assert.deepEqual(yield* ids(list), [failed.task_id, waiting.task_id])
      assert.deepEqual(yield* ids(`${list}&status=open`), [waiting.task_id])
      assert.deepEqual(yield* ids(`${list}&status=failed`), [failed.task_id])
      assert.deepEqual(yield* ids(`${list}&status=ended`), [failed.task_id])
      assert.deepEqual(yield* ids(`${list}&status=failed,waiting`), [failed.task_id, waiting.task_id])
      assert.deepEqual(yield* ids(`${list}&label=kitchen`), [waiting.task_id])
      assert.deepEqual(yield* ids(`${list}&until=2026-01-01`), [])
      assert.strictEqual((yield* send(`/tasks/${waiting.task_id}`)).json.waits_for, "person")
      const unknownTask = yield* send(`/tasks/${newId()}`)
      assert.deepEqual([unknownTask.status, unknownTask.json.code], [404, "task.not_found"])
      for (
        const [target, says] of [
          ["/tasks?status=done", /status/],
          [
            "/tasks?status=failed,",
            /one or more of pending, .*, open, ended, with commas/
          ],
          ["/tasks/1", /id.*UUID/],
          [
            "/tasks?cursor=x",
            /cursor/
          ]
        ] as const
      ) {
        const answer = yield* send(target)
        assert.strictEqual(answer.status, 400)
        assert.match(answer.json.detail, says)
      }
    }))

  it.effect("is canceled, paused, resumed and retried; a move that the state forbids is 409", () =>
    Effect.gen(function*() {
      const { task_id } = yield* storeTask({ name: "Tea" })
      const told = script.told.length
      for (const [verb, done] of [["pause", "paused"], ["resume", "resumed"], ["retry", "retried"]] as const) {
        const answer = yield* send(`/tasks/${task_id}/${verb}`, { method: "POST" })
        assert.deepEqual([answer.status, answer.json.task_id, answer.json.steps], [200, task_id, []])
        assert.deepEqual(script.told.at(-1), [done, task_id])
        const again = yield* send(`/tasks/${task_id}/${verb}`, { method: "POST", body: {} })
        assert.deepEqual([again.status, again.json.code, again.json.detail], [
          409,
          "task.state",
          `It can't be ${done} twice.`
        ])
        const nobody = yield* send(`/tasks/${unknown}/${verb}`, { method: "POST" })
        assert.deepEqual([nobody.status, nobody.json.code], [404, "task.not_found"])
      }
      assert.strictEqual(script.told.length, told + 3)
    }))

  it.effect("a cancel may come with a reason, an empty body or none", () =>
    Effect.gen(function*() {
      const cancel = Effect.fnUntraced(function*(what: Parameters<typeof send>[1]) {
        const { task_id } = yield* storeTask()
        const answer = yield* send(`/tasks/${task_id}/cancel`, { method: "POST", ...what })
        return answer.status === 200 ? script.told.at(-1)?.slice(2) : `${answer.status} ${answer.json.code}`
      })
      assert.deepEqual(yield* cancel({ body: { reason: "Enough." } }), ["Enough."])
      for (const body of [undefined, "", {}, { reason: "" }]) assert.deepEqual(yield* cancel({ body }), [undefined])
      // As `curl -d ""` does it.
      const form = { "content-type": "application/x-www-form-urlencoded" }
      assert.deepEqual(yield* cancel({ body: "", headers: form }), [undefined])
      assert.deepEqual(yield* cancel({ body: { reson: "x" } }), "400 request.field")
      assert.deepEqual(yield* cancel({ body: "no" }), "400 request.not_json")
      assert.deepEqual(yield* cancel({ body: "{}", headers: form }), "415 request.content_type")
    }))

  it.effect("calls of which nobody knows are listed, and settled by the operator's word", () =>
    Effect.gen(function*() {
      const task = yield* storeTask()
      const call = yield* storeCall({ trace_id: task.trace_id, task_id: task.task_id, status: "unknown" })
      const done = yield* storeCall({ trace_id: task.trace_id, status: "succeeded" })
      const ids = (target: string) =>
        Effect.map(send(target), ({ json }) => json.items.map((one: { tool_call_id: string }) => one.tool_call_id))
      assert.deepEqual(yield* ids("/tool-calls?status=unknown"), [call])
      assert.deepEqual(yield* ids(`/tool-calls?task_id=${task.task_id}`), [call])
      assert.deepEqual(yield* ids(`/tool-calls?trace_id=${task.trace_id}&tool=bank.pay&limit=1`), [done])
      assert.deepInclude((yield* send(`/tool-calls/${call}`)).json, { tool: "bank.pay", status: "unknown" })
      assert.strictEqual((yield* send(`/tool-calls/${newId()}`)).json.code, "tool_call.not_found")

      const settle = (body: unknown, id = call) => send(`/tool-calls/${id}/settle`, { method: "POST", body })
      const said = { outcome: "happened", note: "The bank shows it." }
      const settled = yield* settle(said)
      assert.deepEqual([settled.status, settled.json.tool_call_id], [200, call])
      assert.deepEqual(script.told.at(-1), ["settled", call, said])
      for (
        const [answer, status, code] of [
          [yield* settle({ outcome: "retry", note: "again" }), 409, "tool_call.not_unknown"],
          [yield* settle({ outcome: "retry", note: "busy" }), 409, "tool_call.busy"],
          [yield* settle({ outcome: "retry" }, unknown), 404, "tool_call.not_found"],
          [yield* settle({ outcome: "maybe" }), 400, "request.field"],
          [yield* settle({}), 400, "request.field"],
          [yield* settle(""), 400, "request.not_json"]
        ] as const
      ) {
        assert.deepEqual([answer.status, answer.json.code], [status, code])
      }
    }))

  it.effect("is part of its trace, and of the document", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const task = yield* storeTask({ steps: [{ name: "a" }] })
      yield* sql`
        insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
        values (${newId()}, now(), ${task.trace_id}, 'task', 'task.created', 'info', 'made', '{}', '{}')`
      const trace = (yield* send(`/traces/${task.trace_id}`)).json
      assert.deepEqual(
        trace.tasks.map((
          one: { task_id: string; steps: ReadonlyArray<{ name: string }> }
        ) => [one.task_id, one.steps[0]?.name]),
        [[task.task_id, "a"]]
      )

      const document = (yield* send("/openapi.json")).json
      const create = document.paths["/tasks"].post
      assert.deepEqual(Object.keys(create.responses).filter((status) => status < "300"), ["201"])
      const body = JSON.stringify(create.requestBody)
      assert.match(body, /NewTask/)
      const { NewTask } = document.components.schemas
      assert.match(JSON.stringify(NewTask), /"steps".*"max_attempts".*"task"/)
      assert.match(JSON.stringify(document.components.schemas.TaskWithSteps), /"steps"/)
    }))
})

describe("a stop", () => {
  it.live("lets go of an answer that is held for a task", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const body = { steps: [{ name: "rest", kind: "wait", input: { delay_ms: 5 } }] }
      const held = yield* Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        script.start = (task) => Effect.orDie(Effect.provideService(storeTask(task), SqlClient.SqlClient, sql))
        const held = yield* Effect.forkDetach(send("/tasks", { body, headers: { prefer: "wait=30" } }))
        yield* Deferred.await(asked)
        return held
      }).pipe(Effect.provide(layerTestServer({
        pipeline: {
          startTask: (task, options) => script.start(task, options),
          settled: () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
        }
      })))
      assert.deepEqual(yield* Effect.map(Fiber.join(held), ({ status }) => status), 201)
    }), 60_000)
})
