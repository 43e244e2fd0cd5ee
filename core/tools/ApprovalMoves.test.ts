/**
 * The law of approvals on a real PostgreSQL: each legal and illegal move, what never changes, and that a call which asks
 * begins with its approval or not at all, whoever writes.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { ApprovalStatus } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"

type Status = typeof ApprovalStatus.Type

const statuses = ApprovalStatus.literals

/** What may follow what. */
const moves: Readonly<Record<Status, ReadonlyArray<Status>>> = {
  pending: ["approved", "denied", "expired", "superseded", "revoked"],
  approved: ["consumed", "expired", "revoked"],
  denied: [],
  expired: [],
  superseded: [],
  revoked: [],
  consumed: []
}

/** The statuses from pending to this one, pending excluded. */
const wayTo = (status: Status): ReadonlyArray<Status> =>
  status === "pending" ? [] : status === "consumed" ? ["approved", "consumed"] : [status]

let numbers = 1

const approvalOf = (
  extra: Record<string, unknown> = {}
): Record<string, unknown> & { readonly approval_id: string } => ({
  approval_id: newId(),
  number: numbers++,
  trace_id: newId(),
  event_id: newId(),
  task_id: newId(),
  step_id: newId(),
  tool_call_id: newId(),
  work_id: newId(),
  status: "pending",
  tool: "door.open",
  what: { door: "front" },
  what_hash: "hash",
  tool_pin: "pin",
  preview: "would open it",
  why: "It asks.",
  reasons: ["it asks"],
  risk: "medium",
  autonomy: "A2",
  basis: "tool medium",
  question: "Shall it be opened?",
  labels: { trust: "operator" },
  supersedes: newId(),
  created_at: new Date().toISOString(),
  expires_at: new Date(Date.now() + 60_000).toISOString(),
  ...extra
})

const callOf = (extra: Record<string, unknown> = {}): Record<string, unknown> & { readonly tool_call_id: string } => ({
  tool_call_id: newId(),
  trace_id: newId(),
  ordinal: 0,
  tool: "door.open",
  tool_pin: "pin",
  input: { door: "front" },
  input_hash: "hash",
  idempotency_key: newId(),
  effect: "write",
  guarantee: "native_key",
  risk: "medium",
  autonomy: "A2",
  status: "planned",
  needs_approval: true,
  labels: {},
  fence: 5,
  attempts: 0,
  open_attempts: 0,
  created_at: new Date().toISOString(),
  ...extra
})

