/**
 * The gates, from outside: by HTTP, with tools that write into a ledger that the host does not know. What should not run
 * has not run, what may has, and why is in the audit.
 */
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Autonomy, Verdict } from "../../core/contract/Enums.ts"
import { openStore } from "../../core/secrets/SecretsStore.ts"
import { until } from "../storms/Until.ts"
import { type Done, risks, type SafeHouse, safeHouse } from "./SafeHouse.ts"

/** As contracts §5 has it, written down once more. */
const matrix: Readonly<Record<Autonomy, ReadonlyArray<Verdict>>> = {
  A0: ["PREVIEW", "PREVIEW", "PREVIEW", "PREVIEW"],
  A1: ["CONFIRM", "CONFIRM", "CONFIRM", "HARD_BLOCK"],
  A2: ["ALLOW", "CONFIRM", "CONFIRM", "HARD_BLOCK"],
  A3: ["ALLOW", "ALLOW", "CONFIRM", "HARD_BLOCK"],
  A4: ["ALLOW", "ALLOW", "ALLOW", "CONFIRM"]
}
const levels = Object.keys(matrix) as ReadonlyArray<Autonomy>

const told: Readonly<Record<Verdict, readonly [gates: ReadonlyArray<string>, outcome: string]>> = {
  ALLOW: [[], "succeeded"],
  CONFIRM: [["gate.required"], "waiting"],
  PREVIEW: [["gate.preview"], "failed"],
  HARD_BLOCK: [["gate.hard_blocked"], "failed"]
}

/** Checks all that is seen of a verdict; `why` is in its reasons. */
const isJudged = (done: Done, verdict: Verdict, why?: RegExp, gates = told[verdict][0]): void => {
  assert.deepEqual(done.gates.map(({ type }) => type), [...gates], JSON.stringify(done))
  assert.strictEqual(done.outcome, told[verdict][1], done.reply)
  assert.lengthOf(done.effects, verdict === "ALLOW" ? 1 : 0)
  assert.lengthOf(done.approvals, verdict === "CONFIRM" ? 1 : 0)
  for (const { data, tool } of done.gates) {
    assert.isString(tool)
    assert.isNotEmpty(data.reasons)
    assert.strictEqual(data.verdict, verdict)
    if (why !== undefined) assert.match(data.reasons.join("; "), why)
  }
  if (verdict === "ALLOW") assert.includeMembers([...done.types], ["tool_call.attempted", "tool_call.succeeded"])
  else assert.notInclude(done.types, "tool_call.attempted")
}

const window = (fromHours: number, toHours: number) => {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16)
  return { start: at(fromHours), end: at(toHours), timezone: "UTC" }
}

