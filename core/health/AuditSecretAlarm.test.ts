/**
 * A secret in what the audit was to be told: taken out, told of once, and seen in the host's health.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import * as AlarmHealth from "./AlarmHealth.ts"
import { Alarms } from "./Alarms.ts"
import * as AuditSecretAlarm from "./AuditSecretAlarm.ts"
import { Health } from "./Health.ts"

const layerWorld = Layer.mergeAll(AuditSecretAlarm.layer, AlarmHealth.layerWith("20 millis")).pipe(
  Layer.provideMerge(Alarms.layer),
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty, Health.layer]),
  Layer.provideMerge(layerTestDatabase)
)

const fact = (text: string) => ({
  type: "tool_call.failed" as const,
  trace_id: newId(),
  at: new Date(),
  summary: "It failed.",
  tool: "mail.send",
  data: { error: text }
})

const open = Effect.map(
  Effect.flatMap(Alarms, (alarms) => alarms.page({ status: "open" }, { limit: 10 })),
  ({ items }) => items
)
const degraded = Effect.flatMap(Health, (health) => Effect.map(health.current, (one) => one.degraded))

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("a secret in the audit", (it) => {
  it.effect("is an alarm that says where it was, and not what; one without is none", () =>
    Effect.gen(function*() {
      const alarms = yield* Alarms
      const audit = yield* Audit
      const sql = yield* SqlClient.SqlClient
      const secret = "hunter2-hunter2"
      yield* audit.append(fact(`refused ${secret}`))
      ;(yield* Redactor).add("mail.password", Redacted.make(secret))
      yield* audit.append(fact("refused"))
      yield* Effect.sleep("100 millis")
      assert.deepEqual(yield* open, [], "nobody knew that it was one")
      assert.deepEqual(yield* degraded, [])
      const dry = audit.row(fact(`refused ${secret}`), { dry: true })
      assert.deepEqual(dry.data, { error: "refused [secret mail.password]" })
      yield* Effect.sleep("50 millis")
      assert.deepEqual(yield* open, [], "it was only made, and is not written")

      const told = fact(`refused ${secret}`)
      yield* audit.append(told)
      const [alarm, ...more] = yield* Effect.repeat(open, { until: (found) => found.length > 0 })
      assert.lengthOf(more, 0)
      assert.deepInclude(alarm, { type: "audit.secret", severity: "critical", dedupe_key: "audit.secret" })
      assert.match(alarm?.message ?? "", /told of tool_call\.failed by mail\.send; it was taken out\. /)
      assert.notInclude(JSON.stringify(alarm), secret)
      assert.deepInclude(alarm?.refs as object, { trace_id: told.trace_id })
      assert.deepEqual(
        yield* sql`select data from audit_events where trace_id = ${told.trace_id}::uuid and type = ${told.type}`,
        [{ data: { error: "refused [secret mail.password]" } }]
      )
      yield* Effect.repeat(degraded, { until: (names) => names.includes("alarm audit.secret") })

      // Where rows of the alarm itself hold it, there is no end of telling: one note at most.
      yield* alarms.ack(alarm?.alarm_id ?? "", `it is ${secret}`)
      for (let n = 0; n < 100; n++) audit.row(fact(secret))
      yield* Effect.sleep("50 millis")
      assert.lengthOf(yield* sql`select 1 from audit_events where type = 'alarm.opened'`, 1)
      assert.include(yield* degraded, "alarm audit.secret", "seen is not over")
      yield* alarms.resolve(alarm?.alarm_id ?? "")
      // What was found in between or is found after that opens it anew; a quiet one stays resolved.
      audit.row(fact(secret))
      const found = yield* Effect.repeat(open, { until: (all) => all.length > 0 })
      yield* alarms.resolve(found[0]?.alarm_id ?? "")
      yield* Effect.repeat(degraded, { until: (names) => names.length === 0 })
      yield* alarms.open({ type: "disk.full", severity: "error", dedupe_key: "disk", message: "Make room." })
      yield* Effect.sleep("60 millis")
      assert.notInclude(yield* degraded, "alarm disk.full", "only what is critical")
    }))

  it.effect("in what came back from elsewhere, or was to be kept, is one too, and what held none is not", () =>
    Effect.gen(function*() {
      const redactor = yield* Redactor
      redactor.add("lock.code", Redacted.make("open-sesame-1"))
      const trace_id = newId()
      const hidden = (text: string) =>
        redactor.watched(text, redactor.redactText(text), () => ({ where: "what lock.open gave back", trace_id }))
      assert.strictEqual(hidden("nothing"), "nothing")
      yield* Effect.sleep("50 millis")
      const before = yield* open
      assert.notInclude(before.map(({ type }) => type), "audit.secret")
      assert.strictEqual(hidden("it is open-sesame-1"), "it is [secret lock.code]")
      const found = yield* Effect.repeat(open, { until: (all) => all.length > before.length })
      const alarm = found.find(({ type }) => type === "audit.secret")
      assert.match(alarm?.message ?? "", /^A secret was in what lock\.open gave back; it was taken out\./)
      assert.deepInclude(alarm?.refs as object, { trace_id })
    }))
})
