/**
 * The decision by itself, over a state that the test makes: each cell of the matrix, each adjuster, each override, who may
 * steer, and that what is stricter is never loosened by anything beside it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Autonomy, Guarantee, Risk, type ToolEffect, Trust, Verdict } from "../contract/Enums.ts"
import { asksAtLeast } from "../plugin/AsksAtLeast.ts"
import { forOperatorOnly, type Steering } from "../plugin/OperatorOnly.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { defineTool, type ToolDefinition } from "../plugin/Tool.ts"
import { registerTool } from "../plugin/ToolRegistration.ts"
import { approvedAt, decide, type GateAnswer, type GateQuestion, type GateState, stricter } from "./Gates.ts"
import { compilePolicyCondition, makePolicy, policyHash, type PolicyRule } from "./Policy.ts"

const silent: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => silent }

const lamp = {
  name: "lamp.switch",
  description: "Switch a lamp.",
  input: Schema.Struct({}),
  effect: "write",
  risk: "low",
  scopes: [],
  run: () => 1
} as const satisfies ToolDefinition

const registered = (given: object): RegisteredTool => {
  const tool = registerTool("lamp", given, silent)
  if (typeof tool === "string") throw new Error(tool)
  return tool
}

const at = new Date("2026-11-22T12:00:00Z")

interface Case {
  readonly tool?: Partial<ToolDefinition>
  readonly ask?: Partial<Omit<GateQuestion, "tool" | "input" | "json" | "source">>
  readonly input?: unknown
  readonly channel?: string
  readonly rules?: ReadonlyArray<PolicyRule>
  /** Inside quiet hours. */
  readonly quiet?: boolean
  /** The same was done to the same target a moment ago, and what would be done is only looked at. */
  readonly recent?: boolean
  /** A value of the input is a known secret. */
  readonly secret?: boolean
  readonly operatorOnly?: boolean | Steering
}

const stateOf = ({ quiet = false, recent = false, rules = [], secret = false }: Case): GateState => ({
  match: makePolicy(rules).match,
  health: () => "degraded",
  quiet: () => quiet ? { quiet, window: "22:00 to 07:00 UTC" } : { quiet },
  blastRadius: 5,
  recent: () => recent,
  hasSecret: () => secret
})

const toolOf = ({ operatorOnly = false, tool }: Case): RegisteredTool => {
  const definition = defineTool({ ...lamp, ...tool })
  return registered(
    operatorOnly === false ? definition : forOperatorOnly(definition, operatorOnly === true ? undefined : operatorOnly)
  )
}

const gate = (given: Case = {}, tool = toolOf(given)): GateAnswer => {
  const { channel = "chat", input = {} } = given
  return decide({
    tool,
    input,
    json: input,
    risk: tool.riskOf(input),
    autonomy: "A4",
    trust: "operator",
    source: { channel, connector_id: channel, actor_id: "me" },
    granted: ["*"],
    by_model: false,
    dry: given.recent === true,
    at,
    ...given.ask
  }, stateOf(given))
}

const verdict = (given: Case): Verdict => gate(given).verdict
const reasons = (given: Case): string => gate(given).reasons.join("; ")

const rule = (risk: Risk, origin: PolicyRule["origin"], over: Partial<PolicyRule> = {}): PolicyRule => ({
  id: origin === "config" ? "config.1" : "standing 1",
  tool: "lamp.switch",
  risk,
  origin,
  hash: policyHash({ tool: "lamp.switch", risk }),
  ...over
})

const strictness: ReadonlyArray<Verdict> = Verdict.literals

