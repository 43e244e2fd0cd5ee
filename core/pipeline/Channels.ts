/**
 * Listens on the channels of the plugins for as long as the host runs, and shows answers on those that can while they come. A channel that fails is started again, later each
 * time, and is named in the host's health until it listens again.
 */
import { Duration, Effect, Layer, Schedule } from "effect"
import { Health } from "../health/Health.ts"
import { fromPlugin } from "../plugin/Awaiting.ts"
import type { Channel } from "../plugin/Plugin.ts"
import { type RegisteredChannel, Registry } from "../plugin/Registry.ts"
import { makeChannelContext } from "./ChannelContext.ts"
import { showLive } from "./ChannelLive.ts"

const backOff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

const make = Effect.gen(function*() {
  const health = yield* Health
  const registry = yield* Registry
  const contextOf = yield* makeChannelContext

  const keepListening = (registered: RegisteredChannel, receive: NonNullable<Channel["receive"]>) => {
    const name = `channel ${registered.connector_id}`
    const once = Effect.acquireUseRelease(
      Effect.sync(() => new AbortController()),
      (controller) =>
        Effect.andThen(
          Effect.forkChild(Effect.delay(health.recover(name), Duration.seconds(5))),
          // One that has returned listens in the background, until its signal is aborted.
          Effect.andThen(fromPlugin(() => receive(contextOf(registered, controller.signal))), Effect.never)
        ),
      (controller) => Effect.sync(() => controller.abort())
    )
    return once.pipe(
      Effect.catchDefect((defect) => Effect.fail(defect)),
      Effect.tapError((error) =>
        health.degrade(
          name,
          `It does not listen: ${error instanceof Error ? error.message : String(error)}`.slice(0, 500)
        )
      ),
      Effect.retry(backOff),
      Effect.ignore,
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
