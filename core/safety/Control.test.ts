/**
 * The operator's hand on the whole system: what it changes, who hears of it, and that nothing begins after a pause.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditLog } from "../audit/AuditLog.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import { HostLease } from "../health/HostLease.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { autonomyHistory } from "./AutonomyHistory.ts"
import { Control } from "./Control.ts"
import { ControlCommands } from "./ControlCommands.ts"

/** A row of `hosts` that holds its lease for an hour, whoever is behind it. */
const addHost = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const hostId = newId()
  yield* sql`
    insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
    values (${hostId}, ${hostId}, 'm', 1, '1', '0', clock_timestamp() + interval '1 hour')`
  return hostId
})

const endHost = Effect.fnUntraced(function*(hostId: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`update hosts set ended_at = clock_timestamp(), end_proof = 'stopped' where host_id = ${hostId}`
})

/** Until the host's connection hears what is said: of channels in the order in which they were asked for. */
const heard = Effect.gen(function*() {
  const notifications = yield* Notifications
  let ready = false
  yield* notifications.listen("ready", () => ready = true)
  while (!ready) {
    yield* notifications.notify("ready", "")
    yield* Effect.sleep("5 millis")
  }
})

/** A host in a scope of its own, gone with the test's. */
const startHost = Effect.gen(function*() {
  const hostId = yield* addHost
  const scope = yield* Scope.fork(yield* Effect.scope)
  yield* Scope.addFinalizer(
    scope,
    Effect.ignore(endHost(hostId)).pipe(Effect.provide(yield* Effect.context<SqlClient.SqlClient>()))
  )
  const lease = Layer.succeed(HostLease, { hostId, restartReason: undefined, lost: Effect.never })
  const context = yield* Layer.build(Layer.fresh(
    ControlCommands.layerWith("1 second").pipe(
      Layer.provideMerge([Control.layer("A2"), Audit.layer]),
      Layer.provideMerge([lease, Notifications.layer, AuditWake.layer, Redactor.layerEmpty])
    )
  )).pipe(Scope.provide(scope))
  yield* heard.pipe(Effect.provide(context), Scope.provide(scope))
  const commands = Context.get(context, ControlCommands)
  return { hostId, control: Context.get(context, Control), ...commands, stop: Scope.close(scope, Exit.void) }
})

const rowsOf = Effect.fnUntraced(function*(type: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly summary: string; readonly actor: string; readonly data: unknown }>`
    select summary, actor, data from audit_events where type = ${type} order by seq`
})

/** Asks until it is so. */
const until = (what: string, look: () => boolean) =>
  Effect.gen(function*() {
    for (const end = Date.now() + 30_000; Date.now() < end;) {
      if (look()) return
      yield* Effect.sleep("2 millis")
    }
    return yield* Effect.die(new Error(`Waited for ${what}.`))
  })

const by = "operator"

