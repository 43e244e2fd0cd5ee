/**
 * The way to a server. What speaks the protocol is loaded when the first server is connected: a host without one never does.
 */
import { Context, Effect, Layer, Scope } from "effect"
import type { Environment } from "../database/Environment.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { Redactor } from "../secrets/Redactor.ts"
import type { SecretsStore } from "../secrets/SecretsStore.ts"
import { connect as connectTo } from "./Connect.ts"
import type { McpConnection, McpFailed } from "./McpConnection.ts"
import { layerServerRequests, makeServerRequests } from "./ServerRequests.ts"
import { type SignIn, SignIns } from "./SignIn.ts"

export class Connecting extends Context.Service<Connecting, {
  readonly connect: (
    settings: McpServerSettings,
    signIn: SignIn | undefined
  ) => Effect.Effect<McpConnection, McpFailed, Scope.Scope>
  /** Of a server that may ask the operator to sign in. Waits until the host knows where it listens. */
  readonly signIn: (settings: McpServerSettings) => Effect.Effect<SignIn | undefined>
}>()("syris/mcp/Connecting") {
  static readonly layer = Layer.effect(
    Connecting,
    Effect.gen(function*() {
      const signIns = yield* SignIns
      // Without the scope of this layer: a connection has one of its own.
      const context = Context.omit(Scope.Scope)(
        yield* Effect.context<Layer.Success<typeof layerServerRequests> | SecretsStore | Redactor | Environment>()
      )
      const connect = Effect.fnUntraced(function*(settings: McpServerSettings, signIn: SignIn | undefined) {
        const requests = yield* Effect.provideContext(makeServerRequests(settings), context)
        return yield* Effect.provideContext(connectTo(settings, requests, { authProvider: signIn?.provider }), context)
      })
      const signIn = (settings: McpServerSettings) =>
        settings.place.kind === "http" ? signIns.of(settings) : Effect.succeed(undefined)
      return Connecting.of({ connect, signIn })
    })
  ).pipe(Layer.provide(layerServerRequests))
}
