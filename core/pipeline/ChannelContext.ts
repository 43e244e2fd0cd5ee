/**
 * What the host hands to a channel, in its `receive` and in its webhook.
 */
import { Effect } from "effect"
import type { ChannelContext } from "../plugin/Plugin.ts"
import type { RegisteredChannel } from "../plugin/Registry.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { Pipeline } from "./Pipeline.ts"

/** Whatever a channel starts runs with the host's clock, log and console. */
export const makeChannelContext = Effect.gen(function*() {
  const pipeline = yield* Pipeline
  const secrets = yield* SecretsStore
  const promise = Effect.runPromiseWith(yield* Effect.context<never>())
  return (registered: RegisteredChannel, signal: AbortSignal): ChannelContext => ({
    emit: (event) => promise(pipeline.submit(event, registered.channel.trust)),
    log: registered.log,
    signal,
    secret: (ref) => promise(readSecret(secrets, ref))
  })
})
