/**
 * Sets the configured plugins up and fills the `Registry`, once, in the configuration's order.
 *
 * - A failure names the plugin and the phase, is one plain sentence, and stops the start: a host never runs with half of
 *   what its operator listed.
 * - Options are checked before `setup` runs; every secret that they refer to must be in the store.
 * - Names that clash (plugins, tools, intents, connectors, routes) are refused; the sentence names both plugins.
 * - The host's own plugins are set up like any other, and first.
 * - A set-up may take 60 seconds; after 5 a warning says who is slow.
 */
import { Cause, Context, Effect, Exit, Layer, Redacted, Schema } from "effect"
import { Redactor } from "../secrets/Redactor.ts"
import { missingSecret, SecretsStore } from "../secrets/SecretsStore.ts"
import { fromPlugin } from "./Awaiting.ts"
import { makeRegistry, type NamedParts } from "./CollectParts.ts"
import { check, unknownKey, withStop } from "./Explain.ts"
import { findPlainSecrets, findSecretRefs } from "./OptionSecrets.ts"
import { Phase } from "./PartChecks.ts"
import type { Plugin, PluginParts, SetupContext } from "./Plugin.ts"
import { isLive, LiveTools } from "./LiveTools.ts"
import { type BoundLog, makePluginLog } from "./PluginLog.ts"
import { Registry } from "./Registry.ts"
import { secret, type SecretRef } from "./Secret.ts"
import { Settings } from "./Settings.ts"

