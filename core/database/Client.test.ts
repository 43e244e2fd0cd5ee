import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Layer } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { newDatabase } from "../testing/TestDatabase.ts"
import { layerClient } from "./Client.ts"
import { fromUrl } from "./Database.ts"
import { isTransient } from "./Transient.ts"

class Refused extends Data.TaggedError("Refused") {}

const clientOf = (make: typeof layerClient) =>
  Layer.fresh(Layer.unwrap(Effect.map(newDatabase, (url) => make({ ...fromUrl(url), maxConnections: 3 }))))

/** Ends the connection of the transaction around it, as a server that restarts does. */
const cut = Effect.scoped(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [own] = yield* sql<{ readonly pid: number }>`select pg_backend_pid() as pid`
  const other = yield* sql.reserve
  yield* other.execute("select pg_terminate_backend($1)", [own?.pid], undefined)
  const left = other.execute("select from pg_stat_activity where pid = $1", [own?.pid], undefined)
  while ((yield* left).length > 0) yield* Effect.sleep("5 millis")
}))

const refusedOnLost = Effect.andThen(cut, Effect.fail(new Refused()))
const statementOnLost = Effect.gen(function*() {
  yield* cut
  return yield* (yield* SqlClient.SqlClient)`select 1`
})

const endOf = <A, E>(body: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const exit = yield* Effect.exit(sql.withTransaction(body))
    return Exit.isFailure(exit) ? exit.cause.reasons : []
  })

layer(clientOf(layerClient), { excludeTestServices: true })("a transaction whose connection is lost", (it) => {
  it.effect("fails as what was done in it failed: with a refusal that is answered", () =>
    Effect.gen(function*() {
      const [reason, ...more] = yield* endOf(refusedOnLost)
      assert.lengthOf(more, 0)
      assert.isTrue(reason !== undefined && Cause.isFailReason(reason) && reason.error instanceof Refused)
    }))

  it.effect("or with the loss, which is tried again", () =>
    Effect.gen(function*() {
      const [reason, ...more] = yield* endOf(statementOnLost)
      assert.lengthOf(more, 0)
      assert.isTrue(reason !== undefined && Cause.isFailReason(reason) && isTransient(reason.error))
      const sql = yield* SqlClient.SqlClient
      let tries = 0
      const one = Effect.suspend(() => ++tries === 1 ? statementOnLost : sql`select 1`)
      yield* Effect.retry(sql.withTransaction(one), { times: 3, while: isTransient })
      assert.strictEqual(tries, 2)
    }))

  it.effect("and a defect stays one", () =>
    Effect.gen(function*() {
      const reasons = yield* endOf(Effect.andThen(cut, Effect.die(new Refused())))
      assert.isTrue(reasons.every((reason) => Cause.isDieReason(reason) && reason.defect instanceof Refused))
    }))

  it.effect("within another one, it is the loss: what is around it does not go on", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const reasons = yield* endOf(Effect.catchTag(sql.withTransaction(refusedOnLost), "Refused", () => Effect.void))
      assert.isNotEmpty(reasons)
      assert.isTrue(reasons.every((reason) => Cause.isFailReason(reason) && SqlError.isSqlError(reason.error)))
    }))
})

layer(clientOf(PgClient.layer), { excludeTestServices: true })("red control: without it", (it) => {
  it.effect("both are defects, which nobody answers or tries again", () =>
    Effect.gen(function*() {
      for (const body of [refusedOnLost, statementOnLost]) {
        const reasons = yield* endOf(body as Effect.Effect<unknown, unknown, SqlClient.SqlClient>)
        assert.isTrue(reasons.length > 0 && reasons.every(Cause.isDieReason))
      }
    }))
})
