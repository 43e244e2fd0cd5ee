/**
 * Schedules that are late, on a real PostgreSQL: told once, and over by itself.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { Alarms } from "../health/Alarms.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { backlogKey, makeBacklog } from "./Backlog.ts"

const layerWorld = Alarms.layer.pipe(
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("slots that wait", (it) => {
  it.effect("are an alarm after half a minute, for all hosts one, until they wait no more", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      const [one, two] = [makeBacklog(alarms), makeBacklog(alarms)]
      const open = Effect.map(
        alarms.page({}, { limit: 10 }),
        ({ items }) => items.filter(({ dedupe_key }) => dedupe_key === backlogKey).map(({ status }) => status)
      )
      yield* one(20_000)
      assert.deepEqual(yield* open, [])
      yield* one(31_000)
      yield* two(32_000)
      yield* one(40_000)
      assert.deepEqual(yield* open, ["open"])
      // Shorter is not short.
      yield* one(10_000)
      assert.deepEqual(yield* open, ["open"])
      yield* two(100)
      assert.deepEqual(yield* open, ["resolved"])
    }))
})
