/**
 * Sets the configured plugins up and fills the `Registry`, in the configuration's order: those that run in the host once, and
 * those of `IsolateHost` again when they change.
 *
 * - A failure names the plugin and the phase, is one plain sentence, and stops the start: a host never runs with half of
 *   what its operator listed.
 * - Options are checked before `setup` runs; every secret that they refer to must be in the store.
 * - Names that clash (plugins, tools, intents, connectors, routes) are refused; the sentence names both plugins.
 * - The host's own plugins are set up like any other, and first.
 * - A plugin in an isolate never stops the start: what it brings is left out, and the host's health says why.
 * - A set-up may take 60 seconds; after 5 a warning says who is slow.
 */
import { Cause, Context, Effect, Exit, Layer, Redacted, Schema } from "effect"
import { namedHosts } from "../safety/NamedHosts.ts"
import { makeOutgoing } from "../safety/Outgoing.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { missingSecret, SecretsStore } from "../secrets/SecretsStore.ts"
import { fromPlugin } from "./Awaiting.ts"
import { makeRegistry, type NamedParts } from "./CollectParts.ts"
import { check, unknownKey, withStop } from "./Explain.ts"
import { findPlainSecrets, findSecretRefs } from "./OptionSecrets.ts"
import { IsolateHost, type IsolatedPlugin } from "./IsolateHost.ts"
import { Phase } from "./PartChecks.ts"
import type { Plugin, PluginParts, SetupContext } from "./Plugin.ts"
import { JobTools } from "./JobRegistration.ts"
import { codeOf } from "./PluginCode.ts"
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
    const registry = yield* keepRegistry(ready, settings)
    const [unknownTool] = [...settings.tools.keys()].filter((tool) =>
      !isLive(tool) && registry.tool(tool) === undefined && registry.mayCome?.() !== true
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

/**
 * What the plugins of the host and those in isolates bring together; made anew when one of the latter changes. Of a lookup
 * nothing but the newest is ever seen.
 */
const keepRegistry = Effect.fnUntraced(function*(inHost: ReadonlyArray<NamedParts>, settings: Settings["Service"]) {
  const isolates = yield* IsolateHost
  const jobTool = yield* JobTools
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const refused = new Set<IsolatedPlugin>()

  /** Those of the isolates that can't be registered are told so, and left out. */
  const collect = (): Effect.Effect<Registry["Service"], PluginError> =>
    Effect.suspend(() => {
      const apart = isolates.plugins().filter((one) => !refused.has(one))
      const clash = apart.find((one) =>
        one.name === ownName || [...inHost, ...apart].some((other) => other !== one && other.name === one.name)
      )
      const refuse = (one: IsolatedPlugin, mistake: string) => {
        refused.add(one)
        return Effect.andThen(isolates.refuse(one.name, mistake), collect())
      }
      if (clash !== undefined) {
        return refuse(clash, sentenceOf(clash.name, "options", "its name is taken: remove one entry"))
      }
      const mayCome = isolates.unknown().length > 0 || isolates.plugins().some((one) => refused.has(one))
      const made = makeRegistry(inOrder(inHost, apart), settings.tools, settings.timezone, jobTool, mayCome)
      if (!("mistake" in made)) return Effect.succeed(made)
      const guilty = apart.find(({ name }) => name === made.plugin)
      return guilty === undefined
        ? fail(made.plugin, made.phase, [made.mistake])
        : refuse(guilty, sentenceOf(made.plugin, made.phase, made.mistake))
    })

  let current = yield* collect()
  let turn = 0
  isolates.onChange(() => {
    const mine = ++turn
    run(
      collect().pipe(
        Effect.tap((made) =>
          Effect.sync(() => {
            if (mine !== turn) return
            current = made
            made.matchIntent.prepare()
          })
        ),
        Effect.catchCause((cause) =>
          Effect.logError("What a plugin in an isolate brings could not be taken up.", cause)
        )
      )
    )
  })
  return live(() => current)
})

/** The configuration's order. */
const inOrder = (
  inHost: ReadonlyArray<NamedParts>,
  apart: ReadonlyArray<IsolatedPlugin>
): ReadonlyArray<NamedParts> => {
  const own = inHost.filter((plugin) => plugin.own)
  const listed = inHost.filter((plugin) => !plugin.own)
  return [
    ...own,
    ...Array.from({ length: listed.length + 1 }, (_, i) => [
      ...apart.filter(({ after }) => Math.min(after, listed.length) === i),
      ...listed.slice(i, i + 1)
    ]).flat()
  ]
}

/** Asks whatever registry there is now. */
const live = (of: () => Registry["Service"]): Registry["Service"] => ({
  tool: (name) => of().tool(name),
  tools: () => of().tools(),
  task: (name) => of().task(name),
  tasks: () => of().tasks(),
  intents: () => of().intents(),
  matchIntent: Object.assign((text: string) => of().matchIntent(text), { prepare: () => of().matchIntent.prepare() }),
  channels: () => of().channels(),
  connector: (connectorId) => of().connector(connectorId),
  sendOf: (source) => of().sendOf(source),
  routes: () => of().routes(),
  page: () => of().page(),
  watchers: () => of().watchers(),
  rules: () => of().rules(),
  job: (kind) => of().job(kind),
  jobs: () => of().jobs(),
  provider: (name) => of().provider(name),
  providers: () => of().providers(),
  trustOf: (channel) => of().trustOf(channel),
  plugins: () => of().plugins(),
  mayCome: () => of().mayCome?.() ?? false
})

/** The tools of plugins, and beside them those that come and go. Plugins' intents are understood first. */
const withLive = (registry: Registry["Service"], live: LiveTools["Service"]): Registry["Service"] => {
  let known = live.tools()
  let ours = registry.tools()
  let all = [...ours, ...known]
  return {
    ...registry,
    tool: (name) => registry.tool(name) ?? live.tool(name),
    tools: () => {
      if (known !== live.tools() || ours !== registry.tools()) {
        known = live.tools()
        ours = registry.tools()
        all = [...ours, ...known]
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

  const plainSecrets = spec.options === undefined ? [] : findPlainSecrets(spec.options.ast, options)
  for (const { option, value } of plainSecrets) {
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
  const outgoing = makeOutgoing(namedHosts(options, { secrets: plainSecrets.map(({ value }) => value) }))
  return { name, spec, parts, log, code: codeOf(plugin, name, timezone), runtime: "inline", outgoing } satisfies Omit<
    NamedParts,
    "own"
  >
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

const sentenceOf = (plugin: string, phase: Phase, mistake: string): string =>
  `Plugin ${plugin}, ${phase}: ${withStop(mistake)}`

const failure = (plugin: string, phase: Phase, mistakes: ReadonlyArray<string>, cause?: unknown): PluginError => {
  const [first = "it failed", ...rest] = mistakes.map((mistake) => sentenceOf(plugin, phase, mistake))
  return new PluginError({ plugin, phase, detail: first, more: rest, ...(cause === undefined ? {} : { cause }) })
}
const fail = (...args: Parameters<typeof failure>): Effect.Effect<never, PluginError> => Effect.fail(failure(...args))

const messageOf = (cause: unknown): string => {
  const [line = ""] = (cause instanceof Error ? cause.message || cause.name : String(cause)).split("\n")
  return line.slice(0, 500) || "it failed without a message"
}
