import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../../test/FreePort.ts"
import { answer, recordedHost, run, runChild, temporaryHome } from "./RecordedHost.ts"

const ids = { event_id: "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e3f", trace_id: "0199b3f2-6c1e-7a52-9d3e-0c5b6f1d2e40" }

describe("syris send", () => {
  it.effect("posts the words to chat and prints the reply and what to try next", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) =>
        answer(response, 200, {
          ...ids,
          deduped: false,
          settled: true,
          lane: "fast",
          outcome: "succeeded",
          reply: "Timer set.\nIt ends at 14:08."
        })
      )
      const ran = yield* run(host.env, [
        "send",
        "--thread",
        "home",
        "--message-id",
        "m1",
        "--wait",
        "3",
        "set",
        "a timer"
      ])
      assert.strictEqual(ran.code, 0)
      assert.strictEqual(
        ran.out,
        `Timer set.\nIt ends at 14:08.\nTrace ${ids.trace_id}. See what happened: syris trace ${ids.trace_id}`
      )
      const [asked] = host.asked
      assert.strictEqual(`${asked?.method} ${asked?.url}`, "POST /events")
      assert.strictEqual(asked?.headers.authorization, "Bearer t0ken")
      assert.strictEqual(asked?.headers.prefer, "wait=3")
      assert.deepStrictEqual(asked?.body, {
        channel: "chat",
        connector_id: "cli",
        text: "set a timer",
        thread_id: "home",
        message_id: "m1"
      })
    }))

  const endings: ReadonlyArray<readonly [answer: object, code: number, words: RegExp]> = [
    [{ settled: true, outcome: "succeeded" }, 0, /^Done\./],
    [{ settled: true, outcome: "failed", reply: "The lamp is off line." }, 1, /^The lamp is off line\.\nIt failed/],
    [{ settled: true, outcome: "unknown" }, 1, /unknown whether this happened: look there/],
    [{ settled: true, outcome: "waiting", reply: "May I?" }, 0, /^May I\?\nIt waits/],
    [{ settled: true, outcome: "unhandled" }, 2, /Nothing matched.*Try: syris send .*\n.*add a plugin/],
    [{ settled: true, outcome: "dropped" }, 2, /dropped/],
    [{ settled: false }, 0, /not finished after 10 s/],
    [{ settled: false, paused: true }, 0, /Everything is paused; it goes on after: syris resume/],
    [{ deduped: true, conflict: true, settled: true, outcome: "succeeded" }, 0, /with another text/],
    [{ settled: true, outcome: "succeeded", reply: "\u001b[2J\u202eok" }, 0, /^<U\+001B>\[2J<U\+202E>ok\n/]
  ]
  for (const [given, code, words] of endings) {
    it.effect(`says in words: ${JSON.stringify(given)}`, () =>
      Effect.gen(function*() {
        const host = yield* recordedHost((_, response) => answer(response, 200, { ...ids, deduped: false, ...given }))
        const ran = yield* run(host.env, ["send", "hello"])
        assert.match(ran.out, words)
        assert.strictEqual(ran.code, code)
        assert.strictEqual(ran.err, "")
      }))
  }

  it.effect("names the command as it was called through npm", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) =>
        answer(response, 200, { ...ids, settled: true, outcome: "succeeded" })
      )
      const ran = yield* run({ ...host.env, npm_lifecycle_event: "syris" }, ["send", "hello"])
      assert.match(ran.out, /npm run syris trace 0199/)
    }))

  it.effect("prints the answer itself with --json", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) =>
        answer(response, 200, { ...ids, settled: true, outcome: "failed", reply: "a\u202eb" })
      )
      const ran = yield* run(host.env, ["send", "hello", "--json"])
      assert.deepStrictEqual(JSON.parse(ran.out), { ...ids, settled: true, outcome: "failed", reply: "a\u202eb" })
      assert.notInclude(ran.out, "\u202e")
      assert.strictEqual(ran.code, 1)
    }))

  const refusals: ReadonlyArray<readonly [status: number, body: unknown, said: RegExp]> = [
    [
      400,
      { title: "x", detail: "text is too long: use 65536 characters at most." },
      /^syris: text is too long: use 65536 characters at most\.$/
    ],
    [
      401,
      { title: "Not authenticated" },
      /^syris: SYRIS at http:.* does not know the token in .*token: set SYRIS_HOME/
    ],
    [503, {}, /^syris: SYRIS at http:.* answered 503 and gave no reason/]
  ]
  for (const [status, body, said] of refusals) {
    it.effect(`makes a sentence of HTTP ${status}`, () =>
      Effect.gen(function*() {
        const host = yield* recordedHost((_, response) => answer(response, status, body))
        const ran = yield* run(host.env, ["send", "hello"])
        assert.match(ran.err, said)
        assert.strictEqual(ran.code, 1)
      }))
  }

  it.effect("knows when what answers is not SYRIS, or hangs up", () =>
    Effect.gen(function*() {
      const other = yield* recordedHost((_, response) => response.end("<html>"))
      assert.match((yield* run(other.env, ["send", "hello"])).err, /is not SYRIS: set SYRIS_PORT/)
      const rude = yield* recordedHost((_, response) => response.destroy())
      assert.match((yield* run(rude.env, ["send", "hello"])).err, /was lost before it answered: see with `syris audit`/)
    }))

  it.effect("never follows a redirect with the token", () =>
    Effect.gen(function*() {
      const elsewhere = yield* recordedHost((_, response) => answer(response, 200, {}))
      const host = yield* recordedHost((_, response) => response.writeHead(307, { location: elsewhere.url }).end())
      assert.strictEqual((yield* run(host.env, ["send", "hello"])).code, 1)
      assert.strictEqual(elsewhere.asked.length, 0)
    }))

  it.effect("says how to start SYRIS where none runs, from a process of its own", () =>
    Effect.gen(function*() {
      const port = yield* Effect.promise(freePort)
      const ran = yield* runChild({ SYRIS_HOME: yield* temporaryHome, SYRIS_PORT: String(port) }, ["send", "hello"])
      assert.deepStrictEqual(ran, {
        code: 1,
        out: "",
        err: `syris: No SYRIS is running at http://127.0.0.1:${port}. Start it with: npm start\n`
      })
    }))

  it.effect("carries its exit code out of the process", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) =>
        answer(response, 200, { ...ids, settled: true, outcome: "unhandled" })
      )
      const ran = yield* runChild(host.env, ["send", "gibberish"])
      assert.strictEqual(ran.code, 2)
      assert.match(ran.out, /^Nothing matched/)
      assert.strictEqual(ran.err, "")
    }))
})
