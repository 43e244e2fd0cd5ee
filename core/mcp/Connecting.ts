/**
 * The way to a server. What speaks the protocol is loaded when the first server is connected: a host without one never does.
 * A host is there before its servers: neither that nor their processes take the processor while it starts.
 */
import { Context, Effect, Layer, Scope, Semaphore } from "effect"
import * as os from "node:os"
import type { Environment } from "../database/Environment.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { Redactor } from "../secrets/Redactor.ts"
import type { SecretsStore } from "../secrets/SecretsStore.ts"
import { connect as connectTo } from "./Connect.ts"
import type { McpConnection, McpFailed } from "./McpConnection.ts"
import { layerServerRequests, makeServerRequests } from "./ServerRequests.ts"
import { RealTime } from "./RealTime.ts"
import { type SignIn, SignIns } from "./SignIn.ts"

/** Processes that are started at the same time: fifty at once would leave the host no processor for its lease. */
const startedAtOnce = Math.max(2, os.availableParallelism())
/** One that takes longer to speak lets the next one begin, milliseconds. */
const startingMs = 2_000

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
      const time = yield* RealTime
      const starts = yield* Semaphore.make(startedAtOnce)
      // Without the scope of this layer: a connection has one of its own.
      const context = Context.omit(Scope.Scope)(
        yield* Effect.context<Layer.Success<typeof layerServerRequests> | SecretsStore | Redactor | Environment>()
      )
      const connectNow = Effect.fnUntraced(function*(settings: McpServerSettings, signIn: SignIn | undefined) {
        const requests = yield* Effect.provideContext(makeServerRequests(settings), context)
        return yield* Effect.provideContext(connectTo(settings, requests, { authProvider: signIn?.provider }), context)
      })
      const inTurn = <A, E, R>(start: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
        Effect.suspend(() => {
          let held = false
          const letGo = Effect.suspend(() => {
            if (!held) return Effect.void
            held = false
            return starts.release(1)
          })
          const take = Effect.tap(starts.take(1), () => Effect.sync(() => held = true))
          return Effect.acquireUseRelease(
            take,
            () => Effect.andThen(Effect.forkChild(Effect.andThen(time.sleep(startingMs), letGo)), start),
            () => letGo
          )
        })
      const connect = (settings: McpServerSettings, signIn: SignIn | undefined) =>
        Effect.andThen(
          signIns.listens,
          settings.place.kind === "stdio" ? inTurn(connectNow(settings, signIn)) : connectNow(settings, signIn)
        )
      const signIn = (settings: McpServerSettings) =>
        settings.place.kind === "http" ? signIns.of(settings) : Effect.succeed(undefined)
      return Connecting.of({ connect, signIn })
    })
  ).pipe(Layer.provide(layerServerRequests))
}
