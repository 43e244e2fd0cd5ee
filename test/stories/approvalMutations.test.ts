/**
 * What was approved is what runs, or nothing runs: between the yes and the run one thing is changed, in the fast lane and
 * in a task. The system is paused meanwhile, so that there is a between.
 *
 * - The law of the tables refuses the change; and where somebody goes around it, the host sees it.
 * - Nothing is done outside, the call has ended, its approval is not used up, the audit and the reply say why.
 * - What was left as it was runs, once: the control that the others would have run.
 *
 * The short form changes each field in one of the two lanes, in the other one the next time (SYRIS_TEST_SEED repeats it);
 * SYRIS_TEST_LONG=1 in both.
 */
import { type PolicyConfiguration, Schema } from "syris"
import type { OutsideLedger, TestHostOptions } from "syris/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { hashOf } from "../../core/tools/InputHash.ts"
import { long, seed, until } from "../storms/Until.ts"
import { type Asked, AskedHouse, askedTool, type Lane, lanes, stickyTool } from "./AskedHouse.ts"

/** One change of a row, as an operator of the database would make it. */
interface Mutation {
  readonly name: string
  readonly table: "approvals" | "tool_calls"
  readonly set: string
  readonly values?: (asked: Asked) => ReadonlyArray<unknown>
  /** What the law of the tables says of it; `ok` where it is a legal move. */
  readonly law: "SY001" | "SY010" | "SY011" | "SY012" | "ok"
  /** What the operator is told. */
  readonly says: RegExp
}

const other = { door: "safe" }
const newId = "gen_random_uuid()"

