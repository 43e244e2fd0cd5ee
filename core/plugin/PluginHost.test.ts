import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, References, Schema } from "effect"
import { TestClock } from "effect/testing"
import { makeRedaction, Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { definePlugin, type Plugin } from "./Plugin.ts"
import * as PluginHost from "./PluginHost.ts"
import { Registry } from "./Registry.ts"
import { secret, SecretOption } from "./Secret.ts"
import { Settings } from "./Settings.ts"
import { forOperatorOnly } from "./OperatorOnly.ts"
import { defineTask } from "./TaskDefinition.ts"
import { defineTool } from "./Tool.ts"

/** Starts a host with these plugins; answers its registry and what it logged. */
const start = (...plugins: ReadonlyArray<Plugin>) => startInto([], ...plugins)

/** The same with these as the host's own. */
const startWith = (own: ReadonlyArray<Plugin>, ...plugins: ReadonlyArray<Plugin>) =>
  start(...plugins).pipe(Effect.provideService(PluginHost.HostPlugins, own))

const startInto = Effect.fnUntraced(function*(lines: Array<string>, ...plugins: ReadonlyArray<Plugin>) {
  const redaction = makeRedaction(undefined, () => {})
  const layer = PluginHost.layer.pipe(
    Layer.provide(Settings.layerOf({ timezone: "Europe/London", plugins })),
    Layer.provide(
      Layer.mock(SecretsStore)({
        missing: (names) => Effect.succeed(names.filter(({ key }) => key === "missing")),
        values: () => [],
        revision: () => 0
      })
    ),
    Layer.provide(Layer.succeed(Redactor, redaction)),
    Layer.provide(
      Logger.layer([
        Logger.make(({ fiber, message }) =>
          void lines.push(JSON.stringify([message, fiber.getRef(References.CurrentLogAnnotations)]))
        )
      ])
    )
  )
  const registry = yield* Registry.use(Effect.succeed).pipe(Effect.provide(layer))
  return { registry, lines, redaction }
})

const brew = defineTool({
  name: "coffee.brew",
  description: "Brew coffee.",
  input: Schema.Struct({}),
  effect: "write",
  risk: "low",
  scopes: [],
  run: () => 1
})

describe("PluginHost", () => {
  it.effect("takes a value, a Promise or an Effect, in the configuration's order", () =>
    Effect.gen(function*() {
      const named = (name: string) => ({
        tools: [{ ...brew, name: `${name}.run` }],
        channels: [{ name, trust: "trusted" as const }]
      })
      const { registry } = yield* start(
        definePlugin({ name: "a", setup: () => named("a") })(),
        definePlugin({ name: "b", setup: async () => named("b") })(),
        definePlugin({ name: "c", setup: () => Effect.succeed(named("c")) })()
      )
      assert.deepStrictEqual(registry.tools().map((tool) => [tool.plugin, tool.definition.name]), [["a", "a.run"], [
        "b",
        "b.run"
      ], ["c", "c.run"]])
      assert.deepStrictEqual(["a", "chat", "elsewhere", "constructor"].map(registry.trustOf), [
        "trusted",
        "operator",
        "untrusted",
        "untrusted"
      ])
      assert.strictEqual(registry.tool("a.run")?.timeoutMs, 30_000)
      assert.strictEqual(registry.tool("constructor"), undefined)
      assert.strictEqual(registry.connector("b")?.plugin, "b")
      assert.deepStrictEqual(registry.plugins().map(({ name, runtime, version }) => [name, runtime, version]), [
        ["a", "inline", "0.0.0"],
        ["b", "inline", "0.0.0"],
        ["c", "inline", "0.0.0"]
      ])
    }))

  it.effect("makes a channel's send a tool", () =>
    Effect.gen(function*() {
      const { name: _, ...send } = brew
      const { registry } = yield* start(
        definePlugin({ name: "mail", setup: () => ({ channels: [{ name: "email", trust: "untrusted", send }] }) })()
      )
      assert.isDefined(registry.tool("email.send"))
    }))

  it.effect("answers by the connector that an event came from, else by the one that has the channel's name", () =>
    Effect.gen(function*() {
      const { name: _, ...send } = brew
      const trust = "untrusted" as const
      const { registry } = yield* start(
        definePlugin({
          name: "mail",
          setup: () => ({
            tools: [{ ...brew, name: "sms.send" }],
            channels: [
              { name: "email", trust, send },
              { name: "email", connector_id: "work", trust, send },
              { name: "email", connector_id: "list", trust },
              { name: "letter", connector_id: "post", trust, send },
              { name: "sms", trust }
            ]
          })
        })()
      )
      const by = (channel: string, connector_id: string) => registry.sendOf({ channel, connector_id })?.definition.name
      assert.deepStrictEqual(
        [by("email", "email"), by("email", "work"), by("email", "list"), by("email", "unknown")],
        ["email.send", "email.work.send", "email.send", "email.send"]
      )
      // Another channel's connector answers nothing, and a tool that only has the name is no channel's.
      assert.deepStrictEqual(
        [by("letter", "post"), by("letter", "letter"), by("letter", "work"), by("sms", "sms"), by("none", "email")],
        ["letter.post.send", undefined, undefined, undefined, undefined]
      )
      assert.deepStrictEqual(
        registry.tools().map(({ definition, notifies }) => [definition.name, notifies]),
        [["sms.send", false], ["email.send", true], ["email.work.send", true], ["letter.post.send", true]]
      )
    }))

  it.effect("gives set-up its options, name, zone and secrets", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const plugin = definePlugin({
        name: "hook",
        options: Schema.Struct({ name: Schema.String, timeout: Schema.optionalKey(Schema.Duration) }),
        instance: ({ name }) => name,
        setup: ({ name, options, secret, timezone }) => {
          seen.push(name, options.name, timezone, String(secret("a", "b")))
          return {}
        }
      })
      const { registry } = yield* start(plugin({ name: "one" }), plugin({ name: "two" }))
      assert.deepStrictEqual(seen, [
        "hook.one",
        "one",
        "Europe/London",
        "secret(a, b)",
        "hook.two",
        "two",
        "Europe/London",
        "secret(a, b)"
      ])
      assert.deepStrictEqual(registry.plugins().map(({ name }) => name), ["hook.one", "hook.two"])
      assert.strictEqual(
        (yield* Effect.flip(start(plugin({ name: "A B" })))).message,
        "Plugin hook, options: \"A B\" can't name it: use lower-case letters, digits, _ and -."
      )
    }))

  it.effect("warns about a secret that is written out, and hides it from then on", () =>
    Effect.gen(function*() {
      const plugin = definePlugin({
        name: "mail",
        options: Schema.Struct({
          smtp: Schema.Struct({ password: SecretOption, user: Schema.String }),
          keys: Schema.optionalKey(Schema.Array(SecretOption)),
          other: Schema.optional(Schema.Union([Schema.Struct({ token: SecretOption }), Schema.Finite]))
        }),
        setup: ({ log, options }) => {
          log.info(`my password is ${String(options.smtp.password)}`, {
            error: new Error(String(options.smtp.password))
          })
          return {}
        }
      })
      const { lines, redaction } = yield* start(plugin({
        smtp: { password: "hunter2-hunter2", user: "sam-the-user" },
        keys: [secret("a", "b"), "another-value"],
        other: { token: "third-value" }
      }))
      yield* Effect.yieldNow
      assert.lengthOf(lines, 4)
      for (const option of ["smtp.password", "keys[1]", "other.token"]) {
        assert.isTrue(
          lines.some((line) => line.includes(`Plugin mail: the option \\"${option}\\" is written out`)),
          option
        )
      }
      assert.notMatch(lines.join("\n"), /hunter2|another-value|third-value/)
      assert.include(lines[3], "{\"plugin\":\"mail\"}")
      assert.include(lines[3], "my password is [secret mail.smtp.password]")
      assert.strictEqual(redaction.redactText("another-value sam-the-user"), "[secret mail.keys[1]] sam-the-user")
    }))

  it.effect("names every missing secret", () =>
    Effect.gen(function*() {
      const plugin = definePlugin({
        name: "p",
        options: Schema.Struct({ a: SecretOption, b: Schema.Array(SecretOption) }),
        setup: () => ({})
      })
      const error = yield* Effect.flip(
        start(plugin({ a: secret("x", "missing"), b: [secret("y", "missing"), secret("y", "there")] }))
      )
      assert.deepStrictEqual([error.message, ...error.more], [
        "Plugin p, secrets: The secret x missing is missing. Set it with: syris secrets set x missing",
        "Plugin p, secrets: The secret y missing is missing. Set it with: syris secrets set y missing"
      ])
    }))

  it.effect("says who is slow after 5 seconds and stops after 60", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const lines: Array<string> = []
      const plugin = definePlugin({
        name: "slow",
        setup: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      })
      const fiber = yield* Effect.forkChild(Effect.flip(startInto(lines, plugin())))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("4 seconds")
      assert.lengthOf(lines, 0)
      yield* TestClock.adjust("1 second")
      assert.match(lines.join(), /Plugin slow takes more than 5 seconds to set up\./)
      yield* TestClock.adjust("55 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).message, "Plugin slow, setup: it did not end within 60 seconds.")
    }))

  it.effect("refuses connectors and channels that clash, by the names of both plugins", () =>
    Effect.gen(function*() {
      const channel = (plugin: string, connector_id: string, trust: "trusted" | "untrusted") =>
        definePlugin({ name: plugin, setup: () => ({ channels: [{ name: "hook", connector_id, trust }] }) })()
      const message = (...plugins: ReadonlyArray<Plugin>) =>
        Effect.map(Effect.flip(start(...plugins)), (error) => error.message)
      assert.strictEqual(
        yield* message(channel("a", "x", "trusted"), channel("b", "x", "trusted")),
        "Plugin b, channels: the connector x is provided by plugin a already: remove one of the two."
      )
      assert.strictEqual(
        yield* message(channel("a", "x", "trusted"), channel("b", "y", "untrusted")),
        "Plugin b, channels: the channel hook is untrusted here and trusted in plugin a: make them agree."
      )
    }))

  it.effect("knows the tasks of all plugins, and intents that name one", () =>
    Effect.gen(function*() {
      const task = defineTask({ name: "backup.nightly", description: "Back up.", run: () => 1 })
      const intent = { name: "backup.now", patterns: [/back up/], task: "backup.nightly" }
      const plugin = (name: string, parts: object) => definePlugin({ name, setup: () => parts })()
      const { registry } = yield* start(plugin("a", { tasks: [task] }), plugin("b", { intents: [intent] }))
      assert.strictEqual(registry.task("backup.nightly")?.plugin, "a")
      assert.deepStrictEqual(registry.tasks().map(({ definition }) => definition.name), ["backup.nightly"])
      assert.strictEqual(registry.matchIntent("back up")?.intent.task, "backup.nightly")
      const message = (parts: object, more: object = {}) =>
        Effect.map(Effect.flip(start(plugin("a", parts), plugin("b", more))), (error) => error.message)
      assert.strictEqual(
        yield* message({ tasks: [task] }, { tasks: [task] }),
        "Plugin b, tasks: the task backup.nightly is provided by plugin a already: remove one of the two."
      )
      assert.strictEqual(
        yield* message({ tasks: [{ ...task, run: undefined }] }),
        "Plugin a, tasks: task backup.nightly needs steps or run."
      )
      assert.strictEqual(
        yield* message({ tasks: [task], intents: [{ ...intent, task: "backup.nigthly" }] }),
        "Plugin a, intents: intent backup.now: there is no task \"backup.nigthly\"; did you mean \"backup.nightly\"?"
      )
      assert.strictEqual(
        yield* message({ tools: [brew], intents: [{ ...intent, tool: "coffee.brew" }] }),
        "Plugin a, intents: intent backup.now has both a tool and a task: keep one of the two."
      )
      assert.strictEqual(
        yield* message({ intents: [{ name: "i", patterns: [] }] }),
        "Plugin a, intents: intent i needs the name of a tool, or of a task."
      )
    }))

  it.effect("has plugins of its own, whose names nobody takes and whose sentences come last", () =>
    Effect.gen(function*() {
      const say = (name: string, tool: string) => ({
        tools: [{ ...brew, name: tool }],
        intents: [{ name: tool, patterns: [/status/], tool }],
        channels: [{ name, trust: "trusted" as const }]
      })
      const own = definePlugin({
        name: "syris",
        setup: () => ({ ...say("own", "task.status"), tools: [forOperatorOnly({ ...brew, name: "task.status" })] })
      })()
      const lamp = definePlugin({ name: "lamp", setup: () => say("lamp", "lamp.status") })
      const { registry } = yield* startWith([own], lamp())
      assert.deepStrictEqual(registry.plugins().map(({ name }) => name), ["lamp", "syris"])
      assert.deepStrictEqual(registry.tools().map((tool) => [tool.definition.name, tool.operatorOnly]), [
        ["lamp.status", false],
        ["task.status", true]
      ])
      assert.strictEqual(registry.matchIntent("status")?.intent.name, "lamp.status")
      const thief = definePlugin({ name: "thief", setup: () => say("thief", "task.status") })
      assert.strictEqual(
        (yield* Effect.flip(startWith([own], thief()))).message,
        "Plugin thief, tools: the tool task.status is provided by plugin syris already: remove one of the two."
      )
      for (const plugins of [[own], []]) {
        assert.strictEqual(
          (yield* Effect.flip(startWith(plugins, definePlugin({ name: "syris", setup: () => ({}) })()))).message,
          "Plugin syris, options: this is the host's own name: give the plugin another one."
        )
      }
    }))

  it.effect("takes watchers, with what they leave out", () =>
    Effect.gen(function*() {
      const tick = () => 1
      const { registry } = yield* start(
        definePlugin({ name: "w", setup: () => ({ watchers: [{ name: "x", interval: "1 second", tick }] }) })(),
        definePlugin({
          name: "v",
          setup: () => ({
            watchers: [{
              name: "weather.storm",
              interval: "7 days",
              timeout: "1 hour",
              trust: "untrusted",
              throttle: { events: 3, per: "1 hour" },
              alarmAfter: 1,
              tick
            }]
          })
        })()
      )
      assert.deepStrictEqual(
        registry.watchers().map(({ log, outgoing, tick, ...watcher }) => {
          assert.isFunction(tick)
          assert.isFunction(outgoing?.dispatcher)
          assert.isFunction(log.info)
          return watcher
        }),
        [
          {
            plugin: "w",
            watcher_id: "w.x",
            intervalMs: 1_000,
            timeoutMs: 30_000,
            trust: "trusted",
            throttle: { events: 60, perMs: 60_000 },
            alarmAfter: 5
          },
          {
            plugin: "v",
            watcher_id: "weather.storm",
            intervalMs: 604_800_000,
            timeoutMs: 3_600_000,
            trust: "untrusted",
            throttle: { events: 3, perMs: 3_600_000 },
            alarmAfter: 1
          }
        ]
      )
    }))

  it.effect("refuses a watcher with a sentence that says what to do", () =>
    Effect.gen(function*() {
      const good = { name: "x", interval: "1 minute" as const, tick: () => 1 }
      const wrong: ReadonlyArray<readonly [unknown, string]> = [
        [null, "a watcher must be an object"],
        [{ ...good, name: "Big" }, "a watcher is named \"Big\": use lower-case letters, digits, _, - and dots"],
        [
          { ...good, name: "x".repeat(100) },
          `watcher w.${"x".repeat(100)} has too long a name: at most 100 characters`
        ],
        [
          { ...good, name: "system.mine" },
          "watcher system.mine: names that begin with \"system.\" or \"syris.\" are the host's own, so choose another one"
        ],
        [
          { ...good, intervall: 1 },
          "watcher w.x: there is no property \"intervall\"; did you mean \"interval\"?"
        ],
        [{ ...good, tick: 1 }, "watcher w.x needs tick to be a function"],
        [
          { ...good, interval: "999 millis" },
          "watcher w.x needs an interval from 1 second to 7 days, such as \"30 seconds\""
        ],
        [
          { ...good, interval: "8 days" },
          "watcher w.x needs an interval from 1 second to 7 days, such as \"30 seconds\""
        ],
        [
          { ...good, interval: "soon" },
          "watcher w.x needs an interval from 1 second to 7 days, such as \"30 seconds\""
        ],
        [
          { ...good, timeout: "2 hours" },
          "watcher w.x needs a timeout above zero and of at most 1 hour, such as \"30 seconds\""
        ],
        [{ ...good, trust: "mine" }, "watcher w.x needs trust: \"operator\", \"trusted\" or \"untrusted\""],
        [{ ...good, alarmAfter: 0 }, "watcher w.x needs an alarmAfter of 1 or more, a whole number"],
        [
          { ...good, throttle: 5 },
          "watcher w.x needs throttle to be an object, such as { events: 60, per: \"1 minute\" }"
        ],
        [
          { ...good, throttle: { events: 1_001, per: "1 hour" } },
          "watcher w.x needs throttle.events from 1 to 1000, a whole number"
        ],
        [
          { ...good, throttle: { events: 1, per: "1 milli" } },
          "watcher w.x needs throttle.per from 1 second to 7 days, such as \"1 minute\""
        ]
      ]
      for (const [watcher, sentence] of wrong) {
        const plugin = definePlugin({ name: "w", setup: () => ({ watchers: [watcher as never] }) })
        const { message } = yield* Effect.flip(start(plugin()))
        assert.isTrue(message.startsWith(`Plugin w, watchers: ${sentence}`), message)
      }
      const twice = definePlugin({ name: "w", setup: () => ({ watchers: [good, good] }) })
      assert.strictEqual(
        (yield* Effect.flip(start(twice()))).message,
        "Plugin w, watchers: it has the watcher w.x twice."
      )
      const dotted = (name: string) =>
        definePlugin({ name, setup: () => ({ watchers: [{ ...good, name: "sky.x" }] }) })()
      assert.strictEqual(
        (yield* Effect.flip(start(dotted("a"), dotted("b")))).message,
        "Plugin b, watchers: the watcher sky.x is provided by plugin a already: remove one of the two."
      )
    }))

  it("keeps a secret's value out of what a reference shows", () => {
    assert.strictEqual(String(secret("a", "b")), "secret(a, b)")
    assert.strictEqual(JSON.stringify(secret("a", "b")), "{\"secret\":[\"a\",\"b\"]}")
  })
})
