import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { localTime } from "./layout.ts"
import { answer, recordedHost, run } from "./RecordedHost.ts"

const at = "2026-11-22T14:10:00.000Z"
let unheeded: ReadonlyArray<string> = []

const host = recordedHost((asked, response) => {
  const body = asked.body as { readonly level?: string } | undefined
  switch (asked.url) {
    case "/controls/autonomy?limit=10":
      return answer(response, 200, {
        level: "A1",
        paused: true,
        items: [{ at, from: "A2", to: "A1", by: "operator", reason: "Guests.\u202e" }]
      })
    case "/controls/autonomy":
      return answer(response, 200, { level: body?.level, paused: false })
    case "/controls/pause":
      return answer(response, 200, { level: "A2", paused: true, ...(unheeded.length === 0 ? {} : { unheeded }) })
    default:
      return answer(response, 200, { level: "A2", paused: false })
  }
})

describe("syris autonomy", () => {
  it.effect("shows the level, and how it came to be", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      assert.deepStrictEqual((yield* run(env, ["autonomy"])).out.split("\n"), [
        "Autonomy is A1, it asks before everything that acts; everything is paused.",
        `  ${localTime(at)}  A2 → A1  by operator  Guests.<U+202E>`
      ])
      assert.strictEqual(JSON.parse((yield* run(env, ["autonomy", "--json"])).out).level, "A1")
    }))

  it.effect("sets it, with a reason", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const set = yield* run(env, ["autonomy", "a3", "--reason", "I am away."])
      assert.deepStrictEqual([set.code, set.out], [0, "Autonomy is A3, it asks from high risk on."])
      assert.deepStrictEqual(asked[0]?.body, { level: "A3", reason: "I am away." })
      const wrong = yield* run(env, ["autonomy", "A9"])
      assert.deepStrictEqual([wrong.code, asked.length], [2, 1])
      assert.match(wrong.err, /There is no level A9: A0, it shows what it would do/)
      assert.strictEqual((yield* run(env, ["autonomy", "--reason", "x"])).code, 2)
    }))
})

describe("syris pause and syris resume", () => {
  it.effect("say what holds now", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const paused = yield* run(env, ["pause", "--reason", "The cat."])
      assert.deepStrictEqual([paused.code, paused.out, paused.err], [
        0,
        "Paused: nothing new begins. What comes in is kept. Go on with: syris resume",
        ""
      ])
      const resumed = yield* run(env, ["resume"])
      assert.strictEqual(
        resumed.out,
        "The pause is over. Autonomy is A2, it does what is low in risk and asks before the rest."
      )
      assert.deepStrictEqual(asked.map(({ body, url }) => [url, body]), [
        ["/controls/pause", { reason: "The cat." }],
        ["/controls/resume", {}]
      ])
    }))

  it.effect("name a host where something may still begin, and fail", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      unheeded = ["h1\u202e"]
      const paused = yield* run(env, ["pause"])
      unheeded = []
      assert.strictEqual(paused.code, 1)
      assert.match(paused.err, /Something may still begin: a host does not answer \(h1<U\+202E>\)/)
    }))
})
