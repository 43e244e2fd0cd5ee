import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Approval } from "../contract/Approval.ts"
import { drawApproval } from "./approvalView.ts"
import { localTime, paints } from "./layout.ts"
import { answer, type Asked, recordedHost, run } from "./RecordedHost.ts"
import { conditionInWords } from "./ruleInWords.ts"

const now = Date.UTC(2026, 10, 22, 14, 10)
const at = (seconds: number, from = now) => new Date(from - seconds * 1_000).toISOString()
const trace_id = "0199b3f2-6c1e-7a52-9d3e-000000000001"
const idOf = (number: number) => `0199b3f2-6c1e-7a54-9d3e-0000000000a${number}`

const pay: Approval = {
  approval_id: idOf(7),
  number: 7,
  trace_id,
  tool_call_id: "c7",
  status: "pending",
  tool: "bank.pay",
  what: { to: "mallory\u202e", amount: 5 },
  what_hash: "h7",
  tool_pin: "p",
  preview: "would pay 5\u001b[2J",
  why: "It can't be taken back.",
  reasons: ["risk high at autonomy A2", "untrusted content\u202e went into it"],
  risk: "high",
  autonomy: "A2",
  labels: { trust: "untrusted", confidentiality: "private" },
  how_to_approve: "approve 7",
  created_at: at(65),
  expires_at: at(-835)
}

const drawn = (approval: Approval) =>
  drawApproval(approval, { now, paint: paints(false), say: (...args) => ["syris", ...args].join(" ") }).join("\n")

describe("an approval on the screen", () => {
  it("shows exactly what would run, why it asks, and how to decide", () => {
    assert.strictEqual(
      drawn(pay),
      `approval 7  bank.pay  risk high  pending
asked ${
        localTime(at(65))
      }, 1 min 05 s ago · expires in 13 min 55 s · autonomy A2 · untrusted, private · trace ${trace_id}
It can't be taken back.
  · risk high at autonomy A2
  · untrusted content<U+202E> went into it

What the tool says of it:
  would pay 5<U+001B>[2J

What will run, exactly:
  {
    "to": "mallory\\u202e",
    "amount": 5
  }

How to decide:
  syris approve 7           let exactly this run, once
  syris approve 7 --always  and do not ask for its like again
  syris deny 7              it will not run
  syris edit 7 '{ … }'      ask for another input instead`
    )
  })

  it("offers nothing where it is decided, and says by whom", () => {
    const words = drawn({
      ...pay,
      status: "denied",
      supersedes: idOf(6),
      decision: { by: "operator", at: at(1), reason: "too much\u202e" }
    })
    assert.notInclude(words, "How to decide")
    assert.notInclude(words, "expires in")
    assert.include(words, `Decided by operator, ${localTime(at(1))}: too much<U+202E>`)
    assert.include(words, `in the place of approval ${idOf(6)}`)
  })

  it("says a rule in words", () => {
    const leaf = (path: string, op: string, value: unknown) => ({ path, op, value })
    assert.strictEqual(conditionInWords({ all: [leaf("input.to", "eq", "a\u202e")] }), "input.to is \"a<U+202E>\"")
    assert.strictEqual(
      conditionInWords({
        all: [leaf("a", "in", [1, 2]), { any: [leaf("b", "exists", false), leaf("c", "lte", 5)] }, {
          none: [leaf("d", "ends_with", "x")]
        }]
      }),
      "a is one of [1,2] and (b is not given or c is at most 5) and not (d ends with \"x\")"
    )
    assert.strictEqual(conditionInWords(7), "7")
  })
})

const targetOf = (asked: Asked) => {
  const url = new URL(asked.url, "http://host")
  return { path: url.pathname, query: Object.fromEntries(url.searchParams) }
}

