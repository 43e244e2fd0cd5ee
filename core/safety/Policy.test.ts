import { assert, describe, it } from "@effect/vitest"
import type { Risk } from "../contract/Enums.ts"
import { compilePolicyCondition, makePolicy, policyHash, type PolicyRule, unknownPolicyTools } from "./Policy.ts"

const now = Date.UTC(2026, 10, 22)

const rule = (
  id: string,
  risk: Risk,
  when?: unknown,
  over: { readonly tool?: string; readonly origin?: "config" | "standing"; readonly expiresAt?: number } = {}
): PolicyRule => {
  const compiled = when === undefined ? undefined : compilePolicyCondition(when)
  if (compiled?.ok === false) throw new Error(compiled.mistakes.join("; "))
  const said = { tool: over.tool ?? "email.send", risk, ...(compiled === undefined ? {} : { when: compiled.value }) }
  return {
    id,
    ...said,
    origin: over.origin ?? "config",
    hash: policyHash(said),
    ...(over.expiresAt === undefined ? {} : { expiresAt: over.expiresAt })
  }
}

const to = (value: string) => ({ path: "input.to", op: "eq", value })
const subject = (input: unknown) => ({
  input,
  tool: "email.send",
  source: { channel: "chat", connector_id: "chat" },
  actor: { actor_id: "operator" },
  security: { trust: "operator" },
  state: { autonomy: "A2", time: new Date(now), health: "healthy" }
})
const found = (rules: ReadonlyArray<PolicyRule>, input: unknown, tool = "email.send", at = now) => {
  const { config, standing } = makePolicy(rules).match(tool, subject(input), at)
  return [config?.id, standing?.id]
}

