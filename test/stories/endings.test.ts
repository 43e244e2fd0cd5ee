/**
 * However a tool ends, the host knows what it may say of it (contracts §10), says it with a stable code, and goes on.
 *
 * The short form tries each ending in two of the six kinds of tools, others each time (SYRIS_TEST_SEED repeats them), the long one
 * (SYRIS_TEST_LONG=1) in all.
 */
import { definePlugin, defineTool, type Guarantee, Schema, type ToolEffect, ToolRefused, ToolUnknown } from "syris"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type TestHost, testHost } from "../../core/testing/index.ts"
import noop from "../../plugins/noop/index.ts"
import { long, seed } from "../storms/Until.ts"

const mebibyte = 1024 * 1024

const circle: Record<string, unknown> = {}
circle["circle"] = circle

const lost = (code: string) => Object.assign(new Error(`socket hang up (${code})`), { code })

/** What a tool can do to its host, by name. `sleep` never ends by itself. */
const deeds: Record<string, (signal: AbortSignal) => unknown> = {
  "throws an error": () => {
    throw new Error("no milk")
  },
  "rejects": () => Promise.reject(new Error("no milk")),
  "throws undefined": () => {
    throw undefined
  },
  "rejects with undefined": () => Promise.reject(undefined),
  "throws a string": () => {
    throw "no milk"
  },
  "throws a bare object": () => {
    throw Object.create(null)
  },
  "throws an error whose message is a number": () => {
    throw Object.assign(new Error("x"), { message: 42 })
  },
  "throws an error that throws when it is looked at": () => {
    throw new Proxy(new Error("x"), {
      get: () => {
        throw new Error("don't look")
      }
    })
  },
  "throws what can't be stored": () => {
    throw new Error("a\0b\ud800c")
  },
  "throws 10 MB": () => {
    throw new Error("x".repeat(10 * mebibyte))
  },
  "refuses": () => {
    throw new ToolRefused("the door is shut")
  },
  "does not know": () => {
    throw new ToolUnknown("no answer")
  },
  "hangs until it is aborted": (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
  "ignores the abort": () => new Promise(() => {}),
  "loses the connection": () => {
    throw lost("ECONNRESET")
  },
  "loses the connection of a fetch": () =>
    Promise.reject(new TypeError("fetch failed", { cause: lost("ECONNREFUSED") })),
  "is aborted by its own client": () => Promise.reject(new DOMException("This operation was aborted", "AbortError")),
  "answers against its schema": () => ({ message: 5 }),
  "answers nothing": () => undefined,
  "answers 10 MB": () => ({ message: "x".repeat(10 * mebibyte) }),
  "answers a NUL": () => ({ message: "a\0b" }),
  "answers half a character": () => ({ message: "a\ud800b" }),
  "answers in a circle": () => circle,
  "answers a BigInt": () => ({ message: 5n }),
  "answers a function": () => ({ message: () => "well" }),
  "answers what throws when it is looked at": () => ({
    get message() {
      throw new Error("don't look")
    }
  }),
  // oxlint-disable-next-line unicorn/no-thenable
  "answers what is not there yet, for ever": () => ({ then: () => {} })
}

interface Case {
  readonly deed: string
  /** What it leaves: `not_done`, `open` (nobody can know), `done` (with an answer that can't be used). */
  readonly means: "not_done" | "open" | "done"
  readonly code: string
  /** `any`: there is no schema of it that it could break; `hangs`: none comes in time. */
  readonly output?: "any" | "hangs"
}

const cases: ReadonlyArray<Case> = [
  { deed: "throws an error", means: "not_done", code: "tool.failed" },
  { deed: "rejects", means: "not_done", code: "tool.failed" },
  { deed: "throws undefined", means: "not_done", code: "tool.failed" },
  { deed: "rejects with undefined", means: "not_done", code: "tool.failed" },
  { deed: "throws a string", means: "not_done", code: "tool.failed" },
  { deed: "throws a bare object", means: "not_done", code: "tool.failed" },
  { deed: "throws an error whose message is a number", means: "not_done", code: "tool.failed" },
  { deed: "throws an error that throws when it is looked at", means: "not_done", code: "tool.failed" },
  { deed: "throws what can't be stored", means: "not_done", code: "tool.failed" },
  { deed: "throws 10 MB", means: "not_done", code: "tool.failed" },
  { deed: "refuses", means: "not_done", code: "tool.refused" },
  { deed: "does not know", means: "open", code: "tool.unknown" },
  { deed: "hangs until it is aborted", means: "open", code: "tool.timeout", output: "hangs" },
  { deed: "ignores the abort", means: "open", code: "tool.timeout", output: "hangs" },
  { deed: "answers what is not there yet, for ever", means: "open", code: "tool.timeout", output: "hangs" },
  { deed: "loses the connection", means: "open", code: "tool.connection_lost" },
  { deed: "loses the connection of a fetch", means: "open", code: "tool.connection_lost" },
  { deed: "is aborted by its own client", means: "open", code: "tool.connection_lost" },
  { deed: "answers against its schema", means: "done", code: "tool.output_invalid" },
  { deed: "answers nothing", means: "done", code: "tool.output_invalid" },
  { deed: "answers 10 MB", means: "done", code: "tool.output_invalid" },
  { deed: "answers a NUL", means: "done", code: "tool.output_invalid" },
  { deed: "answers half a character", means: "done", code: "tool.output_invalid" },
  { deed: "answers what throws when it is looked at", means: "done", code: "tool.output_invalid" },
  { deed: "answers 10 MB", means: "done", code: "tool.output_invalid", output: "any" },
  { deed: "answers a NUL", means: "done", code: "tool.output_invalid", output: "any" },
  { deed: "answers half a character", means: "done", code: "tool.output_invalid", output: "any" },
  { deed: "answers in a circle", means: "done", code: "tool.output_invalid", output: "any" },
  { deed: "answers a BigInt", means: "done", code: "tool.output_invalid", output: "any" },
  { deed: "answers a function", means: "done", code: "tool.output_invalid", output: "any" },
  { deed: "answers what throws when it is looked at", means: "done", code: "tool.output_invalid", output: "any" }
]

const kinds: ReadonlyArray<{ readonly name: string; readonly effect: ToolEffect; readonly guarantee: Guarantee }> = [
  { name: "read", effect: "read", guarantee: "none" },
  { name: "transactional", effect: "write", guarantee: "transactional" },
  { name: "native_key", effect: "write", guarantee: "native_key" },
  { name: "probe", effect: "write", guarantee: "probe" },
  { name: "none", effect: "write", guarantee: "none" },
  { name: "irreversible", effect: "irreversible", guarantee: "none" }
]

/** Deeds of an event that a repeat of the call does not do again: the second time all is well. */
const onlyOnce = new Set<string>()

const outputs = ["strict", "any", "hangs"] as const

const toolsOf = ({ effect, guarantee, name }: (typeof kinds)[number]) =>
  outputs.map((output) =>
    defineTool({
      name: `ending.${name}-${output}`,
      description: "Ends as it is told.",
      input: Schema.Struct({ deed: Schema.String, id: Schema.String }),
      ...(output === "any" ? {} : { output: Schema.Struct({ message: Schema.String }) }),
      effect,
      guarantee,
      risk: "low",
      scopes: [],
      timeout: output === "hangs" ? "200 millis" : "30 seconds",
      ...(guarantee === "probe" ? { probe: () => "done" as const } : {}),
      run: async ({ deed, id }, ctx) => {
        if (onlyOnce.has(id)) return { message: "well" } as any
        onlyOnce.add(id)
        // With something written, so that a transactional tool ends with its transaction open.
        if ("sql" in ctx) await (ctx as any).sql`insert into endings (id) values (${id})`
        return deeds[deed]?.(ctx.signal) as any
      }
    })
  )

const endings = definePlugin({
  name: "endings",
  setup: () => ({
    channels: [{ name: "endings", trust: "trusted" }],
    tools: kinds.flatMap(toolsOf),
    intents: kinds.flatMap(({ name }) =>
      outputs.map((output) => ({
        name: `ending.${name}-${output}`,
        patterns: [],
        tool: `ending.${name}-${output}`
      }))
    )
  })
})

/** What contracts §10 says. */
const expected = (kind: (typeof kinds)[number], { means }: Case): "succeeded" | "failed" | "unknown" => {
  if (means === "not_done") return "failed"
  if (means === "done") return kind.effect === "read" ? "failed" : "succeeded"
  return kind.effect === "read" || kind.guarantee === "transactional" ? "failed" : "unknown"
}

describe("a tool that", { timeout: 60_000 }, () => {
  let host: TestHost
  beforeAll(async () => {
    host = await testHost({ timezone: "UTC", autonomy: "A4", plugins: [endings(), noop()] })
    await host.sql`create table endings (id text not null)`
  })
  afterAll(() => host?.stop())

  let count = 0
  for (const [index, one] of cases.entries()) {
    const { code, deed, output = "strict" } = one
    describe(`${deed}${output === "any" ? ", with no schema for it" : ""}`, () => {
      for (const [place, kind] of kinds.entries()) {
        if (!long && (index + place + seed) % 3 !== 0) continue
        const status = expected(kind, one)
        it(`is ${status} as ${kind.name}, with ${code}`, async () => {
          const id = `ending-${count++}`
          const accepted = await host.submit({
            channel: "endings",
            structured: { intent: `ending.${kind.name}-${output}`, input: { deed, id } }
          })
          // The first ending; what repeats comes later.
          const type = `tool_call.${status}`
          const row = await soon(async () =>
            (await host.audit(accepted.trace_id)).find((each) =>
              each.type === type || each.type.startsWith("tool_call.") && each.type !== "tool_call.attempted"
            )
          )
          if (row === undefined) return assert.fail("nothing was told of its end")
          assert.strictEqual(row.type, type, JSON.stringify(row))
          assert.strictEqual((row.data as any).error?.code, code, JSON.stringify(row.data))
          assert.isAtMost(JSON.stringify(row).length, 20_000)
          if (status !== "unknown") {
            const settled = await host.settled(accepted)
            assert.strictEqual(settled.outcome, status)
            const [call] = await host.sql<any>`select status, output, error->>'code' as code, attempts from tool_calls
              where event_id = ${accepted.event_id}`
            assert.deepEqual(call, { status, output: null, code, attempts: 1 })
          }
          const written = await host.sql`select 1 from endings where id = ${id}`
          assert.strictEqual(written.length, kind.guarantee === "transactional" && status === "succeeded" ? 1 : 0)
          assert.strictEqual((await host.send("noop")).outcome, "succeeded")
        })
      }
    })
  }

  it("does not know is settled as unknown without a guarantee, and done after a repeat or a probe with one", async () => {
    const send = (name: string, id: string) =>
      host.send({
        channel: "endings",
        structured: { intent: `ending.${name}-strict`, input: { deed: "does not know", id } }
      })
    const [none, irreversible, keyed, probed] = await Promise.all(
      [send("none", "u-1"), send("irreversible", "u-2"), send("native_key", "u-3"), send("probe", "u-4")]
    )
    assert.deepEqual([none, irreversible, keyed, probed].map((each) => each?.outcome), [
      "unknown",
      "unknown",
      "succeeded",
      "succeeded"
    ])
    assert.includeMembers(Array.from(await host.auditTypes(keyed?.trace_id ?? "")), [
      "tool_call.unknown",
      "tool_call.succeeded"
    ])
    assert.includeMembers(Array.from(await host.auditTypes(probed?.trace_id ?? "")), [
      "tool_call.unknown",
      "tool_call.reconciled"
    ])
  })

  it("hangs inside its transaction gives it back at its time-out", async () => {
    const slow = await testHost({ timezone: "UTC", plugins: [slowPlugin(), noop()] })
    try {
      // The database would sleep for longer than a test may take.
      const sent = await slow.send({ channel: "slow", text: "slow" })
      assert.strictEqual(sent.outcome, "failed")
      assert.strictEqual((await slow.send("noop")).outcome, "succeeded")
    } finally {
      await slow.stop()
    }
  })

  it("hangs in every transaction that there is leaves the others room to work", async () => {
    const slow = await testHost({ timezone: "UTC", plugins: [slowPlugin(), noop()] })
    try {
      const waiting = Array.from({ length: 12 }, () => slow.send({ channel: "slow", text: "dawdle" }))
      let over = 0
      for (const one of waiting) one.catch(() => {}).finally(() => over++)
      await soon(async () => {
        const [row] = await slow.sql<
          { n: number }
        >`select count(*)::int as n from tool_calls where tool = 'slow.dawdle'`
        return row !== undefined && row.n >= 10
      })
      assert.strictEqual((await slow.send("noop")).outcome, "succeeded")
      assert.strictEqual(over, 0, "none of them has ended yet")
      enough.resolve()
      assert.deepEqual(new Set((await Promise.all(waiting)).map((each) => each.outcome)), new Set(["succeeded"]))
    } finally {
      await slow.stop()
    }
  })
})

/** Until then tools dawdle. */
const enough = Promise.withResolvers<void>()

const slowPlugin = definePlugin({
  name: "slow",
  setup: () => ({
    channels: [{ name: "slow", trust: "trusted" }],
    tools: [
      defineTool({
        name: "slow.sleep",
        description: "Sleeps in the database.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        timeout: "300 millis",
        run: async (_, ctx) => {
          await ctx.sql`select pg_sleep(300)`
        }
      }),
      defineTool({
        name: "slow.dawdle",
        description: "Takes a transaction and forgets the time.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        timeout: "1 minute",
        run: async (_, ctx) => {
          await ctx.sql`select 1`
          await enough.promise
        }
      })
    ],
    intents: [
      { name: "slow", patterns: [/slow/], tool: "slow.sleep" },
      { name: "dawdle", patterns: [/dawdle/], tool: "slow.dawdle" }
    ]
  })
})

/** Asks until there is an answer, for at most 30 s. */
const soon = async <A>(ask: () => Promise<A | undefined | false>): Promise<A | undefined> => {
  const end = performance.now() + 30_000
  while (performance.now() < end) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return undefined
}