/** Each column of what was shown, with another value. */
const fixed: ReadonlyArray<readonly [column: string, value: unknown]> = [
  ["approval_id", newId()],
  ["number", 999_999],
  ["trace_id", newId()],
  ["event_id", newId()],
  ["event_id", null],
  ["task_id", newId()],
  ["task_id", null],
  ["step_id", newId()],
  ["step_id", null],
  ["tool_call_id", newId()],
  ["work_id", newId()],
  ["tool", "door.break"],
  ["what", { door: "safe" }],
  ["what_hash", "other"],
  ["tool_pin", "other"],
  ["preview", "would do nothing"],
  ["preview", null],
  ["why", "For fun."],
  ["reasons", []],
  ["risk", "low"],
  ["autonomy", "A4"],
  ["basis", "tool low"],
  ["question", "Shall nothing be done?"],
  ["labels", {}],
  ["supersedes", null],
  ["created_at", new Date(0).toISOString()],
  ["expires_at", new Date(Date.now() + 3_600_000).toISOString()]
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

  const put = (table: "approvals" | "tool_calls", row: Record<string, unknown>) =>
    attempt(`insert into ${table} select * from json_populate_record(null::${table}, $1::json)`, JSON.stringify(row))

  const move = (approval_id: string, status: Status, fence = 5) =>
    attempt(
      `update approvals
       set status = $2, consumed_at = case when $2 = 'consumed' then coalesce(consumed_at, now()) end,
           consumed_fence = case when $2 = 'consumed' then coalesce(consumed_fence, $3::bigint) end
       where approval_id = $1::uuid`,
      approval_id,
      status,
      fence
    )

  const approvalIn = Effect.fnUntraced(function*(status: Status, extra: Record<string, unknown> = {}, fence = 5) {
    const row = approvalOf(extra)
    assert.strictEqual(yield* put("approvals", row), "ok")
    for (const next of wayTo(status)) assert.strictEqual(yield* move(row.approval_id, next, fence), "ok")
    return row.approval_id
  })

  const statusOf = Effect.fnUntraced(function*(approval_id: string) {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<
      { readonly status: Status }
    >`select status from approvals where approval_id = ${approval_id}`
    return row?.status
  })

  const begin = (tool_call_id: string, to = "attempted", fence = 6) =>
    attempt(
      `update tool_calls
       set status = $2, fence = $3, attempts = attempts + 1, open_attempts = 1, held_by = gen_random_uuid(),
           deadline_at = now(), quiet_at = now(), resolved_at = case when $2 = 'succeeded' then now() end
       where tool_call_id = $1::uuid`,
      tool_call_id,
      to,
      fence
    )

  it.effect("lets an approval go where it may, and nowhere else", () =>
    Effect.gen(function*() {
      for (const from of statuses) {
        for (const to of statuses) {
          const id = yield* approvalIn(from)
          const expected = from === to || moves[from].includes(to) ? "ok" : "SY011"
          assert.strictEqual(yield* move(id, to), expected, `${from} to ${to}`)
          assert.strictEqual(yield* statusOf(id), expected === "ok" ? to : from)
        }
      }
    }))

  it.effect("has every approval begin as pending", () =>
    Effect.gen(function*() {
      for (const status of statuses) {
        const consumed_at = status === "consumed" ? new Date().toISOString() : null
        assert.strictEqual(
          yield* put("approvals", approvalOf({ status, consumed_at })),
          status === "pending" ? "ok" : "SY011"
        )
      }
    }))

  it.effect("never changes what was shown, whatever became of it", () =>
    Effect.gen(function*() {
      for (const status of statuses) {
        const id = yield* approvalIn(status)
        for (const [column, value] of fixed) {
          const refused = yield* attempt(
            `update approvals
             set ${column} = (select ${column} from json_populate_record(null::approvals, $2::json))
             where approval_id = $1::uuid`,
            id,
            JSON.stringify({ [column]: value })
          )
          assert.strictEqual(refused, "SY010", `${column} of one that is ${status}`)
        }
        const decide = (by: string) =>
          attempt("update approvals set decided_by = $2, decided_at = now() where approval_id = $1::uuid", id, by)
        assert.deepEqual([yield* decide("me"), yield* decide("you")], ["ok", status === "pending" ? "ok" : "SY010"])
      }
      const used = yield* approvalIn("consumed")
      for (const again of ["consumed_fence = 7", "consumed_at = now() + interval '1 day'"]) {
        assert.strictEqual(yield* attempt(`update approvals set ${again} where approval_id = $1::uuid`, used), "SY010")
      }
    }))

  it.effect("has one live approval for a call", () =>
    Effect.gen(function*() {
      for (const status of statuses) {
        const tool_call_id = newId()
        yield* approvalIn(status, { tool_call_id })
        const live = status === "pending" || status === "approved"
        assert.strictEqual(yield* put("approvals", approvalOf({ tool_call_id })), live ? "23505" : "ok", status)
      }
    }))

  it.effect("begins a call that asks with its approval, of the same fence, input and tool, or not at all", () =>
    Effect.gen(function*() {
      for (const status of ["attempted", "succeeded", "unknown"]) {
        const held = { held_by: newId(), deadline_at: new Date().toISOString(), attempts: 1, open_attempts: 1 }
        const resolved_at = status === "succeeded" ? new Date().toISOString() : null
        assert.strictEqual(
          yield* put("tool_calls", callOf({ ...held, status, resolved_at })),
          "SY012",
          `born ${status}`
        )
      }
      const with_ = Effect.fnUntraced(function*(
        status: Status | undefined,
        { approval = {}, call = {}, fence = 6, to = "attempted" }: {
          readonly approval?: object
          readonly call?: Record<string, unknown>
          readonly fence?: number
          readonly to?: string
        } = {}
      ) {
        const row = callOf(call)
        assert.strictEqual(yield* put("tool_calls", row), "ok")
        if (status !== undefined) yield* approvalIn(status, { tool_call_id: row.tool_call_id, ...approval }, fence)
        return yield* begin(row.tool_call_id, to)
      })
      assert.strictEqual(yield* with_(undefined), "SY012")
      for (const status of statuses) {
        assert.strictEqual(yield* with_(status), status === "consumed" ? "ok" : "SY012", status)
      }
      assert.strictEqual(yield* with_("consumed", { fence: 7 }), "SY012", "another fence")
      assert.strictEqual(yield* with_("consumed", { approval: { what_hash: "other" } }), "SY012", "another input")
      assert.strictEqual(yield* with_("consumed", { approval: { tool_pin: "other" } }), "SY012", "another tool")
      assert.strictEqual(yield* with_("consumed", { approval: { tool_call_id: newId() } }), "SY012", "another call's")
      const transactional = { guarantee: "transactional" }
      assert.strictEqual(yield* with_("approved", { call: transactional, to: "succeeded" }), "SY012")
      assert.strictEqual(yield* with_("consumed", { call: transactional, to: "succeeded" }), "ok")
      assert.strictEqual(yield* with_(undefined, { call: { needs_approval: false } }), "ok", "one that does not ask")
    }))

  it.effect("repeats a call that was begun with its approval, under whatever fence", () =>
    Effect.gen(function*() {
      const row = callOf()
      yield* put("tool_calls", row)
      yield* approvalIn("consumed", { tool_call_id: row.tool_call_id }, 6)
      assert.strictEqual(yield* begin(row.tool_call_id), "ok")
      for (const status of ["unknown", "planned"]) {
        const to = "update tool_calls set status = $2, held_by = null where tool_call_id = $1::uuid"
        assert.strictEqual(yield* attempt(to, row.tool_call_id, status), "ok")
      }
      assert.strictEqual(yield* begin(row.tool_call_id, "attempted", 9), "ok")
    }))

  it.effect("does not let go of the question", () =>
    Effect.gen(function*() {
      const asks = callOf()
      const free = callOf({ needs_approval: false })
      yield* put("tool_calls", asks)
      yield* put("tool_calls", free)
      const set = (id: string, what: string) =>
        attempt(`update tool_calls set ${what} where tool_call_id = $1::uuid`, id)
      assert.strictEqual(yield* set(asks.tool_call_id, "needs_approval = false"), "SY001")
      assert.strictEqual(yield* set(asks.tool_call_id, "attempts = 1"), "SY012", "taken for begun")
      assert.strictEqual(yield* set(asks.tool_call_id, "risk = 'low'"), "SY001")
      assert.strictEqual(yield* set(asks.tool_call_id, "autonomy = 'A4'"), "SY001")
      assert.strictEqual(
        yield* set(free.tool_call_id, "needs_approval = true, risk = 'high'"),
        "ok",
        "stricter, before it begins"
      )
      const begun = callOf({ needs_approval: false })
      yield* put("tool_calls", begun)
      assert.strictEqual(yield* begin(begun.tool_call_id), "ok")
      assert.strictEqual(yield* set(begun.tool_call_id, "needs_approval = true"), "SY001")
    }))

  it.effect("ends what waits with the call that will not begin", () =>
    Effect.gen(function*() {
      for (const status of ["canceled", "failed"]) {
        for (const live of ["pending", "approved"] as const) {
          for (const over of [false, true]) {
            const row = callOf()
            yield* put("tool_calls", row)
            const expires_at = new Date(Date.now() + (over ? -1_000 : 60_000)).toISOString()
            const id = yield* approvalIn(live, { tool_call_id: row.tool_call_id, expires_at })
            const end = "update tool_calls set status = $2, resolved_at = now() where tool_call_id = $1::uuid"
            assert.strictEqual(yield* attempt(end, row.tool_call_id, status), "ok")
            assert.strictEqual(yield* statusOf(id), over ? "expired" : "revoked", `${live}, ${status}`)
          }
        }
      }
    }))
})
