/**
 * Tries the connections of the configured channels, without a host: each plugin is set up by itself, as the host would, with
 * the secrets of this home, and each of its channels that can be tried is tried, all at once.
 *
 * - A plugin that can't be set up is one finding, the others are tried all the same.
 * - Nothing takes longer than 15 seconds and a moment. What a plugin says or throws, whatever it is, becomes one line without
 *   any known secret; what it logs is heard by nobody.
 */
import { Effect, Layer, Logger, Redacted } from "effect"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { IsolateHost } from "../plugin/IsolateHost.ts"
import type { Channel, Plugin } from "../plugin/Plugin.ts"
import * as PluginHost from "../plugin/PluginHost.ts"
import { type RegisteredChannel, Registry } from "../plugin/Registry.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Settings, type SettingsData } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { openStore, SecretsStore } from "../secrets/SecretsStore.ts"

/** What came of one: a channel that was tried, or a plugin that could not be set up. */
export interface Tried {
  readonly kind: "channel" | "plugin"
  /** `email`, `email.work`; of a plugin its name. */
  readonly name: string
  /** Only of a channel. */
  readonly connector_id?: string
  readonly well: boolean
  /** A sentence, or a part of one where it is well. */
  readonly message: string
}

const patienceMs = 15_000
/** For one that does not hear that its time is over. */
const graceMs = 1_000
const longest = 500

export const tryConnections = (
  settings: SettingsData,
  home: string,
  patience: number = patienceMs
): Promise<ReadonlyArray<Tried>> =>
  Effect.runPromise(
    Effect.gen(function*() {
      const redactor = yield* Redactor
      const found = yield* Effect.forEach(settings.plugins, (plugin) => tryPlugin(plugin, settings, patience), {
        concurrency: "unbounded"
      })
      return found.flat().map((tried) => ({ ...tried, message: oneLine(redactor.redactText(tried.message)) }))
    }).pipe(
      Effect.provide(Redactor.layer.pipe(Layer.provideMerge([layerSecrets(home), Logger.layer([])])))
    )
  )

/** Nobody is asked for a passphrase in between; without it nothing can be read, which is a finding of its own. */
const layerSecrets = (home: string) =>
  Layer.sync(SecretsStore, () => openStore(home, { ask: () => Effect.succeed(undefined) }))

/** What may come later from plugins that run apart is not missed here. */
const layerAlone = Layer.succeed(IsolateHost, {
  plugins: () => [],
  unknown: () => ["others"],
  refuse: () => Effect.void,
  onChange: () => {},
  records: () => []
})

const tryPlugin = Effect.fnUntraced(
  function*(plugin: Plugin, settings: SettingsData, patience: number) {
    const registry = yield* Registry.use(Effect.succeed).pipe(
      Effect.provide(
        Layer.fresh(PluginHost.layer).pipe(
          Layer.provide([Layer.succeed(Settings, { ...settings, plugins: [plugin], tools: new Map() }), layerAlone])
        )
      )
    )
    return yield* Effect.forEach(
      registry.channels().flatMap((registered) => {
        const { check } = registered.channel
        return check === undefined ? [] : [tryChannel(registered, check, patience)]
      }),
      (tried) => tried,
      { concurrency: "unbounded" }
    )
  },
  (tried, plugin) =>
    tried.pipe(
      Effect.catchCause((cause) =>
        Effect.succeed<ReadonlyArray<Tried>>([{
          kind: "plugin",
          name: String(plugin.spec?.name).slice(0, 100),
          well: false,
          message: messageOf(cause.reasons.map((reason) => "error" in reason ? reason.error : undefined)[0])
        }])
      )
    )
)

const tryChannel = Effect.fnUntraced(function*(
  { channel, connector_id, log }: RegisteredChannel,
  check: NonNullable<Channel["check"]>,
  patience: number
) {
  const store = yield* SecretsStore
  const redactor = yield* Redactor
  const promise = Effect.runPromiseWith(yield* Effect.context<never>())
  const tried = (well: boolean, message: string): Tried => ({
    kind: "channel",
    name: connector_id === channel.name ? channel.name : `${channel.name}.${connector_id}`,
    connector_id,
    well,
    message
  })
  const late = tried(
    false,
    `It does not answer within ${patience / 1_000} seconds: check that it runs, and its address.`
  )
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new Error("It takes too long.")), patience)
  return yield* fromPlugin<unknown>(() =>
    check({
      log,
      signal: controller.signal,
      secret: async (ref) => {
        const value = await promise(readSecret(store, ref))
        redactor.add(connector_id, Redacted.make(value))
        return value
      }
    })
  ).pipe(
    Effect.map((said) =>
      typeof said === "string" && said.trim() !== ""
        ? tried(true, said)
        : tried(false, "Its check ended without a word of what it found: that is a mistake in the plugin.")
    ),
    Effect.catchDefect((defect) => Effect.fail(defect)),
    Effect.catch((error) => Effect.succeed(controller.signal.aborted ? late : tried(false, messageOf(error)))),
    Effect.timeoutOrElse({ duration: patience + graceMs, orElse: () => Effect.succeed(late) }),
    Effect.ensuring(Effect.sync(() => {
      clearTimeout(timer)
      controller.abort()
    }))
  )
})

const messageOf = (error: unknown): string => {
  if (error instanceof PluginHost.PluginError) return [error.detail, ...error.more].join(" ")
  const said: unknown = typeof error === "object" && error !== null && "message" in error ? error.message : error
  return typeof said === "string" && said.trim() !== ""
    ? said
    : "It failed without saying why: that is a mistake in the plugin."
}

const oneLine = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length > longest ? `${line.slice(0, longest)}…`.toWellFormed() : line
}