describe("the matrix", () => {
  const cells: Readonly<Record<Autonomy, ReadonlyArray<Verdict>>> = {
    A0: ["PREVIEW", "PREVIEW", "PREVIEW", "PREVIEW"],
    A1: ["CONFIRM", "CONFIRM", "CONFIRM", "HARD_BLOCK"],
    A2: ["ALLOW", "CONFIRM", "CONFIRM", "HARD_BLOCK"],
    A3: ["ALLOW", "ALLOW", "CONFIRM", "HARD_BLOCK"],
    A4: ["ALLOW", "ALLOW", "ALLOW", "CONFIRM"]
  }
  const types = {
    ALLOW: undefined,
    CONFIRM: "gate.required",
    PREVIEW: "gate.preview",
    HARD_BLOCK: "gate.hard_blocked"
  } as const
  for (const autonomy of Autonomy.literals) {
    for (const [column, risk] of Risk.literals.entries()) {
      const expected = cells[autonomy][column] ?? assert.fail("the table has a hole")
      it(`says ${expected} at ${autonomy} and risk ${risk}`, () => {
        assert.deepStrictEqual(gate({ tool: { risk }, ask: { autonomy } }), {
          verdict: expected,
          type: types[expected],
          risk,
          reasons: [`the tool says risk ${risk}`, `risk ${risk} at autonomy ${autonomy}: ${expected}`],
          basis: `tool ${risk}`
        })
      })
    }
  }

  it("is ordered: of two verdicts the stricter one holds", () => {
    assert.deepStrictEqual(strictness, ["ALLOW", "CONFIRM", "PREVIEW", "HARD_BLOCK"])
    for (const [i, a] of strictness.entries()) {
      for (const [j, b] of strictness.entries()) assert.strictEqual(stricter(a, b), strictness[Math.max(i, j)])
    }
  })
})

describe("each adjuster counts one more", () => {
  const target = (name: string) => ({ target: () => name })
  const adjusters: ReadonlyArray<readonly [string, Case, by: number, reason: string]> = [
    ["a group", { tool: target("group:family") }, 1, "the target group:family is a group or public"],
    ["everybody", { tool: target("public") }, 1, "the target public is a group or public"],
    ["a channel of a chat", { tool: target("#general") }, 1, "is a group or public"],
    ["several at once", { tool: target("anna@example.org, bert@example.org") }, 1, "is a group or public"],
    ["one person", { tool: target("anna@example.org") }, 0, ""],
    [
      "a target that can't be said",
      {
        tool: {
          target: () => {
            throw new Error("no")
          }
        }
      },
      0,
      ""
    ],
    ["what can't be taken back", { tool: { effect: "irreversible" } }, 1, "it can't be taken back"],
    ["what takes something away", { tool: { action: () => "file.delete" } }, 1, "file.delete takes something away"],
    ["both, as one", { tool: { effect: "irreversible", action: () => "delete" } }, 1, "it can't be taken back"],
    ["more things than allowed", { tool: { blastRadius: () => 6 } }, 1, "it touches 6 things, more than 5"],
    ["as many things as allowed", { tool: { blastRadius: () => 5 } }, 0, ""],
    ["nobody knows how many things", { tool: { blastRadius: () => Number.NaN } }, 1, "nobody knows how many things"],
    ["quiet hours", { quiet: true }, 1, "quiet hours (22:00 to 07:00 UTC): one more risk"],
    ["untrusted content", { ask: { trust: "untrusted" } }, 1, "untrusted content is in this trace"],
    ["trusted content", { ask: { trust: "trusted" } }, 0, ""],
    [
      "untrusted content, for what stays inside",
      {
        tool: { guarantee: "transactional" },
        ask: { trust: "untrusted" }
      },
      0,
      ""
    ],
    [
      "four at once",
      {
        tool: { effect: "irreversible", blastRadius: () => 9, ...target("all") },
        quiet: true
      },
      3,
      "one more risk"
    ]
  ]
  for (const [name, given, by, reason] of adjusters) {
    it(`${name}: ${by}`, () => {
      const answer = gate(given)
      assert.strictEqual(answer.risk, Risk.literals[by])
      assert.include(answer.reasons.join("; "), reason)
      assert.strictEqual(answer.basis, "tool low", "what depends on the hour is no part of the basis")
    })
  }

  it("ends at critical, and never lowers", () => {
    for (const [, given] of adjusters) {
      for (const [index, risk] of Risk.literals.entries()) {
        const found = gate({ ...given, tool: { ...given.tool, risk } }).risk
        assert.isAtLeast(Risk.literals.indexOf(found), index)
      }
    }
    assert.strictEqual(gate({ tool: { risk: "critical", effect: "irreversible" } }).risk, "critical")
  })

  it("untrusted content lifts last, and to high at most: a person may still say yes to the bill that came by mail", () => {
    const lifted = (risk: Risk) => gate({ tool: { risk }, ask: { trust: "untrusted" } }).risk
    assert.deepStrictEqual(Risk.literals.map(lifted), ["medium", "high", "high", "critical"])
  })
})

