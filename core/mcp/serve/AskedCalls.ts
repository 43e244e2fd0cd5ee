/**
 * One call of one tool, as a client of `/mcp` asks for it: an event on the channel `mcp` that was made for exactly that
 * call (`core/pipeline/MadeCalls.ts`). The channel is untrusted, whatever token the client has.
 *
 * The same key of a client is the same call: it is stored once, and whoever brings it again is led to the first.
 */
import { Context, Effect, Layer, type Schema } from "effect"
import { MadeCalls } from "../../pipeline/MadeCalls.ts"
import type { Accepted, EventNotAccepted, EventRejected } from "../../pipeline/Submission.ts"

/** The channel of all that clients of `/mcp` bring, and its connector. */
export const servedChannel = "mcp"

/** Who asks: a name that the client gave itself, behind a prefix that nobody else's has. */
export const actorOf = (client: string | undefined): string =>
  `mcp:${client === undefined || client === "" ? "unnamed" : client}`.slice(0, 100).toWellFormed()

export interface AskedCall {
  readonly tool: string
  readonly input: Schema.Json
  readonly actor_id: string
  /** The client's own name for this call. */
  readonly key?: string | undefined
}

export class AskedCalls extends Context.Service<AskedCalls, {
  /** Answers once it is committed. `conflict`: the key was used for another call, which is the one that is answered. */
  readonly ask: (call: AskedCall) => Effect.Effect<Accepted, EventRejected | EventNotAccepted>
}>()("syris/mcp/AskedCalls") {
  static readonly layer = Layer.effect(
    AskedCalls,
    Effect.map(MadeCalls, (calls) =>
      AskedCalls.of({
        ask: ({ actor_id, input, key, tool }) =>
          calls.make({
            tool,
            input,
            channel: servedChannel,
            actor_type: "integration",
            actor_id,
            // Whatever a plugin says of a channel with this name: what comes here is from outside.
            trust: "untrusted",
            maker: "A client of /mcp",
            by: "call of a client of /mcp",
            message_id: key === undefined ? undefined : `call:${key}`
          })
      }))
  )
}
