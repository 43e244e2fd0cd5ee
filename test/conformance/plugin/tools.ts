/** Tools: what they are given, what they give back, and every way in which they end. */
import {
  defineTool,
  Effect,
  type Intent,
  Schema,
  type SecretOption,
  type ToolContext,
  type ToolDefinition,
  ToolRefused,
  ToolUnknown
} from "syris"

interface Options {
  readonly key: SecretOption
  readonly plain: SecretOption
  readonly port: number
}

/** What it gives back is untrusted wherever it runs: in an isolate it always is. */
export const tool = (name: string, more: Partial<ToolDefinition>): ToolDefinition =>
  defineTool<any, any, any>({
    name: `same.${name}`,
    description: "Answers the same everywhere.",
    input: Schema.Struct({ how: Schema.optionalKey(Schema.String) }),
    effect: "read",
    risk: "low",
    scopes: [],
    trust: "untrusted",
    run: () => null,
    ...more
  })

/** The words of what it is. */
const wordsOf = async (does: () => unknown): Promise<unknown> => {
  try {
    return await does()
  } catch (error) {
    // Classes of the host stay there; those of `syris` cross.
    const kind = error instanceof ToolRefused ? "refused" : error instanceof ToolUnknown ? "unknown" : "failed"
    return `${kind}: ${error instanceof Error ? error.message : String(error)}`
  }
}

const look = tool("look", {
  input: Schema.Struct({
    at: Schema.optionalKey(Schema.Date),
    words: Schema.optionalKey(Schema.String),
    count: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })))
  }),
  output: Schema.Struct({
    said: Schema.String,
    next: Schema.optionalKey(Schema.Date),
    bytes: Schema.Uint8Array,
    odds: Schema.FiniteFromString
  }),
  run: ({ at, count = 1, words = "nothing" }) => ({
    said: `looked at ${words} ${count} times`,
    ...(at === undefined ? {} : { next: new Date(at.getTime() + 86_400_000) }),
    bytes: new Uint8Array([1, 2, 250]),
    odds: 0.5
  })
})

const brew = tool("brew", {
  input: Schema.Struct({
    cups: Schema.Int,
    who: Schema.optionalKey(Schema.String),
    rinse: Schema.optionalKey(Schema.Boolean)
  }),
  output: Schema.Struct({ brewed: Schema.Int }),
  effect: "write",
  risk: ({ cups }) => {
    if (cups === 13) throw new Error("Nobody brews 13 cups.")
    return cups > 10 ? "critical" : cups > 5 ? "medium" : "low"
  },
  target: ({ cups, who }) => who ?? `pot ${cups}`,
  action: ({ rinse }) => rinse === true ? "wipe" : "brew",
  blastRadius: ({ cups }) => cups,
  preview: async ({ cups }, ctx) => {
    const kept = await wordsOf(() => ctx.artifact("not in a preview"))
    return `Would brew ${cups} cups for ${ctx.trust} words. ${String(kept)}`
  },
  run: ({ cups }) => Promise.resolve({ brewed: cups })
})

const keyed = tool("keyed", {
  effect: "irreversible",
  guarantee: "native_key",
  run: (_, { idempotencyKey }) => Effect.succeed({ key: idempotencyKey })
})

let asked = 0
const probed = tool("probed", {
  input: Schema.Struct({ answer: Schema.String }),
  effect: "write",
  guarantee: "probe",
  probe: ({ answer }) => answer === "throws" ? Promise.reject(new Error("Nobody there.")) : answer as "done",
  run: ({ answer }, ctx) => {
    if (answer === "not_done" && asked++ % 2 === 1) return { tried: "again" }
    ctx.log.warn("nobody knows")
    throw new ToolUnknown("It does not answer.")
  }
})

class Own extends Error {
  override readonly name = "Own"
  readonly code = "OWN_CODE"
}

