/**
 * Tools that have other tools called: gated, told and done like everything else, waited for, and given up when nobody waits
 * any more. What a crash leaves of it: `test/stories/calledTools.test.ts`.
 */
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "vitest"
import {
  definePlugin,
  defineTool,
  Schema,
  type ToolContext,
  type ToolDefinition,
  ToolRefused,
  ToolUnknown
} from "../plugin/index.ts"
import { type TestHost, testHost } from "../testing/TestHost.ts"
import { until } from "../../test/storms/Until.ts"

const done: Array<string> = []
const trusts: Array<string> = []
let caught: unknown
let ctxOf: ToolContext | undefined

type Shape = Partial<
  Pick<ToolDefinition, "effect" | "risk" | "scopes" | "trust" | "concurrency" | "timeout">
>

/** Does what the house is asked for, and writes it down. */
const act = (name: string, more: Shape = {}) =>
  defineTool({
    name,
    description: "Does it.",
    input: Schema.Struct({ what: Schema.String }),
    effect: "write",
    risk: "low",
    scopes: [],
    ...more,
    run: ({ what }: { readonly what: string }, ctx: ToolContext) => {
      done.push(`${name} ${what}`)
      trusts.push(ctx.trust)
      return { message: `${name} did ${what}.` }
    }
  })

/** Has a tool called, and answers what it gave back. */
const ask = (name: string, tool: string, more: Shape = {}) =>
  defineTool({
    name,
    description: "Has it done.",
    input: Schema.Struct({ what: Schema.String }),
    effect: "write",
    risk: "low",
    scopes: [],
    ...more,
    run: async (input: { readonly what: string }, ctx: ToolContext) => {
      ctxOf = ctx
      try {
        return { got: await ctx.call(tool, tool === "control.pause" ? {} : input) }
      } catch (error) {
        caught = error
        throw error
      }
    }
  })

const plugin = definePlugin({
  name: "house",
  setup: () => ({
    tools: [
      act("lamp.set"),
      act("door.open", { risk: "high" }),
      act("vault.open", { scopes: ["vault.open"] }),
      act("page.read", { effect: "read", trust: "untrusted" }),
      defineTool({
        name: "parcel.send",
        description: "Sends it.",
        input: Schema.Struct({ what: Schema.String }),
        effect: "write",
        risk: "low",
        scopes: [],
        run: () => Promise.reject<string>(new ToolUnknown("the line went dead"))
      }),
      ask("scene.set", "lamp.set"),
      ask("guest.let", "door.open"),
      ask("guest.wait", "door.open", { timeout: "1 second" }),
      ask("thief.let", "vault.open"),
      ask("shop.order", "parcel.send"),
      ask("ghost.call", "no.tool"),
      ask("host.stop", "control.pause"),
      ask("mirror.look", "mirror.look"),
      ask("narrow.look", "narrow.look", { concurrency: 1, timeout: "1 second" }),
      defineTool({
        name: "news.act",
        description: "Reads, then acts.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        run: async (_, ctx) => {
          const lamps = await Promise.all([1, 2, 1].map((n) => ctx.call("lamp.set", { what: `lamp ${n}` })))
          await ctx.call("page.read", { what: "news" })
          return [...lamps, await ctx.call("lamp.set", { what: "after" })]
        }
      })
    ],
    intents: [
      "scene.set",
      "guest.let",
      "guest.wait",
      "thief.let",
      "shop.order",
      "ghost.call",
      "host.stop",
      "mirror.look",
      "narrow.look"
    ].map((tool) => ({
      name: tool,
      tool,
      patterns: [new RegExp(`^${tool.replace(".", " ")} (?<what>.+)$`)]
    })).concat([{ name: "news.act", tool: "news.act", patterns: [/^news act$/] }])
  })
})