describe("an override", () => {
  const overrides: ReadonlyArray<readonly [string, Case, Verdict, reason: string]> = [
    ["a secret in the input", { secret: true }, "CONFIRM", "its input carries a secret"],
    ["a tool for secrets", { tool: { scopes: ["secrets.export"] } }, "CONFIRM", "it handles secrets"],
    ["a read of secrets", { tool: { effect: "read", scopes: ["secrets"] } }, "CONFIRM", "it handles secrets"],
    ["another scope", { tool: { scopes: ["secretsanta"] } }, "ALLOW", "ALLOW"],
    ["quiet hours and a medium risk", { quiet: true }, "CONFIRM", "quiet hours (22:00 to 07:00 UTC) and risk medium"],
    ["untrusted content that acts", { ask: { trust: "untrusted" } }, "CONFIRM", "without a person"],
    [
      "untrusted content that says where to",
      {
        ask: { trust: "untrusted" },
        input: { letter: { recipientEmail: "x" } }
      },
      "CONFIRM",
      "may have chosen letter.recipientEmail"
    ],
    [
      "a model on untrusted words, inside",
      {
        tool: { guarantee: "transactional" },
        ask: { trust: "untrusted", by_model: true }
      },
      "CONFIRM",
      "a model chose it on untrusted words"
    ],
    ["a model on the operator's words", { ask: { by_model: true } }, "ALLOW", "ALLOW"],
    [
      "the same to the same target a moment ago",
      {
        tool: { target: () => "hall" },
        recent: true
      },
      "HARD_BLOCK",
      "it did the same to hall a moment ago"
    ]
  ]
  for (const [name, given, expected, reason] of overrides) {
    it(`${name}: ${expected} at A4`, () => {
      const answer = gate(given)
      assert.strictEqual(answer.verdict, expected)
      assert.include(answer.reasons.join("; "), reason)
    })
    it(`${name}: what the matrix or more says at every level`, () => {
      for (const autonomy of Autonomy.literals) {
        const { risk, verdict: found } = gate({ ...given, ask: { ...given.ask, autonomy } })
        const matrix = verdict({ tool: { risk }, ask: { autonomy } })
        assert.strictEqual(found, stricter(matrix, expected), autonomy)
      }
    })
  }

  it("anti-flap is foretold where a target was named, for what acts", () => {
    const flapping = (more: Case) => gate({ ...more, tool: { target: () => "hall", ...more.tool }, recent: true })
    assert.deepInclude(flapping({}), { verdict: "HARD_BLOCK", type: "gate.antiflap_block" })
    assert.strictEqual(flapping({ ask: { autonomy: "A0" } }).verdict, "HARD_BLOCK")
    assert.strictEqual(flapping({ tool: { guarantee: "transactional" } }).verdict, "ALLOW")
    assert.strictEqual(flapping({ tool: { effect: "read", risk: "medium" } }).verdict, "ALLOW")
    assert.strictEqual(flapping({ ask: { dry: false } }).verdict, "ALLOW", "counted in the database when it begins")
    assert.strictEqual(verdict({ recent: true }), "ALLOW", "no target")
  })
})

