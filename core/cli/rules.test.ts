import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { answer, type Play, recordedHost, run } from "./RecordedHost.ts"

const made = "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e40"
const event = (n: number) => `0199b3f2-6c1e-7a51-9d3e-00000000000${n}`

const porch = {
  rule_id: "config.porch light",
  name: "porch light",
  enabled: true,
  priority: 0,
  stop: false,
  debounce_ms: 10_000,
  origin: "config",
  risk: "low",
  hit_count: 12,
  suppressed_count: 3,
  // The clock of these tests stands at the beginning of 1970.
  last_fired_at: new Date(-3_600_000).toISOString(),
  when: { all: [{ path: "source.channel", op: "eq", value: "ha_event" }] },
  then: [{ tool: "lamp.on", input: { room: "porch\u202e" } }]
}
const other = { ...porch, rule_id: made, name: "night", enabled: false, origin: "api", risk: "high", hit_count: 0 }
const { last_fired_at: _, ...night } = other

const play: Play = ({ body, method, url }, response) => {
  if (url.startsWith("/rules?")) return answer(response, 200, { items: [night, porch] })
  if (method === "PATCH" && url === `/rules/${encodeURIComponent(porch.rule_id)}`) {
    return answer(response, 200, { ...porch, ...body as object })
  }
  if (method === "POST" && url === "/rules/test") {
    return answer(response, 200, {
      items: [
        { event_id: event(1), matched: true, fires: true, leaves: [] },
        { event_id: event(2), matched: true, fires: false, reason: "debounce", leaves: [] },
        { event_id: event(3), matched: false, fires: false, leaves: [] }
      ]
    })
  }
  if (url.startsWith("/events/")) {
    return answer(response, 200, {
      event_id: url.slice(8),
      ingested_at: "2026-11-22T10:00:00.000Z",
      source: { channel: "ha_event", connector_id: "ha" },
      content: { text: "dark\u202e" }
    })
  }
  answer(response, 404, { detail: `There is nothing at ${url}.` })
}

describe("syris rules", () => {
  it.effect("lists what there is, and what became of it", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      for (const args of [["rules"], ["rules", "list"]]) {
        const { code, out } = yield* run(host.env, args)
        assert.strictEqual(code, 0)
        const lines = out.split("\n")
        assert.match(lines[1] ?? "", /^0c5b6f1d2e40 +night +off +api +high +0 +3 +never$/)
        assert.match(lines[2] ?? "", /^config\.porch light +porch light +on +config +low +12 +3 +1 h 00 min ago$/)
        assert.match(out, /syris rules show RULE.*syris why EVENT/)
      }
      const { out } = yield* run(host.env, ["rules", "--json"])
      assert.deepStrictEqual(out.split("\n").map((line) => JSON.parse(line).rule_id), [made, porch.rule_id])
    }))

  it.effect("says so where there is none", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) => answer(response, 200, { items: [] }))
      assert.match((yield* run(host.env, ["rules"])).out, /^There are no rules: write one in the configuration/)
    }))

  it.effect("shows one in words, whatever part of its id or name is given", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      for (const which of ["config.porch light", "PORCH LIGHT", "config.p"]) {
        const { out } = yield* run(host.env, ["rules", "show", which])
        assert.match(out, /^porch light {2}on {2}config\.porch light\n/)
        assert.include(
          out,
          "where source.channel is \"ha_event\", it calls lamp.on with {\"room\":\"porch<U+202E>\"}; at most once in 10 s"
        )
        assert.match(out, /of config, at its worst of risk low\nfired 12, held back 3, last fired 19(69|70)-/)
      }
      assert.strictEqual(
        JSON.parse((yield* run(host.env, ["rules", "show", "0c5b6f1d2e40", "--json"])).out).name,
        "night"
      )
      const near = yield* run(host.env, ["rules", "show", "nihgt"])
      assert.deepStrictEqual([near.code, near.err], [1, "syris: There is no rule nihgt; did you mean night?"])
      assert.match(
        (yield* run(host.env, ["rules", "show", "zzzzzz"])).err,
        /see those that are there with: syris rules/
      )
    }))

  it.effect("switches one", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      const { out } = yield* run(host.env, ["rules", "disable", "porch light"])
      assert.strictEqual(out, "The rule porch light is off: it does nothing any more.")
      assert.deepStrictEqual(host.asked.at(-1)?.body, { enabled: false })
      assert.strictEqual((yield* run(host.env, ["rules", "enable", "porch light"])).out, "The rule porch light is on.")
    }))

  it.effect("tries one on events of the past", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      const { out } = yield* run(host.env, [
        "rules",
        "test",
        "porch light",
        "--since",
        "2026-11-22T08:00:00Z",
        "--limit",
        "9"
      ])
      assert.deepStrictEqual(host.asked.find(({ method }) => method === "POST")?.body, {
        rule: porch.rule_id,
        limit: 9,
        since: "2026-11-22T08:00:00.000Z"
      })
      assert.match(
        out,
        /fires +ha_event {2}"dark<U\+202E>"\n.*held back {2}ha_event {2}"dark<U\+202E>" \(debounce\)\nOn 1 of 3 events it would have fired, on 1 it would have been held back\.$/
      )
      const { out: lines } = yield* run(host.env, ["rules", "test", "porch light", "--json"])
      assert.lengthOf(lines.split("\n"), 3)
    }))

  it.effect("tries one out of a file, and says what is wrong with it", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      const file = path.join(host.home, "rule.json")
      fs.writeFileSync(file, JSON.stringify({ name: "x" }))
      assert.strictEqual((yield* run(host.env, ["rules", "test", file])).code, 0)
      assert.deepStrictEqual(host.asked.find(({ method }) => method === "POST")?.body, {
        rule: { name: "x" },
        limit: 500
      })
      fs.writeFileSync(file, "{")
      const wrong = yield* run(host.env, ["rules", "test", file])
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.err, /rule\.json is no JSON file: /)
      assert.strictEqual((yield* run(host.env, ["rules", "test", file, "--limit", "501"])).code, 2)
      assert.strictEqual((yield* run(host.env, ["rules", "test", "porch light", "--since", "soon"])).code, 2)
    }))
})
