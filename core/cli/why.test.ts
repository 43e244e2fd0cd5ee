import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answer, type Play, recordedHost, run } from "./RecordedHost.ts"

const trace_id = "0199b3f2-6c1e-7a52-9d3e-0c5b6f1d2e41"
const event_id = "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e40"
const event = {
  event_id,
  ingested_at: "2026-11-22T10:00:00.000Z",
  source: { channel: "ha_event", connector_id: "home" },
  actor: { actor_id: "porch\u202e" },
  content: { text: "dark", structured: { n: 4 } },
  correlation: { trace_id },
  security: { trust: "trusted" }
}

const leaf = (path: string, matched: boolean, actual?: unknown) => ({ path, op: "eq", value: 1, actual, matched })
const explained = (name: string, outcome: string, said: string, leaves: ReadonlyArray<object>) => ({
  rule_id: `config.${name}`,
  name,
  event_id,
  enabled: true,
  matched: outcome !== "not_matched",
  leaves,
  outcome,
  said
})

const explanations = [
  explained("far", "not_matched", "The condition of the rule far did not hold.", [leaf("a", false), leaf("b", false)]),
  explained("one", "not_matched", "The condition of the rule one did not hold.", [leaf("a", false)]),
  explained("near", "not_matched", "The condition of the rule near did not hold.", [
    leaf("source.channel", true, 1),
    leaf("content.structured.n", false, 4),
    leaf("c", true, 1)
  ]),
  {
    ...explained("held", "suppressed", "The rule held did nothing: it was fired 3 ms ago.", [leaf("a", true, 1)]),
    reason: "debounce"
  },
  {
    ...explained("fired", "triggered", "The rule fired fired.", [leaf("a", true, 1)]),
    previous_event_id: "0199b3f2-6c1e-7a51-9d3e-000000000001"
  }
]

const play: Play = ({ url }, response) => {
  if (url.startsWith("/events?")) return answer(response, 200, { items: [event] })
  if (url === `/events/${event_id}`) return answer(response, 200, event)
  if (url === `/traces/${trace_id}`) {
    return answer(response, 200, {
      decisions: [
        { event_id: "another", lane: "fast", notes: [] },
        {
          event_id,
          lane: "unhandled",
          match: { rule_ids: ["config.fired"], used_llm: false },
          notes: ["filters: none are set", "rules: matched config.fired", "fastpath: nothing matched"]
        }
      ]
    })
  }
  if (url.startsWith("/rules?")) {
    return answer(response, 200, { items: explanations.map(({ name, rule_id }) => ({ name, rule_id })) })
  }
  const id = /^\/rules\/([^/]+)\/explain\?event_id=/.exec(url)?.[1]
  const found = explanations.find(({ rule_id }) => rule_id === id)
  answer(response, found === undefined ? 404 : 200, found ?? { detail: `There is nothing at ${url}.` })
}

describe("syris why", () => {
  it.effect("says what the event was, how it went, and which rules met or nearly met it", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      for (const args of [["why"], ["why", "0c5b6f1d2e40"], ["why", event_id]]) {
        const { code, err, out } = yield* run(host.env, args)
        assert.strictEqual(code, 0, err)
        const [first = "", ...rest] = out.split("\n")
        assert.match(first, /^ha_event\/home {2}"dark" {2}2026-11-22 .* from porch<U\+202E>, trusted {2}0199b3f2/)
        assert.deepStrictEqual(rest, [
          "  {\"n\":4}",
          "  unhandled lane",
          "  filters: none are set",
          "  rules: matched config.fired",
          "  fastpath: nothing matched",
          "fired      fired  The rule fired fired. (config.fired, compared with 000000000001)",
          "held back  held  The rule held did nothing: it was fired 3 ms ago. (config.held)",
          "missed     near  The condition of the rule near did not hold. (config.near)",
          "  no   content.structured.n is 1: it is 4",
          "2 rules are not about this event. See one: syris why 0c5b6f1d2e40 --rule config.far"
        ])
      }
    }))

  it.effect("shows the whole condition of one rule", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      const { out } = yield* run(host.env, ["why", event_id, "--rule", "near"])
      assert.deepStrictEqual(out.split("\n").slice(-4), [
        "missed     near  The condition of the rule near did not hold. (config.near)",
        "  yes  source.channel is 1: it is 1",
        "  no   content.structured.n is 1: it is 4",
        "  yes  c is 1: it is 1"
      ])
      const { out: far } = yield* run(host.env, ["why", event_id, "--rule", "config.far"])
      assert.include(far, "  no   a is 1: nothing is there")
      assert.strictEqual(host.asked.filter(({ url }) => url.includes("/explain")).length, 2)
    }))

  it.effect("has it all as JSON", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      const { decision, event: shown, rules } = JSON.parse((yield* run(host.env, ["why", "--json"])).out)
      assert.strictEqual(shown.event_id, event_id)
      assert.strictEqual(decision.lane, "unhandled")
      assert.lengthOf(rules, 5)
    }))

  it.effect("says so where there is no such event, or none at all", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      assert.match(
        (yield* run(host.env, ["why", "ffff"])).err,
        /None of the last 500 events has an id that begins or ends/
      )
      const empty = yield* recordedHost((_, response) => answer(response, 200, { items: [] }))
      assert.match((yield* run(empty.env, ["why"])).err, /There is no event yet/)
    }))
})