/** Never again reachable by another way than its signal. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }))

const circle: { self?: unknown } = {}
circle.self = circle

const endings: Readonly<Record<string, (ctx: ToolContext) => unknown>> = {
  "refused": () => {
    throw new ToolRefused("The pot is empty.")
  },
  "refused, without words": () => {
    throw new ToolRefused("")
  },
  "unknown": () => Promise.reject(new ToolUnknown("The pot does not answer.")),
  "an error": () => Promise.reject(new Error("It broke.")),
  "an error of its own": () => Promise.reject(new Own("It has a name.")),
  "an error without words": () => Promise.reject(new TypeError("")),
  "a long error": () => Promise.reject(new Error("x".repeat(3_000))),
  "a NUL in an error": () => Promise.reject(new Error("a\0b\ud800")),
  "words": () => {
    throw "just words"
  },
  "nothing": () => Promise.reject(undefined as never),
  "an object": () => Promise.reject({ message: "Not an error." } as never),
  "what can't be read": () => {
    throw new Proxy({}, {
      get: () => {
        throw new Error("Not readable.")
      }
    })
  },
  "a lost connection": () => Promise.reject(Object.assign(new Error("gone"), { code: "ECONNRESET" })),
  "a lost connection below": () =>
    Promise.reject(new Error("no answer", { cause: Object.assign(new Error("x"), { code: "UND_ERR_SOCKET" }) })),
  "an abort": () => Promise.reject(new DOMException("It was aborted.", "AbortError")),
  "a time-out": () => Promise.reject(new DOMException("Too late.", "TimeoutError")),
  "fetch failed": () => Promise.reject(new TypeError("fetch failed")),
  "an effect": () => Effect.succeed({ by: "an effect" }),
  "an effect that fails": () => Effect.fail(new ToolRefused("The effect was refused.")),
  "an effect that fails with words": () => Effect.fail("effect words"),
  "an effect that dies": () => Effect.die(new Error("It died.")),
  "an effect that is interrupted": () => Effect.interrupt,
  "undefined": () => undefined,
  "null": () => null,
  "words as output": () => "words",
  "a list": () => [1, [2, { three: undefined }], undefined],
  "a date": () => ({ when: new Date(0) }),
  "a function": () => ({ does: () => 1 }),
  "a bigint": () => ({ many: 1n }),
  "not a number": () => ({ many: Number.NaN }),
  "a circle": () => circle,
  "a prototype": () => JSON.parse("{\"__proto__\": {\"a\": 1}}") as unknown,
  "a NUL": () => ({ text: "a\0b" }),
  "half a character": () => ({ text: "\ud800" }),
  "too long": () => "x".repeat(1_100_000),
  "too many": () => Array.from({ length: 600_000 }, () => 0),
  "too deep": () => {
    let value: unknown = 1
    for (let i = 0; i < 70; i++) value = [value]
    return value
  },
  "nearly a mebibyte": () => ({ text: "y".repeat(1_000_000) }),
  "file:": (ctx) => ctx.fetch("file:///etc/passwd"),
  "a call of nothing": (ctx) => ctx.call("not.there"),
  "a secret that is not there": (ctx) => ctx.secret("same", "missing"),
  "a bad event": (ctx) => {
    ctx.emit({ channel: "Not A Channel", text: "x" })
    return "emitted"
  },
  "an event with more fields": (ctx) => {
    ctx.emit({ channel: "street", text: "x", colour: "red" } as never)
    return "emitted"
  },
  "a progress of nothing": (ctx) => {
    ctx.progress({ percent: 700, message: "x".repeat(500) })
    return "told"
  }
}

/** The ways, for whoever tries all of them. */
export const ways = Object.keys(endings)

const end = (effect: "read" | "write") =>
  tool(`end.${effect}`, { effect, run: ({ how }, ctx) => endings[how]?.(ctx) as never })

const slow = (effect: "read" | "write") =>
  tool(`slow.${effect}`, {
    effect,
    timeout: "300 millis",
    run: ({ how }, ctx) => how === "deaf" ? new Promise(() => {}) : untilAborted(ctx.signal)
  })

const hangs = tool("hangs", {
  input: Schema.Struct({ answer: Schema.String }),
  effect: "write",
  guarantee: "probe",
  timeout: "1 hour",
  probe: ({ answer }) => answer as "done",
  run: (_, ctx) => untilAborted(ctx.signal)
})

const narrow = (effect: "read" | "write") =>
  tool(`narrow.${effect}`, {
    effect,
    output: Schema.Struct({ count: Schema.Int }),
    run: ({ how }) => how === "well" ? { count: 1 } : { count: how, more: true }
  })

const keep = tool("keep", {
  effect: "write",
  run: async (_, ctx) => ({
    text: await ctx.artifact("a note with ümlauts", { name: "note.txt", mediaType: "text/plain" }),
    bytes: await ctx.artifact(new Uint8Array(500_000).fill(7), { name: "numbers" }),
    bare: await ctx.artifact("bare"),
    empty: await wordsOf(() => ctx.artifact("")),
    strange: await wordsOf(() => ctx.artifact({} as never)),
    big: await wordsOf(() => ctx.artifact(new Uint8Array(9_000_000))),
    odd: await wordsOf(() => ctx.artifact("x", { name: "../a/b", mediaType: "not a type" }))
  })
})