const mutations: ReadonlyArray<Mutation> = [
  // What was shown.
  {
    name: "what",
    table: "approvals",
    set: "what = $2::jsonb",
    values: () => [JSON.stringify(other)],
    law: "SY010",
    says: /what was shown for approval was changed/
  },
  {
    name: "what_hash",
    table: "approvals",
    set: "what_hash = 'x'",
    law: "SY010",
    says: /what was shown .* was changed/
  },
  {
    name: "what with its hash",
    table: "approvals",
    set: "what = $2::jsonb, what_hash = $3",
    values: () => [JSON.stringify(other), hashOf(other)],
    law: "SY010",
    says: /not the one that was shown/
  },
  { name: "tool", table: "approvals", set: "tool = 'house.window'", law: "SY010", says: /for another tool/ },
  { name: "tool_pin", table: "approvals", set: "tool_pin = 'x'", law: "SY010", says: /another version of the tool/ },
  { name: "trace_id", table: "approvals", set: `trace_id = ${newId}`, law: "SY010", says: /belongs to another trace/ },
  { name: "event_id", table: "approvals", set: `event_id = ${newId}`, law: "SY010", says: /belongs to another event/ },
  { name: "task_id", table: "approvals", set: `task_id = ${newId}`, law: "SY010", says: /belongs to another step/ },
  { name: "step_id", table: "approvals", set: `step_id = ${newId}`, law: "SY010", says: /belongs to another step/ },
  { name: "work_id", table: "approvals", set: `work_id = ${newId}`, law: "SY010", says: /belongs to other work/ },
  { name: "tool_call_id", table: "approvals", set: `tool_call_id = ${newId}`, law: "SY010", says: /there is none/ },
  { name: "risk", table: "approvals", set: "risk = 'low'", law: "SY010", says: /risk was changed/ },
  { name: "autonomy", table: "approvals", set: "autonomy = 'A3'", law: "SY010", says: /autonomy .* was changed/ },
  { name: "basis", table: "approvals", set: "basis = 'x'", law: "SY010", says: /policy for it has changed/ },
  {
    name: "labels",
    table: "approvals",
    set: `labels = '{"trust": "untrusted", "confidentiality": "public"}'`,
    law: "SY010",
    says: /labels were changed/
  },
  // Its end.
  {
    name: "expires_at, to a moment that has passed",
    table: "approvals",
    set: "expires_at = clock_timestamp() - interval '1 second'",
    law: "SY010",
    says: /ended before it could begin/
  },
  { name: "status denied", table: "approvals", set: "status = 'denied'", law: "SY011", says: /you said no/ },
  { name: "status superseded", table: "approvals", set: "status = 'superseded'", law: "SY011", says: /was superseded/ },
  { name: "status expired", table: "approvals", set: "status = 'expired'", law: "ok", says: /nobody said yes in time/ },
  { name: "status revoked", table: "approvals", set: "status = 'revoked'", law: "ok", says: /was revoked/ },
  {
    name: "status consumed",
    table: "approvals",
    set: "status = 'consumed', consumed_at = clock_timestamp(), consumed_fence = 1",
    law: "ok",
    says: /was consumed/
  },
  // The call.
  {
    name: "input of the call",
    table: "tool_calls",
    set: "input = $2::jsonb",
    values: () => [JSON.stringify(other)],
    law: "SY001",
    says: /its input was changed/
  },
  { name: "input_hash", table: "tool_calls", set: "input_hash = 'x'", law: "SY001", says: /its input was changed/ },
  {
    name: "input of the call with its hash",
    table: "tool_calls",
    set: "input = $2::jsonb, input_hash = $3",
    values: () => [JSON.stringify(other), hashOf(other)],
    law: "SY001",
    says: /not the one that was shown/
  },
  {
    name: "input that the tool does not take",
    table: "tool_calls",
    set: `input = '{"window": 1}'`,
    law: "SY001",
    says: /not there any more, or takes another input/
  },
  {
    name: "tool of the call",
    table: "tool_calls",
    set: "tool = 'house.window'",
    law: "SY001",
    says: /for another tool/
  },
  {
    name: "tool_pin of the call",
    table: "tool_calls",
    set: "tool_pin = 'x'",
    law: "SY001",
    says: /another version of the tool/
  },
  {
    name: "trace_id of the call",
    table: "tool_calls",
    set: `trace_id = ${newId}`,
    law: "SY001",
    says: /another trace/
  },
  {
    name: "event_id of the call",
    table: "tool_calls",
    set: `event_id = ${newId}`,
    law: "SY001",
    says: /another event/
  },
  { name: "step_id of the call", table: "tool_calls", set: `step_id = ${newId}`, law: "SY001", says: /another step/ },
  {
    name: "effect",
    table: "tool_calls",
    set: "effect = 'read'",
    law: "SY001",
    says: /what can be promised of it was changed/
  },
  {
    name: "guarantee",
    table: "tool_calls",
    set: "guarantee = 'transactional'",
    law: "SY001",
    says: /what can be promised of it was changed/
  },
  { name: "risk of the call", table: "tool_calls", set: "risk = 'low'", law: "SY001", says: /risk was changed/ },
  {
    name: "autonomy of the call",
    table: "tool_calls",
    set: "autonomy = 'A3'",
    law: "SY001",
    says: /autonomy .* was changed/
  },
  {
    name: "labels of the call",
    table: "tool_calls",
    set: `labels = '{"trust": "untrusted", "confidentiality": "public"}'`,
    law: "SY001",
    says: /labels were changed/
  },
  {
    name: "needs_approval, taken off",
    table: "tool_calls",
    set: "needs_approval = false",
    law: "SY001",
    says: /that it needs an approval was changed/
  },
  {
    name: "attempts",
    table: "tool_calls",
    set: "attempts = 1",
    law: "SY012",
    says: /it counts as begun, and its approval was not used/
  }
]

/** What is changed in a lane. An event's call has no step. */
const mutationsIn = (lane: Lane): ReadonlyArray<Mutation> =>
  mutations.filter(({ name }, index) => {
    if (name === "step_id of the call") return lane !== "fast"
    return long || (index + seed) % 2 === lanes.indexOf(lane)
  })