describe("whatever is said beside it", () => {
  const flags = ["quiet", "recent", "secret", "by_model", "reply", "discloses", "standing", "config"] as const
  const effects: ReadonlyArray<ToolEffect> = ["write", "irreversible", "read"]
  type Flag = (typeof flags)[number]
  interface Point {
    readonly on: ReadonlySet<Flag>
    readonly effect: ToolEffect
    readonly guarantee: Guarantee
    readonly trust: Trust
    readonly risk: Risk
  }
  const points = function*(): Generator<Point> {
    for (let bits = 0; bits < 2 ** flags.length; bits++) {
      const on = new Set(flags.filter((_, index) => (bits >> index) % 2 === 1))
      for (const effect of effects) {
        for (const guarantee of ["none", "transactional"] as const) {
          if (effect === "irreversible" && guarantee === "transactional") continue
          for (const trust of Trust.literals) {
            for (const risk of Risk.literals) yield { on, effect, guarantee, trust, risk }
          }
        }
      }
    }
  }
  const tools = new Map<string, RegisteredTool>()
  const toolAt = ({ effect, guarantee, risk }: Point): RegisteredTool => {
    const name = `${effect} ${guarantee} ${risk}`
    const tool = tools.get(name) ?? toolOf({ tool: { effect, guarantee, risk, target: () => "hall" } })
    tools.set(name, tool)
    return tool
  }
  const replyOf = (on: ReadonlySet<Flag>, to: Trust) =>
    on.has("reply") ? { to, discloses: on.has("discloses") } : undefined
  const at = (point: Point, autonomy: Autonomy): Verdict => {
    const { on, trust } = point
    return gate({
      ask: { autonomy, trust, by_model: on.has("by_model"), reply: replyOf(on, trust) },
      input: { to: "a@example.org" },
      quiet: on.has("quiet"),
      recent: on.has("recent"),
      secret: on.has("secret"),
      rules: [
        ...(on.has("standing") ? [rule("low", "standing")] : []),
        ...(on.has("config") ? [rule("low", "config")] : [])
      ]
    }, toolAt(point)).verdict
  }
  const mayLook = ({ effect, on, risk, trust }: Point): boolean =>
    (on.has("reply") && trust === "operator") ||
    (effect === "read" && (risk === "low" || on.has("config")) && !on.has("secret"))

  it("nothing but looking and answering the operator can run at A0, or could after a yes", () => {
    const seen = new Map<Verdict, number>()
    for (const point of points()) {
      if (mayLook(point)) continue
      const found = at(point, "A0")
      seen.set(found, (seen.get(found) ?? 0) + 1)
    }
    assert.sameMembers([...seen.keys()], ["PREVIEW", "HARD_BLOCK"])
    // The same points where things run: the sweep would see one that does.
    const loose = new Set(Array.from(points(), (point) => at(point, "A4")))
    assert.sameMembers([...loose], ["ALLOW", "CONFIRM", "HARD_BLOCK"])
  })

  it("what makes a call worse never gives a milder verdict", () => {
    const rank = (one: Verdict) => strictness.indexOf(one)
    let stricterOnes = 0
    for (const point of points()) {
      for (const autonomy of Autonomy.literals) {
        const without = rank(at(point, autonomy))
        for (const flag of ["quiet", "recent", "secret", "by_model", "discloses"] as const) {
          if (point.on.has(flag)) continue
          const withIt = rank(at({ ...point, on: new Set([...point.on, flag]) }, autonomy))
          if (withIt < without) {
            assert.fail(`${flag} loosens ${JSON.stringify({ ...point, on: [...point.on], autonomy })}`)
          }
          if (withIt > without) stricterOnes++
        }
        const worse = Trust.literals[Trust.literals.indexOf(point.trust) + 1]
        if (worse !== undefined && rank(at({ ...point, trust: worse }, autonomy)) < without) {
          assert.fail(`${worse} loosens ${JSON.stringify({ ...point, on: [...point.on], autonomy })}`)
        }
      }
    }
    assert.isAbove(stricterOnes, 0)
  })
})

