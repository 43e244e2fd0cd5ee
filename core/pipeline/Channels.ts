/**
 * Listens on the channels of the plugins for as long as the host runs, and shows answers on those that can while they come.
 * A channel that fails is started again, later each time, and is named in the host's health until it listens again.
 */
import { Effect, Layer } from "effect"
import { Health } from "../health/Health.ts"
import { fromPlugin } from "../plugin/Awaiting.ts"
import type { Channel } from "../plugin/Plugin.ts"
import { type RegisteredChannel, Registry } from "../plugin/Registry.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { makeChannelContext } from "./ChannelContext.ts"
import { showLive } from "./ChannelLive.ts"
import { ChannelPlaces } from "./ChannelPlaces.ts"

/** From a failure to the next attempt. */
const pauseMs = (failures: number): number => Math.min(1_000 * 2 ** failures, 30_000)

/** Who has listened for so long begins anew with the pauses; who comes and goes does not, and waits 4 s at the most. */
const steadyMs = 10_000
const failuresOf = (failures: number, listenedMs: number | undefined): number =>
  listenedMs === undefined ? failures : listenedMs >= steadyMs ? 0 : Math.min(failures, 2)

/**
 * When a channel that does not say when it is connected counts as one that listens: not before an attempt has lasted twice
 * as long as the last one that failed, which may have waited for an answer.
 */
const settledMs = (lastedMs: number): number => Math.min(Math.max(2 * lastedMs, 5_000), 30_000)

/** By what name the host's health knows that it does not listen. */
export const ailmentOf = (connector_id: string): string => `channel ${connector_id}`

/** What is thrown is most often an error, and may be anything. */
const messageOf = (thrown: unknown): string => {
  const message: unknown = typeof thrown === "object" && thrown !== null && "message" in thrown
    ? thrown.message
    : thrown
  return typeof message === "string" ? message : (JSON.stringify(message) ?? typeof message)
}

const make = Effect.gen(function*() {
  const health = yield* Health
  const registry = yield* Registry
  const { redactText } = yield* Redactor
  const contextOf = yield* makeChannelContext
  const places = yield* ChannelPlaces
  const run = Effect.runForkWith(yield* Effect.context<never>())

  const keepListening = (registered: RegisteredChannel, receive: NonNullable<Channel["receive"]>) => {
    const name = ailmentOf(registered.connector_id)
    let [failures, lastedMs] = [0, 0]
    const once = Effect.gen(function*() {
      if (registered.channel.exclusive === true) yield* places.turn(registered.connector_id)
      const began = performance.now()
      const controller = yield* Effect.acquireRelease(
        Effect.sync(() => new AbortController()),
        (made) => Effect.sync(() => made.abort())
      )
      let listensSince: number | undefined
      // What a call says that has ended counts no more.
      const listens = Effect.suspend(() => {
        if (controller.signal.aborted) return Effect.void
        listensSince ??= performance.now()
        return health.recover(name)
      })
      yield* Effect.forkScoped(Effect.delay(listens, settledMs(lastedMs)))
      const context = { ...contextOf(registered, controller.signal), connected: () => run(listens) }
      // One that has returned listens in the background, until its signal is aborted.
      return yield* fromPlugin(() => receive(context)).pipe(
        Effect.andThen(Effect.never),
        Effect.onError(() =>
          Effect.sync(() => {
            controller.abort()
            const ended = performance.now()
            lastedMs = ended - began
            failures = failuresOf(failures, listensSince === undefined ? undefined : ended - listensSince)
          })
        )
      )
    }).pipe(Effect.scoped)
    return once.pipe(
      Effect.catchDefect((defect) => Effect.fail(defect)),
      Effect.catch((error) =>
        health.degrade(
          name,
          redactText(`It does not listen: ${messageOf(error)}`).slice(0, 500)
        )
      ),
      Effect.andThen(Effect.suspend(() => Effect.sleep(pauseMs(failures++)))),
      Effect.forever,
      Effect.forkScoped
    )
  }

  const keepShowing = (registered: RegisteredChannel, live: NonNullable<Channel["live"]>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => new AbortController()),
      (controller) => showLive(registered, live, contextOf(registered, controller.signal)),
      (controller) => Effect.sync(() => controller.abort())
    ).pipe(Effect.forkScoped)

  for (const registered of registry.channels()) {
    const { live, receive } = registered.channel
    if (receive !== undefined) yield* keepListening(registered, receive)
    if (live !== undefined) yield* keepShowing(registered, live)
  }
})

/** Starts to listen; stops with the layer. */
export const layer = Layer.effectDiscard(make)