describe("one field changed between the yes and the run", () => {
  let house: AskedHouse
  const all: Array<{ readonly asked: Asked; readonly law: string; readonly mutation: Mutation | undefined }> = []

  beforeAll(async () => {
    house = await AskedHouse.begin()
    const of: Array<{ readonly asked: Asked; readonly mutation: Mutation | undefined }> = []
    for (const lane of lanes) {
      await Promise.all([undefined, ...mutationsIn(lane)].map(async (mutation) => {
        of.push({
          mutation,
          asked: await house.ask(lane, `${lane}-${mutation?.name.replaceAll(/\W+/g, "-") ?? "control"}`)
        })
      }))
    }
    await house.pause()
    await Promise.all(of.map(({ asked }) => house.approve(asked)))
    for (const { asked, mutation } of of) {
      if (mutation === undefined) {
        all.push({ asked, mutation, law: "ok" })
        continue
      }
      const { set, table, values = () => [] } = mutation
      const id = table === "approvals" ? asked.approval.approval_id : asked.approval.tool_call_id
      const text = `update ${table} set ${set} where ${
        table === "approvals" ? "approval_id" : "tool_call_id"
      } = $1::uuid`
      const law = await house.lawOf(text, [id, ...values(asked)])
      if (law !== "ok") await house.lawless(text, [id, ...values(asked)])
      all.push({ asked, mutation, law })
    }
    await house.resume()
  }, 120_000)
  afterAll(() => house.end())

  for (const lane of lanes) {
    for (const mutation of mutationsIn(lane)) {
      it(`${mutation.name} (${mutation.table}, ${lane}): it does not run, and says why`, async () => {
        const one = all.find(({ asked, mutation: its }) => its === mutation && asked.lane === lane)
        assert.isDefined(one)
        assert.strictEqual(one.law, mutation.law)
        await house.didNotRun(one.asked, mutation.says, { used: mutation.name === "status consumed" })
      })
    }
    it(`nothing (${lane}): it runs, once`, async () => {
      const one = all.find(({ asked, mutation }) => mutation === undefined && asked.lane === lane)
      assert.isDefined(one)
      await house.ran(one.asked)
    })
  }
})

const stickySteps = (tool: string, door: string, base_delay_ms: number) => ({
  steps: [{ name: door, tool, input: { door }, max_attempts: 3, retry: { strategy: "fixed", base_delay_ms } }]
})

const refusedOnce = (house: AskedHouse, { approval }: Asked) =>
  until("the refusal", async () => {
    const [call] = await house.query("select status, attempts from tool_calls where tool_call_id = $1::uuid", [
      approval.tool_call_id
    ])
    return call?.["attempts"] === 1 && call["status"] === "planned"
  })

