import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Step } from "../contract/Task.ts"
import { localTime, paints } from "./layout.ts"
import { answer, type Asked, recordedHost, run } from "./RecordedHost.ts"
import { drawTask, type TaskWithSteps } from "./taskView.ts"

const now = Date.UTC(2026, 10, 22, 14, 10)
const at = (seconds: number) => new Date(now - seconds * 1_000).toISOString()
const task_id = "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e40"
const trace_id = "0199b3f2-6c1e-7a52-9d3e-000000000001"
const call_id = "0199b3f2-6c1e-7a53-9d3e-0000000000ca"

const step = (position: number, over: Partial<Step>): Step => ({
  step_id: `s${position}`,
  task_id,
  position,
  stage: position,
  name: `step ${position}`,
  kind: "tool",
  status: "pending",
  attempt: 0,
  max_attempts: 3,
  retry: { strategy: "exponential", base_delay_ms: 500, max_delay_ms: 60_000, jitter: 0.2 },
  input: {},
  checkpoint: {},
  ...over
})

const pay: TaskWithSteps = {
  task_id,
  trace_id,
  trigger_event_id: "e1",
  name: "Pay the bill\u001b[2J",
  kind: "steps",
  status: "waiting",
  waits_for: "person",
  priority: 7,
  labels: { who: "me" },
  autonomy_at_start: "A2",
  created_at: at(300),
  updated_at: at(100),
  steps: [
    step(0, { name: "look", status: "succeeded", tool: "bank.look", started_at: at(300), ended_at: at(299) }),
    step(1, {
      name: "pay",
      stage: 1,
      status: "waiting",
      tool: "bank.pay",
      attempt: 1,
      started_at: at(200),
      error: { code: "tool.timeout", message: "No answer\u202e.", retryable: true }
    }),
    step(2, { name: "rest", stage: 1, kind: "wait", status: "waiting", started_at: at(60), wake_at: at(-60) }),
    step(3, { name: "tell", stage: 2, tool: "mail.send" })
  ]
}

const unknown = {
  tool_call_id: call_id,
  task_id,
  tool: "bank.pay",
  status: "unknown",
  input: { amount: 5 },
  created_at: at(200),
  error: { code: "tool.timeout", message: "No answer.", retryable: true }
}

const drawn = (task: TaskWithSteps, calls: ReadonlyArray<unknown> = []) =>
  drawTask(task, calls as never, { now, paint: paints(false), say: (...args) => ["syris", ...args].join(" ") })

describe("a task on the screen", () => {
  it("has its steps, what it waits for, and what can be done", () => {
    assert.strictEqual(
      drawn(pay, [unknown]).join("\n"),
      `task ${task_id}  "Pay the bill<U+001B>[2J"  waiting for you
made ${localTime(at(300))}, 5 min 00 s ago · priority 7 · labels who=me · trace ${trace_id}
  1   succeeded  look  bank.look  took 1.00 s
  2a  waiting    pay   bank.pay  for 3 min 20 s  attempt 2 of 3
     error tool.timeout: No answer<U+202E>.
  2b  waiting    rest  wait  for 1 min 00 s  until ${localTime(at(-60))}
  3   pending    tell  mail.send

What can be done:
  syris settle 0000000000ca happened|not_happened|retry  nobody knows whether bank.pay was done: look there, then say it
  syris task 0c5b6f1d2e40 pause                          begin no further step
  syris task 0c5b6f1d2e40 cancel                         end it`
    )
  })

  const states: ReadonlyArray<readonly [over: Partial<TaskWithSteps>, status: string, verbs: ReadonlyArray<string>]> = [
    [{ status: "pending" }, "pending", ["pause", "cancel"]],
    [{ status: "running" }, "running", ["pause", "cancel"]],
    [{ waits_for: "time", next_wake_at: at(-60) }, `waiting until ${localTime(at(-60))}`, ["pause", "cancel"]],
    [{ waits_for: "approval" }, "waiting for your approval", ["pause", "cancel"]],
    [{ waits_for: "answer" }, "waiting for your answer", ["pause", "cancel"]],
    [{ status: "paused", waits_for: "pause" }, "paused", ["resume", "cancel"]],
    [{ status: "failed" }, "failed", ["retry"]],
    [{ status: "canceled", cancel_reason: "not today\u202e" }, "canceled: not today<U+202E>", []],
    [{ status: "succeeded" }, "succeeded", []]
  ]
  for (const [over, status, verbs] of states) {
    it(`says of one that is ${status.split(/ until|:/)[0]} what can be done`, () => {
      const lines = drawn({ ...pay, name: "Pay", ...over })
      assert.strictEqual(lines[0], `task ${task_id}  "Pay"  ${status}`)
      const offered = lines.slice(lines.indexOf("What can be done:") + 1).flatMap((line) =>
        /syris task \w+ (\w+)/.exec(line)?.[1] ?? []
      )
      assert.deepStrictEqual(offered, verbs)
    })
  }

  it("shows the question that waits for an answer, and where a step ended badly", () => {
    const lines = drawn({
      ...pay,
      error: { code: "task.step_failed", message: "It did not work.", retryable: false },
      steps: [
        step(0, { name: "ask", kind: "wait", status: "waiting", input: { question: "Which bank?" } }),
        step(1, { name: "pay", status: "failed", tool: "bank.pay", attempt: 2 })
      ]
    }).join("\n")
    assert.match(lines, /^error task\.step_failed: It did not work\.$/m)
    assert.match(lines, /asks "Which bank\?"/)
    assert.match(lines, /2 {2}failed {3}pay {2}bank\.pay {2}attempt 3 of 3/)
  })
})

