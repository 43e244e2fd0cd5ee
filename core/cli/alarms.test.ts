import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answer, recordedHost, run } from "./RecordedHost.ts"

const id = (end: string) => `0199b3f2-6c1e-7a51-9d3e-00000000${end}`
const alarm = (end: string, status: string) => ({
  alarm_id: id(end),
  type: "task.stuck",
  severity: "warning",
  dedupe_key: `task:${end}`,
  status,
  message: "The task x runs and has got no further.\u202e",
  refs: {},
  opened_at: "2026-01-05T12:00:00.000Z"
})
let open = [alarm("0003", "open"), alarm("0001", "open")]

const host = recordedHost((asked, response) => {
  if (asked.method === "POST") {
    return answer(response, 200, alarm("0003", asked.url.endsWith("ack") ? "acked" : "resolved"))
  }
  const status = new URL(asked.url, "http://x").searchParams.get("status")
  const items = status === "open"
    ? open
    : status === "acked"
    ? [alarm("0002", "acked")]
    : [...open, alarm("0000", "resolved")]
  return answer(response, 200, { items })
})

describe("syris alarms", () => {
  it.effect("lists those that are not over, newest first", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      const ran = yield* run(env, ["alarms"])
      assert.strictEqual(ran.code, 0)
      const lines = ran.out.split("\n")
      assert.match(lines[0] ?? "", /^ALARM +STATUS +SEVERITY +AGE +TYPE +MESSAGE$/)
      assert.deepStrictEqual(lines.slice(1, 4).map((line) => line.slice(8, 19).trim()), [
        "0003  open",
        "0002  seen",
        "0001  open"
      ])
      assert.match(lines[1] ?? "", /warning .* task\.stuck +The task x runs and has got no further\.<U\+202E>$/)
      assert.strictEqual(lines[4], "Seen: syris alarms ack ALARM; over: syris alarms resolve ALARM")
      const all = (yield* run(env, ["alarms", "--all", "--json"])).out.split("\n").map((line) =>
        JSON.parse(line).status
      )
      assert.deepStrictEqual(all, ["open", "open", "resolved"])
    }))

  it.effect("says that one was seen, or is over, by the end of its id", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      assert.strictEqual(
        (yield* run(env, ["alarms", "ack", "0003", "--note", "on my way"])).out,
        "The alarm task.stuck was seen."
      )
      assert.strictEqual((yield* run(env, ["alarms", "resolve", id("0003")])).out, "The alarm task.stuck is over.")
      assert.deepStrictEqual(
        asked.filter(({ method }) => method === "POST").map(({ body, url }) => [url, body]),
        [[`/alarms/${id("0003")}/ack`, { note: "on my way" }], [`/alarms/${id("0003")}/resolve`, {}]]
      )
      const none = yield* run(env, ["alarms", "ack", "ffff"])
      assert.deepStrictEqual([none.code, none.err], [
        1,
        "syris: None of the alarms has an id that begins or ends with ffff: give the whole id."
      ])
      open = []
      assert.match((yield* run(env, ["alarms"])).out, /^ALARM/)
    }))
})
