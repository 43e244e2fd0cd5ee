/**
 * What a plugin says to the host past the program that speaks for it, over the real pipe of each runtime. A host that believes
 * what it hears is the control: it falls for all of it.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Isolate } from "../../sandbox/Isolate.ts"
import { makeTestPipe } from "../../sandbox/protocol/TestPipe.ts"
import { loadOver, startIsolate } from "../../sandbox/startIsolate.ts"
import { type Attack, attacks } from "./attacks.ts"
import { type EscapeRuntime, runtimes } from "./Attempt.ts"
import { CarelessHost } from "./CarelessHost.ts"

const module = `
export const attacks = {
${attacks.map(({ attack, name }) => `  ${JSON.stringify(name)}: async (world, line) => { ${attack}\n  }`).join(",\n")}
}
`

/** It writes frames itself, and looks at every frame that is decoded. */
const plugin = `
import { definePlugin, defineTool, Schema } from "syris"
import { attacks } from "./attacks.mjs"
const fs = process.getBuiltinModule("node:fs")
const waiting = new Map()
const { decode } = TextDecoder.prototype
TextDecoder.prototype.decode = function(...given) {
  const text = decode.apply(this, given)
  try { const message = JSON.parse(text); waiting.get(message.id)?.(message) } catch {}
  return text
}
const raw = (bytes) => {
  for (let at = 0; at < bytes.length;) {
    try { at += fs.writeSync(1, bytes, at) } catch (error) { if (error.code !== "EAGAIN") throw error }
  }
}
const write = (text) => {
  const body = new TextEncoder().encode(text)
  const frame = new Uint8Array(4 + body.length)
  new DataView(frame.buffer).setUint32(0, body.length)
  frame.set(body, 4)
  raw(frame)
}
let last = 900_000
const request = (method, params, deep) => new Promise((resolve) => {
  const id = ++last
  waiting.set(id, resolve)
  write(JSON.stringify({ jsonrpc: "2.0", id, method, params }).replace('"~deep~"', deep))
})
const line = {
  raw,
  request,
  send: (message) => write(JSON.stringify({ jsonrpc: "2.0", ...message })),
  ask: (params, deep) => request("ask", params, deep)
}
const tool = (name, run) => defineTool({
  name, description: "Lies.", effect: "read", risk: "low", scopes: [],
  input: Schema.Struct({ name: Schema.optional(Schema.String), world: Schema.optional(Schema.Any) }), run
})
export default definePlugin({
  name: "liar",
  setup: () => ({ tools: [
    tool("liar.lie", async ({ name, world }) => ({ proof: (await attacks[name](world, line)) ?? null })),
    tool("liar.truth", () => "true")
  ] })
})
`

let folder = ""
beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-attacks-")))
  fs.writeFileSync(path.join(folder, "attacks.mjs"), module)
  fs.writeFileSync(path.join(folder, "index.mjs"), plugin)
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** The host's side, which counts what it asked so that an attack can guess well. */
const start = async (runtime: EscapeRuntime) => {
  const isolate = await startIsolate({
    runtime,
    code: {
      entry: path.join(folder, "index.mjs"),
      plugin: "liar",
      name: "liar",
      options: {},
      timezone: "UTC",
      folders: [folder],
      grant: {}
    },
    limits: { memoryMb: 128 },
    temporary: path.join(folder, "isolates"),
    env: {}
  }, { log: () => undefined })
  const reached: Array<string> = []
  let last = 1
  const invoke = (name: string, args: object, withinMs = 20_000): Promise<any> => {
    last++
    return isolate.invoke({
      part: "tool",
      name,
      member: "run",
      args: [args as never],
      facts: {},
      asks: {
        secret: () => {
          reached.push("secret")
          return "the secret"
        },
        emit: (event) => void reached.push(JSON.stringify(event))
      },
      signal: AbortSignal.timeout(withinMs)
    })
  }
  return {
    isolate,
    reached,
    truth: () => invoke("liar.truth", {}),
    lie: ({ name }: Attack, withinMs?: number) =>
      invoke("liar.lie", { name, world: { mine: last + 1, earlier: last } }, withinMs)
  }
}

const AsyncFunction = (async () => undefined).constructor as new(
  ...parts: ReadonlyArray<string>
) => (...given: ReadonlyArray<unknown>) => Promise<unknown>