const list = (asked: Asked) => {
  const url = new URL(asked.url, "http://host")
  return { path: url.pathname, query: Object.fromEntries(url.searchParams) }
}

/** A host with one task, and one call of which nobody knows. */
const host = recordedHost((asked, response) => {
  const { path, query } = list(asked)
  if (path === "/tasks") {
    const items = query["status"] === "failed" ? [] : [
      {
        ...pay,
        created_at: new Date(Date.now() - 300_000).toISOString(),
        progress: { done: 1, steps: 4, step: "pay" }
      },
      {
        ...pay,
        task_id: task_id.replace("0c5b6f1d2e40", "0c5b6f1d2e41"),
        name: "Backup",
        status: "running",
        waits_for: undefined,
        created_at: new Date(Date.now() - 3_000).toISOString(),
        progress: { done: 2, steps: 2 }
      }
    ]
    return answer(response, 200, { items, ...(query["limit"] === "2" ? { next_cursor: "more" } : {}) })
  }
  if (path === "/tool-calls") return answer(response, 200, { items: [{ ...unknown, created_at: at(200) }] })
  if (path === `/tasks/${task_id}`) return answer(response, 200, pay)
  if (path === `/tasks/${task_id}/cancel`) {
    return answer(response, 200, { ...pay, status: "canceled", waits_for: undefined, cancel_reason: "Enough." })
  }
  if (path === `/tool-calls/${call_id}/settle`) return answer(response, 200, { ...unknown, status: "succeeded" })
  if (asked.method === "POST") {
    return answer(response, 409, { detail: "The task \"Pay\" is waiting: it can't be retried.", code: "task.state" })
  }
  return answer(response, 404, { detail: "No task has this id.", code: "task.not_found" })
})

describe("syris tasks", () => {
  it.live("lists the open ones", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const ran = yield* run(env, ["tasks"])
      assert.deepStrictEqual([ran.code, ran.err], [0, ""])
      assert.deepStrictEqual(
        ran.out.replaceAll(/\d\.\d\d s/g, "3.00 s").replaceAll(/5 min \d\d s/g, "5 min 00 s").split("\n"),
        [
          "TASK          STATUS   NAME                     STEP     AGE         WAITS FOR",
          "0c5b6f1d2e40  waiting  Pay the bill<U+001B>[2J  2/4 pay  5 min 00 s  you",
          "0c5b6f1d2e41  running  Backup                   2/2      3.00 s"
        ]
      )
      assert.deepStrictEqual(asked.map((one) => one.url), ["/tasks?status=open&limit=50"])
    }))

  it.effect("takes status, label, all and limit, and prints records", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      assert.strictEqual((yield* run(env, ["tasks", "--status", "failed", "--label", "home"])).out, "No task fits.")
      const two = yield* run(env, ["tasks", "--all", "--limit", "2"])
      assert.match(two.out, /There are more: syris tasks --limit 8$/)
      const records = yield* run(env, ["tasks", "--json"])
      assert.deepStrictEqual(records.out.split("\n").map((line) => JSON.parse(line).name), [pay.name, "Backup"])
      assert.notInclude(records.out, "\u001b")
      assert.deepStrictEqual(asked.map(list).map(({ query }) => query), [
        { status: "failed", label: "home", limit: "50" },
        { limit: "2" },
        { status: "open", limit: "50" }
      ])
      assert.strictEqual((yield* run(env, ["tasks", "--limit", "0"])).code, 2)
    }))

  it.effect("says so where none is open", () =>
    Effect.gen(function*() {
      const { env } = yield* recordedHost((_, response) => answer(response, 200, { items: [] }))
      assert.strictEqual(
        (yield* run(env, ["tasks"])).out,
        "No task is open. See those that have ended: syris tasks --all"
      )
    }))
})