describe("a policy", () => {
  it("of the configuration takes the place of the tool's own risk, up and down, and the adjusters come after it", () => {
    const high = rule("high", "config", { reason: "it is loud" })
    assert.deepInclude(gate({ rules: [high], ask: { autonomy: "A3" } }), { verdict: "CONFIRM", risk: "high" })
    assert.include(reasons({ rules: [high] }), "policy config.1 says risk high (it is loud)")
    assert.strictEqual(gate({ rules: [rule("low", "config")], tool: { risk: "critical" } }).risk, "low")
    assert.strictEqual(gate({ rules: [rule("medium", "config")], quiet: true }).risk, "high")
  })

  it("is a part of what an approval is bound to", () => {
    const of = (given: Case) => gate(given).basis
    const base = of({})
    const config = of({ rules: [rule("low", "config")] })
    const standing = of({ rules: [rule("low", "standing", { hash: "other" })] })
    assert.strictEqual(new Set([base, config, of({ tool: { risk: "medium" } })]).size, 3)
    assert.strictEqual(standing, base, "a standing rule only loosens")
    assert.strictEqual(of({ quiet: true, secret: true, ask: { autonomy: "A1", trust: "untrusted" } }), base)
  })

  it("sees the call, who it came from, and the state", () => {
    const only = (path: string, value: unknown): Case => {
      const when = compilePolicyCondition({ path, op: "eq", value })
      if (!when.ok) return assert.fail(when.mistakes.join())
      return { rules: [rule("high", "config", { when: when.value })], input: { room: "hall" }, channel: "mqtt" }
    }
    const told: ReadonlyArray<readonly [string, unknown]> = [
      ["input.room", "hall"],
      ["tool", "lamp.switch"],
      ["source.channel", "mqtt"],
      ["source.connector_id", "mqtt"],
      ["actor.actor_id", "me"],
      ["security.trust", "operator"],
      ["state.autonomy", "A4"],
      ["state.health", "degraded"]
    ]
    for (const [path, value] of told) {
      assert.strictEqual(gate(only(path, value)).risk, "high", path)
      assert.strictEqual(gate(only(path, "other")).risk, "low", path)
    }
  })

  it("that stands spares the question that the matrix asks, and no override", () => {
    const standing = rule("high", "standing")
    const asked: Case = { tool: { risk: "high" }, ask: { autonomy: "A2" } }
    const spared = { ...asked, rules: [standing] }
    assert.strictEqual(verdict(asked), "CONFIRM")
    assert.strictEqual(verdict(spared), "ALLOW")
    assert.include(reasons(spared), "the standing rule standing 1 allows it")
    assert.strictEqual(verdict({ ...spared, secret: true }), "CONFIRM")
    assert.strictEqual(verdict({ ...spared, quiet: true }), "HARD_BLOCK", "critical by now")
    assert.strictEqual(verdict({ ...spared, tool: { risk: "critical" } }), "HARD_BLOCK", "what it is, it stays")
    assert.strictEqual(verdict({ ...spared, ask: { autonomy: "A0" } }), "PREVIEW")
    const mild: Case = { ...spared, tool: { risk: "medium" } }
    assert.strictEqual(verdict(mild), "ALLOW")
    assert.strictEqual(verdict({ ...mild, quiet: true }), "CONFIRM")
    assert.strictEqual(verdict({ ...mild, ask: { autonomy: "A2", trust: "untrusted" } }), "CONFIRM")
    const flapping = { risk: "medium", target: () => "hall" } as const
    assert.strictEqual(
      verdict({ ...mild, tool: flapping, ask: { autonomy: "A2", dry: true }, recent: true }),
      "HARD_BLOCK"
    )
  })

  it("that stands holds up to a risk", () => {
    const asked: Case = { tool: { risk: "high" }, ask: { autonomy: "A2" }, rules: [rule("medium", "standing")] }
    assert.strictEqual(verdict(asked), "CONFIRM")
    assert.include(reasons(asked), "the standing rule standing 1 holds up to risk medium")
    assert.strictEqual(verdict({ ...asked, rules: [rule("medium", "standing"), rule("high", "standing")] }), "ALLOW")
  })

  it("that stands says nothing where the configuration speaks, and nothing when it has ended", () => {
    const standing = rule("high", "standing")
    const asked: Case = { tool: { risk: "high" }, ask: { autonomy: "A2" } }
    assert.strictEqual(verdict({ ...asked, rules: [standing, rule("medium", "config")] }), "CONFIRM")
    assert.strictEqual(verdict({ ...asked, rules: [{ ...standing, expiresAt: at.getTime() + 1 }] }), "ALLOW")
    assert.strictEqual(verdict({ ...asked, rules: [{ ...standing, expiresAt: at.getTime() }] }), "CONFIRM")
  })
})