/** What the same words do to a host that believes them. */
const fallsFor = async ({ attack, ends, silent }: Attack): Promise<unknown> => {
  const host = new CarelessHost()
  const world = { mine: 7, earlier: 6 }
  const request = async (method: string, params: object, deep = "null") =>
    host.receive(JSON.parse(JSON.stringify({ id: 1, method, params }).replace("\"~deep~\"", deep)) as object)
  try {
    const proof = await new AsyncFunction("world", "line", attack)(world, {
      send: (message: object) => void host.receive(message),
      raw: (bytes: Uint8Array) => host.read(bytes),
      request,
      ask: (params: object, deep?: string) => request("ask", params, deep)
    })
    const next = host.request(world.mine + 1, "true")
    return proof ?? (next === "true" ? undefined : next) ?? (host.overflowed ? "overflowed" : undefined) ??
      (ends !== undefined || silent === true ? "it goes on" : undefined)
  } finally {
    delete (Object.prototype as { escaped?: unknown }).escaped
  }
}

describe.each(runtimes)("past the guest in %s", { timeout: 60_000 }, (runtime) => {
  let shared: Awaited<ReturnType<typeof start>> | undefined
  afterAll(async () => void await shared?.isolate.stop(0))

  it.for(attacks.map((attack) => [attack.name, attack] as const))("%s", async ([, attack]) => {
    const { ends, silent } = attack
    assert.isDefined(await fallsFor(attack), "the control: a careless host falls for it")
    if (ends === undefined && silent === undefined) {
      shared ??= await start(runtime)
      await shared.truth()
      const { output } = await shared.lie(attack) as { readonly output: { readonly proof: unknown } }
      assert.isNull(output.proof, attack.what)
      assert.deepStrictEqual(await shared.truth(), { output: "true" })
      assert.deepStrictEqual(shared.reached, [])
      assert.isUndefined(({} as { escaped?: unknown }).escaped)
      return
    }
    const one = await start(runtime)
    try {
      if (silent === true) {
        const error = await one.lie(attack, 1_000).then(() => undefined, (thrown: Error) => thrown)
        assert.match(error?.name ?? "it answered", /AbortError|TimeoutError/)
        return
      }
      await one.lie(attack).catch(() => undefined)
      const { code, reason } = await one.isolate.ended
      assert.strictEqual(code, "protocol")
      assert.match(reason, ends!)
    } finally {
      await one.isolate.stop(0)
    }
  })
})

describe("what it says of itself", () => {
  const tool = (more: object = {}) => ({
    name: "liar.lie",
    description: "Lies.",
    input_schema: {},
    effect: "read",
    risk: "low",
    scopes: [],
    has: [],
    ...more
  })
  const nothing = {
    plugin: "liar",
    tools: [],
    permissions: {},
    intents: [],
    channels: [],
    watchers: [],
    rules: [],
    jobs: [],
    tasks: [],
    routes: []
  }
  const says = async (described: object): Promise<string> => {
    const pipe = makeTestPipe()
    pipe.onSent(({ id, method }) => {
      if (method === "initialize") pipe.send({ jsonrpc: "2.0", id, result: described })
    })
    const code = { entry: "", plugin: "liar", name: "liar", options: {}, timezone: "UTC", folders: [], grant: {} }
    return loadOver(pipe.wire, { code }, { log: () => undefined }).then(
      (isolate: Isolate) => `it was believed: ${isolate.described.plugin}`,
      (error: Error) => error.message
    )
  }

  it.each([
    ["ten thousand tools", { tools: Array.from({ length: 10_000 }, (_, i) => tool({ name: `liar.t${i}` })) }],
    ["a name without end", { tools: [tool({ name: "l".repeat(100_000) })] }],
    ["words without end", { tools: [tool({ description: "l".repeat(500_000) })] }],
    ["a NUL in its words", { tools: [tool({ description: "a\0b" })] }],
    ["a key that reaches a prototype", { tools: [tool({ input_schema: JSON.parse("{\"__proto__\": {\"a\": 1}}") })] }],
    ["a constructor among its rights", { tools: [], permissions: JSON.parse("{\"constructor\": [\"a\"]}") }],
    ["a risk that there is not", { tools: [tool({ risk: "none" })] }],
    ["an effect that there is not", { tools: [tool({ effect: "harmless" })] }],
    ["another plugin's name", { plugin: "bank", tools: [] }],
    ["no list at all", { tools: "all" }]
  ])("%s: it is not believed", async (_, lie) => {
    assert.match(
      await says({ ...nothing, ...lie }),
      /^(what it says|What the isolate|it is named|it broke)/i
    )
    assert.isUndefined(({} as { a?: unknown }).a)
  })

  it("is believed where it is as it should be: the control", async () => {
    assert.strictEqual(await says({ ...nothing, tools: [tool()] }), "it was believed: liar")
  })
})