/** What all of it is that a run is given. */
const context = (options: Options) =>
  tool("context", {
    effect: "write",
    run: async (_, ctx) => {
      ctx.log.debug("debug", { circle })
      ctx.log.error("error", { error: new Error("told") })
      ctx.progress({ percent: 50, message: "half" })
      ctx.emit({ channel: "street", text: "first", structured: { n: 1 } })
      ctx.emit({ channel: "street", text: "second", message_id: "m-second", links: ["https://example.org/"] })
      return {
        has: Object.keys(ctx).toSorted(),
        trust: ctx.trust,
        near: Math.abs(ctx.now().getTime() - Date.now()) < 60_000,
        date: ctx.now() instanceof Date,
        aborted: ctx.signal.aborted,
        signal: ctx.signal instanceof AbortSignal,
        ids: [ctx.traceId, ctx.idempotencyKey],
        step: [ctx.taskId ?? null, ctx.stepId ?? null],
        // Its length: the value itself would be taken out.
        secret: (await ctx.secret("same", "key")).length,
        option: (await ctx.secret(options.key)).length,
        plain: await ctx.secret(options.plain),
        missing: await wordsOf(() => ctx.secret("same", "missing"))
      }
    }
  })

const calls = tool("calls", {
  effect: "write",
  run: async (_, ctx) => ({
    looked: await ctx.call("same.look", { words: "a call", at: "1970-01-01T00:00:00.000Z" }),
    refused: await wordsOf(() => ctx.call("same.end.read", { how: "refused" })),
    unknown: await wordsOf(() => ctx.call("same.end.read", { how: "unknown" })),
    wrong: await wordsOf(() => ctx.call("same.look", { count: "many" })),
    strange: await wordsOf(() => ctx.call("same.look", { count: () => 1 })),
    missing: await wordsOf(() => ctx.call("not.there", {})),
    operator: await wordsOf(() => ctx.call("autonomy.set", { level: "A4" }))
  })
})

const get = tool("get", {
  input: Schema.Struct({ address: Schema.String }),
  run: async ({ address }, ctx) => {
    const response = await ctx.fetch(address, { method: "POST", body: "hello", headers: { "x-from": "same" } })
    return { status: response.status, header: response.headers.get("x-answer"), text: await response.text() }
  }
})

const scoped = tool("scoped", { effect: "write", scopes: ["kitchen.pots"], run: () => "done" })

let tries = 0
/** Every second time. */
const moody = tool("moody", {
  run: () => {
    if (tries++ % 2 === 0) throw new ToolRefused("Not the first time.")
    return "well"
  }
})

/** Its output is trusted where the plugin is part of the host, and nowhere else. */
const trusting = tool("trusting", { trust: "trusted", run: () => "trust me" })

export const tools = (options: Options): ReadonlyArray<ToolDefinition> => [
  look,
  brew,
  keyed,
  probed,
  end("read"),
  end("write"),
  slow("read"),
  slow("write"),
  hangs,
  narrow("read"),
  narrow("write"),
  keep,
  context(options),
  calls,
  get,
  scoped,
  moody,
  trusting
]

export const intents: ReadonlyArray<Intent> = [
  { name: "say.look", tool: "same.look", patterns: [/look at (?<words>[a-z ]+)/, /(?<words>\w+) is looked at/] },
  {
    name: "say.brew",
    tool: "same.brew",
    patterns: [/brew (?<cups>\d+) cups?( for (?<who>[\w,#]+))?/],
    input: ({ cups, who }) => ({ cups: Number(cups), ...(who === undefined ? {} : { who }) })
  },
  {
    name: "say.broken",
    tool: "same.look",
    patterns: [/break it/],
    input: () => {
      throw new Error("These words mean nothing.")
    }
  },
  { name: "say.strange", tool: "same.look", patterns: [/strange words/], input: () => "no object" },
  { name: "say.date", tool: "same.look", patterns: [/say when/], input: () => ({ at: new Date(0) }) },
  { name: "say.steps", task: "same.steps", patterns: [/do the steps/] },
  {
    name: "say.count",
    tool: "job.run.same.count",
    patterns: [/count to (?<to>\d+)/],
    input: ({ to }) => ({ input: { to: Number(to) } })
  }
]
