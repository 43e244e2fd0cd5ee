/**
 * Watchers on the wire, over a scripted service: what is accepted, and what a wrong request is told.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { WatcherState } from "../contract/Watcher.ts"
import { WatcherNotFound } from "../watchers/WatcherRecords.ts"
import { layerTestServer, send } from "./TestServer.ts"

const watcher: WatcherState = {
  watcher_id: "weather.storm",
  enabled: true,
  interval_ms: 60_000,
  last_tick_at: "2026-01-05T12:00:00.000Z",
  last_outcome: "failure",
  last_error: "no network",
  consecutive_errors: 2,
  next_tick_at: "2026-01-05T12:04:00.000Z",
  state: null
}
const told: Array<ReadonlyArray<unknown>> = []

layer(
  layerTestServer({
    watchers: {
      page: (page) =>
        Effect.sync(() => {
          told.push(["page", page.limit])
          return { items: [watcher], next_cursor: "abc" }
        }),
      setEnabled: (watcher_id, enabled) =>
        watcher_id === watcher.watcher_id
          ? Effect.sync(() => {
            told.push([watcher_id, enabled])
            return { ...watcher, enabled }
          })
          : Effect.fail(new WatcherNotFound({ watcher_id }))
    }
  }),
  { excludeTestServices: true, timeout: "60 seconds" }
)("over HTTP", (it) => {
  it.effect("watchers are listed, and switched off and on", () =>
    Effect.gen(function*() {
      const list = yield* send("/watchers?limit=7")
      assert.deepEqual([list.status, list.json], [200, { items: [watcher], next_cursor: "abc" }])
      for (const enabled of [false, true]) {
        const changed = yield* send("/watchers/weather.storm", { method: "PATCH", body: { enabled } })
        assert.deepEqual([changed.status, changed.json], [200, { ...watcher, enabled }])
      }
      assert.deepEqual(told, [["page", 7], ["weather.storm", false], ["weather.storm", true]])
    }))

  it.effect("a wrong request is told what is wrong with it", () =>
    Effect.gen(function*() {
      const patch = (id: string, body: unknown) => send(`/watchers/${id}`, { method: "PATCH", body })
      const missing = yield* patch("weather.calm", { enabled: true })
      assert.deepEqual([missing.status, missing.json.code, missing.json.detail], [
        404,
        "watcher.not_found",
        "There is no watcher weather.calm; GET /watchers lists them."
      ])
      for (
        const [id, body, code, detail] of [
          ["weather.storm", {}, "request.field", /"enabled" is missing/],
          ["weather.storm", { enabled: "no" }, "request.field", /"enabled" must be/],
          ["weather.storm", { enabled: true, interval: 1 }, "request.field", /There is no field "interval"/],
          ["Weather", { enabled: true }, "request.path", /the id of a watcher, such as "weather\.storm"/]
        ] as const
      ) {
        const refused = yield* patch(id, body)
        assert.deepEqual([refused.status, refused.json.code], [400, code])
        assert.match(refused.json.detail, detail)
      }
      assert.strictEqual((yield* send("/watchers?status=x")).status, 400)
      assert.strictEqual((yield* send("/watchers", { method: "PATCH", body: {} })).status, 405)
      assert.strictEqual((yield* send("/watchers", { token: false })).status, 401)
    }))
})
