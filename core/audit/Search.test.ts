import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as fc from "fast-check"
import { newId } from "../database/Ids.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { type AuditFilter, AuditLog } from "./AuditLog.ts"
import { AuditWake } from "./AuditWake.ts"
import { SearchBounds } from "./Search.ts"

/** A page looks at nine rows. */
const bounded = Layer.succeed(SearchBounds, { rows: 9, milliseconds: 10_000 })
const services = AuditLog.layer.pipe(
  Layer.provideMerge([AuditWake.layer, bounded]),
  Layer.provideMerge(layerTestDatabase)
)

interface Given {
  readonly summary?: string
  readonly data?: unknown
  readonly refs?: unknown
  readonly trace_id?: string
  readonly at?: Date
  readonly risk?: string
  readonly actor?: string
}

const append = Effect.fnUntraced(function*(given: Given) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, actor, risk, data)
    values (${newId()}, ${given.at ?? new Date()}, ${given.trace_id ?? newId()}, 'normalize', 'event.ingested', 'info',
            ${given.summary ?? "A row."}, ${JSON.stringify(given.refs ?? {})}, ${given.actor ?? null}, ${
    given.risk ?? null
  }, ${JSON.stringify(given.data ?? {})})`
})

type Request = Parameters<AuditLog["Service"]["page"]>[1]

/** All that a search finds, page by page. */
const searched = Effect.fnUntraced(function*(filter: AuditFilter, request: Request) {
  const audit = yield* AuditLog
  const found: Array<string> = []
  let cursor: string | undefined
  do {
    const page = yield* audit.page(filter, { ...request, cursor })
    assert.isAtMost(page.items.length, request.limit)
    assert.strictEqual(page.searched_until === undefined, page.next_cursor === undefined)
    found.push(...page.items.map((row) => row.summary))
    cursor = page.next_cursor
  } while (cursor !== undefined)
  return found
})

/** Takes a page without a row for the end, and so forgets its cursor. */
const forgetful = Effect.fnUntraced(function*(filter: AuditFilter, request: Request) {
  const audit = yield* AuditLog
  const found: Array<string> = []
  let cursor: string | undefined
  do {
    const page = yield* audit.page(filter, { ...request, cursor })
    found.push(...page.items.map((row) => row.summary))
    cursor = page.items.length === 0 ? undefined : page.next_cursor
  } while (cursor !== undefined)
  return found
})

layer(services, { timeout: "60 seconds", excludeTestServices: true })("a search of the audit", (it) => {
  it.effect("goes on by its cursor and finds each row once, however many there are and wherever they stand", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const context = yield* Effect.context<AuditLog>()
      const holds = (search: typeof searched) =>
        fc.asyncProperty(
          fc.array(fc.nat(7).map((n) => n === 0), { maxLength: 50, size: "max" }),
          fc.integer({ min: 1, max: 12 }),
          fc.boolean(),
          (hits, limit, newestFirst) =>
            Effect.runPromiseWith(context)(Effect.gen(function*() {
              const trace_id = newId()
              yield* sql`
                insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
                select gen_random_uuid(), now(), ${trace_id}, 'system', 'system.started', 'info', n::text, '{}',
                       case when hit = 'true' then '{"said": "the Word"}'::jsonb else '{}' end
                from jsonb_array_elements_text(${JSON.stringify(hits)}::jsonb) with ordinality as h (hit, n)
                order by h.n`
              const oldest = hits.flatMap((hit, i) => hit ? [String(i + 1)] : [])
              const expected = newestFirst ? oldest.toReversed() : oldest
              assert.deepStrictEqual(yield* search({ trace_id, text: "tHE wORD" }, { limit, newestFirst }), expected)
            }))
        )
      yield* Effect.promise(() => fc.assert(holds(searched), { numRuns: 40 }))
      const red = yield* Effect.promise(() => fc.check(holds(forgetful), { numRuns: 200, endOnFailure: true }))
      assert.isTrue(red.failed)
    }))

  it.effect("rows that come while it goes on move nothing, and an older transaction that ends is not skipped", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const sql = yield* SqlClient.SqlClient
      const word = `w${newId()}`
      const written = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const slow = yield* sql.withTransaction(
        append({ summary: "slow", data: { word } }).pipe(
          Effect.andThen(Deferred.succeed(written, undefined)),
          Effect.andThen(Deferred.await(commit))
        )
      ).pipe(Effect.forkScoped)
      yield* Deferred.await(written)
      for (let i = 0; i < 12; i++) yield* append({ summary: `row ${i}`, data: { word } })
      const first = yield* audit.page({ text: word }, { limit: 4 })
      yield* Effect.forEach(Array.from({ length: 5 }), () => append({ summary: "new", data: { word } }))
      yield* Deferred.succeed(commit, undefined)
      yield* Fiber.join(slow)
      const found = first.items.map((row) => row.summary)
      let cursor = first.next_cursor
      while (cursor !== undefined) {
        const page = yield* audit.page({ text: word }, { limit: 4, cursor })
        found.push(...page.items.map((row) => row.summary))
        cursor = page.next_cursor
      }
      assert.deepStrictEqual(found, [...Array.from({ length: 12 }, (_, i) => `row ${11 - i}`), "slow"])
    }))

  it.effect("takes wildcards for what they are, finds what JSON writes otherwise, ids and letters of any case", () =>
    Effect.gen(function*() {
      const trace_id = newId()
      yield* append({
        trace_id,
        summary: "100% of a_b",
        data: { said: "He said \"Grüße\"\nand a \\ b", deep: [{ n: 4711 }] }
      })
      yield* append({ trace_id, summary: "100 of aXb" })
      const found = (text: string) => Effect.map(searched({ text, trace_id }, { limit: 5 }), (found) => found.length)
      for (const text of ["100%", "A_B", "%", "said \"grÜß", "\"\nAND", "a \\ b", "4711"]) {
        assert.strictEqual(yield* found(text), 1, text)
      }
      for (const text of ["100%of", "a%b", "__", "\\\\\\"]) assert.strictEqual(yield* found(text), 0, text)
      assert.strictEqual(yield* found(trace_id.slice(-12).toUpperCase()), 2)
    }))

  it.effect("by risk, by who did it, and by the channel of the row's event, or of its trace", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [event_id, trace_id] = [newId(), newId()]
      yield* sql`
        insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, actor_type, actor_id,
                            structured, attachment_refs, links, timezone, locale, sensitivity, trust, redaction_policy_id, depth)
        values (${event_id}, ${trace_id}, '1.0', now(), now(), 'mqtt', 'attic', 'system', 'sensor', '{}', '[]', '[]', 'UTC', 'en',
                'low', 'trusted', 'default', 0)`
      yield* append({ summary: "of it", refs: { event_id }, risk: "critical", actor: "sensor-7" })
      yield* append({ summary: "of its trace", trace_id })
      yield* append({ summary: "of another", refs: { event_id: newId() }, trace_id })
      const found = (filter: AuditFilter) =>
        Effect.provideService(searched(filter, { limit: 50 }), SearchBounds, { rows: 10_000, milliseconds: 10_000 })
      assert.deepStrictEqual(yield* found({ channel: "mqtt" }), ["of its trace", "of it"])
      assert.deepStrictEqual(yield* found({ channel: "mqtt", connector_id: "cellar" }), [])
      assert.deepStrictEqual(yield* found({ connector_id: "attic", risk: "critical" }), ["of it"])
      assert.deepStrictEqual(yield* found({ actor_id: "sensor-7", risk: "critical" }), ["of it"])
    }))

  it.effect("is kept to the time that is asked for, without reading what is before and after it", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const word = `w${newId()}`
      const hour = 3_600_000
      const start = Date.now() + 24 * hour
      for (let i = 0; i < 60; i++) {
        yield* append({ summary: `${i}`, data: i === 30 || i === 33 ? { word } : {}, at: new Date(start + i * hour) })
      }
      const since = new Date(start + 29.5 * hour)
      const until = new Date(start + 32.5 * hour)
      // Red control: by the word alone the page ends long before it.
      assert.deepStrictEqual((yield* audit.page({ text: word }, { limit: 5 })).items, [])
      const page = yield* audit.page({ text: word, since, until }, { limit: 5 })
      assert.deepStrictEqual([page.items.map((row) => row.summary), page.next_cursor], [["30"], undefined])
      assert.deepStrictEqual((yield* audit.page({ text: word, until: new Date(0) }, { limit: 5 })).items, [])
      const never = yield* audit.page({ text: word, since: new Date(start + 1_000 * hour) }, { limit: 5 })
      assert.deepStrictEqual(never, { items: [] })
    }))

  it.effect("a stream that is far behind looks at a bounded number of rows at once, and finds all the same", () =>
    Effect.gen(function*() {
      const audit = yield* AuditLog
      const sql = yield* SqlClient.SqlClient
      const word = `w${newId()}`
      const [last] = yield* sql<{ readonly xid: string }>`select pg_current_xact_id()::text as xid`
      yield* append({ summary: "first", data: { word } })
      for (let i = 0; i < 40; i++) yield* append({ summary: "other" })
      for (const summary of ["second", "third"]) yield* append({ summary, data: { word } })
      let reads = 0
      const from = Buffer.from(`row:${last?.xid}:0`).toString("base64url")
      const followed = (rows: number) =>
        Stream.unwrap(audit.stream({ text: word }, from)).pipe(
          Stream.take(3),
          Stream.runCollect,
          Effect.map((found) => found.map(({ event }) => event.summary)),
          Effect.provideService(SearchBounds, {
            rows,
            get milliseconds() {
              reads++
              return 10_000
            }
          })
        )
      assert.deepStrictEqual(yield* followed(9), ["first", "second", "third"])
      assert.isAtLeast(reads, 5)
      // Red control: without the bound it is all of them at once.
      reads = 0
      assert.deepStrictEqual(yield* followed(10_000), ["first", "second", "third"])
      assert.isBelow(reads, 5)
    }))
})
