/**
 * Rules on the wire, over a whole host and its database: made, listed, changed, removed, explained for an event and tried on
 * events of the past. What is wrong with one is a sentence that names the field.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { definePlugin, defineTool, field, Schema } from "../plugin/index.ts"
import { testHost, type TestHost } from "../testing/index.ts"
import { computedMs } from "../../test/Cpu.ts"

const door = definePlugin({
  name: "door",
  setup: () => ({
    channels: [{ name: "ha_event", trust: "trusted" }],
    tools: [
      defineTool({
        name: "door.open",
        description: "Open a door.",
        input: Schema.Struct({ which: Schema.String }),
        effect: "write",
        risk: "high",
        scopes: [],
        run: () => "open"
      })
    ],
    rules: [{ name: "bell", when: field("content.text").eq("bell"), then: [{ notify: { text: "Somebody rings." } }] }]
  })
})

/** An hour that is not now, and not soon. */
const far = (more: number) => String((new Date().getUTCHours() + 12 + more) % 24).padStart(2, "0")

let host: TestHost
beforeAll(async () => {
  host = await testHost({
    http: true,
    timezone: "UTC",
    plugins: [door()],
    safety: { quietHours: [{ start: `${far(0)}:00`, end: `${far(0)}:01` }] },
    rules: [{ name: "porch light", when: field("content.text").eq("dark"), then: [{ emit: { text: "lamp on" } }] }]
  })
  await ask("PUT", "/quiet-hours/night", { start: `${far(1)}:00`, end: `${far(1)}:01`, timezone: "UTC" })
}, 60_000)
afterAll(() => host?.stop())

interface Answer {
  readonly status: number
  readonly json: any
}

const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
  const { token = "", url = "" } = host.http ?? {}
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await response.text()
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) }
}

const leaf = (path: string, op: string, value?: unknown) => ({ path, op, ...(value === undefined ? {} : { value }) })
const text = (value: string) => leaf("content.text", "eq", value)
const rule = (name: string, more: object = {}) => ({
  name,
  when: text(name),
  then: [{ emit: { text: "done" } }],
  ...more
})
const make = async (body: object): Promise<any> => {
  const { json, status } = await ask("POST", "/rules", body)
  assert.strictEqual(status, 201, JSON.stringify(json))
  return json
}
const at = (id: string): string => `/rules/${encodeURIComponent(id)}`

/** Rows of every table of the host's schema. */
const rowCounts = async (): Promise<ReadonlyArray<object>> => {
  // Committed by whoever writes by itself before and after: the heartbeat, the look of watchers.
  const busy = ["hosts", "watchers"]
  const tables = await host.sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1`
  const counts: Array<object> = []
  for (const { name } of tables) {
    if (busy.includes(name)) continue
    const [row] = await host.sql<{ n: number }>`
      select (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I', ${name}::text), false, true, '')))[1]::text::int as n`
    counts.push({ name, n: row?.n })
  }
  return counts
}

