import { assert, describe, it } from "@effect/vitest"
import { connect } from "./connect.ts"
import { type Invocation, IsolateLost } from "./Isolate.ts"
import { burst } from "./protocol/Allowance.ts"
import { makeTestPipe } from "./protocol/TestPipe.ts"

type Json = Invocation["args"][number]

/** The host's side, and a stranger on the other who sends what the test says. */
const meet = () => {
  const pipe = makeTestPipe()
  const lines: Array<string> = []
  const sent: Array<any> = []
  const waiting: Array<{ readonly fits: (message: any) => boolean; readonly resolve: (message: any) => void }> = []
  pipe.onSent((message) => {
    sent.push(message)
    for (const { fits, resolve } of waiting) if (fits(message)) resolve(message)
  })
  const connection = connect(pipe.wire, { log: ({ message }) => void lines.push(message) })
  return {
    pipe,
    lines,
    connection,
    says: (message: object) => pipe.send({ jsonrpc: "2.0", ...message }),
    /** What the host sent, as soon as it is there. */
    hears: (fits: (message: any) => boolean): Promise<any> =>
      new Promise((resolve) => {
        const found = sent.find(fits)
        if (found === undefined) waiting.push({ fits, resolve })
        else resolve(found)
      }),
    invoke: (asks: Invocation["asks"] = {}, signal = new AbortController().signal) =>
      connection.invoke({ part: "tool", name: "a.b", member: "run", args: [], facts: {}, asks, signal })
  }
}

const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(() => new Error("It did not fail."), (error: unknown) => error as Error)

const isInvoke = ({ method }: { readonly method?: string }): boolean => method === "invoke"
const answers = (id: number) => (message: any): boolean => message.id === id && message.method === undefined

describe("the host against a stranger", () => {
  it("answers what an invocation may ask, and nothing else", async () => {
    const { hears, invoke, says } = meet()
    const run = invoke({ secret: (name) => `the ${JSON.stringify(name)}` })
    const { id: invocation } = await hears(isInvoke)
    const ask = async (id: number, params: object) => {
      says({ id, method: "ask", params })
      return await hears(answers(id))
    }
    assert.equal((await ask(1, { invocation, method: "secret", args: ["door"] })).result, "the \"door\"")
    for (
      const [index, params] of [
        { invocation, method: "exec", args: [] },
        { invocation, method: "toString", args: [] },
        { invocation, method: "__proto__", args: [] },
        { invocation, method: "constructor", args: [] },
        { invocation: invocation + 1, method: "secret", args: [] },
        { invocation: -1, method: "secret", args: [] },
        { invocation: "1", method: "secret", args: [] },
        { method: "secret", args: [] },
        { invocation, method: "secret", args: "door" },
        { invocation, method: "secret", args: [JSON.parse("{\"__proto__\": {\"admin\": true}}")] }
      ].entries()
    ) {
      const { error, result } = await ask(10 + index, params)
      assert.isUndefined(result)
      assert.isBelow(error.code, 0)
    }
    assert.isUndefined(({} as { admin?: unknown }).admin)
    says({ id: invocation, result: 7 })
    assert.equal(await run, 7)
    // What has ended may ask nothing any more.
    assert.match((await ask(90, { invocation, method: "secret", args: ["door"] })).error.message, /This run is over/)
  })

  it("believes no answer to what it did not ask, and refuses one that reaches a prototype", async () => {
    const { hears, invoke, says } = meet()
    const run = failure(invoke())
    const { id } = await hears(isInvoke)
    says({ id: id + 7, result: "forged" })
    says({ id: `${id}`, result: "forged" })
    says({ id, result: "forged", error: { code: 1, message: "both" } })
    says({ id, result: JSON.parse("{\"a\": {\"constructor\": {}}}") })
    assert.match((await run).message, /has the key "constructor" at "a", which is not allowed/)
  })

  it("ends whoever goes on breaking the protocol, and says why", async () => {
    const { invoke, pipe, says } = meet()
    const run = failure(invoke())
    for (let i = 0; i < 100; i++) says({ id: 5_000 + i, result: null })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(await Promise.race([pipe.wire.ended, Promise.resolve("it lives")]), "it lives")
    pipe.send("junk")
    const { code, reason } = await pipe.wire.ended
    assert.equal(code, "protocol")
    assert.match(reason, /broke the protocol 101 times: it sent a message that is no JSON-RPC/)
    assert.instanceOf(await run, IsolateLost)
  })

  it("stops reading when too much comes, and loses nothing", async () => {
    const { hears, invoke, lines, pipe, says } = meet()
    void invoke().catch(() => {})
    await hears(isInvoke)
    const many = burst + 200
    for (let i = 0; i < many; i++) says({ method: "log", params: { level: "info", message: `line ${i}` } })
    await new Promise((resolve) => setImmediate(resolve))
    assert.isAtLeast(pipe.pauses(), 1)
    assert.isBelow(lines.length, many)
    while (lines.length < many) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.equal(lines.at(-1), `line ${many - 1}`)
    pipe.end({ code: "exited", reason: "it ended by itself" })
  })

  it("answers at most 64 questions of one run at once", async () => {
    const { hears, invoke, says } = meet()
    void invoke({ wait: () => new Promise(() => {}) }).catch(() => {})
    const { id: invocation } = await hears(isInvoke)
    for (let id = 1; id <= 65; id++) says({ id, method: "ask", params: { invocation, method: "wait", args: [] } })
    assert.match((await hears(answers(65))).error.message, /At most 64 questions/)
  })

  it("waits for nobody who was canceled, and does not mind a late answer", async () => {
    const { hears, invoke, says } = meet()
    const controller = new AbortController()
    const run = failure(invoke({}, controller.signal))
    const { id } = await hears(isInvoke)
    controller.abort()
    assert.equal((await run).name, "AbortError")
    assert.deepEqual((await hears(({ method }) => method === "cancel")).params, { id })
    says({ id, result: "late" })
    const second = invoke()
    const next = await hears((message) => isInvoke(message) && message.id !== id)
    says({ id: next.id, result: ["fine"] as Json })
    assert.deepEqual(await second, ["fine"])
  })

  it("keeps the pieces of an artifact within bounds", async () => {
    const { hears, invoke, says } = meet()
    void invoke({ artifact: () => null }).catch(() => {})
    const { id: invocation } = await hears(isInvoke)
    const piece = "A".repeat(400_000)
    let refused: any
    for (let id = 1; id <= 60 && refused === undefined; id++) {
      says({ id, method: "ask", params: { invocation, method: "artifact_piece", args: [1, piece] } })
      refused = (await hears(answers(id))).error
    }
    assert.match(refused.message, /at most 8 MiB/)
  })
})
