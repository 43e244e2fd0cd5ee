/** Every export of `syris`, tried. */
import * as syris from "syris"
import { tool } from "./tools.ts"

const { Effect, Schema } = syris

const shown = (error: Error): unknown => [
  error instanceof Error,
  error.name,
  error.message,
  Object.keys(error).toSorted()
]

/** What each of them gives. A name that is new and missing here is told as missing. */
const tries: Readonly<Record<string, () => unknown>> = {
  Effect: () => Effect.runPromise(Effect.map(Effect.sleep("1 millis"), () => "slept")),
  Schema: () => [
    Schema.decodeUnknownSync(Schema.toCodecJson(Schema.Struct({ at: Schema.Date })))({ at: "1970-01-01T00:00:00.000Z" })
      .at
      .getTime(),
    Schema.toJsonSchemaDocument(Schema.Struct({ a: Schema.Int, b: Schema.optionalKey(Schema.Array(Schema.String)) }))
      .schema
  ],
  CompletionFailed: () => {
    const failed = new syris.CompletionFailed({ code: "llm.cut", detail: "It was cut.", retryable: true })
    return [failed instanceof Error, failed._tag, failed.code, failed.message, failed.retryable]
  },
  completionFailed: () => {
    const { code, message, retryable, retryAfterMs } = syris.completionFailed("llm.rate_limited", "Later.", 5)
    return [code, message, retryable, retryAfterMs]
  },
  defineConfig: () => syris.defineConfig({ timezone: "UTC", autonomy: "A3" }),
  isolate: () => {
    const { options, path } = syris.isolate("./x.ts", { runtime: "deno", allow: { net: ["a.example:1"] } })
    return { path, options }
  },
  definePlugin: () => {
    const factory = syris.definePlugin({ name: "inner", setup: () => ({ tools: [] }) })
    const { options, spec } = factory()
    return [typeof factory, spec.name, options, Object.keys(factory)]
  },
  defineRule: () =>
    syris.defineRule({ name: "r", when: syris.field("content.text").exists(), then: [{ notify: { text: "x" } }] }),
  defineTask: () => {
    const task = syris.defineTask({ name: "a.b", description: "Does.", steps: () => [{ name: "s", wait: "1 second" }] })
    return [task.name, task.steps?.({})]
  },
  defineTool: () => {
    const made = syris.defineTool({
      name: "a.b",
      description: "Does.",
      input: Schema.Struct({}),
      effect: "read",
      risk: "low",
      scopes: [],
      run: () => 1
    })
    return [made.name, Object.keys(made)]
  },
  WebhookRefused: () => shown(new syris.WebhookRefused("no")),
  WebhookReply: () => Object.entries(new syris.WebhookReply("text/plain", "pong")),
  ToolRefused: () => shown(new syris.ToolRefused("no")),
  ToolUnknown: () => shown(new syris.ToolUnknown("perhaps")),
  TaskStepFailed: () => {
    const failed = new syris.TaskStepFailed("no", { step: "s", position: 2, code: "tool.refused" })
    return [shown(failed), failed.step, failed.position, failed.code]
  },
  all: () => syris.all(syris.field("a").eq(1), syris.field("b").in(1, 2)),
  any: () => syris.any(syris.field("a").regex("x+"), syris.field("b").missing()),
  none: () => syris.none(syris.field("a").changed(), syris.field("b").notContains("x")),
  field: () =>
    Object.entries(syris.field("a.b")).map(([name, make]) => [name, (make as (value: unknown) => unknown)("x")]),
  state: () => [
    syris.state.autonomy.gte("A2"),
    syris.state.health.eq("healthy"),
    syris.state.within({ start: "22:00", end: "06:00" })
  ],
  secret: () => {
    const ref = syris.secret("name", "key")
    return [String(ref), JSON.stringify(ref), ref.name, ref.key, Object.keys(ref)]
  },
  SecretOption: () => [Schema.is(syris.SecretOption)(syris.secret("a", "b")), Schema.is(syris.SecretOption)(5)]
}

const literalsOf = (given: unknown): ReadonlyArray<unknown> | undefined =>
  (typeof given === "object" || typeof given === "function") && given !== null && "literals" in given
    ? given.literals as ReadonlyArray<unknown>
    : undefined

export const entry = tool("entry", {
  run: async () => {
    const given: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(syris).toSorted(([a], [b]) => a < b ? -1 : 1)) {
      const literals = literalsOf(value)
      given[name] = literals === undefined
        ? await tries[name]?.() ?? "missing"
        : { literals, takes: Schema.is(value as typeof syris.Risk)(literals[0]) }
    }
    return given
  }
})