describe("rules over HTTP", () => {
  it("a rule is made, read, listed in the order of looking, switched, changed and removed", async () => {
    const made = await make(rule("knock", { priority: 3, debounce_ms: 50 }))
    assert.deepInclude(made, {
      name: "knock",
      enabled: true,
      origin: "api",
      priority: 3,
      stop: false,
      debounce_ms: 50,
      risk: "low",
      hit_count: 0,
      suppressed_count: 0
    })
    assert.deepEqual((await ask("GET", at(made.rule_id))).json, made)
    const { items } = (await ask("GET", "/rules")).json
    assert.deepEqual(items.map(({ rule_id }: any) => rule_id), [made.rule_id, "config.porch light", "door.bell"])
    const page = (await ask("GET", "/rules?limit=1")).json
    assert.deepEqual(page.items.map(({ name }: any) => name), ["knock"])
    const rest = (await ask("GET", `/rules?cursor=${encodeURIComponent(page.next_cursor)}`)).json
    assert.deepEqual(rest.items.map(({ name }: any) => name), ["porch light", "bell"])
    assert.strictEqual((await ask("GET", "/rules?cursor=zzz")).status, 400)

    await host.send({ channel: "webhook", text: "knock" })
    assert.deepInclude((await ask("GET", at(made.rule_id))).json, { hit_count: 1, suppressed_count: 0 })
    assert.deepInclude((await ask("PATCH", at(made.rule_id), { enabled: false })).json, {
      enabled: false,
      hit_count: 1
    })
    const off = await host.send({ channel: "webhook", text: "knock" })
    assert.notInclude(await host.auditTypes(off.trace_id), "rule.triggered")

    const changed = (await ask("PATCH", at(made.rule_id), {
      enabled: true,
      priority: null,
      then: [{ tool: "door.open", input: { which: "front" } }],
      when: text("knock knock")
    })).json
    assert.deepInclude(changed, { name: "knock", enabled: true, priority: 0, risk: "high" })
    const after = await host.send({ channel: "webhook", text: "knock knock" })
    assert.include(await host.auditTypes(after.trace_id), "rule.triggered")

    assert.strictEqual((await ask("DELETE", at(made.rule_id))).status, 204)
    for (const [method, body] of [["GET"], ["DELETE"], ["PATCH", { enabled: true }]] as const) {
      assert.deepInclude(await ask(method, at(made.rule_id), body), { status: 404 })
    }
    const left = await host.sql`select 1 from rule_states where rule_id = ${made.rule_id}`
    assert.lengthOf(left, 0)
    const told = await host.sql<{ type: string }>`
      select type from audit_events where refs->>'rule_id' = ${made.rule_id} and type like 'operator.%' order by seq`
    assert.deepEqual(told.map(({ type }) => type), [
      "operator.rule_created",
      "operator.rule_changed",
      "operator.rule_changed",
      "operator.rule_deleted"
    ])
  })

  it("what is written elsewhere is only switched, and says where", async () => {
    for (const [id, where] of [["config.porch light", "written in"], ["door.bell", "belongs to a plugin"]] as const) {
      const refused = await ask("PATCH", at(id), { priority: 4 })
      assert.strictEqual(refused.status, 409)
      assert.include(refused.json.detail, where)
      assert.strictEqual((await ask("DELETE", at(id))).status, 409)
      assert.deepInclude((await ask("PATCH", at(id), { enabled: false })).json, { enabled: false })
      assert.deepInclude((await ask("PATCH", at(id), { enabled: true })).json, { enabled: true })
    }
    const { rule_id } = await make(rule("off at first", { enabled: false }))
    assert.deepInclude((await ask("PATCH", at(rule_id), { enabled: true })).json, { enabled: true })
    for (const _ of [1, 2]) {
      assert.deepInclude((await ask("PATCH", at(rule_id), { enabled: null })).json, { enabled: false })
    }
    assert.deepInclude((await ask("PATCH", at("door.bell"), { enabled: false })).json, { enabled: false })
    assert.deepInclude((await ask("PATCH", at("door.bell"), { enabled: null })).json, { enabled: true })
    const wrong = await ask("PATCH", at(rule_id), { enabled: "no" })
    assert.strictEqual(wrong.json.detail, "The field \"enabled\" must be true or false, or null to take it away.")
    await ask("DELETE", at(rule_id))
    assert.strictEqual((await ask("GET", at("config.nobody"))).json.detail, "There is no rule config.nobody.")
  })

  it("of the configuration whose quiet hours are not there ends the start", async () => {
    const quietHours = "config.2"
    const rules = [{ name: "r", when: field("content.text").eq("x"), then: [{ emit: {} }], quietHours }]
    const safety = { quietHours: [{ start: `${far(0)}:00`, end: `${far(0)}:01` }] }
    const said = await testHost({ rules, safety }).then((host) => host.stop(), String)
    assert.match(
      String(said),
      /the rule "r": quietHours: there are no quiet hours "config\.2"; did you mean "config\.1"\?/
    )
  })

  it("a name is there once, whatever its case", async () => {
    const made = await make(rule("Twice"))
    const again = await ask("POST", "/rules", rule("twice"))
    assert.strictEqual(again.status, 409)
    assert.include(again.json.detail, "choose another name")
    const other = await make(rule("thrice"))
    assert.strictEqual((await ask("PATCH", at(other.rule_id), { name: "TWICE" })).status, 409)
    const both = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        ask("PATCH", at(n % 2 === 0 ? made.rule_id : other.rule_id), {
          name: "the one",
          priority: n
        })
      )
    )
    assert.deepEqual([...new Set(both.map(({ status }) => status))].toSorted(), [200, 409])
    for (const { rule_id } of [made, other]) await ask("DELETE", at(rule_id))
  })

  it("a long name in any alphabet can be addressed", async () => {
    const long = "ключ 🔑".repeat(14)
    const made = await make({ ...rule("x"), name: long })
    assert.strictEqual(made.name, long)
    assert.strictEqual((await ask("GET", at(`config.${long}`))).status, 404)
    await ask("DELETE", at(made.rule_id))
  })

  it.each<readonly [string, object, RegExp]>([
    ["an op that there is not", { when: leaf("content.text", "equals", 1) }, /"when\.op" must be one of eq, .*/],
    ["an op that is nearly one", { when: leaf("content.text", "contain", "x") }, /did you mean "contains"\?/],
    [
      "a tree that is too deep",
      { when: { all: [{ any: [{ all: [{ any: [{ all: [{ any: [text("x")] }] }] }] }] }] } },
      /^The field "when\..*" is nested deeper than 5 levels: make it flatter\.$/
    ],
    [
      "too many leaves",
      { when: { any: Array.from({ length: 21 }, (_, i) => text(String(i))) } },
      /^The field "when" has more than 20 leaves: split it\.$/
    ],
    [
      "a tool that there is not",
      { then: [{ tool: "door.opne" }] },
      /then\[0\]: there is no tool "door\.opne"; did you mean "door\.open"\?/i
    ],
    [
      "an input that the tool does not take",
      { then: [{ tool: "door.open", input: {} }] },
      /then\[0\]\.input.*"which"/i
    ],
    [
      "a path that leads nowhere",
      { then: [{ emit: { text: "{{body.text}}" } }] },
      /"then\[0\]\.emit\.text" has "body\.text" in \{\{ \}\}, and a path must begin with/
    ],
    [
      "an open brace",
      { then: [{ emit: { text: "{{content.text" } }] },
      /"then\[0\]\.emit\.text" has a \{\{ without its \}\}/
    ],
    [
      "a channel out of the event",
      { then: [{ emit: { channel: "{{source.channel}}", text: "x" } }] },
      /"then\[0\]\.emit\.channel" must be fixed/
    ],
    [
      "an unknown key beside a place",
      { then: [{ emit: { txet: "{{content.text}}" } }] },
      /emit: there is no field "txet"; did you mean "text"\?/
    ],
    [
      "a tool of a step that there is not",
      { then: [{ task: { steps: [{ name: "s", tool: "door.opem", input: { which: "{{content.text}}" } }] } }] },
      /then\[0\]\.task: there is no tool "door\.opem"; did you mean "door\.open"\?/i
    ],
    [
      "a channel that can't speak",
      { then: [{ notify: { text: "x", channel: "ha_event" } }] },
      /the channel ha_event can't send/
    ],
    [
      "a pattern that looks back",
      { when: leaf("content.text", "regex", "(a)\\1") },
      /"when\.value" can't be matched in linear time .* without look-around and back references/
    ],
    ["a key as code has it", { debounceMs: 5 }, /^There is no field "debounceMs"; did you mean "debounce_ms"\?$/],
    ["a key of an inner object", { dedupe: { windowMs: 5 } }, /"dedupe\.windowMs"; did you mean "window_ms"\?/],
    ["a wrong kind", { debounce_ms: "soon" }, /"debounce_ms" must be a/],
    ["no action", { then: [] }, /"then" must be a list of 1 to 10 actions/],
    [
      "a key that is no path",
      { dedupe: { key: "content..text", window_ms: 5 } },
      /"dedupe\.key" must be keys joined by dots/
    ],
    [
      "a key with a wrong place",
      { dedupe: { key: "{{nobody}}", window_ms: 5 } },
      /"dedupe\.key" has "nobody" in \{\{ \}\}/
    ],
    ["a window that is none", { quiet_hours: { start: "late", end: "07:00" } }, /"quiet_hours/],
    ["what means nothing", { per: "content.text" }, /"per" means nothing without changed or held_for_ms/],
    ["a claim that comes too late", { stop: true, held_for_ms: 5 }, /"stop" can't be true/],
    ["no condition", { when: undefined }, /when/],
    ...["connector_id", "thread_id", "actor_type"].map((key) =>
      [
        `a ${key} out of the event`,
        { then: [{ emit: { [key]: "{{content.text}}", text: "x" } }] },
        new RegExp(`"then\\[0\\]\\.emit\\.${key}" must be fixed: an event can't choose where it goes`)
      ] as const
    ),
    ...([
      [{ steps: "{{content.structured.steps}}" }, "steps\" must be a list of steps"],
      [{ steps: ["{{content.structured.step}}"] }, "steps\\[0\\]\" must be a step"],
      [{ steps: [["{{content.structured.step}}"]] }, "steps\\[0\\]\\[0\\]\" must be a step"],
      [{ steps: [{ name: "s", tool: "{{content.text}}" }] }, "steps\\[0\\]\\.tool\" must be fixed"],
      [{ steps: [{ name: "{{content.text}}", tool: "door.open" }] }, "steps\\[0\\]\\.name\" must be fixed"],
      [{ steps: [{ name: "s", kind: "{{content.text}}" }] }, "steps\\[0\\]\\.kind\" must be fixed"],
      [{ task: "{{content.text}}" }, "task\" must be fixed"]
    ] as const).map(([task, sentence]) =>
      [
        `of a task ${JSON.stringify(task)}`,
        { then: [{ task }] },
        new RegExp(`"then\\[0\\]\\.task\\.${sentence}`)
      ] as const
    ),
    [
      "a pattern that is too large",
      { when: leaf("content.text", "regex", "(a?){600}a{600}") },
      /"when\.value" is too large/
    ],
    [
      "quiet hours that there are not",
      { quiet_hours: "nigth" },
      /^Quiet_hours: there are no quiet hours "nigth"; did you mean "night"\?$/
    ],
    [
      "quiet hours of no name",
      { quiet_hours: "x".repeat(50) },
      /there are no quiet hours "x+"; there are config\.1, night/
    ],
    [
      "urgency beside what is not urgent",
      { quiet_hours: true, then: [{ notify: { text: "x", urgency: "high" } }, { emit: {} }] },
      /"then" has a notify of urgency high, which is said in quiet hours too, .* make two rules/
    ]
  ])("refuses %s in a sentence", async (_, more, sentence) => {
    const { json, status } = await ask("POST", "/rules", rule("wrong", more))
    assert.strictEqual(status, 400)
    assert.match(json.detail, sentence)
    assert.match(json.detail, /[.?]$/)
  })

  it("says what a rule can do at its worst", async () => {
    const risks = []
    for (
      const [n, then] of [
        [{ notify: { text: "x".repeat(9_000) } }],
        [{ emit: { text: "say {{content.text}}" } }],
        [{ tool: "door.open", input: { which: "{{content.text}}" } }],
        [{ emit: {} }, { task: { steps: [{ name: "s", tool: "door.open", input: { which: "a" } }] } }]
      ].entries()
    ) risks.push((await make(rule(`risk ${n}`, { then }))).risk)
    assert.deepEqual(risks, ["low", "high", "high", "high"])
    const claims = [
      text("claim"),
      { any: [leaf("source.channel", "eq", "ha_event"), leaf("source.channel", "in", ["webhook"])] },
      { none: [leaf("source.channel", "starts_with", "c")] },
      leaf("security.trust", "neq", "operator"),
      { none: [leaf("source.channel", "eq", "chat"), text("x")] }
    ]
    const claimed = []
    for (const [n, when] of claims.entries()) {
      const made = await make(
        rule(`claim ${n}`, { when: { all: [when, text("claimed")] }, stop: true, then: [{ emit: {} }] })
      )
      claimed.push(made.risk)
      await ask("DELETE", at(made.rule_id))
    }
    assert.deepEqual(claimed, ["high", "medium", "medium", "medium", "medium"])
  })

  it("what is too long to be said is cut, and what is no text becomes one", async () => {
    await make(
      rule("long", {
        then: [{ notify: { text: "{{content.structured.all}}" } }, { emit: { text: "{{content.structured.n}}" } }]
      })
    )
    const sent = await host.send({ channel: "webhook", text: "long", structured: { all: "é😀".repeat(5_000), n: 21 } })
    const [said] = await host.sql<{ text: string }>`
      select text from chat_messages where trace_id = ${sent.trace_id}::uuid`
    assert.isTrue(said?.text.endsWith("…") && said.text.length <= 8_000 && said.text.isWellFormed())
    const [emitted] = await host.sql<{ text: string }>`
      select text from events where parent_event_id = ${sent.event_id}::uuid and text is not null`
    assert.strictEqual(emitted?.text, "21")
    const empty = await host.send({ channel: "webhook", text: "long" })
    const [fired] = await host.sql<{ text: string }>`
      select text from chat_messages where trace_id = ${empty.trace_id}::uuid`
    assert.strictEqual(fired?.text, "The rule long fired.")
  })

  it("a key of a rule may be a path alone", async () => {
    await make(rule("parcel", {
      when: leaf("content.text", "starts_with", "parcel"),
      dedupe: { key: "content.structured.to", window_ms: 60_000 }
    }))
    const types: Array<string | undefined> = []
    for (const [text, to] of [["parcel a", "Ann"], ["parcel b", "Ann"], ["parcel c", "Ben"]]) {
      const sent = await host.send({ channel: "webhook", text: text ?? "", structured: { to: to ?? "" } })
      types.push((await host.auditTypes(sent.trace_id)).find((type) => type.startsWith("rule.")))
    }
    assert.deepEqual(types, ["rule.triggered", "rule.suppressed", "rule.triggered"])
  })
})

