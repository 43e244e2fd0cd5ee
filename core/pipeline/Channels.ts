/**
 * Listens on the channels of the plugins for as long as the host runs. A channel that fails is started again, later each
 * time, and is named in the host's health until it listens again.
 */
import { Duration, Effect, Layer, Schedule } from "effect"
import { Health } from "../health/Health.ts"
import type { Channel, ChannelContext, Emit } from "../plugin/Plugin.ts"
import { type RegisteredChannel, Registry } from "../plugin/Registry.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { Pipeline } from "./Pipeline.ts"

const backOff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

/** Calls `receive` and waits until it ends. */
const listen = (receive: NonNullable<Channel["receive"]>, context: ChannelContext): Effect.Effect<void, unknown> =>
  Effect.suspend((): Effect.Effect<void, unknown> => {
    const given: unknown = receive(context)
    return Effect.isEffect(given)
      ? given as Effect.Effect<void, unknown>
      : Effect.tryPromise({ try: () => Promise.resolve(given as PromiseLike<void>), catch: (error) => error })
  })

const make = Effect.gen(function*() {
  const health = yield* Health
  const pipeline = yield* Pipeline
  const registry = yield* Registry
  const secrets = yield* SecretsStore

  const emit: Emit = (event) =>
    Effect.runPromise(
      Effect.map(pipeline.submit(event), ({ deduped, event_id, trace_id }) => ({ deduped, event_id, trace_id }))
    )

  const contextOf = (registered: RegisteredChannel, signal: AbortSignal): ChannelContext => ({
    emit,
    log: registered.log,
    signal,
    secret: (ref) => Effect.runPromise(readSecret(secrets, ref))
  })

  const keepListening = (registered: RegisteredChannel, receive: NonNullable<Channel["receive"]>) => {
    const name = `channel ${registered.connector_id}`
    const once = Effect.acquireUseRelease(
      Effect.sync(() => new AbortController()),
      (controller) =>
        Effect.andThen(
          Effect.forkChild(Effect.delay(health.recover(name), Duration.seconds(5))),
          // One that has returned listens in the background, until its signal is aborted.
          Effect.andThen(listen(receive, contextOf(registered, controller.signal)), Effect.never)
        ),
      (controller) => Effect.sync(() => controller.abort())
    )
    return once.pipe(
      Effect.tapCause((cause) => health.degrade(name, `It does not listen: ${String(cause)}`.slice(0, 500))),
      Effect.retry(backOff),
      Effect.ignore,
      Effect.forkScoped
    )
  }

  for (const registered of registry.channels()) {
    if (registered.channel.receive !== undefined) yield* keepListening(registered, registered.channel.receive)
  }
})

/** Starts to listen; stops with the layer. */
export const layer = Layer.effectDiscard(make)
