import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { appendRows, toRow } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import type { ControlState } from "../safety/Control.ts"
import type { Given } from "../safety/ControlCommands.ts"
import { layerTestServer, send } from "./TestServer.ts"

/** What the scripted host does and was told. */
const told: Array<readonly [verb: string, given: Given]> = []
let state: ControlState = { autonomy: "A2", paused: false, policy_version: 1 }
let unheeded: ReadonlyArray<string> = []
let away = false

const become = (verb: string, given: Given, next: Partial<ControlState>) =>
  Effect.suspend(() => {
    if (away) {
      return Effect.fail(
        new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause: new Error("gone"), message: "gone" }) })
      )
    }
    told.push([verb, given])
    state = { ...state, ...next }
    return Effect.succeed(state)
  })

layer(
  layerTestServer({
    control: { current: () => state, refresh: Effect.sync(() => state) },
    controls: {
      setAutonomy: (autonomy, given) => become("autonomy", given, { autonomy }),
      pause: (given) => Effect.map(become("pause", given, { paused: true }), (paused) => ({ ...paused, unheeded })),
      resume: (given) => become("resume", given, { paused: false })
    }
  }),
  { timeout: "60 seconds", excludeTestServices: true }
)("the controls over HTTP", (it) => {
  it.effect("a level is set with a reason, and read back", () =>
    Effect.gen(function*() {
      const set = yield* send("/controls/autonomy", { body: { level: "A1", reason: "Guests." } })
      assert.deepEqual([set.status, set.json], [200, { level: "A1", paused: false }])
      assert.deepEqual(told.splice(0), [["autonomy", { by: "operator", reason: "Guests." }]])
      const read = yield* send("/controls/autonomy")
      assert.deepEqual([read.status, read.json], [200, { level: "A1", paused: false, items: [] }])
    }))

  it.effect("its history comes in pages, newest first", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const changes = [["A2", "A1", "Guests."], ["A1", "A3", undefined], ["A3", "A2", "Enough."]] as const
      for (const [from, to, reason] of changes) {
        yield* appendRows([toRow({
          type: "operator.autonomy_changed",
          trace_id: newId(),
          at: new Date(),
          summary: "x",
          actor: "operator",
          data: { from, to, ...(reason === undefined ? {} : { reason }) }
        })])
      }
      // A database of its own: nothing else is in the audit.
      assert.lengthOf(yield* sql`select 1 from audit_events`, 3)
      const first = (yield* send("/controls/autonomy?limit=2")).json
      assert.deepEqual(first.items.map((one: { from: string; to: string }) => [one.from, one.to]), [
        ["A3", "A2"],
        ["A1", "A3"]
      ])
      assert.deepInclude(first.items[0], { by: "operator", reason: "Enough." })
      assert.notProperty(first.items[1], "reason")
      const rest = (yield* send(`/controls/autonomy?limit=2&cursor=${first.next_cursor}`)).json
      assert.lengthOf(rest.items, 1)
      assert.notProperty(rest, "next_cursor")
      assert.strictEqual((yield* send("/controls/autonomy?cursor=nonsense")).json.code, "request.cursor")
    }))

  it.effect("pause and resume take a reason or no body", () =>
    Effect.gen(function*() {
      const paused = yield* send("/controls/pause", { method: "POST" })
      assert.deepEqual([paused.status, paused.json], [200, { level: "A1", paused: true }])
      const resumed = yield* send("/controls/resume", { body: { reason: "Done." } })
      assert.deepEqual([resumed.status, resumed.json], [200, { level: "A1", paused: false }])
      yield* send("/controls/resume", { body: {} })
      assert.deepEqual(told.splice(0), [
        ["pause", { by: "operator", reason: undefined }],
        ["resume", { by: "operator", reason: "Done." }],
        ["resume", { by: "operator", reason: undefined }]
      ])
      unheeded = ["h1"]
      assert.deepEqual((yield* send("/controls/pause", { body: { reason: "x" } })).json, {
        level: "A1",
        paused: true,
        unheeded: ["h1"]
      })
      unheeded = []
      told.splice(0)
    }))

  it.effect("what is wrong is said, and changes nothing", () =>
    Effect.gen(function*() {
      const refused: ReadonlyArray<readonly [path: string, body: unknown, says: RegExp]> = [
        ["autonomy", { level: "A5" }, /level/],
        ["autonomy", { reason: "x" }, /level/],
        ["autonomy", { level: "A1", by: "me" }, /"by"/],
        ["pause", { reason: 7 }, /reason/],
        ["pause", { reason: "x".repeat(1_001) }, /reason/],
        ["resume", { why: "x" }, /"why"/],
        ["resume", [], /./]
      ]
      for (const [path, body, says] of refused) {
        const answer = yield* send(`/controls/${path}`, { body })
        assert.strictEqual(answer.status, 400, `${path} ${JSON.stringify(body)}`)
        assert.match(answer.json.detail, says)
      }
      assert.strictEqual((yield* send("/controls/autonomy", { method: "POST" })).status, 415)
      assert.strictEqual((yield* send("/controls/pause", { method: "POST", token: false })).status, 401)
      assert.strictEqual((yield* send("/controls/pause")).status, 405)
      assert.deepEqual(told, [])
      away = true
      const answer = yield* send("/controls/pause", { method: "POST" })
      away = false
      assert.deepEqual([answer.status, answer.json.code], [503, "database.unavailable"])
    }))
})
