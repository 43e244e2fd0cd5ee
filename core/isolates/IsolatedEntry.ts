/**
 * One entry of the configuration that runs apart from the host: its life, and the parts by which the host knows it.
 */
import { Effect } from "effect"
import { isDeepStrictEqual } from "node:util"
import type { Described } from "../../sandbox/protocol/Described.ts"
import { realTime } from "../health/RealTime.ts"
import { isSecretRef } from "../plugin/Secret.ts"
import { findSecretRefs } from "../plugin/OptionSecrets.ts"
import type { IsolatedPlugin, IsolateRecord } from "../plugin/IsolateHost.ts"
import type { IsolateSettings } from "../plugin/IsolateSettings.ts"
import type { PluginCode } from "../plugin/PluginCode.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import { type Access, type Asked, PluginAway } from "./Access.ts"
import { type IsolateLife, LoadFailed, makeIsolateLife } from "./IsolateLife.ts"
import type { LoadedIsolate, Wanted } from "./IsolateLoad.ts"
import { makeParts, nameOf } from "./Proxies.ts"

export interface EntryParts {
  readonly settings: IsolateSettings
  readonly log: (fields: Readonly<Record<string, unknown>>) => BoundLog
  readonly makeLoad: (name: () => string | undefined) => {
    readonly load: Effect.Effect<LoadedIsolate, LoadFailed>
    readonly wanted: Effect.Effect<Wanted, LoadFailed>
  }
  readonly degrade: (name: string, sentence: string) => Effect.Effect<void>
  readonly recover: (name: string) => Effect.Effect<void>
  readonly tell: (
    type: "worker.plugin_started" | "worker.plugin_ended",
    summary: string,
    data: Readonly<Record<string, unknown>>
  ) => Effect.Effect<void>
  /** It asked for what it was not granted. */
  readonly refused: (plugin: string, sentence: string) => void
  /** Keeps a value out of logs and records. */
  readonly hide: (name: string, value: string) => void
  /** It brings something else than before. */
  readonly changed: () => void
}

export interface IsolatedEntry {
  readonly life: IsolateLife
  readonly plugin: () => IsolatedPlugin | undefined
  readonly record: () => IsolateRecord
  /** What it brought when it was loaded last, by an earlier host. */
  readonly recall: (described: Described, hash: string) => void
}

/** How long a call waits for a plugin that is about to run again. */
const defaultPatienceMs = 5_000
const never = new AbortController().signal

/** Parts that are looked at once, when the host starts. */
const fixedParts = ["channels", "watchers", "rules", "routes"] as const

