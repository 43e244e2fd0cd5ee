/**
 * Done when 5: traces of every kind, decided again from their records, come to the same decisions, and nothing outside hears
 * of it. With another configuration exactly that is different which would have been.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { shortly } from "../../core/replay/Sayings.ts"
import type { TraceReplayed } from "../../core/replay/Replay.ts"
import type { Configuration } from "syris"
import { type ReplayHouse, replayHouse, rules } from "./ReplayHouse.ts"

const differences = ({ lines, trace_id }: TraceReplayed): ReadonlyArray<string> =>
  lines.filter(({ is }) => is !== "same").map(({ about, is, recorded, replayed, why }) =>
    `${trace_id} ${about} ${is}: ${why ?? ""} ${recorded === undefined ? "nothing" : shortly(recorded, 2000)} / ${
      replayed === undefined ? "nothing" : shortly(replayed, 2000)
    }`
  )

describe("traces of every kind, decided again", () => {
  let house: ReplayHouse
  const kinds: Record<string, (house: ReplayHouse, n: number) => Promise<string>> = {
    "fast path": ({ say }, n) => say(`lamp number ${n}`),
    "a read": ({ say }, n) => say(`shelf number ${n}`),
    "blocked at this level": ({ say }, n) => say(`safe number ${n}`),
    refused: ({ say }, n) => say(`milk number ${n}`),
    "steps of a plugin": ({ say }, n) => say(`breakfast ${n}`),
    "anti-flap": ({ say }, n) => say(`blind ${n}`),
    "emitted children": async ({ ended, say }, n) => {
      const trace = await say(`errand ${n}`)
      await ended(trace)
      return trace
    },
    "calls of a tool": ({ say }, n) => say(`scene ${n}`),
    "a call of a tool, approved": async ({ ended, host, word }, n) => {
      // It goes on while the operator is asked.
      const { trace_id } = await host.submit({ channel: "chat", text: `guest ${n}` })
      await word(trace_id, "approve")
      await ended(trace_id)
      return trace_id
    },
    "a call of a tool, given up": async ({ ended, say }, n) => {
      const trace = await say(`visitor ${n}`)
      await ended(trace)
      return trace
    },
    "a rule that claims it": ({ say }, n) => say(`spam ${n}`),
    debounce: ({ say }) => say("ding"),
    "rule with three actions": async ({ ended, say, word }) => {
      const trace = await say({ channel: "sensor", structured: { at: "porch" } })
      await word(trace, "approve")
      await ended(trace)
      return trace
    },
    "dedupe and storm": ({ say }, n) => say({ channel: "sensor", text: `parcel ${n % 5}`, actor_type: "system" }),
    unhandled: ({ say }) => say({ channel: "sensor", structured: { at: "attic" }, actor_type: "system" }),
    approved: async ({ say, word }, n) => {
      const trace = await say(`door ${n}`)
      await word(trace, "approve")
      return trace
    },
    denied: async ({ say, word }, n) => {
      const trace = await say(`door ${n}`)
      await word(trace, "deny")
      return trace
    },
    edited: async ({ say, word }, n) => {
      const trace = await say(`door ${n}`)
      await word(trace, "edit", { input: { id: `the other ${n}` } })
      await word(trace, "approve")
      return trace
    },
    expired: async ({ say, word }, n) => {
      const trace = await say(`door ${n}`)
      await word(trace, "expire")
      return trace
    },
    pending: ({ say }, n) => say(`door ${n}`),
    code: async ({ ended, say, word }, n) => {
      const trace = await say(`routine ${n}`)
      await word(trace, "approve")
      await ended(trace)
      return trace
    },
    "model answers": ({ say }, n) => say(`what is cup ${n}?`, { text: "A thing to drink from." }),
    "model plans": ({ say }, n) =>
      say(
        `something warm, please, ${n}!`,
        { call: { tool: "lamp.set", input: { id: `warm ${n}` } }, text: "light is warm" },
        { calls: [{ tool: "shelf.count", input: { id: "a" } }, { tool: "milk.pour", input: { id: "b" } }] },
        { call: { tool: "lamp.nothing", input: {} } },
        { call: { tool: "lamp.set", input: { wrong: true } } },
        { text: `It is warm, ${n}.` }
      ),
    "model, paused while it reads": ({ say }, n) =>
      say(
        `who is at the door, ${n}?`,
        { calls: [{ tool: "bell.read", input: { id: "x" } }, { tool: "shelf.count", input: { id: `y ${n}` } }] },
        { text: `Nobody, ${n}.` }
      ),
    "model asks": async ({ ended, say }, n) => {
      const thread_id = `thread ${n}`
      const text = `a coffee, if you would, ${n}?`
      const trace = await say(
        { channel: "chat", text, thread_id },
        { call: { tool: "syris.ask", input: { question: "Large?" } } },
        { text: "Large it is." }
      )
      await say({ channel: "chat", text: "yes, large", thread_id })
      await ended(trace)
      return trace
    },
    "model and approval": async ({ say, word }, n) => {
      const trace = await say(
        `let them in, ${n}!`,
        { call: { tool: "door.unlock", input: { id: `in ${n}` } } },
        { text: "They are in." }
      )
      await word(trace, n % 2 === 0 ? "approve" : "deny")
      return trace
    },
    duplicate: async ({ say }, n) => {
      const event = { channel: "chat", text: `lamp twice ${n}`, message_id: `message ${n}` }
      const trace = await say(event)
      await say(event)
      return trace
    },
    "a timer": ({ say }) => say("set a timer for 5 minutes"),
    "nobody knows": ({ say }, n) => say(`post ${n}`),
    "an untrusted channel": ({ say }, n) =>
      say(
        { channel: "mailbox", text: `please light the hall ${n}.` },
        { call: { tool: "lamp.set", input: { id: `hall ${n}` } } }
      ),
    canceled: async ({ ended, request }, n) => {
      const { task_id, trace_id } = await request("POST", "/tasks", {
        steps: [
          { name: "look", tool: "shelf.count", input: { id: String(n) } },
          { name: "wait", kind: "wait", input: { delay_ms: 600_000 } },
          { name: "light", tool: "lamp.set", input: { id: String(n) } }
        ]
      })
      await request("POST", `/tasks/${task_id}/cancel`, {})
      await ended(trace_id)
      return trace_id
    },
    "asked for as a task": async ({ ended, request }, n) => {
      const { trace_id } = await request("POST", "/tasks", {
        steps: [
          { name: "look", tool: "shelf.count", input: { id: String(n) } },
          { name: "wait", kind: "wait", input: { delay_ms: 20 } },
          { name: "pour", tool: "milk.pour", input: { id: "x" }, max_attempts: 2, retry: { base_delay_ms: 10 } }
        ]
      })
      await ended(trace_id)
      return trace_id
    }
  }
  const traces: Array<string> = []
  /** One of each kind. */
  const of: Record<string, string> = {}

  beforeAll(async () => {
    house = await replayHouse()
    const rounds = Array.from({ length: 7 }, (_, round) =>
      Object.entries(kinds).map(async ([kind, make], i) => {
        const trace = await make(house, round * 100 + i)
        if (round === 0) of[kind] = trace
        return trace
      }))
    traces.push(...await Promise.all(rounds.flat()))
    // The operator's word comes before the first step.
    await house.request("POST", "/controls/pause", {})
    for (const tool of ["lamp.set", "shelf.count", "safe.blow"]) {
      const { task_id, trace_id } = await house.request("POST", "/tasks", {
        steps: [{ name: "never", tool, input: { id: "never" } }]
      })
      await house.request("POST", `/tasks/${task_id}/cancel`, {})
      traces.push(trace_id)
    }
    await house.request("POST", "/controls/resume", {})
    // The level that held then counts, not the one of now.
    for (const level of ["A0", "A1", "A2"]) {
      await house.request("POST", "/controls/autonomy", { level })
      traces.push(await house.say(`lamp at ${level}`), await house.say(`shelf at ${level}`))
    }
  }, 150_000)
  afterAll(() => house.end())

  const one = async (kind: string, configuration?: Configuration): Promise<TraceReplayed> => {
    const [replayed] = await house.replay([of[kind] ?? ""], configuration)
    if (replayed === undefined) throw new Error(kind)
    return replayed
  }
  const found = async (kind: string, configuration?: Configuration) =>
    (await one(kind, configuration)).lines.filter(({ is }) => is !== "same")

  it("come to the same decisions, and nothing outside hears of it", async () => {
    const [done, asked] = [house.outside.entries().length, house.model.requests.length]
    const rows = () =>
      house.database.query("select count(*)::int as rows from audit_events where trace_id = any($1::uuid[])", [traces])
    const before = await rows()
    assert.isAtLeast(traces.length, 200)
    const replayed = await house.replay(traces)
    assert.deepEqual(replayed.flatMap(differences), [])
    assert.isTrue(replayed.every(({ recorded, same }) => same && recorded.length > 0))
    // What was compared is not only where things go.
    const kinds = new Set(replayed.flatMap(({ recorded }) => recorded.map(({ says }) => says["decided"])))
    for (
      const kind of [
        "fast",
        "task",
        "llm_plan",
        "dropped",
        "unhandled",
        "duplicate",
        "call",
        "gate.required",
        "gate.hard_blocked",
        "gate.preview",
        "gate.antiflap_block",
        "gate.storm_block",
        "rule.triggered",
        "rule.suppressed",
        "begin",
        "retry",
        "step failed",
        "model",
        "llm.failed",
        "wait",
        "ask",
        "task done",
        "task failed"
      ]
    ) assert.isTrue(kinds.has(kind), `${kind} is not among ${[...kinds].join(", ")}`)
    assert.deepEqual([house.outside.entries().length, house.model.requests.length], [done, asked])
    assert.deepEqual(await rows(), before)
  }, 90_000)

  it("without the rule that claimed it, go to the model, whose answer is not on record", async () => {
    const without = { ...house.configuration, rules: rules.filter(({ name }) => name !== "muted") }
    // How many rules there are is in the notes of every decision.
    assert.deepEqual((await found("fast path", without)).map(({ about, is }) => [about, is]), [["event 1", "differs"]])
    const lines = await found("a rule that claims it", without)
    assert.deepEqual(lines.map(({ about, is }) => [about, is]), [
      ["event 1", "differs"],
      ["event 1, rules", "differs"],
      ["event 2", "diverges"],
      ["event 1, task", "differs"],
      ["event 1, task", "diverges"]
    ])
    assert.deepInclude(lines[0]?.recorded, { decided: "dropped" })
    assert.deepInclude(lines[0]?.replayed, { decided: "llm_plan" })
  })

  it("under a policy that asks, wait for a person, whose word is not on record", async () => {
    const asking: Configuration = { ...house.configuration, policy: [{ tool: "lamp.set", risk: "medium" }] }
    const lines = await found("fast path", asking)
    assert.deepEqual(lines.map(({ is }) => is), ["differs", "differs", "diverges"])
    assert.deepInclude(lines[0]?.replayed, { decided: "fast", risk: "medium" })
    assert.deepInclude(lines[1]?.recorded, { decided: "call", tool: "lamp.set", risk: "low" })
    assert.deepInclude(lines[1]?.replayed, { decided: "gate.required", tool: "lamp.set", risk: "medium" })
    assert.match(lines[2]?.why ?? "", /nobody was asked/)
    assert.deepEqual(await found("a read", asking), [])
    assert.deepEqual(await found("approved", asking), [])
    const steps = await found("steps of a plugin", asking)
    assert.isTrue(steps.some(({ is, why = "" }) => is === "diverges" && /lamp.set/.test(why)))
  })

  it("with other words for the model, end where it is asked", async () => {
    const brief: Configuration = {
      ...house.configuration,
      llm: { provider: "openai", baseURL: house.model.url, model: "m", prompts: { responder: "Be brief." } }
    }
    const lines = await found("model plans", brief)
    assert.isTrue(lines.every(({ is }) => is === "diverges"))
    assert.match(lines[0]?.why ?? "", /question to the model would be another one: the prompts are others/)
    assert.deepEqual(await found("fast path", brief), [])
  })

  it("with fewer tools, say which the model would not be offered", async () => {
    const plugins = house.configuration.plugins?.slice(0, 1) ?? []
    const lines = await found("model answers", { ...house.configuration, plugins })
    assert.match(lines.find(({ is }) => is === "diverges")?.why ?? "", /would not be offered .*noop\.run/)
  })

  it("would see a decision that was tampered with", async () => {
    const trace = of["fast path"]
    const change = (from: string, to: string) =>
      house.database.query(
        `update routing_decisions set input = replace(input::text, $1, $2)::jsonb where trace_id = $3::uuid`,
        [from, to, trace]
      )
    await change("number", "nomber")
    const lines = await found("fast path")
    assert.deepEqual(lines.map(({ about, is }) => [about, is]), [["event 1", "differs"]])
    await change("nomber", "number")
    assert.deepEqual(await found("fast path"), [])
  })

  it("would see an answer of the model that was tampered with", async () => {
    await house.database.query(
      `update completions set answer = jsonb_set(answer, '{text}', '"A thing to break."') where trace_id = $1::uuid`,
      [of["model answers"]]
    )
    const lines = await found("model answers")
    assert.deepEqual(lines.map(({ is }) => is), ["differs"])
    assert.deepInclude(lines[0]?.replayed?.["decision"], { answer: "A thing to break." })
  })

  it("would see a tool that is called, and can't write", async () => {
    const before = house.outside.entries().length
    // Code of a plugin that is asked for a decision, and acts.
    const acting = house.acting()
    await one("fast path", {
      ...house.configuration,
      plugins: [acting, ...house.configuration.plugins?.slice(1) ?? []]
    })
    assert.isAbove(house.outside.entries().length, before)
    assert.match(await house.tryToWrite(), /read-only transaction/)
  })
})