describe("a claim", () => {
  const decided = async (trace_id: string): Promise<string> => {
    const [row] = await host.sql<{ notes: ReadonlyArray<string> }>`
      select notes from routing_decisions where trace_id = ${trace_id}::uuid order by decided_at limit 1`
    return (row?.notes ?? []).join("\n")
  }

  it("holds back what the operator says, but not the hand on the switch", async () => {
    const mine = rule("all mine", {
      when: leaf("source.channel", "neq", "rule_engine"),
      stop: true,
      then: [{ emit: {} }]
    })
    const { rule_id } = await make(mine)
    assert.strictEqual((await host.send("list rules")).lane, "dropped")
    // What the rule makes of it waits until the host goes on: the trace of the pause does, too.
    const paused = await host.submit({ channel: "chat", text: "pause" })
    for (const [words, intent] of [["resume", "control.resume"], ["set autonomy to A1", "autonomy.set"]] as const) {
      const sent = await host.send(words)
      assert.deepInclude(sent, { lane: "fast" }, words)
      assert.include(
        await decided(sent.trace_id),
        `rules: all mine claims the event, but the operator's hand on the switch goes before\nfastpath: ${intent}`
      )
    }
    assert.include(await decided(paused.trace_id), "fastpath: control.pause")
    assert.strictEqual((await host.send({ channel: "webhook", text: "pause" })).lane, "dropped")
    await ask("DELETE", at(rule_id))
    await host.send("set autonomy to A2")
  })

  it("of a rule out of worse words does not hold back a better event", async () => {
    const { rule_id } = await make(
      rule("sneaky", { when: leaf("content.text", "eq", "list rules"), stop: true, then: [{ emit: {} }] })
    )
    await host.sql`update rules set trust = 'untrusted' where rule_id = ${rule_id}`
    await ask("PATCH", at(rule_id), { enabled: true })
    const sent = await host.send("list rules")
    assert.strictEqual(sent.lane, "fast")
    assert.include(
      await decided(sent.trace_id),
      "sneaky can't claim it: the event is operator, and the rule untrusted"
    )
    const own = await host.send({ channel: "webhook", text: "list rules" })
    assert.strictEqual(own.lane, "dropped", await decided(own.trace_id))
    await ask("DELETE", at(rule_id))
  })
})