/** A host that asks twice; 8 was decided by somebody else meanwhile. */
const host = recordedHost((asked, response) => {
  const { path, query } = targetOf(asked)
  const live = { ...pay, created_at: at(65, Date.now()), expires_at: at(-835, Date.now()) }
  const other = {
    ...live,
    approval_id: idOf(8),
    number: 8,
    tool: "door.open",
    what: {},
    what_hash: "h8",
    why: "Risky."
  }
  const all = [other, live]
  if (path === "/approvals") {
    const { number } = query
    return answer(response, 200, { items: all.filter((one) => number === undefined || String(one.number) === number) })
  }
  const found = all.find((one) => path.startsWith(`/approvals/${one.approval_id}`))
  const verb = path.split("/")[3]
  if (path === "/policy") {
    return answer(response, 201, {
      policy_id: "r1",
      tool: "bank.pay",
      when: { all: [{ path: "input.to", op: "eq", value: "mallory\u202e" }] },
      risk: "low",
      expires_at: at(0)
    })
  }
  if (found === undefined) {
    return answer(response, 404, { detail: "No approval has this id.", code: "approval.not_found" })
  }
  if (verb === undefined) return answer(response, 200, found)
  if (found.number === 8) {
    return answer(response, 409, { detail: "Approval 8 was denied already.", code: "approval.state" })
  }
  if (verb === "edit") {
    return answer(response, 201, {
      ...found,
      approval_id: idOf(9),
      number: 9,
      supersedes: found.approval_id,
      what: (asked.body as { readonly input: unknown }).input
    })
  }
  return answer(response, 200, { ...found, status: verb === "deny" ? "denied" : "approved" })
})

const posts = (asked: ReadonlyArray<Asked>) =>
  asked.filter((one) => one.method === "POST").map(({ body, url }) => [url, body])

describe("syris approvals", () => {
  it.live("lists what waits", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const ran = yield* run(env, ["approvals"])
      assert.deepStrictEqual([ran.code, ran.err], [0, ""])
      const steady = ran.out.replaceAll(/1 min \d\d s/g, "1 min 05 s").replaceAll(/13 min \d\d s/g, "13 min 55 s")
      assert.deepStrictEqual(steady.split("\n"), [
        "NO  TOOL       RISK  AGE         EXPIRES IN   WHAT                                 WHY",
        "8   door.open  high  1 min 05 s  13 min 55 s  {}                                   Risky.",
        "7   bank.pay   high  1 min 05 s  13 min 55 s  {\"to\":\"mallory<U+202E>\",\"amount\":5}  It can't be taken back.",
        "Decide with syris approve NO or syris deny NO; see one whole with syris approvals NO"
      ])
      yield* run(env, ["approvals", "--all"])
      assert.deepStrictEqual(asked.map((one) => targetOf(one).query), [
        { status: "pending", limit: "200" },
        { limit: "200" }
      ])
      const records = yield* run(env, ["approvals", "--json"])
      assert.deepStrictEqual(records.out.split("\n").map((line) => JSON.parse(line).number), [8, 7])
      assert.notInclude(records.out, "\u202e")
    }))

  it.effect("says so where nothing waits", () =>
    Effect.gen(function*() {
      const { env } = yield* recordedHost((_, response) => answer(response, 200, { items: [] }))
      assert.strictEqual(
        (yield* run(env, ["approvals"])).out,
        "Nothing waits for your yes. See what did: syris approvals --all"
      )
      assert.match((yield* run(env, ["approvals", "3"])).err, /No approval has the number 3/)
    }))

  for (const which of ["7", "#7", idOf(7), "0000000000a7"]) {
    it.effect(`shows the one that ${which} means`, () =>
      Effect.gen(function*() {
        const { env } = yield* host
        const ran = yield* run(env, ["approvals", which])
        assert.deepStrictEqual([ran.code, ran.err], [0, ""])
        assert.match(ran.out, /^approval 7 {2}bank\.pay/)
        assert.strictEqual(JSON.parse((yield* run(env, ["approvals", which, "--json"])).out).number, 7)
      }))
  }
})