describe("looking", () => {
  it("is not acting: a read of low risk runs at every level, from everywhere", () => {
    for (const autonomy of Autonomy.literals) {
      for (const trust of Trust.literals) {
        assert.strictEqual(
          verdict({ tool: { effect: "read" }, ask: { autonomy, trust }, quiet: true }),
          "ALLOW",
          `${autonomy} ${trust}`
        )
      }
    }
    assert.strictEqual(verdict({ tool: { effect: "read", risk: "medium" }, ask: { autonomy: "A0" } }), "PREVIEW")
  })

  it("goes out where an address is named: untrusted content may not choose that", () => {
    for (const input of [{ url: "example.org" }, { deep: [{ feedUrl: "x" }] }, { text: "https://example.org/?a=1" }]) {
      const read = (trust: Trust, autonomy: Autonomy) =>
        verdict({ tool: { effect: "read" }, ask: { trust, autonomy }, input })
      assert.strictEqual(read("untrusted", "A4"), "CONFIRM", JSON.stringify(input))
      assert.strictEqual(read("untrusted", "A0"), "PREVIEW", JSON.stringify(input))
      assert.strictEqual(read("trusted", "A0"), "ALLOW", JSON.stringify(input))
    }
    assert.strictEqual(
      verdict({ tool: { effect: "read" }, ask: { trust: "untrusted" }, input: { city: "Rome" } }),
      "ALLOW"
    )
  })
})

describe("an answer", () => {
  it("to the operator is never held", () => {
    for (const autonomy of Autonomy.literals) {
      for (const trust of Trust.literals) {
        const ask = { autonomy, trust, by_model: true, reply: { to: "operator", discloses: true } } as const
        const answer: Case = { tool: { risk: "critical" }, ask, quiet: true, recent: true, secret: true }
        assert.strictEqual(verdict(answer), "ALLOW", `${autonomy}, ${trust} content in its trace`)
      }
    }
  })

  it("to anybody else is a call like any other", () => {
    const answer = (
      autonomy: Autonomy,
      trust: Trust,
      by_model = false,
      input: unknown = { text: "Done." },
      discloses = false
    ) => verdict({ ask: { autonomy, trust, by_model, reply: { to: trust, discloses } }, input })
    assert.deepStrictEqual(Autonomy.literals.map((one) => answer(one, "trusted")), [
      "PREVIEW",
      "CONFIRM",
      "ALLOW",
      "ALLOW",
      "ALLOW"
    ])
    assert.strictEqual(
      answer("A2", "untrusted"),
      "ALLOW",
      "the tool's own words go back to where the question came from"
    )
    assert.strictEqual(answer("A1", "untrusted"), "CONFIRM")
    assert.strictEqual(answer("A4", "untrusted", true), "CONFIRM", "a model's words")
    assert.strictEqual(
      answer("A4", "untrusted", false, undefined, true),
      "CONFIRM",
      "what was looked up for a stranger"
    )
    assert.strictEqual(answer("A2", "trusted", false, undefined, true), "ALLOW", "what was looked up for a friend")
    assert.strictEqual(answer("A4", "untrusted", false, { text: "Done.", to: "x" }), "CONFIRM", "an address")
  })
})

describe("a tool that is only for the operator", () => {
  it("is blocked for anybody else and for a model, at every level and before scopes are looked at", () => {
    for (const autonomy of Autonomy.literals) {
      for (const granted of [["*"], []]) {
        for (const operatorOnly of [true, {}]) {
          for (const trust of ["trusted", "untrusted"] as const) {
            const answer = gate({ operatorOnly, ask: { autonomy, trust, granted } })
            assert.deepInclude(answer, { verdict: "HARD_BLOCK", type: "gate.hard_blocked", by: "operator_only" })
            assert.deepStrictEqual(answer.reasons, [`only the operator may call lamp.switch; the words are ${trust}`])
          }
          const chosen = gate({ operatorOnly, ask: { autonomy, granted, by_model: true } })
          assert.deepInclude(chosen, { verdict: "HARD_BLOCK", by: "operator_only" })
        }
      }
    }
  })

  it("is judged like any other for the operator", () => {
    assert.deepStrictEqual(gate({ operatorOnly: true }), gate())
    assert.strictEqual(verdict({ operatorOnly: true, ask: { autonomy: "A0" } }), "PREVIEW")
  })

  it("and steers is not gated, but where it asks", () => {
    const steering: Steering = { asks: ({ level }: { readonly level: string }, { autonomy }) => level > autonomy }
    const to = (level: string, autonomy: Autonomy) =>
      gate({ operatorOnly: steering, input: { level }, tool: { risk: "high" }, ask: { autonomy }, quiet: true })
    assert.deepInclude(to("A1", "A2"), { verdict: "ALLOW", type: undefined, by: "steering" })
    assert.deepInclude(to("A0", "A0"), { verdict: "ALLOW" })
    assert.deepInclude(to("A3", "A2"), { verdict: "CONFIRM", type: "gate.required", by: "steering" })
    assert.strictEqual(to("A1", "A0").verdict, "CONFIRM")
    assert.strictEqual(
      gate({ operatorOnly: {}, ask: { granted: [] }, tool: { scopes: ["a"] } }).type,
      "gate.scope_violation"
    )
  })
})