describe("why a rule did what it did", () => {
  const why = async (rule_id: string, event_id: string) =>
    (await ask("GET", `${at(rule_id)}/explain?event_id=${event_id}`)).json

  it("shows each leaf with what it saw, and what became of it", async () => {
    const { rule_id } = await make(rule("why", {
      when: { all: [text("why"), leaf("content.structured.n", "gt", 3)] },
      debounce_ms: 60_000
    }))
    const fired = await host.send({ channel: "webhook", text: "why", structured: { n: 4 } })
    assert.deepInclude(await why(rule_id, fired.event_id), {
      rule_id,
      name: "why",
      event_id: fired.event_id,
      matched: true,
      outcome: "triggered",
      leaves: [
        { path: "content.text", op: "eq", value: "why", actual: "why", matched: true },
        { path: "content.structured.n", op: "gt", value: 3, actual: 4, matched: true }
      ]
    })
    const again = await host.send({ channel: "webhook", text: "why", structured: { n: 5 } })
    const held = await why(rule_id, again.event_id)
    assert.deepInclude(held, { matched: true, outcome: "suppressed", reason: "debounce" })
    assert.match(held.said, /^The rule why did nothing: it was fired \d+ ms ago, and does so once in 60000 ms\.$/)
    const other = await host.send({ channel: "webhook", text: "why" })
    const missed = await why(rule_id, other.event_id)
    assert.deepInclude(missed, { matched: false, outcome: "not_matched" })
    assert.deepEqual(missed.leaves[1], { path: "content.structured.n", op: "gt", value: 3, matched: false })
    assert.strictEqual((await ask("GET", `${at(rule_id)}/explain?event_id=${rule_id}`)).status, 404)
    assert.strictEqual((await ask("GET", `${at("nobody")}/explain?event_id=${other.event_id}`)).status, 404)
    assert.strictEqual((await ask("GET", `${at(rule_id)}/explain?event_id=x`)).status, 400)
  })

  it("names the event that a change is seen against", async () => {
    const { rule_id } = await make(rule("window", {
      when: { all: [leaf("content.structured.entity_id", "eq", "window"), leaf("content.structured.state", "changed")] }
    }))
    const send = (entity_id: string, state: string) =>
      host.send({ channel: "ha_event", structured: { entity_id, state } })
    const first = await send("window", "shut")
    await send("lamp", "on")
    const second = await send("window", "open")
    assert.deepInclude(await why(rule_id, second.event_id), {
      matched: true,
      outcome: "triggered",
      previous_event_id: first.event_id
    })
    const begin = await why(rule_id, first.event_id)
    assert.deepInclude(begin, { matched: false, outcome: "not_matched" })
    assert.notProperty(begin, "previous_event_id")
  })
})

