/**
 * What a server may ask of the host in the midst of a call: nothing, unless the settings allow it. What is not allowed is not
 * declared, and a server that asks all the same is answered with the protocol's error.
 *
 * Newer servers do not send a request, they answer a call with `input_required`: the SDK hands that to the same handlers.
 */
import type { Client, ClientCapabilities } from "@modelcontextprotocol/client"
import { Effect, Exit, Cause, Layer } from "effect"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import { Elicitation } from "./Elicitation.ts"
import type { CallContext } from "./McpConnection.ts"
import { codes, RequestRefused } from "./RequestRefused.ts"
import { rootsOf } from "./Roots.ts"
import { Sampling } from "./Sampling.ts"

/** A call that is under way: one object for the whole of it, which no other call has. */
export interface CurrentCall extends CallContext {
  /** The server's own name for the tool. */
  readonly tool: string
  /** Aborted as soon as the call is over, however it ended. */
  readonly over: AbortSignal
}

/** How often one call is sent again because its server answered that it needs something first (`inputRequired.maxRounds`). */
export const mostRounds = 10

export interface ServerRequests {
  readonly capabilities: ClientCapabilities
  /**
   * Sets the handlers, before the client connects. `callOf`: the call that is under way on this connection; nothing where there
   * is none, or where there are several of different traces.
   */
  readonly register: (client: Client, callOf: () => CurrentCall | undefined) => void
}

/** Who answers. */
export const layerServerRequests = Layer.mergeAll(Elicitation.layer, Sampling.layer)

const noCall = (what: string) =>
  new RequestRefused(
    codes.invalidRequest,
    `${what} is answered while one tool call of one trace is under way on this connection, and at no other time.`
  )

export const makeServerRequests = Effect.fnUntraced(function*(settings: McpServerSettings) {
  const elicitation = yield* Elicitation
  const sampling = yield* Sampling
  const run = Effect.runPromiseExitWith(yield* Effect.context<never>())
  const { server } = settings
  const roots = rootsOf(settings.roots)

  /** As the SDK takes it: a value, or an error that has the protocol's code. */
  const answered = async <A>(what: Effect.Effect<A, RequestRefused>): Promise<A> => {
    const exit = await run(what)
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    if (error instanceof RequestRefused) throw error
    await run(Effect.logError(`What the server ${server} asked could not be answered`, exit.cause))
    throw new RequestRefused(codes.internalError, "The host could not answer this; its log has why.")
  }

  return {
    capabilities: {
      ...(roots.length > 0 ? { roots: {} } : {}),
      ...(settings.sampling ? { sampling: {} } : {}),
      ...(settings.elicitation ? { elicitation: { form: {} } } : {})
    },
    register: (client, callOf) => {
      if (roots.length > 0) client.setRequestHandler("roots/list", () => ({ roots: [...roots] }))
      if (settings.sampling) {
        client.setRequestHandler("sampling/createMessage", ({ params }, { mcpReq }) => {
          const call = callOf()
          if (call === undefined) throw noCall("A request for a sample")
          return answered(sampling.answer(server, call, params, mcpReq.signal))
        })
      }
      if (settings.elicitation) {
        client.setRequestHandler("elicitation/create", ({ params }, { mcpReq }) => {
          const call = callOf()
          if (call === undefined) throw noCall("A question to the operator")
          return answered(elicitation.ask(server, call, params, mcpReq.signal))
        })
      }
    }
  } satisfies ServerRequests
})
