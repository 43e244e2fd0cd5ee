import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { answer, type Play, recordedHost, run, temporaryHome } from "./RecordedHost.ts"

const rule_id = "0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e40"

const standing = {
  policy_id: rule_id,
  tool: "email.send",
  when: { all: [{ path: "input.to", op: "eq", value: "anna@example.org\u202e" }] },
  risk: "low",
  reason: "my sister",
  created_by: "operator",
  created_at: "2026-11-22T10:00:00.000Z",
  expires_at: "2026-12-22T10:00:00.000Z"
}

const call = (n: number, risk: string, to: string) => ({
  tool_call_id: `0199b3f2-6c1e-7a53-9d3e-0000000000${n}`,
  tool: "email.send",
  input: { to },
  risk,
  created_at: "2026-11-22T10:00:00.000Z"
})

const play: Play = ({ method, url }, response) => {
  if (method === "DELETE" && url === `/policy/${rule_id}`) return answer(response, 200, standing)
  if (url.startsWith("/policy?")) return answer(response, 200, { items: [standing] })
  if (url.startsWith("/tool-calls?")) {
    return answer(response, 200, {
      items: [call(11, "low", "a@example.org"), call(12, "high", "a@example.org"), call(13, "high", "a@evil.example")]
    })
  }
  answer(response, 404, { detail: `There is nothing at ${url}.` })
}

const configured = (home: string, policy: string) => {
  const file = path.join(home, "syris.config.ts")
  fs.writeFileSync(file, `export default { policy: ${policy} }\n`)
  return { SYRIS_HOME: home, SYRIS_CONFIG: file }
}

const family = (matches: boolean) =>
  `[
  { tool: "email.send", risk: "low", when: { path: "input.to", op: "ends_with", value: "@example.org" }, examples: [
    { input: { to: "a@example.org" }, matches: true },
    { input: { to: "a@example.org.evil" }, matches: ${matches}, note: "another domain" },
    { input: { to: ["a@example.org"] }, matches: false },
    { input: {}, matches: false }
  ] },
  { tool: "lamp.*", risk: "medium", examples: [
    { tool: "lamp.set", input: {}, matches: true }, { tool: "lamps.set", input: {}, matches: false }
  ] },
  { tool: "door.open", risk: "critical" }
]`

describe("syris policy test", () => {
  it.effect("tries every policy on the examples beside it, without a host", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome
      fs.rmSync(path.join(home, "token"))
      assert.deepStrictEqual(yield* run(configured(home, family(false)), ["policy", "test"]), {
        code: 0,
        out: `ok    config.1  email.send is low where input.to ends with "@example.org": 4 of 4 examples are as they say
ok    config.2  lamp.* is medium: 2 of 2 examples are as they say
--    config.3  door.open is critical: no examples`,
        err: ""
      })
    }))

  it.effect("ends with 1 where one is not as it says, and shows what decided", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome
      const ran = yield* run(configured(home, family(true)), ["policy", "test"])
      assert.strictEqual(ran.code, 1)
      assert.strictEqual(ran.err, "")
      assert.strictEqual(
        ran.out.split("\n").slice(0, 3).join("\n"),
        `fail  config.1  email.send is low where input.to ends with "@example.org": 3 of 4 examples are as they say
        {"to":"a@example.org.evil"} should be meant, and is not (another domain)
          no   input.to ends with "@example.org": it is "a@example.org.evil"`
      )
      const found = JSON.parse((yield* run(configured(home, family(true)), ["policy", "test", "--json"])).out)
      assert.isFalse(found.ok)
      assert.deepStrictEqual(found.rules[0].failures[0].leaves, [
        { path: "input.to", op: "ends_with", value: "@example.org", actual: "a@example.org.evil", matched: false }
      ])
    }))

  it.effect("shows which recorded calls would be of another risk, and does not fail for them", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      const env = { ...configured(host.home, family(false)), ...host.env }
      const ran = yield* run(env, ["policy", "test", "--recorded"])
      assert.strictEqual(ran.code, 0, ran.err)
      assert.strictEqual(host.asked.at(-1)?.url, "/tool-calls?limit=200")
      assert.strictEqual(
        ran.out.split("\n").slice(3).join("\n"),
        `Of 3 recorded calls 1 would be of another risk by these policies:
  000000000012  email.send  high → low by config.1  {"to":"a@example.org"}
A recorded risk counts what was added to it then, such as one more in quiet hours.`
      )
      yield* run(env, ["policy", "test", "--recorded=7"])
      assert.strictEqual(host.asked.at(-1)?.url, "/tool-calls?limit=7")
      assert.strictEqual((yield* run(env, ["policy", "test", "--recorded=0"])).code, 2)
    }))

  it.effect("says what is wrong with the configuration", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome
      const env = configured(home, "[{ tool: \"a.b\", risk: \"low\", when: { path: \"to\", op: \"eq\", value: 1 } }]")
      assert.deepStrictEqual(yield* run(env, ["policy", "test"]), {
        code: 1,
        out: "",
        err:
          `syris: ${env.SYRIS_CONFIG}: the setting "policy[0].when.path" must begin with input, tool, source, actor, ` +
          "security, state."
      })
    }))
})

describe("syris policy", () => {
  it.effect("lists the standing rules in words", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      for (const args of [["policy"], ["policy", "list"]]) {
        const ran = yield* run(host.env, args)
        assert.match(
          ran.out,
          /0c5b6f1d2e40 {2}email\.send {2}low {3}2026-12-22 \d\d:\d\d {2}operator {2}input\.to is "anna@example\.org<U\+202E>" \(my sister\)/
        )
        assert.match(ran.out, /End one: syris policy revoke RULE/)
      }
      assert.deepStrictEqual(JSON.parse((yield* run(host.env, ["policy", "list", "--json"])).out), standing)
    }))

  it.effect("says so where there is none", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) => answer(response, 200, { items: [] }))
      assert.match((yield* run(host.env, ["policy"])).out, /^There is no standing rule\./)
    }))

  it.effect("ends one by the end of its id", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play)
      const ran = yield* run(host.env, ["policy", "revoke", "0c5b6f1d2e40"])
      assert.deepStrictEqual(ran, {
        code: 0,
        out: "The standing rule 0c5b6f1d2e40 is revoked: calls that it let pass are asked about again.",
        err: ""
      })
      assert.deepStrictEqual([host.asked.at(-1)?.method, host.asked.at(-1)?.url], ["DELETE", `/policy/${rule_id}`])
      assert.match((yield* run(host.env, ["policy", "revoke", "ffff"])).err, /None of the standing rules has an id/)
    }))
})