describe("syris approve", () => {
  it.effect("approves what it has read", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const ran = yield* run(env, ["approve", "7"])
      assert.deepStrictEqual([ran.code, ran.err], [0, ""])
      assert.strictEqual(ran.out, "Approved 7: bank.pay {\"to\":\"mallory<U+202E>\",\"amount\":5}")
      assert.deepStrictEqual(posts(asked), [[`/approvals/${idOf(7)}/approve`, { what_hash: "h7" }]])
      assert.strictEqual(JSON.parse((yield* run(env, ["approve", "7", "--json"])).out).status, "approved")
    }))

  it.effect("decides each of several by itself, once, and none where one is not there", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const ran = yield* run(env, ["approve", "8", "7", idOf(7)])
      assert.deepStrictEqual([ran.code, ran.err], [1, "syris: 8: Approval 8 was denied already."])
      assert.match(ran.out, /^Approved 7: [^\n]*$/)
      assert.lengthOf(posts(asked), 2)
      const lost = yield* run(env, ["approve", "7", "99"])
      assert.deepStrictEqual([lost.code, lost.out], [1, ""])
      assert.lengthOf(posts(asked), 2)
      const late = yield* run(env, ["approve", "8"])
      assert.deepStrictEqual([late.code, late.err], [1, "syris: Approval 8 was denied already."])
    }))

  it.effect("makes a rule of it, and says it in words", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const ran = yield* run(env, ["approve", "7", "--always", "--fields", "to, amount", "--for", "30 days"])
      assert.deepStrictEqual([ran.code, ran.err], [0, ""])
      assert.strictEqual(
        ran.out.split("\n")[1],
        `From now until ${
          localTime(at(0))
        } bank.pay runs without asking where input.to is "mallory<U+202E>", up to risk low (rule r1).`
      )
      assert.deepStrictEqual(posts(asked)[1], [
        "/policy",
        { approval_id: idOf(7), fields: ["to", "amount"], expires_in_ms: 30 * 86_400_000 }
      ])
      yield* run(env, ["approve", "7", "--always"])
      assert.deepStrictEqual(posts(asked).at(-1), ["/policy", { approval_id: idOf(7) }])
    }))

  for (
    const [args, says] of [
      [["approve", "7", "--for", "30 days"], /go with --always only/],
      [["approve", "7", "--always", "--for", "soon"], /--for takes a time/],
      [["approve", "7", "--always", "--for", "0 days"], /--for takes a time/],
      [["approve", "7", "--always", "--fields", " ,"], /--fields takes names/],
      [["edit", "7", "{to:1}"], /The input is not JSON/],
      [["approve"], /approval/]
    ] as const
  ) {
    it.effect(`decides nothing on: ${args.join(" ")}`, () =>
      Effect.gen(function*() {
        const { asked, env } = yield* host
        const ran = yield* run(env, args)
        assert.strictEqual(ran.code, 2)
        assert.match(ran.err, says)
        assert.lengthOf(posts(asked), 0)
      }))
  }
})

describe("syris deny and syris edit", () => {
  it.effect("send the reason, and the new input", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const denied = yield* run(env, ["deny", "7", "--reason", "Too much."])
      assert.match(denied.out, /^Denied 7: bank\.pay/)
      yield* run(env, ["deny", "7"])
      const edited = yield* run(env, ["edit", "7", "{\"to\":\"me\"}"])
      assert.deepStrictEqual([edited.code, edited.err], [0, ""])
      assert.match(edited.out, /^Approval 9 takes the place of 7\.\napproval 9 .*\n/)
      assert.include(edited.out, "\"to\": \"me\"")
      assert.deepStrictEqual(posts(asked), [
        [`/approvals/${idOf(7)}/deny`, { reason: "Too much." }],
        [`/approvals/${idOf(7)}/deny`, {}],
        [`/approvals/${idOf(7)}/edit`, { input: { to: "me" } }]
      ])
    }))
})