layer(
  AuditLog.layer.pipe(Layer.provide(AuditWake.layer), Layer.provideMerge(layerTestDatabase)),
  { timeout: "60 seconds", excludeTestServices: true }
)("the operator's controls", (it) => {
  it.effect("a level is set for every host at once, told once, and kept in its history", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* startHost, yield* startHost]
      const before = one.control.current()
      assert.deepInclude(before, { autonomy: "A2", paused: false })
      const after = yield* one.setAutonomy("A1", { by, reason: "Guests are here." })
      assert.deepEqual(after, { autonomy: "A1", paused: false, policy_version: before.policy_version + 1 })
      assert.deepEqual(one.control.current(), after)
      yield* until("the other host to hear of it", () => two.control.current().autonomy === "A1")
      assert.deepEqual(two.control.current(), after)

      assert.deepEqual(yield* two.setAutonomy("A1", { by }), after)
      assert.lengthOf(yield* rowsOf("operator.autonomy_changed"), 1)
      yield* two.setAutonomy("A3", { by: "chat" })
      const log = yield* AuditLog
      const history = yield* autonomyHistory(log, { limit: 1 })
      assert.deepInclude(history.items[0], { from: "A1", to: "A3", by: "chat" })
      assert.notProperty(history.items[0], "reason")
      const older = yield* autonomyHistory(log, { limit: 5, cursor: history.next_cursor })
      assert.lengthOf(older.items, 1)
      assert.deepInclude(older.items[0], { from: "A2", to: "A1", by, reason: "Guests are here." })
      assert.deepEqual((yield* rowsOf("operator.autonomy_changed")).map((row) => row.summary), [
        "Autonomy went from A2 to A1.",
        "Autonomy went from A1 to A3."
      ])
    }).pipe(Effect.scoped))

  it.effect("ten hands on one switch make one change", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* startHost, yield* startHost]
      const paused = yield* Effect.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? one : two).pause({ by, reason: "Stop." })),
        { concurrency: "unbounded" }
      )
      for (const answer of paused) assert.deepInclude(answer, { paused: true, unheeded: [] })
      assert.lengthOf(yield* rowsOf("operator.paused"), 1)
      assert.deepInclude((yield* rowsOf("operator.paused"))[0], { actor: by, data: { reason: "Stop." } })
      yield* until("both to hear of it", () => one.control.current().paused && two.control.current().paused)
      yield* Effect.all([one.resume({ by }), two.resume({ by })], { concurrency: 2 })
      assert.isFalse((yield* one.resume({ by })).paused)
      assert.lengthOf(yield* rowsOf("operator.resumed"), 1)
      yield* until("both to go on", () => !one.control.current().paused && !two.control.current().paused)
    }).pipe(Effect.scoped))

  it.effect("a pause waits for what is about to begin, on every host", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* startHost, yield* startHost]
      const leave = two.control.enter()
      const pause = yield* Effect.forkChild(one.pause({ by }))
      yield* until("the other host to hear of it", () => two.control.current().paused)
      // Whoever comes later reads the pause, and holds up nobody.
      const later = two.control.enter()
      assert.isUndefined(pause.pollUnsafe())
      leave()
      leave()
      assert.deepEqual((yield* Fiber.join(pause)).unheeded, [])
      later()
      yield* one.resume({ by })
    }).pipe(Effect.scoped))

  it.effect("a host that does not heed it is named, and one that has ended is not", () =>
    Effect.gen(function*() {
      const one = yield* startHost
      const [frozen, ended] = [yield* addHost, yield* addHost]
      yield* endHost(ended)
      const leave = one.control.enter()
      assert.sameMembers([...(yield* one.pause({ by })).unheeded], [frozen, one.hostId])
      leave()
      assert.deepEqual((yield* one.pause({ by })).unheeded, [frozen])
      yield* endHost(frozen)
      assert.deepEqual((yield* one.pause({ by })).unheeded, [])
      yield* one.resume({ by })
    }).pipe(Effect.scoped))

  it.effect("a host that starts into a pause heeds it", () =>
    Effect.gen(function*() {
      const one = yield* startHost
      yield* one.pause({ by })
      const two = yield* startHost
      assert.isTrue(two.control.current().paused)
      assert.deepEqual((yield* one.pause({ by })).unheeded, [])
      yield* one.resume({ by })
    }).pipe(Effect.scoped))

  /**
   * Effects as the host begins them: a statement reads the pause in its own snapshot and takes a while, then the effect
   * begins. Answers how many began after the pause was answered, of how many.
   */
  const storm = Effect.fnUntraced(function*(enters: boolean) {
    const sql = yield* SqlClient.SqlClient
    const [one, two] = [yield* startHost, yield* startHost]
    const begun: Array<number> = []
    let stopped = false
    const worker = (i: number) =>
      Effect.gen(function*() {
        const { control } = i % 2 === 0 ? one : two
        while (!stopped) {
          const leave = enters ? control.enter() : () => {}
          const [row] = yield* sql<{ readonly paused: boolean }>`
            select paused, pg_sleep(random() * 0.06) from control`
          if (row?.paused === false) begun.push(performance.now())
          leave()
          if (row?.paused === true) yield* Effect.sleep("5 millis")
        }
      })
    const workers = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: 6 }, (_, i) => i), worker, { concurrency: "unbounded", discard: true })
    )
    let late = 0
    for (let round = 0; round < 10; round++) {
      const seen = begun.length
      yield* until("effects to begin", () => begun.length > seen + 10)
      const { unheeded } = yield* (round % 2 === 0 ? one : two).pause({ by })
      const answered = performance.now()
      assert.deepEqual(unheeded, [])
      // Longer than any statement takes: whatever was under way has come out by now.
      yield* Effect.sleep("100 millis")
      late += begun.filter((at) => at > answered).length
      yield* (round % 2 === 0 ? two : one).resume({ by })
    }
    stopped = true
    yield* Fiber.join(workers)
    return { late, all: begun.length }
  }, Effect.scoped)

  it.effect("no effect begins after a pause has answered", () =>
    Effect.gen(function*() {
      const { all, late } = yield* storm(true)
      assert.isAbove(all, 100)
      assert.strictEqual(late, 0)
    }))

  it.effect("without being counted some would", () =>
    Effect.gen(function*() {
      assert.isAbove((yield* storm(false)).late, 0)
    }))
})
