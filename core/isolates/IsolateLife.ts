/**
 * Keeps one plugin running apart from the host for as long as the host runs: loads it, looks whether it still answers, starts it
 * again after its end, later each time, and puts a new one in its place when its code is to be another.
 *
 * - What was under way when it ended is lost, and says so; what is asked of it meanwhile waits for the next one for a while.
 * - An end is told once, however often it is tried again, and so is the way back.
 * - One that ends again and again stays named in the host's health: it is well when it has been there for a minute.
 */
import { Cause, Deferred, Effect, Exit, Schema } from "effect"
import { defaultGraceMs, type Isolate, type IsolateEnd } from "../../sandbox/Isolate.ts"
import type { Time } from "../health/RealTime.ts"
import type { IsolateState } from "../plugin/IsolateHost.ts"
import { PluginAway } from "./Access.ts"

/** It can't be loaded; `detail` is a sentence. */
export class LoadFailed extends Schema.TaggedError<LoadFailed>()("LoadFailed", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

export interface Loaded {
  readonly isolate: Isolate
  readonly hash: string
  /** Its code of now waits for a grant, and this is the one that was granted: a sentence. */
  readonly held?: string | undefined
}

export interface LifeParts {
  /** As it is called now. */
  readonly name: () => string
  readonly time: Time
  /** Starts it, whatever is to run now. It has not been taken up when this is interrupted, and is ended then. */
  readonly load: Effect.Effect<Loaded, LoadFailed>
  /** Whether something else is to run than what runs: the hash of it, and a sentence where code is held. */
  readonly wanted: Effect.Effect<{ readonly hash: string; readonly held?: string | undefined }, LoadFailed>
  /** It runs from now on: its parts are registered. Before this nothing is asked of it. */
  readonly taken: (loaded: Loaded) => Effect.Effect<void, LoadFailed>
  /** It can be asked, and ended, from now on: whoever has to know of it is told. */
  readonly announce: () => void
  readonly degrade: (sentence: string) => Effect.Effect<void>
  readonly recover: Effect.Effect<void>
  readonly told: {
    readonly started: (loaded: Loaded) => Effect.Effect<void>
    readonly ended: (reason: string) => Effect.Effect<void>
  }
}

export interface IsolateLife {
  /** Never ends by itself; ends the isolate when it is interrupted. */
  readonly run: Effect.Effect<never>
  /** Settles when it was loaded, or could not be. */
  readonly first: Effect.Effect<void>
  readonly state: () => IsolateState
  /** A sentence. */
  readonly lastError: () => string | undefined
  readonly restarts: () => number
  readonly isolate: () => Isolate | undefined
  readonly loadedHash: () => string | undefined
  /** Why nothing can be asked of it now: a sentence. */
  readonly away: () => string | undefined
  /** The one that runs; waits for the next one. Rejects with `PluginAway`. */
  readonly running: (patienceMs: number, signal: AbortSignal) => Promise<Isolate>
  /** Looks whether something else is to run, and has it run. */
  readonly reconsider: () => void
  /** What it brings is not taken: it is ended, and comes back when its code is another. */
  readonly refuse: (sentence: string) => Effect.Effect<void>
}

const firstDelayMs = 500
const longestDelayMs = 60_000
/** One that ran so long was well: what comes after it is a first failure again. */
const wellAfterMs = 60_000
const pingEveryMs = 5_000
const pingWithinMs = 15_000

export const makeIsolateLife = (parts: LifeParts): IsolateLife => {
  const { time } = parts
  const first = Deferred.makeUnsafe<void>()
  const waiting = new Set<(isolate: Isolate) => void>()
  let nudged = Deferred.makeUnsafe<void>()
  let state: IsolateState = "starting"
  let current: Loaded | undefined
  let lastError: string | undefined
  /** The code that was refused, and why: a sign of life of what is being ended does not make that undone. */
  let refused: { readonly hash: string; readonly sentence: string } | undefined
  const whyRefused = () => refused?.sentence
  let failures = 0
  let restarts = 0
  let told = false
  let ailing = false

  const degrade = (sentence: string) =>
    Effect.suspend(() => {
      ailing = true
      lastError = sentence
      return parts.degrade(sentence)
    })
  const recover = Effect.suspend(() => {
    if (!ailing || current === undefined || current.held !== undefined || current.hash === refused?.hash) {
      return Effect.void
    }
    ailing = false
    lastError = undefined
    return parts.recover
  })
  const ready = Effect.sync(() => void Deferred.doneUnsafe(first, Exit.void))

  const endIsolate = (isolate: Isolate, graceMs = defaultGraceMs): Effect.Effect<IsolateEnd> =>
    Effect.promise(() => isolate.stop(graceMs))

  const take = Effect.fnUntraced(function*(loaded: Loaded) {
    yield* parts.taken(loaded)
    current = loaded
    state = loaded.held === undefined ? "running" : "held"
    parts.announce()
    for (const go of waiting) go(loaded.isolate)
    waiting.clear()
    if (loaded.held !== undefined) yield* degrade(loaded.held)
    yield* ready
    if (told || restarts > 0) yield* parts.told.started(loaded)
    told = false
  })

  /** Settles where it does not answer any more. */
  const watch = (isolate: Isolate): Effect.Effect<string> =>
    Effect.gen(function*() {
      for (;;) {
        yield* time.sleep(pingEveryMs)
        const answered = yield* Effect.raceFirst(ping(isolate), Effect.as(time.sleep(pingWithinMs), false))
        if (!answered) return `it did not answer for ${pingWithinMs / 1_000} s`
      }
    })

  const proveWell = Effect.gen(function*() {
    // The first one has nothing to prove.
    if (failures > 0) yield* time.sleep(wellAfterMs)
    failures = 0
    yield* recover
    return yield* Effect.never
  })

  /** Runs until it ends; or until another one is to run, which is then taken up before this one is ended. */
  const stay = (loaded: Loaded): Effect.Effect<Loaded | string> =>
    Effect.suspend(() => {
      // It is ended for this; the end itself knows no more than that it was.
      let silent: string | undefined
      return Effect.raceAllFirst([
        Effect.map(Effect.promise(() => loaded.isolate.ended), ({ reason }) => silent ?? reason),
        Effect.flatMap(watch(loaded.isolate), (reason) => {
          silent = reason
          return Effect.as(endIsolate(loaded.isolate, 0), reason)
        }),
        follow(loaded),
        proveWell
      ])
    })

  const follow = Effect.fnUntraced(function*(loaded: Loaded) {
    for (;;) {
      yield* Deferred.await(nudged)
      nudged = Deferred.makeUnsafe()
      const next = yield* Effect.result(anew(loaded))
      if (next._tag === "Success") {
        if (next.success !== undefined) return next.success
      } else {
        yield* degrade(`${parts.name()} goes on as it was: ${next.failure.detail}`)
      }
    }
  })

  /** The one that is to run in the place of another; none where nothing else is to run. */
  const anew = Effect.fnUntraced(function*(loaded: Loaded) {
    const wanted = yield* parts.wanted
    if (wanted.hash === loaded.hash) {
      current = { ...loaded, held: wanted.held }
      state = wanted.held === undefined ? "running" : "held"
      if (wanted.held === undefined) yield* recover
      else yield* degrade(wanted.held)
      return undefined
    }
    const next = yield* parts.load
    return yield* take(next).pipe(
      Effect.as(next),
      Effect.tapError(() => endIsolate(next.isolate))
    )
  })

  const rest = (reason: string) =>
    Effect.gen(function*() {
      failures++
      yield* ready
      yield* degrade(reason)
      if (!told) yield* parts.told.ended(reason)
      told = true
      const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(16, failures - 1))
      yield* Effect.raceFirst(time.sleep(delay), Deferred.await(nudged))
      nudged = Deferred.makeUnsafe()
    })

  /** From a load to the end of what was loaded, and of all that came in its place. */
  const once = Effect.gen(function*() {
    if (refused !== undefined) {
      const wanted = yield* parts.wanted
      if (wanted.hash === refused.hash) return yield* Effect.fail(new LoadFailed({ detail: refused.sentence }))
      refused = undefined
    }
    const loaded = yield* parts.load
    yield* Effect.onError(take(loaded), () => endIsolate(loaded.isolate))
    let one: Loaded = loaded
    let began = time.now()
    for (;;) {
      const end = yield* Effect.onInterrupt(stay(one), () =>
        Effect.suspend(() => {
          state = "stopping"
          return endIsolate(current?.isolate ?? one.isolate)
        }))
      if (typeof end !== "string") {
        const old = one
        one = end
        began = time.now()
        restarts++
        yield* Effect.forkDetach(endIsolate(old.isolate), { startImmediately: true })
        continue
      }
      // Another one had taken its place at the same moment.
      if (current !== undefined && current.isolate !== one.isolate) {
        one = current
        continue
      }
      current = undefined
      state = "failed"
      if (time.now() - began >= wellAfterMs) failures = 0
      restarts++
      return whyRefused() ?? `It ended: ${end}.`
    }
  })

  const run = Effect.forever(
    Effect.gen(function*() {
      const reason = yield* Effect.catchCause(once, (cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        current = undefined
        state = "failed"
        const error = Cause.squash(cause)
        return Effect.succeed(error instanceof LoadFailed ? error.detail : `It could not be started: ${String(error)}`)
      })
      yield* rest(reason)
    })
  )

  const away = (): string | undefined =>
    current !== undefined ?
      undefined :
      `Plugin ${parts.name()} is not running${lastError === undefined ? "" : `: ${lastError}`}`.replace(
        /([^.])$/,
        "$1."
      )

  return {
    run,
    first: Deferred.await(first),
    state: () => state,
    lastError: () => lastError,
    restarts: () => restarts,
    isolate: () => current?.isolate,
    loadedHash: () => current?.hash,
    away,
    running: (patienceMs, signal) => {
      if (current !== undefined) return Promise.resolve(current.isolate)
      return new Promise((resolve, reject) => {
        const leave = () => {
          clearTimeout(timer)
          signal.removeEventListener("abort", onAbort)
          waiting.delete(go)
        }
        const go = (isolate: Isolate) => {
          leave()
          resolve(isolate)
        }
        const onAbort = () => {
          leave()
          reject(signal.reason as Error)
        }
        const timer = setTimeout(() => {
          leave()
          reject(new PluginAway(away() ?? `Plugin ${parts.name()} is not running.`))
        }, patienceMs)
        if (signal.aborted) return onAbort()
        signal.addEventListener("abort", onAbort, { once: true })
        waiting.add(go)
      })
    },
    reconsider: () => void Deferred.doneUnsafe(nudged, Exit.void),
    refuse: (sentence) =>
      Effect.suspend(() => {
        // It may be refused twice, and be at its end already.
        const hash = current?.hash ?? refused?.hash
        if (hash !== undefined) refused = { hash, sentence }
        const isolate = current?.isolate
        return Effect.andThen(
          degrade(sentence),
          isolate === undefined
            ? Effect.void
            : Effect.asVoid(Effect.forkDetach(endIsolate(isolate), { startImmediately: true }))
        )
      })
  }
}

/** An error of the other side is an answer, too. */
const ping = (isolate: Isolate): Effect.Effect<boolean> =>
  Effect.promise((signal) =>
    isolate.invoke({ part: "tool", name: "", member: "ping", args: [], facts: {}, asks: {}, signal }).then(
      () => true,
      () => true
    )
  )