describe("a rule that is only tried", () => {
  const trial = async (body: object) => {
    const { json, status } = await ask("POST", "/rules/test", body)
    assert.strictEqual(status, 200, JSON.stringify(json))
    return json.items as ReadonlyArray<
      { event_id?: string; matched: boolean; fires: boolean; reason?: string; leaves: any }
    >
  }
  const outcomes = (items: Awaited<ReturnType<typeof trial>>) =>
    items.map(({ fires, matched, reason }) => fires ? "fires" : reason ?? (matched ? "matched" : "no"))
  const moment = (second: number) => new Date(Date.UTC(2026, 0, 1, 12, 0, second)).toISOString()
  const event = (second: number, text: string, structured: object = {}) => ({
    channel: "webhook",
    text,
    structured,
    occurred_at: moment(second)
  })

  it("says on which events of the past it would have fired, and changes nothing", async () => {
    const since = new Date().toISOString()
    const sent = []
    for (const text of ["tried", "else", "tried"]) sent.push(await host.send({ channel: "webhook", text }))
    const before = await rowCounts()
    const items = await trial({ rule: rule("tried", { debounce_ms: 3_600_000 }), since })
    assert.deepEqual(items.map(({ event_id }) => event_id), sent.map(({ event_id }) => event_id))
    assert.deepEqual(outcomes(items), ["fires", "no", "debounce"])
    assert.deepEqual(items[0]?.leaves, [{
      path: "content.text",
      op: "eq",
      value: "tried",
      actual: "tried",
      matched: true
    }])
    assert.deepEqual(await rowCounts(), before)
    const newest = await trial({ rule: rule("tried"), limit: 2 })
    assert.deepEqual(outcomes(newest), ["no", "fires"])
  })

  it("by its id, on events that are given", async () => {
    const before = await rowCounts()
    assert.deepEqual(
      outcomes(
        await trial({ rule: "config.porch light", events: [event(0, "dark"), event(1, "light"), event(2, "dark")] })
      ),
      ["fires", "no", "fires"]
    )
    assert.deepEqual(await rowCounts(), before)
  })

  it("with debounce, dedupe and quiet hours as they would have been", async () => {
    const events = [event(0, "x"), event(4, "x"), event(11, "x"), event(12, "x")]
    assert.deepEqual(
      outcomes(await trial({ rule: rule("x", { debounce_ms: 10_000 }), events })),
      ["fires", "debounce", "fires", "debounce"]
    )
    const keyed = events.map((one, i) => ({ ...one, structured: { n: i % 3 } }))
    const dedupe = { key: "content.structured.n", window_ms: 12_000 }
    assert.deepEqual(outcomes(await trial({ rule: rule("x", { dedupe }), events: keyed })), [
      "fires",
      "fires",
      "fires",
      "fires"
    ])
    assert.deepEqual(
      outcomes(await trial({ rule: rule("x", { dedupe: { ...dedupe, window_ms: 12_001 } }), events: keyed })),
      ["fires", "fires", "fires", "dedupe"]
    )
    const quiet_hours = { start: "12:00", end: "12:01", timezone: "UTC" }
    assert.deepEqual(
      outcomes(await trial({ rule: rule("x", { quiet_hours }), events: [event(0, "x"), event(60, "x")] })),
      [
        "quiet_hours",
        "fires"
      ]
    )
    const loud = { quiet_hours, then: [{ notify: { text: "x", urgency: "high" } }] }
    assert.deepEqual(outcomes(await trial({ rule: rule("x", loud), events: [event(0, "x")] })), ["fires"])
  })

  it("with a condition that has to hold on, each thing for itself", async () => {
    const open = (second: number, state: string, device_id = "a") => ({ ...event(second, "", { state }), device_id })
    const left = rule("left", { when: leaf("content.structured.state", "eq", "open"), held_for_ms: 10_000 })
    assert.deepEqual(
      outcomes(
        await trial({
          rule: left,
          events: [
            open(0, "open"),
            open(2, "open"),
            open(3, "shut"),
            open(4, "open", "b"),
            open(5, "open"),
            open(16, "shut")
          ]
        })
      ),
      ["it did not stay so for long enough", "it holds already", "no", "fires", "fires", "no"]
    )
    // Two that are due within one debounce.
    assert.deepEqual(
      outcomes(
        await trial({
          rule: { ...left, debounce_ms: 5_000 },
          events: [open(0, "open"), open(1, "open", "b"), open(7, "open", "c")]
        })
      ),
      ["fires", "debounce", "fires"]
    )
  })

  it("on much text lets others have their turn", async () => {
    const long = "ab".repeat(4_000)
    const events = Array.from({ length: 60 }, (_, i) => event(i, `${long}${i}`))
    const when = {
      any: Array.from({ length: 20 }, (_, i) => leaf("content.text", "regex", `[ab]*b[ab]{${80 + i}}[cd]`))
    }
    const trying = trial({ rule: rule("slow", { when }), events })
    let over = false
    void trying.finally(() => (over = true))
    const began = computedMs()
    let longest = 0
    for (let at = began; !over; at = computedMs()) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      longest = Math.max(longest, computedMs() - at)
    }
    assert.lengthOf(await trying, 60)
    // Without a turn in between it is all of it.
    assert.isBelow(longest, (computedMs() - began) / 4)
  })

  it.each([
    ["no such rule", { rule: "nobody" }, 404, /no rule nobody/],
    ["a wrong rule", { rule: rule("x", { then: [] }) }, 400, /"then" must be a list/],
    ["no rule", {}, 400, /"rule" is missing/],
    [
      "a wrong event",
      { rule: rule("x"), events: [{ channel: "webhook" }, { text: "x" }] },
      400,
      /^events\[1\]: .*"channel"/
    ],
    ["a moment that is none", { rule: rule("x"), since: "yesterday" }, 400, /"since" must be a moment/],
    ["too many", { rule: rule("x"), limit: 501 }, 400, /"limit"/]
  ])("refuses %s", async (_, body, status, sentence) => {
    const refused = await ask("POST", "/rules/test", body)
    assert.strictEqual(refused.status, status)
    assert.match(refused.json.detail, sentence)
  })
})
