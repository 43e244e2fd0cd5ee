import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answer, recordedHost, run } from "./RecordedHost.ts"

const storm = {
  watcher_id: "weather.storm",
  enabled: true,
  interval_ms: 60_000,
  last_tick_at: "2026-01-05T12:00:00.000Z",
  last_outcome: "failure",
  last_error: "no network\u202e",
  consecutive_errors: 2,
  next_tick_at: "2026-01-05T12:04:00.000Z",
  state: { n: 1 }
}
const off = { watcher_id: "weather.calm", enabled: false, interval_ms: 86_400_000, consecutive_errors: 0, state: null }
let items: ReadonlyArray<unknown> = [storm, off]

const host = recordedHost((asked, response) => {
  if (asked.method === "GET") return answer(response, 200, { items })
  return asked.url === "/watchers/weather.storm"
    ? answer(response, 200, { ...storm, ...asked.body as object })
    : answer(response, 404, { code: "watcher.not_found", detail: "There is no watcher x; GET /watchers lists them." })
})

describe("syris watchers", () => {
  it.effect("lists them, with how they are", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      const ran = yield* run(env, ["watchers"])
      assert.strictEqual(ran.code, 0)
      const [head = "", first = "", second = "", hint] = ran.out.split("\n")
      assert.match(head, /^WATCHER +STATUS +EVERY +LAST +NEXT +ERROR$/)
      assert.match(first, /^weather\.storm +failed 2× +1 min 00 s +0 ms ago +in 20458 days +no network<U\+202E>$/)
      assert.match(second, /^weather\.calm +off +24 h 00 min +never$/)
      assert.strictEqual(
        hint,
        "Switch one off or on: syris watchers disable WATCHER, syris watchers enable WATCHER"
      )
      const lines = (yield* run(env, ["watchers", "--json"])).out.split("\n")
      assert.deepStrictEqual(lines.map((line) => JSON.parse(line)), [storm, off])
      items = []
      assert.strictEqual((yield* run(env, ["watchers", "list"])).out, "There is no watcher.")
      items = [storm, off]
    }))

  it.effect("switches one off and on, and says that there is none", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      assert.strictEqual(
        (yield* run(env, ["watchers", "disable", "weather.storm"])).out,
        "The watcher weather.storm is off: it looks no more."
      )
      assert.strictEqual(
        (yield* run(env, ["watchers", "enable", "weather.storm"])).out,
        "The watcher weather.storm is on; it looks now."
      )
      assert.deepStrictEqual(asked.map(({ body, method }) => [method, body]), [
        ["PATCH", { enabled: false }],
        ["PATCH", { enabled: true }]
      ])
      const missing = yield* run(env, ["watchers", "enable", "x"])
      assert.deepStrictEqual([missing.code, missing.err], [
        1,
        "syris: There is no watcher x; GET /watchers lists them."
      ])
    }))
})
