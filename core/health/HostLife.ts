/**
 * The life of this host in the audit: when it began to serve, whether it follows a crash, when it stopped.
 *
 * `system.stopped` is written after the last outcome: this layer lies below everything that works.
 */
import { Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "./HostLease.ts"
import { version } from "./Version.ts"

export class HostLife extends Context.Service<HostLife, {
  /** The host serves. */
  readonly begin: Effect.Effect<void, SqlError.SqlError>
}>()("syris/health/HostLife") {
  static readonly layer = Layer.effect(
    HostLife,
    Effect.gen(function*() {
      const audit = yield* Audit
      const { hostId: host_id, restartReason: restart_reason } = yield* HostLease
      const trace_id = newId()
      const data = { host_id, version }
      let begun = false

      const begin = Effect.gen(function*() {
        const crashed = restart_reason !== undefined
        yield* audit.append({
          type: "system.started",
          trace_id,
          at: new Date(),
          summary: crashed ? "The host started after a crash." : "The host started.",
          data: { ...data, ...(crashed ? { restart_reason } : {}) }
        })
        begun = true
        if (!crashed) return
        yield* audit.append({
          type: "system.recovered",
          trace_id,
          at: new Date(),
          summary: "What the last host left unsettled is taken over.",
          data
        })
      })

      yield* Effect.addFinalizer(() =>
        Effect.suspend(() =>
          begun
            ? audit.append({ type: "system.stopped", trace_id, at: new Date(), summary: "The host stopped.", data })
            : Effect.void
        ).pipe(Effect.interruptible, Effect.timeout("2 seconds"), Effect.ignore)
      )
      return HostLife.of({ begin })
    })
  )
}