export const makeIsolatedEntry = (parts: EntryParts): IsolatedEntry => {
  const { settings } = parts
  const options = findSecretRefs(settings.options)
  let name: string | undefined
  let plugin: IsolatedPlugin | undefined
  let known: { readonly hash: string; readonly described: Described } | undefined
  let atStart: Described | undefined
  let healthName: string | undefined
  /** What it brings was not told yet. */
  let isNew = false

  const shown = () => name ?? settings.written
  const { load, wanted } = parts.makeLoad(() => name)

  const invoke = (hash: string) => async ({ asks = {}, facts = {}, patienceMs, signal, withinMs, ...rest }: Asked) => {
    const signals = [
      ...(signal === undefined ? [] : [signal]),
      ...(withinMs === undefined ? [] : [AbortSignal.timeout(withinMs)])
    ]
    const whole = signals.length === 0 ? never : AbortSignal.any(signals)
    const isolate = await life.running(patienceMs ?? defaultPatienceMs, whole)
    // What was shown is what runs.
    if (rest.part === "tool" && life.loadedHash() !== hash) {
      throw new PluginAway(`Plugin ${shown()} was changed meanwhile: ask again.`)
    }
    return await isolate.invoke({ ...rest, asks, facts, signal: whole })
  }

  const adopt = (described: Described, hash: string, code: PluginCode | string): void => {
    const called = nameOf(described)
    // Its code is not known before it is loaded, and its jobs need it.
    const same = isDeepStrictEqual([known, plugin?.code], [{ hash, described }, code])
    if (same && name === called) {
      // The same as before: who has its parts in hand has the right ones.
      return
    }
    const log = parts.log({ plugin: called })
    const access: Access = {
      plugin: called,
      hash,
      allow: settings.allow,
      trusted: settings.trusted,
      timeoutMs: settings.timeoutMs,
      memoryMb: settings.memoryMb,
      hasOption: (whose, key) => options.some((ref) => ref.name === whose && ref.key === key),
      away: () => life.away(),
      invoke: invoke(hash),
      refused: (sentence) => parts.refused(called, sentence)
    }
    const made: IsolatedPlugin = {
      name: called,
      spec: {
        name: described.plugin,
        ...(described.version === undefined ? {} : { version: described.version }),
        permissions: described.permissions,
        setup: () => ({})
      },
      parts: makeParts(access, described),
      log,
      own: false,
      code,
      runtime: settings.runtime,
      trust: settings.trusted ? "trusted" : "untrusted",
      after: settings.after
    }
    if (atStart !== undefined) warnOfFixed(log, called, atStart, described)
    atStart ??= described
    name = called
    plugin = made
    known = { hash, described }
    isNew = true
  }

  const hideOptions = (described: Described): void => {
    for (const option of described.plain_secrets ?? []) {
      const value = valueAt(settings.options, option)
      if (value === undefined) continue
      parts.hide(`${nameOf(described)}.${option}`, value)
      parts.log({ plugin: nameOf(described) }).warn(
        `Plugin ${
          nameOf(described)
        }: the option "${option}" is written out in the configuration. Keep it in the secrets ` +
          `store instead: syris secrets set ${described.plugin} ${option.replace(/[^A-Za-z0-9_.-]/g, "_")}`
      )
    }
  }

  const life = makeIsolateLife({
    name: shown,
    time: realTime,
    load,
    wanted,
    taken: (loaded) => {
      const { code, described, hash } = loaded as LoadedIsolate
      return Effect.try({
        try: () => {
          hideOptions(described)
          adopt(described, hash, code)
        },
        catch: (error) =>
          new LoadFailed({
            detail: `Plugin ${nameOf(described)}: ${error instanceof Error ? error.message : String(error)}`,
            cause: error
          })
      })
    },
    announce: () => {
      if (!isNew) return
      isNew = false
      parts.changed()
    },
    degrade: (sentence) =>
      Effect.suspend(() => {
        // It had no name of its own before.
        const before = healthName
        healthName = `plugin ${shown()}`
        return Effect.andThen(
          before === undefined || before === healthName ? Effect.void : parts.recover(before),
          parts.degrade(healthName, sentence)
        )
      }),
    recover: Effect.suspend(() => healthName === undefined ? Effect.void : parts.recover(healthName)),
    told: {
      started: ({ hash }) =>
        parts.tell("worker.plugin_started", `The plugin ${shown()} runs again.`, { plugin: shown(), hash }),
      ended: (reason) =>
        parts.tell("worker.plugin_ended", `The plugin ${shown()} does not run: ${reason}`.slice(0, 300), {
          plugin: shown(),
          reason: reason.slice(0, 2_000)
        })
    }
  })

  return {
    life,
    plugin: () => plugin,
    recall: (described, hash) =>
      adopt(described, hash, `Plugin ${nameOf(described)} was not loaded yet, so its jobs can't be started.`),
    record: () => {
      const error = life.lastError()
      const pid = life.isolate()?.pid
      const hash = life.loadedHash()
      return {
        name: shown(),
        state: life.state(),
        ...(error === undefined ? {} : { last_error: error }),
        runtime: settings.runtime,
        restarts: life.restarts(),
        ...(pid === undefined ? {} : { pid }),
        ...(hash === undefined ? {} : { hash }),
        allow: settings.allow
      }
    }
  }
}

const namesOf = (described: Described, part: typeof fixedParts[number]): ReadonlyArray<string> =>
  part === "routes"
    ? described.routes.map(({ method, path }) => `${method} ${path}`)
    : part === "channels"
    ? described.channels.map(({ connector_id, name }) => connector_id ?? name)
    : part === "rules"
    ? described.rules.map(({ name }) => typeof name === "string" ? name : "?")
    : described.watchers.map(({ name }) => name)

const warnOfFixed = (log: BoundLog, name: string, before: Described, now: Described): void => {
  for (const part of fixedParts) {
    const had = new Set(namesOf(before, part))
    const fresh = namesOf(now, part).filter((one) => !had.has(one))
    if (fresh.length > 0) {
      log.warn(`Plugin ${name} brings new ${part} (${fresh.join(", ")}): restart the host, so that they are used.`)
    }
  }
}

/** `smtp.password` in the options. */
const valueAt = (options: unknown, path: string): string | undefined => {
  let value: unknown = options
  for (const key of path.split(/[.[\]]+/).filter((one) => one !== "")) {
    if (typeof value !== "object" || value === null || isSecretRef(value) || !Object.hasOwn(value, key)) {
      return undefined
    }
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return typeof value === "string" ? value : undefined
}