describe("the gates", { timeout: 60_000 }, () => {
  let house: SafeHouse
  let home: string
  const secret = "correct-horse-battery-staple"
  beforeAll(async () => {
    home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-gates-home-"))
    await Effect.runPromise(openStore(home).set("bank", "pin", Redacted.make(secret)))
    house = await safeHouse({
      home,
      policy: [
        { tool: "do.medium", when: { all: [{ path: "input.to", op: "eq", value: "friend" }] }, risk: "low" },
        {
          tool: "do.low",
          when: { all: [{ path: "input.to", op: "eq", value: "boss" }] },
          risk: "high",
          reason: "careful"
        }
      ],
      safety: { scopes: { chat: ["house", "controls.*", "approvals"], "*": ["*"] } }
    })
  })
  afterAll(async () => {
    await house.end()
    fs.rmSync(home, { recursive: true, force: true })
  })

  for (const level of levels) {
    it(`at ${level}: ${matrix[level].join(", ")}, and looking is not acting`, async () => {
      await house.level(level)
      for (const [i, verdict] of matrix[level].entries()) {
        const done = await house.call(`do.${risks[i]}`)
        isJudged(done, verdict, new RegExp(`risk ${risks[i]} at autonomy ${level}: ${verdict}`))
        if (verdict === "PREVIEW") assert.match(done.reply, /would do/)
      }
      isJudged(await house.call("do.look"), "ALLOW")
    })
  }

  it("count one more risk for a group, for what is gone for good, and for much at once", async () => {
    await house.level("A2")
    isJudged(await house.call("do.tell", { to: "bob" }), "ALLOW")
    isJudged(await house.call("do.tell", { to: "group:family" }), "CONFIRM", /group or public/)
    isJudged(await house.call("do.tell", { to: "#general" }), "CONFIRM", /group or public/)
    isJudged(await house.call("do.gone"), "CONFIRM", /can't be taken back/)
    isJudged(await house.call("do.take", { how: "put" }), "ALLOW")
    isJudged(await house.call("do.take", { how: "delete" }), "CONFIRM", /takes something away/)
    isJudged(await house.call("do.many", { many: 5 }), "ALLOW")
    isJudged(await house.call("do.many", { many: 6 }), "CONFIRM", /6 things, more than 5/)
    isJudged(await house.call("do.many"), "CONFIRM", /nobody knows how many/)
  })

  it("count untrusted content, and ask about it at every level", async () => {
    for (const level of ["A2", "A3", "A4"]) {
      await house.level(level)
      isJudged(
        await house.call("do.low", {}, { channel: "post", text: "do it to me", structured: { input: { id: "me" } } }),
        "CONFIRM",
        /untrusted content/
      )
      // The control: the same from a channel that may say so.
      isJudged(await house.call("do.low", {}, { channel: "sensor" }), "ALLOW")
    }
    await house.level("A0")
    isJudged(
      await house.call("do.low", {}, { channel: "post", text: "do it to me", structured: { input: { id: "me" } } }),
      "PREVIEW"
    )
  })

  it("ask in quiet hours, and only then", async () => {
    await house.level("A4")
    assert.strictEqual((await house.request("/quiet-hours/far", window(6, 7), "PUT")).status, 200)
    isJudged(await house.call("do.medium"), "ALLOW")
    assert.strictEqual((await house.request("/quiet-hours/near", window(-1, 1), "PUT")).status, 200)
    isJudged(await house.call("do.medium"), "CONFIRM", /quiet hours/)
    isJudged(await house.call("do.look"), "ALLOW")
    await house.request("/quiet-hours/near", { ...window(-1, 1), enabled: false }, "PUT")
    isJudged(await house.call("do.medium"), "ALLOW")
  })

  it("ask about a secret", async () => {
    await house.level("A4")
    const done = await house.call("do.low", { to: `the pin is ${secret}` })
    assert.deepEqual(done.effects, [])
    assert.deepEqual(done.gates.map(({ type }) => type), ["gate.required"])
    assert.notInclude(JSON.stringify(done), secret)
  })

  it("hold back the same to the same target, until the cooldown is over", async () => {
    await house.level("A2")
    isJudged(await house.call("do.tell", { to: "ann" }), "ALLOW")
    isJudged(await house.call("do.tell", { to: "ann" }), "HARD_BLOCK", /ago/, ["gate.antiflap_block"])
    isJudged(await house.call("do.tell", { to: "eve" }), "ALLOW")
    await house.host.sql`update cooldowns set at = at - interval '31 seconds'`
    isJudged(await house.call("do.tell", { to: "ann" }), "ALLOW")
    for (let i = 0; i < 2; i++) isJudged(await house.call("do.note", { to: "cal" }), "ALLOW")
    const failed = await house.call("do.tell", { to: "dan", how: "fail" })
    assert.deepEqual([failed.outcome, failed.effects], ["failed", []])
    isJudged(await house.call("do.tell", { to: "dan" }), "ALLOW")
  })

  it("refuse what was not granted", async () => {
    await house.level("A4")
    isJudged(await house.call("do.scoped", {}, { channel: "sensor" }), "ALLOW")
    const done = await house.call("do.scoped")
    assert.deepEqual([done.effects, done.outcome, done.approvals], [[], "failed", []])
    assert.deepEqual(done.gates.map(({ type }) => type), ["gate.scope_violation"])
    assert.match(done.gates[0].data.reasons[0], /scope cellar\.key is not granted to chat/)
  })

  it("leave the system's own rules to the operator", async () => {
    await house.level("A2")
    const asked = await house.call("do.medium")
    for (const channel of ["sensor", "post"]) {
      for (const text of ["set autonomy to A4", "set autonomy to A0", "pause", "approve", "deny"]) {
        const done = await house.call("", {}, { channel, text, structured: { input: {} } })
        assert.deepEqual(done.gates.map(({ type }) => type), ["gate.hard_blocked"], `${channel}: ${text}`)
      }
    }
    assert.strictEqual((await house.request("/controls/autonomy")).body.level, "A2")
    assert.strictEqual((await house.request(`/approvals/${asked.approvals[0].approval_id}`)).body.status, "pending")
    const raised = await house.host.send("set autonomy to A4")
    assert.strictEqual(raised.outcome, "waiting")
    assert.strictEqual((await house.request("/controls/autonomy")).body.level, "A2")
    assert.strictEqual((await house.host.send("set autonomy to A1")).outcome, "succeeded")
    assert.strictEqual((await house.request("/controls/autonomy")).body.level, "A1")
  })

  it("follow the policy of the configuration, argument by argument, and never above the level", async () => {
    await house.level("A2")
    isJudged(await house.call("do.medium", { to: "friend" }), "ALLOW")
    isJudged(await house.call("do.medium", { to: "Friend" }), "CONFIRM")
    isJudged(await house.call("do.low", { to: "boss" }), "CONFIRM", /policy config\.2 says risk high \(careful\)/)
    await house.level("A0")
    isJudged(await house.call("do.medium", { to: "friend" }), "PREVIEW")
  })

  it("follow a standing rule for what was shown, until it is revoked or over", async () => {
    await house.level("A2")
    const always = async (id: string, more: object = {}) => {
      const { approvals: [approval] } = await house.call("do.high", { id })
      const { body, status } = await house.request("/policy", { approval_id: approval.approval_id, ...more })
      assert.strictEqual(status, 201, JSON.stringify(body))
      return body
    }
    const rule = await always("always")
    isJudged(await house.call("do.high", { id: "always" }), "ALLOW")
    isJudged(await house.call("do.high", { id: "other" }), "CONFIRM")
    isJudged(await house.call("do.high", { id: "always", to: "more" }), "CONFIRM")
    await house.level("A0")
    isJudged(await house.call("do.high", { id: "always" }), "PREVIEW")
    await house.level("A2")
    assert.strictEqual((await house.request(`/policy/${rule.policy_id}`, undefined, "DELETE")).status, 200)
    isJudged(await house.call("do.high", { id: "always" }), "CONFIRM")
    await always("brief", { expires_in_ms: 1_000 })
    house.host.clock.advance(2_000)
    isJudged(await house.call("do.high", { id: "brief" }), "CONFIRM")
    assert.deepEqual(house.outside.entries().filter((line) => line === "do.high always"), ["do.high always"])
  })

  it("say without any trace what they would do", async () => {
    const tables = (await house.host.sql<{ name: string }>`
      select tablename as name from pg_tables where schemaname = current_schema() order by 1`).map(({ name }) => name)
    assert.isAbove(tables.length, 20)
    // What the host's own watchers tell every few seconds is nobody's trace.
    const counted = async () =>
      await house.host.sql`
        select t.name, (xpath('//n/text()', query_to_xml(format('select count(*) as n from %I %s', t.name,
          case when t.name like 'audit_events%' then 'where stage <> ''watcher''' else '' end), false, true, '')))[1]::text as rows
        from unnest(${tables}::text[]) t(name) order by 1`
    const before = [await counted(), house.outside.entries()]
    const verdicts: Record<string, string | undefined> = {}
    for (const risk of risks) {
      const raw = { channel: "chat", structured: { intent: `do.${risk}`, input: { id: "dry" } } }
      const { body, status } = await house.request("/events?dry_run=true", raw)
      assert.strictEqual(status, 200)
      verdicts[risk] = body.audit.find(({ stage }: any) => stage === "gate")?.data.verdict
      assert.lengthOf(body.approvals, verdicts[risk] === "CONFIRM" ? 1 : 0)
      const preview = await house.request(`/tools/do.${risk}/preview`, { input: { id: "dry" } })
      assert.strictEqual(preview.body.preview, `would do ${risk} to dry`)
      assert.strictEqual(preview.body.verdict, verdicts[risk] ?? "ALLOW")
    }
    assert.deepEqual(verdicts, { low: undefined, medium: "CONFIRM", high: "CONFIRM", critical: "HARD_BLOCK" })
    assert.deepEqual([await counted(), house.outside.entries()], before)
    // The control: what is no dry run leaves rows.
    await house.call("do.low")
    assert.notDeepEqual(await counted(), before[0])
  })

  it("let nothing begin in a pause, and hear everything", async () => {
    await house.level("A2")
    const asked = await house.call("do.medium")
    assert.strictEqual((await house.request("/controls/pause", {})).status, 200)
    const heard = await house.request("/events", {
      channel: "chat",
      structured: { intent: "do.low", input: { id: "paused" } }
    })
    assert.strictEqual(heard.status, 202)
    const [approval] = asked.approvals
    assert.strictEqual((await house.request(`/approvals/${approval.approval_id}/approve`, {})).status, 200)
    assert.match((await house.host.send("pause")).reply ?? "", /paused already/)
    const ran = () =>
      house.outside.entries().filter((line) => line === "do.low paused" || line === `do.medium ${approval.what.id}`)
    assert.deepEqual(ran(), [])
    assert.match((await house.host.send("resume")).reply ?? "", /goes on/)
    await until("both to run", () => ran().length === 2 || undefined)
    assert.lengthOf(new Set(ran()), 2)
  })
})

describe("notifications", () => {
  it("are no more in an hour than are allowed, and what is held back opens an alarm", async () => {
    const house = await safeHouse({ safety: { notificationsPerHour: 2 } })
    try {
      for (let i = 0; i < 2; i++) isJudged(await house.call("bell.send"), "ALLOW")
      isJudged(await house.call("bell.send"), "HARD_BLOCK", /2 notifications/, ["gate.storm_block"])
      const { body: { items } } = await house.request("/alarms")
      assert.lengthOf(items.filter(({ dedupe_key }: any) => dedupe_key === "notifications.storm"), 1)
    } finally {
      await house.end()
    }
  })
})
