/**
 * Whether the host is well. Subsystems say by name when they are not, and again when they are; nobody is asked, so a
 * hanging subsystem can't make the answer hang.
 */
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import type { SystemHealth } from "../contract/SystemHealth.ts"
import { version } from "./Version.ts"

/** A subsystem that is not well. `down`: the host does no work because of it. */
export interface Ailment {
  readonly name: string
  readonly reason: string
  readonly status: "degraded" | "down"
  readonly since: Date
}

export class Health extends Context.Service<Health, {
  readonly current: Effect.Effect<SystemHealth>
  /** Asks nobody, for what decides on the hot path. */
  readonly status: () => SystemHealth["status"]
  /** The subsystems that are not well, with their reasons. */
  readonly ailments: Effect.Effect<ReadonlyArray<Ailment>>
  /** Says that a subsystem is not well; saying it again replaces the reason. */
  readonly degrade: (name: string, reason: string, status?: Ailment["status"]) => Effect.Effect<void>
  readonly recover: (name: string) => Effect.Effect<void>
  /** What it says `true` of is remembered, and neither told nor counted until it says `false`; while the scope lives. */
  readonly leaveOut: (isOut: (name: string) => boolean) => Effect.Effect<void, never, Scope.Scope>
  /** The host lives; the next sign of life is expected in `nextInMs`. */
  readonly beat: (nextInMs: number) => Effect.Effect<void>
  /** Why the host started, where it was not a plain start. */
  readonly restarted: (reason: string) => Effect.Effect<void>
}>()("syris/health/Health") {
  static readonly layer = Layer.effect(
    Health,
    Effect.gen(function*() {
      const started = yield* Clock.currentTimeMillis
      const ailing = new Map<string, Ailment>()
      const leftOut = new Set<(name: string) => boolean>()
      let beatAt = started
      let nextAt = started
      let restartReason: string | undefined
      const counted = (): ReadonlyArray<Ailment> =>
        [...ailing.values()].filter(({ name }) => ![...leftOut].some((isOut) => isOut(name)))
      const status = (): SystemHealth["status"] => {
        if (ailing.size === 0) return "healthy"
        const all = counted()
        return all.length === 0 ? "healthy" : all.some((one) => one.status === "down") ? "down" : "degraded"
      }
      const current = Effect.map(Clock.currentTimeMillis, (now): SystemHealth => {
        const all = counted()
        return {
          status: status(),
          uptime_seconds: Math.floor((now - started) / 1000),
          version,
          last_heartbeat_at: new Date(beatAt).toISOString(),
          next_expected_at: new Date(nextAt).toISOString(),
          degraded: all.map((one) => one.name).sort(),
          ...(restartReason === undefined ? {} : { restart_reason: restartReason })
        }
      })
      return Health.of({
        current,
        status,
        ailments: Effect.sync(counted),
        degrade: Effect.fnUntraced(function*(name, reason, status = "degraded") {
          const before = ailing.get(name)
          const since = before?.since ?? new Date(yield* Clock.currentTimeMillis)
          ailing.set(name, { name, reason, status, since })
          if (before?.reason !== reason) yield* Effect.logWarning(`${name} is ${status}: ${reason}`)
        }),
        recover: (name) =>
          Effect.suspend(() => ailing.delete(name) ? Effect.logInfo(`${name} is well again.`) : Effect.void),
        leaveOut: (isOut) =>
          Effect.asVoid(Effect.acquireRelease(
            Effect.sync(() => leftOut.add(isOut)),
            () => Effect.sync(() => leftOut.delete(isOut))
          )),
        beat: (nextInMs) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            beatAt = now
            nextAt = now + nextInMs
          }),
        restarted: (reason) =>
          Effect.sync(() => {
            restartReason = reason
          })
      })
    })
  )
}
