import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answer, recordedHost, run } from "./RecordedHost.ts"

const schedule = (end: string, name: string) => ({
  schedule_id: `0199b3f2-6c1e-7a51-9d3e-00000000${end}`,
  name,
  enabled: true,
  type: "interval",
  spec: "PT1H",
  timezone: "UTC",
  catch_up: "run_once",
  catch_up_cap: 10,
  overrun: "skip",
  payload: { channel: "scheduler", text: "x" },
  created_at: "2026-01-05T12:00:00.000Z",
  updated_at: "2026-01-05T12:00:00.000Z"
})
const open = [schedule("0001", "Backup"), schedule("0002", "twin"), schedule("0003", "twin")]
const over = [schedule("0004", "backup"), schedule("0005", "tea")]

const host = recordedHost((asked, response) => {
  const { pathname, searchParams } = new URL(asked.url, "http://x")
  if (pathname !== "/schedules") return answer(response, 200, { items: [] })
  const name = searchParams.get("name")
  const all = searchParams.get("all") === "true" ? [...open, ...over] : open
  answer(response, 200, {
    items: name === null ? [] : all.filter((one) => one.name.toLowerCase() === name.toLowerCase())
  })
})

describe("syris schedules NAME", () => {
  it.effect("finds one by its name, whatever else there is; what is to come before what is over", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const backup = yield* run(env, ["schedules", "backup"])
      assert.strictEqual(backup.code, 0)
      assert.match(backup.out, /000000000001/)
      assert.deepStrictEqual(asked.map(({ url }) => new URL(url, "http://x").searchParams.get("name")), [
        "backup",
        null
      ])
      assert.match((yield* run(env, ["schedules", "tea"])).out, /000000000005/)
      assert.match((yield* run(env, ["schedules", "twin"])).err, /2 schedules are called twin: .*0002/)
      assert.match((yield* run(env, ["schedules", "nobody"])).err, /None of the schedules/)
    }))
})
