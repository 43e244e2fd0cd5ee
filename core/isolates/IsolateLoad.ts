/**
 * Starts an entry of the configuration: takes its code, looks whether that was granted, and starts what was.
 *
 * - Its name is known when it was loaded; before that it is found by its path. So code that was never granted is loaded only
 *   where nothing of its path was granted either: listing it is the grant.
 * - Code that is held is not loaded. The copy that was granted goes on where this host has it.
 */
import { Context, Effect } from "effect"
import { SqlError } from "effect/sql"
import * as path from "node:path"
import type { Hearing, Isolate, Launch } from "../../sandbox/Isolate.ts"
import type { Described } from "../../sandbox/protocol/Described.ts"
import { startIsolate } from "../../sandbox/startIsolate.ts"
import { realTime } from "../health/RealTime.ts"
import { withStop } from "../plugin/Explain.ts"
import type { IsolateSettings } from "../plugin/IsolateSettings.ts"
import { findSecretRefs } from "../plugin/OptionSecrets.ts"
import type { PluginCode } from "../plugin/PluginCode.ts"
import { missingSecret, type SecretsStore } from "../secrets/SecretsStore.ts"
import { grantedEnv } from "./Access.ts"
import { findCopy, takeCode, type TakenCode } from "./CodeSnapshot.ts"
import { pathsRefused } from "./GrantedPaths.ts"
import { LoadFailed } from "./IsolateLife.ts"
import type { PluginGrants } from "./PluginGrants.ts"
import { checkDescribed, nameOf } from "./Proxies.ts"

/** How an isolate is started; a test has its own. */
export const StartIsolate = Context.Reference<(launch: Launch, hearing: Hearing) => Promise<Isolate>>(
  "syris/isolates/StartIsolate",
  { defaultValue: () => startIsolate }
)

export interface LoadParts {
  readonly settings: IsolateSettings
  /** The configuration, absolute. */
  readonly configFile: string
  readonly home: string
  readonly timezone: string
  readonly grants: PluginGrants["Service"]
  readonly secrets: SecretsStore["Service"]
  readonly start: (launch: Launch, hearing: Hearing) => Promise<Isolate>
  readonly hearing: Hearing
  /** Its name in this host, where it is known. */
  readonly name: () => string | undefined
}

/** What is to run. */
export interface Wanted {
  readonly hash: string
  readonly folder: string
  readonly entry: string
  /** As it is now. */
  readonly taken: TakenCode
  /** Whose grant was looked at. */
  readonly judged?: string
  /** Why it is not the code of now: a sentence. */
  readonly held?: string | undefined
}

export interface LoadedIsolate {
  readonly isolate: Isolate
  readonly described: Described
  readonly name: string
  readonly hash: string
  readonly code: PluginCode
  readonly held?: string | undefined
}

const heldSentence = (name: string): string =>
  `The code of plugin ${name} changed: it runs as it was granted until you grant it anew (syris plugins diff ${name}).`
const noCopy = (name: string): string =>
  `The code of plugin ${name} changed, and this host has no copy of what was granted: see syris plugins diff ${name}, then ` +
  `syris plugins grant ${name}.`

const setupWithinMs = 60_000
/** How long a start that is not wanted any more may take, until it can be ended. */
const leaveWithinMs = 3_000

/** What the database says is in the cause; the client's own words are "Query failed". */
const said = (error: unknown): string => {
  const told = SqlError.isSqlError(error) && error.reason.cause instanceof Error ? error.reason.cause : error
  return told instanceof Error ? told.message || told.name : String(told)
}