describe("something around it changed between the yes and the run", () => {
  let house: AskedHouse
  beforeAll(async () => {
    house = await AskedHouse.begin()
  })
  afterAll(() => house.end())

  for (const lane of lanes) {
    const between = async (door: string, change: (asked: Asked) => Promise<unknown>): Promise<Asked> => {
      const asked = await house.ask(lane, `${lane}-${door}`)
      await house.pause()
      await house.approve(asked)
      await change(asked)
      await house.resume()
      return asked
    }

    it(`a yes that was taken back to pending waits, and a no ends it (${lane})`, async () => {
      const asked = await between("pending", async ({ approval: { approval_id } }) => {
        const text = "update approvals set status = 'pending' where approval_id = $1::uuid"
        assert.strictEqual(await house.lawOf(text, [approval_id]), "SY011")
        await house.lawless(text, [approval_id])
      })
      assert.strictEqual((await house.post(`/approvals/${asked.approval.approval_id}/deny`)).status, 200)
      await house.didNotRun(asked, /denied/)
    })

    it(`a yes moved to a twin of the call, of the same words (${lane})`, async () => {
      const [one, two] = [await house.ask(lane, `${lane}-twin`), await house.ask(lane, `${lane}-twin`)]
      await house.pause()
      await house.approve(one)
      await house.lawless("update approvals set tool_call_id = gen_random_uuid() where approval_id = $1::uuid", [
        two.approval.approval_id
      ])
      await house.lawless("update approvals set tool_call_id = $2::uuid where approval_id = $1::uuid", [
        one.approval.approval_id,
        two.approval.tool_call_id
      ])
      // Whoever waits for the second looks at it.
      await house.query("update work set waits_for = null, due_at = clock_timestamp() where work_id = $1::uuid", [
        two.approval.task_id ?? two.event_id
      ])
      await house.resume()
      await house.didNotRun(one, /there is none/)
      await house.didNotRun(two, /belongs to other work/)
    })

    it(`a standing rule was made: what a person approved runs (${lane})`, async () => {
      let rule = ""
      const asked = await between("standing", async () => {
        const made = await house.post("/policy", {
          tool: "house.open",
          when: { all: [{ path: "input.door", op: "eq", value: `${lane}-standing` }] },
          risk: "high"
        })
        assert.strictEqual(made.status, 201, JSON.stringify(made.body))
        rule = made.body.policy_id
      })
      // It only loosens: what was approved stays so.
      await house.ran(asked)
      assert.strictEqual((await house.request("DELETE", `/policy/${rule}`)).status, 200)
    })

    it(`a standing rule was revoked: what a person approved runs (${lane})`, async () => {
      const made = await house.post("/policy", {
        tool: "house.vault",
        when: { all: [{ path: "input.door", op: "eq", value: `${lane}-revoked` }] }
      })
      assert.strictEqual(made.status, 201, JSON.stringify(made.body))
      const asked = await house.ask(lane, `${lane}-revoked`, "house.vault")
      await house.pause()
      await house.approve(asked)
      assert.strictEqual((await house.request("DELETE", `/policy/${made.body.policy_id}`)).status, 200)
      await house.resume()
      await house.ran(asked)
    })

    it(`autonomy was lowered to A0 (${lane})`, async () => {
      const asked = await between("lowered", () => house.post("/controls/autonomy", { level: "A0" }))
      await house.didNotRun(asked, /nothing runs|lets nothing/)
      assert.strictEqual((await house.post("/controls/autonomy", { level: "A1" })).status, 200)
    })

    it(`its input was edited before the yes: only what was approved then runs (${lane})`, async () => {
      const asked = await house.ask(lane, `${lane}-edited`)
      await house.pause()
      const { body: next, status } = await house.post(`/approvals/${asked.approval.approval_id}/edit`, {
        input: { door: `${lane}-better` }
      })
      assert.strictEqual(status, 201)
      const late = await house.post(`/approvals/${asked.approval.approval_id}/approve`)
      assert.strictEqual(late.status, 409)
      assert.match(late.body.detail, /was superseded/)
      assert.strictEqual((await house.post(`/approvals/${next.approval_id}/approve`)).status, 200)
      // What is approved can't be edited any more.
      const again = await house.post(`/approvals/${next.approval_id}/edit`, { input: { door: `${lane}-worse` } })
      assert.strictEqual(again.status, 409)
      assert.match(again.body.detail, /was approved already/)
      await house.resume()
      await house.ran({ ...asked, door: `${lane}-better`, approval: next })
      assert.notInclude(house.outside.entries(), `${lane}-edited`)
      assert.notInclude(house.outside.entries(), `${lane}-worse`)
    })
  }

  it("the task was canceled", async () => {
    const asked = await house.ask("task", "canceled")
    await house.pause()
    await house.approve(asked)
    assert.strictEqual((await house.post(`/tasks/${asked.approval.task_id}/cancel`)).status, 200)
    await house.resume()
    await house.didNotRun(asked, /canceled/)
  })

  it("the task was paused, and goes on with the yes", async () => {
    const asked = await house.ask("task", "paused")
    assert.strictEqual((await house.post(`/tasks/${asked.approval.task_id}/pause`)).status, 200)
    await house.approve(asked)
    assert.notInclude(house.outside.entries(), "paused")
    assert.strictEqual((await house.post(`/tasks/${asked.approval.task_id}/resume`)).status, 200)
    await house.ran(asked)
  })

  it("what the tool refused may be tried again under the same yes, but not as something else", async () => {
    const asked = await house.askTask("sticky-control", stickySteps("house.sticky", "sticky-control", 10))
    await house.approve(asked)
    await house.ran(asked)
    const changed = await house.askTask("sticky-changed", stickySteps("house.sticky", "sticky-changed", 60_000))
    await house.approve(changed)
    await refusedOnce(house, changed)
    await house.query(
      `update steps set checkpoint = checkpoint || '{"edited": {"input": {"door": "safe"}}}' where step_id = $1::uuid`,
      [changed.approval.step_id]
    )
    await house.again(changed)
    await house.ran(changed)
    assert.notInclude(house.outside.entries(), "safe")
  })
})

