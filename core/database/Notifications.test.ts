import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { Notifications } from "./Notifications.ts"
import { poolSize } from "./Database.ts"

const services = Layer.provideMerge(Notifications.layer, layerTestDatabase)

/** Waits for something that happens by itself. */
const until = <A>(look: () => A | undefined | false) =>
  Effect.gen(function*() {
    for (const end = Date.now() + 30_000; Date.now() < end;) {
      const found = look()
      if (found !== undefined && found !== false) return found
      yield* Effect.sleep("2 millis")
    }
    return yield* Effect.die(new Error("It did not happen."))
  })

/** Listens, and answers what was heard once the connection is known to hear. */
const hear = Effect.fnUntraced(function*(channel: string) {
  const notifications = yield* Notifications
  const heard: Array<string> = []
  let ready = false
  yield* notifications.listen(channel, (payload) => {
    if (payload === "ready") ready = true
    else heard.push(payload)
  })
  while (!ready) {
    yield* notifications.notify(channel, "ready")
    yield* Effect.sleep("5 millis")
  }
  return heard
})

const listening = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql<{ readonly pid: number }>`
    select pid from pg_stat_activity
    where datname = current_database() and query ilike 'listen%' and pid <> pg_backend_pid()`)

layer(services, { timeout: "60 seconds", excludeTestServices: true })("notifications", (it) => {
  it.effect("come to every listener of their channel, over one connection that is not the pool's", () =>
    Effect.gen(function*() {
      const notifications = yield* Notifications
      const sql = yield* SqlClient.SqlClient
      const [a, b] = [yield* hear("one"), yield* hear("one")]
      const other = yield* hear("other")
      yield* notifications.notify("one", "hello")
      yield* until(() => a.length > 0 && b.length > 0)
      assert.deepEqual([a, b, other], [["hello"], ["hello"], []])
      assert.lengthOf(yield* listening, 1)
      // Each connection of the pool can be had while it listens.
      const pids = new Set<number | undefined>()
      const all = yield* Deferred.make<void>()
      const have = sql.withTransaction(Effect.gen(function*() {
        const [row] = yield* sql<{ readonly pid: number }>`select pg_backend_pid() as pid`
        pids.add(row?.pid)
        if (pids.size === poolSize) yield* Deferred.succeed(all, undefined)
        yield* Deferred.await(all)
      }))
      yield* Effect.all(Array.from({ length: poolSize }, () => have), { concurrency: "unbounded" })
      assert.notInclude([...pids], (yield* listening)[0]?.pid)
    }))

  it.effect("go with the commit of the transaction that sends them, or not at all", () =>
    Effect.gen(function*() {
      const notifications = yield* Notifications
      const sql = yield* SqlClient.SqlClient
      const heard = yield* hear("commits")
      yield* sql.withTransaction(Effect.andThen(notifications.notify("commits", "rolled back"), Effect.fail("no")))
        .pipe(
          Effect.ignore
        )
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* notifications.notify("commits", "committed")
        yield* Effect.sleep("50 millis")
        assert.deepEqual(heard, [])
      }))
      yield* until(() => heard.length > 0)
      assert.deepEqual(heard, ["committed"])
    }))

  it.effect("are heard again after the connection was lost, and whoever may have missed one is told so", () =>
    Effect.gen(function*() {
      const notifications = yield* Notifications
      const sql = yield* SqlClient.SqlClient
      const [a, b] = [yield* hear("lost"), yield* hear("lost too")]
      for (const round of [1, 2]) {
        for (const { pid } of yield* listening) yield* sql`select pg_terminate_backend(${pid})`
        yield* until(() => a.length === round && b.length === round)
      }
      assert.deepEqual([a, b], [["", ""], ["", ""]])
      yield* notifications.notify("lost", "again")
      yield* until(() => a.length === 3)
      assert.deepEqual(a, ["", "", "again"])
    }))

  it.effect("reach nobody who has left, and a listener that throws holds up nobody", () =>
    Effect.gen(function*() {
      const notifications = yield* Notifications
      const scope = yield* Scope.make()
      let gone = 0
      yield* Scope.provide(
        notifications.listen("left", (payload) => {
          if (payload === "hello") gone++
        }),
        scope
      )
      yield* notifications.listen("left", () => {
        throw new Error("a listener of no use")
      })
      const heard = yield* hear("left")
      yield* Scope.close(scope, Exit.void)
      yield* notifications.notify("left", "hello")
      yield* until(() => heard.length > 0)
      assert.strictEqual(gone, 0)
    }))
})