describe("scopes", () => {
  it("that were not granted block, at every level, and each is named", () => {
    const tool = { scopes: ["kitchen.control", "kitchen.look"] }
    const blocked = gate({ tool, ask: { granted: ["kitchen.look"] }, channel: "mqtt" })
    assert.deepInclude(blocked, { verdict: "HARD_BLOCK", type: "gate.scope_violation" })
    assert.deepStrictEqual(blocked.reasons, ["scope kitchen.control is not granted to mqtt"])
    for (const granted of [["*"], ["kitchen.*"], ["kitchen.look", "kitchen.control"]]) {
      assert.strictEqual(verdict({ tool, ask: { granted } }), "ALLOW", granted.join())
    }
    for (const granted of [["kitchen"], ["kitchen.contro*"], ["kit.*"], ["kitchen.control.*", "kitchen.look"]]) {
      assert.strictEqual(gate({ tool, ask: { granted } }).type, "gate.scope_violation", granted.join())
    }
  })
})

describe("a call that a person has said yes to", () => {
  it("runs where the matrix would allow it or ask, at the level of now", () => {
    const today = gate({ ask: { trust: "untrusted" }, quiet: true, secret: true })
    for (const autonomy of Autonomy.literals) {
      for (const risk of Risk.literals) {
        const matrix = verdict({ tool: { risk }, ask: { autonomy } })
        const answer = approvedAt(risk, autonomy, today)
        const runs = matrix === "ALLOW" || matrix === "CONFIRM"
        assert.strictEqual(answer.verdict, runs ? "ALLOW" : matrix, `${autonomy} ${risk}`)
      }
    }
  })

  it("is refused what only the operator may do, and what nobody grants any more", () => {
    const scope = gate({ tool: { scopes: ["kitchen"] }, ask: { granted: [] } })
    const only = gate({ operatorOnly: true, ask: { trust: "trusted" } })
    for (const today of [scope, only]) assert.strictEqual(approvedAt("low", "A4", today), today)
  })

  it("steers, whatever the level", () => {
    const steers = gate({ operatorOnly: { asks: () => true }, ask: { autonomy: "A0" } })
    assert.strictEqual(steers.verdict, "CONFIRM")
    assert.strictEqual(approvedAt("high", "A0", steers).verdict, "ALLOW")
  })
})

describe("a tool that makes something which acts later", () => {
  it("may ask for words of others only", () => {
    const others = registered(asksAtLeast(defineTool({ ...lamp }), (_, { trust }) => trust !== "operator"))
    const verdicts = Trust.literals.map((trust) => gate({ ask: { autonomy: "A4", trust } }, others).verdict)
    assert.deepEqual(verdicts, ["ALLOW", "CONFIRM", "CONFIRM"])
  })

  const tool = registered(
    asksAtLeast(
      defineTool({ ...lamp, input: Schema.Struct({ text: Schema.optionalKey(Schema.String) }) }),
      ({ text }) => text !== undefined
    )
  )
  const verdict = (input: object, autonomy: typeof Autonomy.Type, rules: ReadonlyArray<PolicyRule> = []) =>
    gate({ input, ask: { autonomy }, rules }, tool).verdict

  it("asks at every level that lets anything run, and is never milder than the matrix", () => {
    assert.deepEqual(
      Autonomy.literals.map((level) => verdict({ text: "backup" }, level)),
      ["PREVIEW", "CONFIRM", "CONFIRM", "CONFIRM", "CONFIRM"]
    )
    assert.deepEqual(
      Autonomy.literals.map((level) => verdict({}, level)),
      ["PREVIEW", "CONFIRM", "ALLOW", "ALLOW", "ALLOW"]
    )
    assert.include(gate({ input: { text: "backup" } }, tool).reasons, "it makes something that acts later")
  })
})