describe("syris task", () => {
  for (const id of [task_id, "0c5b6f1d2e40", "2E40"]) {
    it.effect(`shows the one that ${id} means`, () =>
      Effect.gen(function*() {
        const { env } = yield* host
        const ran = yield* run(env, ["task", id])
        assert.deepStrictEqual([ran.code, ran.err], [0, ""])
        assert.match(ran.out, new RegExp(`^task ${task_id} .*waiting for you\n`))
        assert.match(ran.out, /syris settle 0000000000ca happened\|not_happened\|retry/)
      }))
  }

  it.effect("says what it can't find", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      assert.match(
        (yield* run(env, ["task", "ffff"])).err,
        /open and newest tasks .* ends with ffff: give the whole id/
      )
      assert.match((yield* run(env, ["task", "0199b3f2"])).err, /0199b3f2 is the beginning or end of 2 ids: give more/)
      const nobody = yield* run(env, ["task", "0199b3f2-6c1e-7a51-9d3e-ffffffffffff"])
      assert.deepStrictEqual([nobody.code, nobody.err], [1, "syris: No task has this id."])
    }))

  it.effect("cancels with a reason; a move that is refused says why", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const canceled = yield* run(env, ["task", "0c5b6f1d2e40", "cancel", "--reason", "Enough."])
      assert.strictEqual(canceled.out, "The task \"Pay the bill<U+001B>[2J\" (0c5b6f1d2e40) is canceled: Enough.")
      const last = asked.at(-1)
      assert.deepStrictEqual([last?.method, last?.body], ["POST", { reason: "Enough." }])
      yield* run(env, ["task", task_id, "cancel"])
      assert.isUndefined(asked.at(-1)?.body)
      const refused = yield* run(env, ["task", task_id, "retry"])
      assert.deepStrictEqual([refused.code, refused.err], [
        1,
        "syris: The task \"Pay\" is waiting: it can't be retried."
      ])
      assert.strictEqual((yield* run(env, ["task", task_id, "pause", "--reason", "x"])).code, 2)
      assert.match((yield* run(env, ["task", task_id, "stop"])).err, /cancel/)
    }))

  it.effect("prints the record with --json", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      const ran = yield* run(env, ["task", task_id, "--json"])
      assert.deepStrictEqual(JSON.parse(ran.out), JSON.parse(JSON.stringify(pay)))
      assert.notInclude(ran.out, "\u001b")
    }))
})

describe("syris settle", () => {
  it.effect("lists the calls of which nobody knows", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const ran = yield* run(env, ["settle"])
      assert.match(
        ran.out,
        /^CALL .*\n0000000000ca {2}bank\.pay .* 0c5b6f1d2e40 {2}\{"amount":5\} {2}No answer\.\nLook there yourself/
      )
      assert.strictEqual(asked[0]?.url, "/tool-calls?status=unknown&limit=200")
      assert.deepInclude(JSON.parse((yield* run(env, ["settle", "--json"])).out), { tool_call_id: call_id })
    }))

  it.effect("says what became of one", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const ran = yield* run(env, ["settle", "00ca", "happened", "--note", "The bank shows it."])
      assert.strictEqual(ran.out, "bank.pay (0000000000ca) counts as done.")
      assert.deepStrictEqual(asked.at(-1)?.body, { outcome: "happened", note: "The bank shows it." })
      const half = yield* run(env, ["settle", "00ca"])
      assert.deepStrictEqual([half.code, half.err], [
        2,
        "syris: Say what became of 00ca: happened, not_happened or retry."
      ])
      assert.match((yield* run(env, ["settle", "ffff", "retry"])).err, /calls of which nobody knows .* ends with ffff/)
    }))

  it.effect("has nothing to list where all is known", () =>
    Effect.gen(function*() {
      const { env } = yield* recordedHost((_, response) => answer(response, 200, { items: [] }))
      assert.strictEqual((yield* run(env, ["settle"])).out, "There is no call of which nobody knows.")
    }))
})
