import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { policyHash } from "../safety/Policy.ts"
import { readConfiguration } from "./Settings.ts"

const read = (configuration: unknown) => readConfiguration(configuration, "syris.config.ts")

describe("the safety of a configuration", () => {
  it.effect("has a default for everything that is not said", () =>
    Effect.gen(function*() {
      const { policy, policyExamples, safety } = yield* read({})
      const { scopesOf, ...rest } = safety
      assert.deepStrictEqual(scopesOf("chat"), ["*"])
      assert.deepStrictEqual(rest, {
        approvalTtlMs: 900_000,
        antiflapCooldownMs: 30_000,
        notificationsPerHour: 20,
        blastRadius: 5,
        quietHours: []
      })
      assert.deepStrictEqual([policy, policyExamples], [[], []])
    }))

  it.effect("keeps what is said, with the zone of the configuration where a window names none", () =>
    Effect.gen(function*() {
      const { safety, warnings } = yield* read({
        timezone: "Europe/London",
        safety: {
          approvalTtl: "7 days",
          antiflapCooldown: "0 seconds",
          notificationsPerHour: 1,
          blastRadius: 50,
          quietHours: [{ start: "22:00", end: "07:00", days: ["mon"] }, {
            start: "00:00",
            end: "00:00",
            timezone: "UTC"
          }]
        }
      })
      assert.deepInclude(safety, {
        approvalTtlMs: 604_800_000,
        antiflapCooldownMs: 0,
        notificationsPerHour: 1,
        blastRadius: 50,
        quietHours: [{ start: "22:00", end: "07:00", timezone: "Europe/London", days: ["mon"] }, {
          start: "00:00",
          end: "00:00",
          timezone: "UTC"
        }]
      })
      assert.deepStrictEqual(warnings, [])
    }))

  it.effect("compiles the policies in their order, and keeps their examples", () =>
    Effect.gen(function*() {
      const when = { path: "input.to", op: "ends_with", value: "@example.org" } as const
      const { policy, policyExamples } = yield* read({
        policy: [
          {
            tool: "email.send",
            when,
            risk: "low",
            reason: "family",
            examples: [{ input: { to: "a@example.org" }, matches: true, note: "mine" }]
          },
          { tool: "email.*", risk: "high", examples: [{ tool: "email.delete", input: {}, matches: true }] }
        ]
      })
      assert.deepStrictEqual(policy.map(({ id, origin, reason, risk, tool }) => [id, tool, risk, origin, reason]), [
        ["config.1", "email.send", "low", "config", "family"],
        ["config.2", "email.*", "high", "config", undefined]
      ])
      assert.deepStrictEqual(policy[0]?.when?.source, when)
      assert.strictEqual(policy[1]?.hash, policyHash({ tool: "email.*", risk: "high" }))
      assert.deepStrictEqual(policyExamples, [
        { rule: "config.1", tool: "email.send", input: { to: "a@example.org" }, matches: true, note: "mine" },
        { rule: "config.2", tool: "email.delete", input: {}, matches: true }
      ])
    }))

  it.effect("names every mistake in a policy, not only the first", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read({
        policy: [
          { tool: "a.b", risk: "low", when: { path: "input.x", op: "lt", value: true } },
          { tool: "a.b", risk: "low" },
          { tool: "a.b", risk: "low", when: { path: "input.x", op: "changed" } }
        ]
      }))
      assert.strictEqual(
        error.detail,
        "syris.config.ts: the setting \"policy[0].when.value\" must be a number or a string."
      )
      assert.deepStrictEqual([...error.more], [
        "syris.config.ts: the setting \"policy[2].when\" has the op changed, and a policy has nothing before it to compare with."
      ])
    }))
})