describe("what can't be said of an approval", () => {
  let house: AskedHouse
  beforeAll(async () => {
    house = await AskedHouse.begin()
  })
  afterAll(() => house.end())

  it("is refused, with what it is now, and nothing more is done", async () => {
    const say = (id: string, verb: string, body?: object) => house.post(`/approvals/${id}/${verb}`, body)
    const conflict = async (id: string, now: RegExp) => {
      for (
        const [verb, body] of [["approve", undefined], ["deny", undefined], ["edit", { input: { door: "x" } }]] as const
      ) {
        const { body: problem, status } = await say(id, verb, body)
        assert.strictEqual(status, 409, `${verb}: ${JSON.stringify(problem)}`)
        assert.match(problem.detail, now)
        assert.strictEqual(problem.code, "approval.state")
      }
    }
    // Another input than what was shown.
    const one = await house.ask("fast", "one")
    const wrong = await say(one.approval.approval_id, "approve", { what_hash: hashOf({ door: "two" }) })
    assert.strictEqual(wrong.status, 409)
    assert.match(wrong.body.detail, /for another input/)
    assert.strictEqual((await house.get(`/approvals/${one.approval.approval_id}`)).body.status, "pending")
    // Denied.
    assert.strictEqual((await say(one.approval.approval_id, "deny")).status, 200)
    await conflict(one.approval.approval_id, /was denied \(by operator\)/)
    await house.didNotRun(one, /denied/)
    // Used.
    const used = await house.ask("fast", "used")
    assert.strictEqual(
      (await say(used.approval.approval_id, "approve", { what_hash: used.approval.what_hash })).status,
      200
    )
    await house.ran(used)
    await conflict(used.approval.approval_id, /was approved, and its call was begun/)
    // Too late, in either lane.
    for (const lane of lanes) {
      const late = await house.ask(lane, `${lane}-late`)
      await house.expire(late)
      await house.didNotRun(late, /nobody said yes in time/)
      await conflict(late.approval.approval_id, /has expired/)
    }
    // Nobody's.
    for (
      const id of ["0197b7a4-6d3c-7000-8000-000000000000", used.event_id, used.trace_id, used.approval.tool_call_id]
    ) {
      for (const verb of ["approve", "deny"]) assert.strictEqual((await say(id, verb)).status, 404)
    }
    assert.include([400, 404], (await say("1", "approve")).status)
    assert.deepEqual(house.outside.entries().filter((door) => door === "used"), ["used"])
  })

  it("an approval that was tampered with is refused at the yes, and audited", async () => {
    for (const lane of lanes) {
      const asked = await house.ask(lane, `${lane}-tampered`)
      const id = asked.approval.approval_id
      await house.lawless("update approvals set what = $2::jsonb, what_hash = $3 where approval_id = $1::uuid", [
        id,
        JSON.stringify(other),
        hashOf(other)
      ])
      const { body, status } = await house.post(`/approvals/${id}/approve`)
      assert.strictEqual(status, 409)
      assert.match(body.detail, /not the one that was shown/)
      await house.didNotRun(asked, /not the one that was shown/)
      assert.include(await house.host.auditTypes(asked.trace_id), "gate.hard_blocked")
    }
  })
})