describe("a tool that has another called", () => {
  let host: TestHost
  beforeAll(async () => {
    host = await testHost({
      plugins: [plugin()],
      autonomy: "A3",
      safety: { scopes: { worker: ["controls.write"], "*": ["*"] }, antiflapCooldown: "0 seconds" }
    })
  })
  afterAll(() => host?.stop())
  beforeEach(() => {
    done.length = 0
    trusts.length = 0
    caught = undefined
  })

  const callsOf = (trace: string) =>
    host.sql<{ readonly tool: string; readonly status: string }>`
      select tool, status from tool_calls where trace_id = ${trace}::uuid order by tool_call_id`
  const outputOf = async (trace: string) => {
    const [row] = await host.sql<{ readonly output: any }>`
      select output from tool_calls where trace_id = ${trace}::uuid order by tool_call_id limit 1`
    return row?.output
  }
  const pending = async (trace: string) => {
    const [row] = await host.sql<{ readonly number: bigint }>`
      select number from approvals where trace_id = ${trace}::uuid and status = 'pending'`
    return row === undefined ? undefined : Number(row.number)
  }

  it("gets what it gave back, in the same trace, and never with the operator's word", async () => {
    const { outcome, trace_id } = await host.send("scene set evening")
    assert.strictEqual(outcome, "succeeded")
    assert.deepEqual(await outputOf(trace_id), { got: { message: "lamp.set did evening." } })
    assert.deepEqual([done, trusts], [["lamp.set evening"], ["trusted"]])
    const events = await host.sql`
      select channel, actor_type, actor_id, depth, trust from events where trace_id = ${trace_id}::uuid order by depth`
    assert.deepInclude({ ...events[1] }, {
      channel: "worker",
      actor_type: "integration",
      actor_id: "plugin:house",
      depth: 1,
      trust: "trusted"
    })
    const told = (await host.audit(trace_id)).filter(({ type }) => type === "event.ingested").map(({ summary }) =>
      summary
    )
    assert.include(told, "The plugin house made an event on worker.")
  })

  it("has the same done as often as it asks, each once, and carries what it has read", async () => {
    const accepted = await host.submit({ channel: "chat", text: "news act" })
    // What comes after the page is no longer as good as what came before: the operator is asked.
    const number = await until("the question", () => pending(accepted.trace_id))
    assert.deepEqual(done.slice(0, 3).toSorted(), ["lamp.set lamp 1", "lamp.set lamp 1", "lamp.set lamp 2"])
    await host.send(`approve ${number}`)
    await until("the end", async () => (await callsOf(accepted.trace_id))[0]?.status === "succeeded")
    assert.deepEqual(trusts, ["trusted", "trusted", "trusted", "trusted", "untrusted"])
    assert.lengthOf(await callsOf(accepted.trace_id), 6)
  })

  it("waits where the operator is asked, and goes on with the yes", async () => {
    const accepted = await host.submit({ channel: "chat", text: "guest let ann" })
    const number = await until("the question", () => pending(accepted.trace_id))
    assert.deepEqual(done, [], "nothing before the yes")
    await host.send(`approve ${number}`)
    assert.strictEqual((await host.settled(accepted)).outcome, "succeeded")
    await until("the end", async () => (await callsOf(accepted.trace_id))[0]?.status === "succeeded")
    assert.deepEqual(done, ["door.open ann"])
  })

  it("is refused with the operator's no", async () => {
    const accepted = await host.submit({ channel: "chat", text: "guest let bob" })
    const number = await until("the question", () => pending(accepted.trace_id))
    await host.send(`deny ${number}`)
    await until("the end", async () => (await callsOf(accepted.trace_id))[0]?.status === "failed")
    assert.instanceOf(caught, ToolRefused)
    assert.match(String(caught), /door.open was denied by/)
    assert.deepEqual(done, [])
  })

  it("takes its question back when nobody waits any more: a late yes does nothing", async () => {
    const accepted = await host.submit({ channel: "chat", text: "guest wait eve" })
    const number = await until("the question", () => pending(accepted.trace_id))
    await until("the question to be gone", async () => (await pending(accepted.trace_id)) === undefined)
    await until("the end", async () => (await callsOf(accepted.trace_id))[0]?.status === "unknown")
    const { reply } = await host.send(`approve ${number}`)
    assert.match(reply ?? "", /was revoked/)
    assert.deepEqual(done, [])
    assert.include(await host.auditTypes(accepted.trace_id), "tool_call.canceled")
  })

  it("is refused what its channel was not granted, what is the operator's alone, and what is not there", async () => {
    for (
      const [text, words] of [
        ["thief let ann", /vault.open was not run: .*vault.open/],
        ["host stop now", /control.pause is blocked: only the operator/],
        ["ghost call ann", /There is no tool no.tool/]
      ] as const
    ) {
      caught = undefined
      const { outcome } = await host.send(text)
      assert.strictEqual(outcome, "failed", text)
      assert.instanceOf(caught, ToolRefused, text)
      assert.match((caught as Error).message, words)
    }
    assert.deepEqual(done, [])
  })

  it("is told that nobody knows", async () => {
    const { trace_id } = await host.send("shop order tea")
    assert.instanceOf(caught, ToolUnknown)
    assert.match(String(caught), /the line went dead/)
    assert.deepEqual((await callsOf(trace_id)).map(({ status }) => status), ["unknown", "unknown"])
  })

  it("that calls itself comes to an end", async () => {
    const { outcome, trace_id } = await host.send("mirror look me")
    assert.strictEqual(outcome, "failed")
    assert.lengthOf(await callsOf(trace_id), 6)
    assert.match(String(caught), /5 calls are made one on behalf of the other already/)
  })

  it("that waits for its own slot ends at its time-out, and what it waited for is not done later", async () => {
    const { trace_id } = await host.submit({ channel: "chat", text: "narrow look me" })
    await until("the end", async () => (await callsOf(trace_id))[0]?.status === "unknown")
    assert.deepEqual((await callsOf(trace_id)).map(({ status }) => status), ["unknown", "canceled"])
  })

  it("is told no when it asks for what is no JSON, and can call nothing once it has ended", async () => {
    await host.send("scene set morning")
    let refused: unknown
    await ctxOf?.call("lamp.set", { what: new Date() }).catch((error: unknown) => refused = error)
    assert.instanceOf(refused, ToolRefused)
  })
})
