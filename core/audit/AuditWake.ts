/**
 * Tells the open audit streams of this process that rows were committed. A hint, never a fact: a stream that misses
 * one finds the rows at its next poll. Costs nothing while nobody listens.
 */
import { Context, Effect, Layer, PubSub, type Scope } from "effect"

export class AuditWake extends Context.Service<AuditWake, {
  /** To be run after a commit that appended audit rows. Never waits, never fails. */
  readonly wake: Effect.Effect<void>
  /** Starts to listen. The inner effect waits for the next wake; wakes in between are kept as one. */
  readonly listen: Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
}>()("syris/audit/AuditWake") {
  static readonly layer = Layer.effect(
    AuditWake,
    Effect.gen(function*() {
      const wakes = yield* PubSub.sliding<void>(1)
      return {
        wake: Effect.sync(() => {
          PubSub.publishUnsafe(wakes, undefined)
        }),
        listen: Effect.map(PubSub.subscribe(wakes), (subscription) => PubSub.take(subscription))
      }
    })
  )
}