describe("another host on the same database", () => {
  const tool = (name: string, change: object = {}) => (outside: OutsideLedger) => askedTool(outside, name, change)
  const before = [
    tool("up.kept"),
    tool("up.description"),
    tool("up.input"),
    tool("up.effect"),
    tool("up.risk"),
    tool("up.scopes"),
    tool("up.guarantee"),
    tool("up.gone"),
    tool("up.policy"),
    tool("up.adverse"),
    tool("up.granted", { scopes: ["attic"] }),
    (outside: OutsideLedger) => stickyTool(outside, "up.sticky")
  ]
  const wider = Schema.Struct({ door: Schema.String, force: Schema.optionalKey(Schema.Boolean) })
  const after = [
    tool("up.kept"),
    tool("up.description", { description: "Open a door, and the safe behind it." }),
    tool("up.input", { input: wider }),
    tool("up.effect", { effect: "irreversible" }),
    tool("up.risk", { risk: "high" }),
    tool("up.scopes", { scopes: ["cellar"] }),
    tool("up.guarantee", { guarantee: "native_key" }),
    tool("up.policy"),
    tool("up.adverse"),
    tool("up.granted", { scopes: ["attic"] }),
    tool("up.sticky", { description: "Open a door, and the safe behind it." })
  ]
  const policy = (risk: "low" | "high"): ReadonlyArray<PolicyConfiguration> => [{ tool: "up.adverse", risk }]
  const first: TestHostOptions = { policy: policy("low") }
  const next: TestHostOptions = {
    policy: [...policy("high"), { tool: "up.policy", risk: "low" }],
    safety: { scopes: { "*": ["doors", "cellar"] } }
  }
  const says: ReadonlyArray<readonly [string, RegExp]> = [
    ["up.description", /definition of up\.description has changed/],
    ["up.input", /definition of up\.input has changed/],
    ["up.effect", /definition of up\.effect has changed|promised of it was changed/],
    ["up.risk", /definition of up\.risk has changed/],
    ["up.scopes", /definition of up\.scopes has changed/],
    ["up.guarantee", /definition of up\.guarantee has changed|promised of it was changed/],
    ["up.gone", /not there any more/],
    ["up.policy", /policy for it has changed/],
    ["up.adverse", /policy for it has changed/],
    ["up.granted", /scope attic is not granted/]
  ]
  let house: AskedHouse
  const asked = new Map<string, Asked>()
  const pending = new Map<Lane, Asked>()

  beforeAll(async () => {
    house = await AskedHouse.begin(first, before)
    for (const lane of lanes) {
      for (const name of ["up.kept", ...says.map(([one]) => one)]) {
        asked.set(`${lane} ${name}`, await house.ask(lane, `${lane}-${name}`, name))
      }
      pending.set(lane, await house.ask(lane, `${lane}-pending`, "up.kept"))
    }
    const sticky = await house.askTask("sticky", stickySteps("up.sticky", "sticky", 60_000))
    await house.approve(sticky)
    await refusedOnce(house, sticky)
    await house.pause()
    for (const one of asked.values()) await house.approve(one)
    asked.set("sticky", sticky)
    await house.restart(next, after)
    await house.resume()
    await house.again(sticky)
  })
  afterAll(() => house.end())

  it("does not try again what was refused by another version of the tool", async () => {
    await house.didNotRun(asked.get("sticky")!, /definition of up\.sticky has changed/, { begun: true })
  })

  for (const lane of lanes) {
    for (const [name, words] of says) {
      it(`that has another ${name} does not run what was approved (${lane})`, async () => {
        await house.didNotRun(asked.get(`${lane} ${name}`)!, words)
      })
    }
    it(`runs what is as it was (${lane})`, async () => {
      await house.ran(asked.get(`${lane} up.kept`)!)
    })
    it(`asks on what was pending (${lane})`, async () => {
      const one = pending.get(lane)!
      await house.approve(one)
      await house.ran(one)
    })
  }
})