export const makeLoad = (parts: LoadParts) => {
  const { grants, home, settings } = parts
  const { allow } = settings
  const shown = () => parts.name() ?? settings.written
  const failed = (detail: string, cause?: unknown) =>
    new LoadFailed({ detail: withStop(detail), ...(cause === undefined ? {} : { cause }) })
  const inDatabase = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.mapError(
      effect,
      (error) => failed(`What plugin ${shown()} was granted can't be read: ${said(error)}`, error)
    )

  const granted = (taken: TakenCode): Wanted => ({ hash: taken.hash, folder: taken.folder, entry: taken.entry, taken })

  /** The copy that goes on. */
  const copyOf = Effect.fnUntraced(function*(
    taken: TakenCode,
    grant: { readonly name: string; readonly hash: string; readonly entry: string }
  ) {
    const copy = yield* findCopy(home, grant.hash, grant.entry)
    if (copy === undefined) return yield* failed(noCopy(grant.name))
    return { ...copy, hash: grant.hash, taken, judged: grant.name, held: heldSentence(grant.name) } satisfies Wanted
  })

  const wanted: Effect.Effect<Wanted, LoadFailed> = Effect.gen(function*() {
    const taken = yield* takeCode({ path: settings.written, configFile: parts.configFile, home }).pipe(
      Effect.mapError((error) => failed(error.detail, error))
    )
    if (settings.reload) return granted(taken)
    const rows = yield* inDatabase(grants.at(settings.written))
    const name = parts.name()
    const own = name === undefined ? rows : rows.filter((row) => row.name === name)
    if (own.length === 0 || own.some(({ hash }) => hash === taken.hash)) return granted(taken)
    const judgement = yield* inDatabase(grants.judge(own[0]!.name, taken, undefined, allow))
    return judgement.state === "granted" ? granted(taken) : yield* copyOf(taken, judgement.granted)
  })

  const codeOf = (of: Wanted, plugin: string, name: string): PluginCode => ({
    entry: of.entry,
    plugin,
    name,
    options: settings.options,
    timezone: parts.timezone,
    folders: [of.folder],
    grant: allow,
    hash: of.hash
  })

  /** Not left behind: where nobody waits for it any more it is ended as soon as it is there. */
  const start = (of: Wanted): Effect.Effect<Isolate, LoadFailed> =>
    Effect.suspend(() => {
      const starting = parts.start({
        runtime: settings.runtime,
        code: codeOf(of, "", ""),
        limits: { memoryMb: settings.memoryMb },
        temporary: path.join(home, "isolates", "tmp"),
        ...settings.reload ? {} : { prepared: path.join(home, "isolates", "prepared") },
        env: grantedEnv(allow.env)
      }, parts.hearing)
      const leave = Effect.raceFirst(
        Effect.promise(() => starting.then((isolate) => isolate.stop(0), () => undefined)),
        realTime.sleep(leaveWithinMs)
      )
      return Effect.raceFirst(
        Effect.tryPromise({
          try: () => starting,
          catch: (error) => failed(`Plugin ${shown()} can't be loaded: ${said(error)}`, error)
        }),
        Effect.flatMap(realTime.sleep(setupWithinMs), () =>
          Effect.andThen(
            Effect.forkDetach(leave, { startImmediately: true }),
            Effect.fail(failed(`Plugin ${shown()} can't be loaded: it did not end its set-up within 60 s`))
          ))
      ).pipe(Effect.onInterrupt(() => leave))
    })

  const requireSecrets = Effect.gen(function*() {
    const missing = yield* parts.secrets.missing(findSecretRefs(settings.options)).pipe(
      Effect.mapError((error) => failed(error.detail, error))
    )
    const [first] = missing
    if (first !== undefined) {
      return yield* failed(`Plugin ${shown()}, secrets: ${missingSecret(first.name, first.key)}`)
    }
  })

  const requirePaths = Effect.gen(function*() {
    const refused = yield* Effect.promise(() => pathsRefused(allow, { configFile: parts.configFile, home }))
    if (refused !== undefined) return yield* failed(`Plugin ${shown()} is not loaded: ${refused}`)
  })

  const open = Effect.fnUntraced(function*(of: Wanted) {
    const isolate = yield* start(of)
    return yield* Effect.gen(function*() {
      const described = yield* Effect.try({
        try: () => checkDescribed(isolate.described),
        catch: (error) => failed(`Plugin ${shown()}: ${said(error)}`, error)
      })
      const name = nameOf(described)
      const before = parts.name()
      if (before !== undefined && before !== name) {
        return yield* failed(`Plugin ${before} calls itself ${name} now: restart the host`)
      }
      return { isolate, described, name }
    }).pipe(Effect.onError(() => Effect.promise(() => isolate.stop(0))))
  })

  const load: Effect.Effect<LoadedIsolate, LoadFailed> = Effect.gen(function*() {
    yield* requirePaths
    yield* requireSecrets
    let of = yield* wanted
    let opened = yield* open(of)
    const ended = Effect.promise(() => opened.isolate.stop(0))
    const judge = of.judged === opened.name
      ? Effect.succeed(undefined)
      : grants.judge(
        opened.name,
        of.taken,
        of.held === undefined ? opened.described.permissions : undefined,
        allow,
        { reload: settings.reload }
      )
    const judgement = yield* inDatabase(judge).pipe(Effect.onError(() => ended))
    if (judgement?.state === "held" && judgement.granted.hash !== of.hash) {
      // What it is known by only now was granted with other code.
      yield* ended
      of = yield* copyOf(of.taken, judgement.granted)
      opened = yield* open(of)
    } else if (judgement?.state === "held") {
      of = { ...of, held: heldSentence(opened.name) }
    }
    const { described, isolate, name } = opened
    yield* inDatabase(grants.described(name, of.hash, described)).pipe(
      Effect.onError(() => Effect.promise(() => isolate.stop(0)))
    )
    return { isolate, described, name, hash: of.hash, code: codeOf(of, described.plugin, name), held: of.held }
  })

  return { load, wanted }
}
