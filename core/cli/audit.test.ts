import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import type { ServerResponse } from "node:http"
import { localTime } from "./layout.ts"
import { answer, type Asked, recordedHost, run } from "./RecordedHost.ts"

const row = (seq: number, over: object = {}) => ({
  seq,
  audit_id: `a${seq}`,
  timestamp: new Date(Date.UTC(2026, 10, 22, 14, 0, seq)).toISOString(),
  trace_id: "0199b3f2-6c1e-7a52-9d3e-0c5b6f1d2e40",
  stage: "normalize",
  type: "event.ingested",
  outcome: "info",
  summary: `row ${seq}`,
  refs: {},
  data: {},
  ...over
})

describe("syris audit", () => {
  it.effect("prints the newest rows, the oldest of them first, over as many pages as it takes", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((asked, response) =>
        answer(
          response,
          200,
          asked.url.includes("cursor=more")
            ? { items: [row(1, { outcome: "failure", summary: "bad\u001b[2J", latency_ms: 12 })] }
            : { items: [row(3), row(2)], next_cursor: "more" }
        )
      )
      const ran = yield* run(host.env, ["audit", "--type", "event.ingested"])
      assert.deepStrictEqual(ran.out.split("\n"), [
        `${localTime(row(1).timestamp)}  0c5b6f1d2e40  failure     event.ingested          bad<U+001B>[2J  (12 ms)`,
        `${localTime(row(2).timestamp)}  0c5b6f1d2e40  info        event.ingested          row 2`,
        `${localTime(row(3).timestamp)}  0c5b6f1d2e40  info        event.ingested          row 3`
      ])
      assert.deepStrictEqual(host.asked.map((one) => one.url), [
        "/audit?type=event.ingested&limit=50",
        "/audit?type=event.ingested&limit=48&cursor=more"
      ])
    }))

  it.effect("keeps the order of one trace, and prints JSON lines", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) => answer(response, 200, { items: [row(1), row(2)] }))
      const ran = yield* run(host.env, ["audit", "--trace", "t", "--json"])
      assert.deepStrictEqual(ran.out.split("\n").map((line) => JSON.parse(line)), [row(1), row(2)])
    }))

  it.live("takes an age or a time for --since, and refuses the rest", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) => answer(response, 200, { items: [] }))
      const since = () => Date.parse(new URL(host.asked.at(-1)?.url ?? "", host.url).searchParams.get("since") ?? "")
      assert.strictEqual(
        (yield* run(host.env, ["audit", "--since", "2026-11-22T08:00:00+01:00"])).out,
        "No audit rows fit."
      )
      assert.strictEqual(since(), Date.UTC(2026, 10, 22, 7))
      const before = Date.now() - 5_400_000
      yield* run(host.env, ["audit", "--since", "90m"])
      assert.isTrue(since() >= before && since() <= Date.now() - 5_400_000)
      const wrong = yield* run(host.env, ["audit", "--since", "soon"])
      assert.strictEqual(wrong.code, 2)
      assert.match(wrong.err, /^syris: --since takes a time .*"soon" is neither\.$/)
    }))

  it.live("follows over a lost connection without a gap or a repetition", () =>
    Effect.gen(function*() {
      const streams: Array<(asked: Asked, response: ServerResponse) => void> = [
        // Row 2 fell between the first list and the stream; it is caught up, and not shown twice.
        (_, response) =>
          response.end(
            `: hello\n\nid: p2\ndata: ${JSON.stringify(row(2))}\n\nid: p3\ndata: ${JSON.stringify(row(3))}\n\n`
          ),
        (_, response) => response.destroy(),
        (asked, response) => {
          assert.strictEqual(asked.headers["last-event-id"], "p3")
          response.write(`id: p4\ndata: ${JSON.stringify(row(4, { type: "other" }))}\n\nid: p5\nda`)
          response.write(`ta: ${JSON.stringify(row(5))}\n\n`)
        }
      ]
      const lists = [[row(1)], [row(2), row(1)]]
      const host = yield* recordedHost((asked, response) => {
        if (asked.url.startsWith("/audit?")) return answer(response, 200, { items: lists.shift() ?? [] })
        response.writeHead(200, { "content-type": "text/event-stream" })
        streams.shift()?.(asked, response)
      })
      const seen: Array<string> = []
      const last = yield* Deferred.make<void>()
      const following = yield* Effect.forkChild(
        run(host.env, ["audit", "--follow", "--type", "event.ingested"], (line) => {
          seen.push(line.replace(/.*  /, ""))
          if (line.endsWith("row 5")) Deferred.doneUnsafe(last, Effect.void)
        })
      )
      yield* Deferred.await(last)
      yield* Fiber.interrupt(following)
      assert.deepStrictEqual(seen, [
        "row 1",
        "row 2",
        "row 3",
        "syris: The connection is lost; trying until SYRIS is back. Ctrl-C ends this.",
        "row 5"
      ])
    }))

  it.live("ends following where waiting does not help", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((asked, response) =>
        asked.url.startsWith("/audit?") ? answer(response, 200, { items: [] }) : answer(response, 401, {})
      )
      const ran = yield* run(host.env, ["audit", "-f"])
      assert.strictEqual(ran.code, 1)
      assert.match(ran.err, /does not know the token/)
    }))
})
