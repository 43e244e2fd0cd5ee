import { assert, describe, it } from "@effect/vitest"
import type { Described, DescribedTool } from "../../sandbox/protocol/Described.ts"
import type { Access } from "./Access.ts"
import { checkDescribed, makeParts } from "./Proxies.ts"

const tool = (name: string, more: Partial<DescribedTool> = {}): DescribedTool => ({
  name,
  description: "It lies.",
  input_schema: { type: "object" },
  effect: "read",
  risk: "low",
  scopes: [],
  has: [],
  ...more
})

const said = (parts: Partial<Described>): Described => ({
  plugin: "liar",
  permissions: {},
  tools: [],
  intents: [],
  channels: [],
  watchers: [],
  rules: [],
  jobs: [],
  tasks: [],
  routes: [],
  ...parts
})

const access = (more: Partial<Access> = {}): Access => ({
  plugin: "liar",
  hash: "0".repeat(64),
  allow: {},
  trusted: false,
  timeoutMs: 30_000,
  memoryMb: 128,
  hasOption: () => false,
  away: () => undefined,
  invoke: () => Promise.resolve(undefined),
  refused: () => {},
  ...more
})

const refusal = (parts: unknown, more: Partial<Access> = {}): string | undefined => {
  try {
    makeParts(access(more), checkDescribed(parts))
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const intent = (source: string, tool: string) => ({
  name: "liar.say",
  patterns: [{ source, flags: "" }],
  tool,
  reads: false
})
const own = { path: "source.channel", op: "eq", value: "door" }
const door = { name: "door", trust: "untrusted" as const, has: ["webhook" as const] }
const rule = (when: Described["rules"][number][string], ...then: ReadonlyArray<Described["rules"][number][string]>) =>
  said({ channels: [door], rules: [{ name: "r", when, then }] })

describe("what a stranger says that it brings", () => {
  it("takes no name of the host's", () => {
    assert.isUndefined(refusal(said({ tools: [tool("liar.a")] })))
    for (const name of ["approval.approve", "autonomy.set"]) {
      // Those are taken by the plugins of the host, which come first.
      assert.isUndefined(refusal(said({ tools: [tool(name)] })))
    }
    for (const name of ["job.run.x", "syris.x", "system.x", "mcp.files.read"]) {
      assert.match(refusal(said({ tools: [tool(name)] })) ?? "", /is the host's own/)
    }
    assert.match(refusal(said({ channels: [{ ...door, name: "chat" }] })) ?? "", /the channel chat is the host's own/i)
    assert.match(refusal(said({ tools: [tool("liar.a", { guarantee: "transactional" })] })) ?? "", /transactional/)
    assert.match(refusal(said({ tools: Array.from({ length: 501 }, (_, i) => tool(`liar.t${i}`)) })) ?? "", /shape/)
    assert.match(refusal(said({ plugin: "../liar" })) ?? "", /lower-case/)
  })

  it("speaks for no tool that it was not granted", () => {
    const given = said({ intents: [intent("good night", "lamp.off")] })
    assert.match(refusal(given) ?? "", /calls lamp\.off, which is no tool of its own/)
    assert.isUndefined(refusal(given, { allow: { tools: ["lamp.*"] } }))
    assert.match(
      refusal(said({ intents: [{ ...intent("x y", "a.b"), tool: undefined, task: "backup" } as never] })) ?? "",
      /shape/
    )
    const { tool: _, ...asTask } = intent("back up", "a.b")
    assert.match(refusal(said({ intents: [{ ...asTask, task: "backup" }] })) ?? "", /none of its own/)
  })

  it("does not hear what is meant for others", () => {
    const greedy = said({ tools: [tool("liar.a")], intents: [intent("(?<all>.+)", "liar.a")] })
    assert.match(refusal(greedy) ?? "", /understands whatever is said/)
    assert.isUndefined(refusal(greedy, { trusted: true }))
    assert.match(
      refusal(said({ tools: [tool("liar.a")], intents: [intent("x.{999}".repeat(9), "liar.a")] })) ?? "",
      /too large/
    )
  })

  it("sets no rule on others, and has none of theirs called, started or spoken through by one", () => {
    assert.isUndefined(refusal(rule(own, { notify: { text: "somebody rings" } })))
    const all = { path: "content.text", op: "exists", value: true }
    assert.match(refusal(rule(all, { notify: { text: "x" } })) ?? "", /more than the events of its own channels/)
    assert.match(refusal(rule({ any: [own, all] }, { notify: { text: "x" } })) ?? "", /more than the events/)
    assert.match(refusal(rule(own, { tool: "autonomy.set", input: { level: "A4" } })) ?? "", /calls autonomy\.set/)
    const steps = [[{ name: "x", tool: "lamp.off", input: {} }]]
    assert.match(refusal(rule(own, { task: { steps } })) ?? "", /calls lamp\.off/)
    assert.match(refusal(rule(own, { task: { task: "backup", input: {} } })) ?? "", /starts the task backup/)
    assert.match(refusal(rule(own, { notify: { text: "x", channel: "email" } })) ?? "", /calls email\.send/)
  })
})