/** A plugin can't be used. `detail` is a sentence for the operator. */
export class PluginError extends Schema.TaggedError<PluginError>()("PluginError", {
  plugin: Schema.String,
  phase: Phase,
  detail: Schema.String,
  more: Schema.Array(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

const slowSetup = "5 seconds"
const setupTimeout = "60 seconds"

/** Plugins that are part of the host itself, set up whatever the operator lists. */
export const HostPlugins = Context.Reference<ReadonlyArray<Plugin>>("syris/plugin/HostPlugins", {
  defaultValue: () => []
})

/** No plugin of the operator has this name. */
const ownName = "syris"

/** Parts that plugins may bring and that this version does not run. Shorten it as they come to life. */
const partsNotYetRun = ["jobs"] as const

export const layer = Layer.effect(
  Registry,
  Effect.gen(function*() {
    const settings = yield* Settings
    const log = yield* makePluginLog
    const ready: Array<NamedParts> = []
    for (const plugin of yield* HostPlugins) {
      ready.push({ ...yield* prepare(plugin, nameOf(plugin), log, settings.timezone), own: true })
    }
    for (const plugin of settings.plugins) {
      const name = nameOf(plugin)
      if (name === ownName) {
        return yield* fail(name, "options", ["this is the host's own name: give the plugin another one"])
      }
      const found = yield* prepare(plugin, name, log, settings.timezone)
      const clash = ready.find((other) => other.name === found.name)
      if (clash !== undefined) {
        return yield* fail(found.name, "options", [
          `it is listed twice${
            plugin.spec.instance === undefined ? ": remove one entry" : ": give one entry another name"
          }`
        ])
      }
      ready.push({ ...found, own: false })
    }
    const registry = makeRegistry(ready, settings.tools, settings.timezone)
    if ("mistake" in registry) return yield* fail(registry.plugin, registry.phase, [registry.mistake])
    const [unknownTool] = [...settings.tools.keys()].filter((tool) =>
      !isLive(tool) && registry.tool(tool) === undefined
    )
    if (unknownTool !== undefined) {
      const known = registry.tools().map(({ definition }) => definition.name)
      return yield* new PluginError({
        plugin: "",
        phase: "tools",
        detail: `${settings.file}: ${
          withStop(unknownKey(`tools[${JSON.stringify(unknownTool)}]`, known, "tool for", unknownTool))
        }`,
        more: []
      })
    }
    return Registry.of(withLive(registry, yield* LiveTools))
  })
).pipe(Layer.provideMerge(LiveTools.layer))

/** The tools of plugins, and beside them those that come and go. Plugins' intents are understood first. */
const withLive = (registry: Registry["Service"], live: LiveTools["Service"]): Registry["Service"] => {
  let known = live.tools()
  let all = [...registry.tools(), ...known]
  return {
    ...registry,
    tool: (name) => registry.tool(name) ?? live.tool(name),
    tools: () => {
      if (known !== live.tools()) {
        known = live.tools()
        all = [...registry.tools(), ...known]
      }
      return all
    },
    matchIntent: Object.assign((text: string) => registry.matchIntent(text) ?? live.match(text), {
      prepare: registry.matchIntent.prepare
    })
  }
}

const nameOf = (plugin: Plugin): string =>
  typeof plugin.spec?.name === "string" ? plugin.spec.name : JSON.stringify(plugin.spec?.name ?? null)

const namePattern = /^[a-z][a-z0-9_-]{0,63}$/
const instancePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/
const specKeys = ["name", "version", "instance", "options", "permissions", "setup"]

/** Options, secrets, set-up: everything that one plugin does alone. */
const prepare = Effect.fn("PluginHost.prepare")(function*(
  plugin: Plugin,
  given: string,
  makeLog: (fields: Readonly<Record<string, unknown>>) => BoundLog,
  timezone: string
) {
  const { spec } = plugin
  const redactor = yield* Redactor
  if (!namePattern.test(given)) {
    return yield* fail(given, "options", [
      "its name must be lower-case letters, digits, _ and -, and begin with a letter"
    ])
  }
  const strange = Object.keys(spec).find((key) => !specKeys.includes(key))
  if (strange !== undefined) return yield* fail(given, "options", [unknownKey(strange, specKeys, "property")])
  if (typeof spec.setup !== "function") return yield* fail(given, "setup", ["it has no setup function"])

  const checked = check(spec.options ?? Schema.Struct({}), "option")(plugin.options)
  if (!checked.ok) return yield* fail(given, "options", checked.mistakes)
  const options: unknown = checked.value
  const instance = yield* Effect.try({
    try: () => spec.instance?.(options),
    catch: (cause) => failure(given, "options", [`its instance function throws: ${messageOf(cause)}`], cause)
  })
  if (instance !== undefined && !instancePattern.test(instance)) {
    return yield* fail(given, "options", [
      `${JSON.stringify(instance)} can't name it: use lower-case letters, digits, _ and -`
    ])
  }
  const name = instance === undefined ? given : `${given}.${instance}`
  const log = makeLog({ plugin: name })

  for (const { option, value } of spec.options === undefined ? [] : findPlainSecrets(spec.options.ast, options)) {
    redactor.add(`${name}.${option}`, Redacted.make(value))
    log.warn(
      `Plugin ${name}: the option "${option}" is written out in the configuration. Keep it in the secrets store ` +
        `instead: syris secrets set ${given} ${option.replace(/[^A-Za-z0-9_.-]/g, "_")}`
    )
  }
  const refs: Array<SecretRef> = [...findSecretRefs(options)]
  yield* requireSecrets(name, refs)

  const context: SetupContext<unknown> = {
    options,
    name,
    log,
    timezone,
    secret: (whose, key) => {
      const ref = secret(whose, key)
      refs.push(ref)
      return ref
    }
  }
  const parts = yield* setUp(plugin, name, context)
  yield* requireSecrets(name, refs)
  const idle = partsNotYetRun.filter((part) => (parts[part]?.length ?? 0) > 0)
  if (idle.length > 0) log.warn(`Plugin ${name} brings ${idle.join(" and ")}, which this version does not run.`)
  return { name, spec, parts, log } satisfies Omit<NamedParts, "own">
})

const requireSecrets = Effect.fnUntraced(function*(plugin: string, refs: ReadonlyArray<SecretRef>) {
  const store = yield* SecretsStore
  const missing = yield* store.missing(refs).pipe(
    Effect.mapError((error) => failure(plugin, "secrets", [error.detail], error))
  )
  const sentences = [...new Set(missing.map(({ key, name }) => missingSecret(name, key)))]
  if (sentences.length > 0) {
    return yield* new PluginError({
      plugin,
      phase: "secrets",
      detail: `Plugin ${plugin}, secrets: ${sentences[0]!}`,
      more: sentences.slice(1).map((sentence) => `Plugin ${plugin}, secrets: ${sentence}`)
    })
  }
})

const setUp = Effect.fnUntraced(function*(plugin: Plugin, name: string, context: SetupContext<unknown>) {
  const redactor = yield* Redactor
  const warnSlow = Effect.sleep(slowSetup).pipe(
    Effect.andThen(Effect.logWarning(`Plugin ${name} takes more than ${slowSetup} to set up.`))
  )
  const exit = yield* Effect.scoped(Effect.gen(function*() {
    yield* Effect.forkScoped(warnSlow)
    return yield* Effect.exit(Effect.timeoutOption(fromPlugin(() => plugin.spec.setup(context)), setupTimeout))
  }))
  if (Exit.isFailure(exit)) {
    const cause = Cause.squash(exit.cause)
    return yield* fail(name, "setup", [redactor.redactText(messageOf(cause))], cause)
  }
  if (exit.value._tag === "None") {
    return yield* fail(name, "setup", [`it did not end within ${setupTimeout}`])
  }
  const parts: unknown = exit.value.value
  if (typeof parts !== "object" || parts === null || Array.isArray(parts)) {
    return yield* fail(name, "setup", ["it must give back an object, such as { tools: [ … ] }"])
  }
  return parts as PluginParts
})

const failure = (plugin: string, phase: Phase, mistakes: ReadonlyArray<string>, cause?: unknown): PluginError => {
  const [first = "it failed", ...rest] = mistakes.map((mistake) => `Plugin ${plugin}, ${phase}: ${withStop(mistake)}`)
  return new PluginError({ plugin, phase, detail: first, more: rest, ...(cause === undefined ? {} : { cause }) })
}
const fail = (...args: Parameters<typeof failure>): Effect.Effect<never, PluginError> => Effect.fail(failure(...args))

const messageOf = (cause: unknown): string => {
  const [line = ""] = (cause instanceof Error ? cause.message || cause.name : String(cause)).split("\n")
  return line.slice(0, 500) || "it failed without a message"
}