describe("policies", () => {
  it("take the strictest word of the configuration, the first on a tie", () => {
    const rules = [
      rule("a", "low", to("anna")),
      rule("b", "high", { path: "input.to", op: "starts_with", value: "an" }),
      rule("c", "high", to("anna")),
      rule("d", "medium")
    ]
    assert.deepStrictEqual(found(rules, { to: "anna" }), ["b", undefined])
    assert.deepStrictEqual(found(rules.toReversed(), { to: "anna" }), ["c", undefined])
    assert.deepStrictEqual(found(rules, { to: "bert" }), ["d", undefined])
    assert.deepStrictEqual(found(rules.slice(0, 3), {}), [undefined, undefined])
  })

  it("take the standing rule that holds up to most, until the moment it expires", () => {
    const rules = [
      rule("a", "low", to("anna"), { origin: "standing" }),
      rule("b", "medium", to("anna"), { origin: "standing", expiresAt: now + 1 })
    ]
    assert.deepStrictEqual(found(rules, { to: "anna" }), [undefined, "b"])
    assert.deepStrictEqual(found(rules, { to: "anna" }, "email.send", now + 1), [undefined, "a"])
    assert.deepStrictEqual(found([...rules, rule("c", "high")], { to: "anna" }), ["c", "b"])
  })

  it("mean a tool, all of a prefix, or every tool, and never a name that only begins alike", () => {
    const rules = [
      rule("exact", "low", undefined, { tool: "email.send" }),
      rule("prefix", "medium", undefined, { tool: "email.*" }),
      rule("deep", "high", undefined, { tool: "mcp.files.*" }),
      rule("every", "low", undefined, { tool: "*" })
    ]
    const of = (tool: string) => found(rules, {}, tool)[0]
    assert.strictEqual(of("email.send"), "prefix")
    assert.strictEqual(of("email.send.all"), "prefix")
    assert.strictEqual(of("emails.send"), "every")
    assert.strictEqual(of("mcp.files.read"), "deep")
    assert.strictEqual(of("mcp.filesystem.read"), "every")
    assert.deepStrictEqual(unknownPolicyTools(rules, ["lamp.set"]), ["email.send", "email.*"])
    // The tools of servers may come later.
    assert.deepStrictEqual(unknownPolicyTools(rules, []), ["email.send", "email.*", "*"])
  })

  it("see only what a call has, and no call before it", () => {
    const problem = (when: unknown) => {
      const compiled = compilePolicyCondition(when, "setting", { at: "policy[0].when" })
      return compiled.ok ? "" : compiled.mistakes[0]
    }
    assert.strictEqual(
      problem({ path: "to", op: "eq", value: 1 }),
      "the setting \"policy[0].when.path\" must begin with input, tool, source, actor, security, state"
    )
    assert.strictEqual(
      problem({ path: "input.to", op: "changed" }),
      "the setting \"policy[0].when\" has the op changed, and a policy has nothing before it to compare with"
    )
  })

  it("have one hash for what they say, whatever the order of the keys", () => {
    const one = rule("a", "low", { path: "input.to", op: "eq", value: { a: 1, b: 2 } })
    assert.strictEqual(one.hash, rule("z", "low", { value: { b: 2, a: 1 }, op: "eq", path: "input.to" }).hash)
    assert.notStrictEqual(one.hash, rule("a", "medium", one.when?.source).hash)
    assert.notStrictEqual(one.hash, rule("a", "low", to("anna")).hash)
    assert.notStrictEqual(one.hash, rule("a", "low", one.when?.source, { tool: "email.*" }).hash)
  })

  it("find in their index what a look at each of them finds", () => {
    let seed = 7
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
    const any = <A>(list: ReadonlyArray<A>): A => list[random(list.length)] as A
    const values = ["a", "b", 1, true, null, "ab"]
    const leaf = () => ({
      path: any(["input.to", "input.cc.0", "source.channel", "input.no"]),
      ...any([
        { op: "eq", value: any(values) },
        { op: "neq", value: any(values) },
        { op: "in", value: [any(values), any(values)] },
        { op: "starts_with", value: "a" },
        { op: "regex", value: "b$" },
        { op: "exists", value: any([true, false]) },
        { op: "gt", value: 0 }
      ])
    })
    const tree = (depth: number): unknown =>
      depth === 0 || random(3) === 0
        ? leaf()
        : { [any(["all", "any", "none"])]: Array.from({ length: random(3) }, () => tree(depth - 1)) }
    const risks = ["low", "medium", "high", "critical"] as const
    for (let round = 0; round < 300; round++) {
      const rules = Array.from(
        { length: 1 + random(12) },
        (_, i) =>
          rule(String(i), any(risks), random(8) === 0 ? undefined : tree(3), {
            tool: any(["email.send", "email.*", "*", "lamp.set"]),
            origin: any(["config", "standing"]),
            ...(random(4) === 0 ? { expiresAt: now + random(3) - 1 } : {})
          })
      )
      const input = { to: any(values), cc: [any(values)] }
      const matching = rules.filter((one) =>
        one.tool !== "lamp.set" && (one.expiresAt === undefined || one.expiresAt > now) &&
        (one.when?.matches(subject(input)) ?? true)
      )
      const by = (origin: string) =>
        matching.filter((one) => one.origin === origin)
          .toSorted((a, b) => risks.indexOf(b.risk) - risks.indexOf(a.risk))[0]?.id
      assert.deepStrictEqual(found(rules, input), [by("config"), by("standing")])
    }
  })

  it("are found, one of a thousand for one tool", () => {
    const rules = Array.from(
      { length: 1_000 },
      (_, i) =>
        rule(
          String(i),
          "high",
          i % 2 === 0 ? to(`${i}@example.org`) : { path: "input.to", op: "ends_with", value: `@${i}` }
        )
    )
    const policy = makePolicy(rules)
    for (const i of [0, 2, 500, 998]) {
      assert.strictEqual(policy.match("email.send", subject({ to: `${i}@example.org` }), now).config?.id, String(i))
    }
  })
})
