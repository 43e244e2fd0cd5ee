/**
 * What the host hands to a channel, in its `receive` and in its webhook.
 */
import { Effect } from "effect"
import type { RawEvent } from "../contract/Event.ts"
import type { ChannelContext, EmitOptions } from "../plugin/Plugin.ts"
import type { RegisteredChannel } from "../plugin/Registry.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { worst } from "../safety/Provenance.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { CodeAnswers } from "../tools/CodeAnswers.ts"
import { Attachments } from "./Attachments.ts"
import { ChannelPlaces } from "./ChannelPlaces.ts"
import { Pipeline } from "./Pipeline.ts"
import { Rejections } from "./Rejections.ts"
import type { Arrival } from "./Submission.ts"

/** Whatever a channel starts runs with the host's clock, log and console. */
export const makeChannelContext = Effect.gen(function*() {
  const answers = yield* CodeAnswers
  const attachments = yield* Attachments
  const pipeline = yield* Pipeline
  const places = yield* ChannelPlaces
  const rejections = yield* Rejections
  const secrets = yield* SecretsStore
  const promise = Effect.runPromiseWith(yield* Effect.context<never>())
  return (registered: RegisteredChannel, signal: AbortSignal): ChannelContext => {
    const { channel, connector_id, log } = registered
    const emit = Effect.fnUntraced(function*(event: RawEvent, options: EmitOptions = {}) {
      const arrival = arrivalOf(registered, event, options)
      const { attachments: given = [] } = options
      return given.length === 0
        ? yield* pipeline.submit(event, channel.trust, arrival)
        : yield* attachments.submit(registered, event, arrival, given)
    })
    return {
      emit: (event, options) => promise(emit(event, options)),
      log,
      signal,
      secret: (ref) => promise(readSecret(secrets, ref)),
      connected: () => {},
      recall: () => promise(places.recall(connector_id)),
      remember: (state) => promise(places.remember(connector_id, state)),
      reject: ({ code, data, message }) =>
        promise(rejections.reject({ channel: channel.name, connector_id, code, data, message })),
      answer: (code, decision) => promise(answers.answer(connector_id, code, decision))
    }
  }
})

/** What the channel says of an event besides. Throws where it says more than it may. */
const arrivalOf = (
  { channel, plugin }: RegisteredChannel,
  event: RawEvent,
  { doubt, raise }: EmitOptions
): Arrival => {
  if (raise === undefined) return doubt === undefined ? {} : { doubt }
  const { because, trust } = raise
  const most = channel.raises ?? channel.trust
  if (event.channel !== channel.name || worst(most, trust) !== trust) {
    throw new Error(
      `Plugin ${plugin}: the trust of an event of ${channel.name} can be raised to ${most} at most, and not to ${trust}.`
    )
  }
  return { raised: { trust, because } }
}
