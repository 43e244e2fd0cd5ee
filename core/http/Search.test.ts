import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as http from "node:http"
import { SearchBounds } from "../audit/Search.ts"
import { newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { HttpAddress } from "./HttpServer.ts"
import { layerTestServer, send } from "./TestServer.ts"
import { Token } from "./Token.ts"

interface Said {
  readonly text?: string
  readonly structured?: unknown
  readonly actor_id?: string
  readonly thread_id?: string
}

const event = Effect.fnUntraced(function*({ actor_id = "someone", structured = {}, text, thread_id }: Said) {
  const sql = yield* SqlClient.SqlClient
  const event_id = newId()
  yield* sql`
    insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, thread_id, actor_type,
                        actor_id, text, structured, attachment_refs, links, timezone, locale, sensitivity, trust,
                        redaction_policy_id, depth)
    values (${event_id}, ${newId()}, '1.0', now(), clock_timestamp(), 'mqtt', 'attic', ${thread_id ?? null}, 'system',
            ${actor_id}, ${text ?? null}, ${
    JSON.stringify(structured)
  }, '[]', '[]', 'UTC', 'en', 'low', 'trusted', 'default', 0)`
  return event_id
})

const row = Effect.fnUntraced(function*(summary: string, data: unknown = {}) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, data)
    values (${newId()}, clock_timestamp(), ${newId()}, 'system', 'system.started', 'info', ${summary}, '{}', ${
    JSON.stringify(data)
  })`
})

const lines = (text: string): ReadonlyArray<any> => {
  assert.isTrue(text.endsWith("\n"))
  return text.trimEnd().split("\n").map((line) => JSON.parse(line))
}

const bounded = Layer.succeed(SearchBounds, { rows: 20, milliseconds: 10_000 })

layer(
  layerTestServer({
    environment: { databaseUrl: Redacted.make("postgres://syris:hunter22@db.example/syris?sslpassword=hunter23") },
    configuration: {
      timezone: "Europe/Vienna",
      llm: {
        provider: "openai",
        model: "large",
        apiKey: "sk-very-secret-1",
        fallback: [{ model: "small", price: { inputPerMillion: 1, outputPerMillion: 1 } }],
        budget: { perDayUsd: 3 },
        price: { inputPerMillion: 1, outputPerMillion: 2 },
        prompts: { responder: "Answer like a butler." }
      },
      mcp: {
        files: { command: "files", args: ["--key", "argument-secret"], env: { KEY: "environment-secret" } },
        far: { url: "https://mcp.example/mcp?key=query-secret", headers: { authorization: "Bearer header-secret" } }
      },
      safety: { scopes: { webhook: [] }, quietHours: [{ start: "22:00", end: "07:00" }] },
      tools: { "noop.run": { timeout: "3 seconds" } }
    }
  }).pipe(Layer.provide(bounded)),
  { timeout: "60 seconds", excludeTestServices: true }
)("looking things up", (it) => {
  it.effect("an event is found by a word that stands in its structured payload, behind many others", () =>
    Effect.gen(function*() {
      const event_id = yield* event({
        structured: { room: { name: "Wintergarten", humidity: 61 } },
        actor_id: "hygrometer"
      })
      yield* Effect.forEach(Array.from({ length: 45 }), () => event({ text: "nothing of interest" }), { discard: true })
      const found: Array<string> = []
      let answer = yield* send("/events?text=wintergarten&limit=10")
      assert.deepEqual(answer.json.items, [])
      assert.match(answer.json.searched_until, /^\d{4}-.*Z$/)
      for (let pages = 0; answer.json.next_cursor !== undefined; pages++) {
        assert.isBelow(pages, 5)
        answer = yield* send(`/events?text=wintergarten&limit=10&cursor=${answer.json.next_cursor}`)
        found.push(...answer.json.items.map((one: { event_id: string }) => one.event_id))
      }
      assert.deepEqual(found, [event_id])
      assert.notProperty(answer.json, "searched_until")
      for (const filter of ["actor_id=hygrometer", "text=HYGRO", "connector_id=attic&text=%2261%22", "text=%2261"]) {
        const items = lines((yield* send(`/export?kind=events&${filter}`)).text)
        assert.strictEqual(items.length - 1, filter.includes("%22") ? 0 : 1, filter)
      }
    }))

  it.effect("a text that can't be searched for gets a sentence", () =>
    Effect.gen(function*() {
      for (
        const [text, sentence] of [
          ["%00", /NUL/],
          ["%ED%A0%80", /not text in UTF-8/],
          ["x".repeat(201), /at most 200 characters/],
          ["", /at least one character/]
        ] as const
      ) {
        for (const where of ["/events", "/audit", "/audit/stream", "/export"]) {
          const answer = yield* send(`${where}?text=${text}`)
          assert.deepEqual([answer.status, answer.json.code], [400, "request.parameter"], where)
          assert.match(answer.json.detail, sentence)
        }
      }
      assert.strictEqual((yield* send("/audit?text=%EF%BF%BD")).status, 200)
      assert.match((yield* send("/audit?risk=huge")).json.detail, /risk/)
    }))

  it.effect("an export is whole, newest first, filtered as the lists are, and without a secret that is known by now", () =>
    Effect.gen(function*() {
      const redactor = yield* Redactor
      for (let i = 0; i < 70; i++) {
        yield* row(`export ${i}`, i === 5 ? { said: "the planted-s3cret-9 of yesterday" } : {})
      }
      yield* event({ text: "export me", thread_id: "t-export" })
      assert.include((yield* send("/export?kind=audit&text=export%205")).text, "planted-s3cret-9", "it was there")
      redactor.add("bank.pin", Redacted.make("planted-s3cret-9"))

      const all = yield* send("/export")
      assert.strictEqual(all.headers["content-type"], "application/x-ndjson")
      assert.match(String(all.headers["content-disposition"]), /^attachment; filename="syris-\d{8}T\d{6}Z\.jsonl"$/)
      assert.notInclude(all.text, "planted-s3cret-9")
      assert.include(all.text, "[secret bank.pin]")
      const given = lines(all.text)
      const end = given.at(-1)
      const [events, audit] = ["event", "audit"].map((kind) => given.filter((one) => one.kind === kind))
      assert.deepEqual(end, { kind: "end", events: events?.length, audit: audit?.length })
      assert.strictEqual(given.length, end.events + end.audit + 1)
      assert.deepEqual(
        audit?.filter((one) => one.summary.startsWith("export ")).map((one) => one.summary),
        Array.from({ length: 70 }, (_, i) => `export ${69 - i}`)
      )
      assert.strictEqual(events?.[0].content.text, "export me")

      const some = lines((yield* send("/export?kind=audit&text=EXPORT%206&type=system.started")).text)
      assert.deepEqual(
        some.map((one) => one.summary ?? one.audit),
        [...Array.from({ length: 10 }, (_, i) => `export ${69 - i}`), "export 6", 11]
      )
      const one = lines((yield* send("/export?kind=events&thread_id=t-export")).text)
      assert.deepEqual(one.map(({ kind }) => kind), ["event", "end"])
      for (const wrong of ["kind=tasks", "kind=audit,audit", "kind=", "type=x", "kind=audit&thread_id=t"]) {
        assert.strictEqual((yield* send(`/export?${wrong}`)).json.code, "request.parameter", wrong)
      }
      assert.match(
        (yield* send("/export?stage=rule")).json.detail,
        /"stage" is one of the audit only: ask for kind=audit/
      )
    }))

  it.effect("a client that goes away ends the work, and makes room for the next", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, actor_type, actor_id,
                            text, structured, attachment_refs, links, timezone, locale, sensitivity, trust, redaction_policy_id, depth)
        select uuidv7(), gen_random_uuid(), '1.0', now(), now(), 'mqtt', 'attic', 'system', 'long', repeat('long ', 100000), '{}', '[]',
               '[]', 'UTC', 'en', 'low', 'trusted', 'default', 0
        from generate_series(1, 40)`
      const { port } = yield* HttpAddress
      const authorization = `Bearer ${Redacted.value((yield* Token).value)}`
      // It reads its first bytes and then no more: what waits for it is bounded, and the export stands still.
      const begun = Effect.callback<http.IncomingMessage>((resume) => {
        http.get(
          { host: "127.0.0.1", port, path: "/export?kind=events", agent: false, headers: { authorization } },
          (response) => {
            response.on("error", () => {})
            response.once("data", () => resume(Effect.succeed(response.pause())))
          }
        )
      })
      const [first, second] = yield* Effect.all([begun, begun])
      const refused = yield* send("/export")
      assert.deepEqual([refused.status, refused.json.code], [429, "stream.too_many"])
      first.destroy()
      second.destroy()
      const again = yield* send("/export?kind=audit").pipe(
        Effect.repeat({ until: ({ status }) => status === 200, schedule: Schedule.spaced("10 millis"), times: 3_000 })
      )
      assert.strictEqual(lines(again.text).at(-1).kind, "end")
      assert.strictEqual((yield* send("/export", { method: "HEAD" })).status, 200)
    }))

  it.effect("an export that breaks off has no end line", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { port } = yield* HttpAddress
      const authorization = `Bearer ${Redacted.value((yield* Token).value)}`
      const got = yield* Effect.callback<string>((resume) => {
        http.get(
          { host: "127.0.0.1", port, path: "/export?kind=events", agent: false, headers: { authorization } },
          (response) => {
            let text = ""
            response.on("error", () => {})
            response.once("data", () => {
              response.pause()
              void Effect.runPromise(sql`alter table events rename column text to text_away`).then(() =>
                response.resume()
              )
            })
            response.on("data", (chunk: Buffer) => text += chunk.toString())
            response.on("close", () => resume(Effect.succeed(text)))
          }
        )
      }).pipe(Effect.ensuring(Effect.orDie(sql`alter table events rename column text_away to text`)))
      assert.include(got, `"kind":"event"`)
      assert.notInclude(got, `"kind":"end"`)
    }))

  it.effect("the settings are shown without any secret", () =>
    Effect.gen(function*() {
      const { json, status, text } = yield* send("/settings")
      assert.strictEqual(status, 200)
      for (
        const secret of [
          "sk-very",
          "hunter22",
          "hunter23",
          "argument-secret",
          "environment-secret",
          "query-secret",
          "header-secret"
        ]
      ) {
        assert.notInclude(text, secret)
      }
      assert.deepInclude(json, { timezone: "Europe/Vienna", locale: "en", first_autonomy: "A2", policies: 0, rules: 0 })
      assert.deepEqual(json.database, { kind: "given", place: "postgres://syris:***@db.example/syris?sslpassword=***" })
      assert.deepEqual(json.llm.models.map((one: any) => [one.model, one.has_key]), [["large", true], ["small", true]])
      assert.deepInclude(json.llm.budget, { per_day_usd: 3, at_limit: "stop" })
      assert.deepEqual(json.llm.own_prompts, ["responder"])
      assert.deepEqual(json.mcp.map((one: any) => one.place), ["files", "https://mcp.example/mcp"])
      assert.deepInclude(json.safety.scopes, { "*": ["*"], webhook: [] })
      assert.deepEqual(json.safety.quiet_hours, [{ start: "22:00", end: "07:00", timezone: "Europe/Vienna" }])
      assert.deepEqual(json.tools, { "noop.run": { timeout_ms: 3_000 } })
      assert.isAtMost(Date.parse(json.config.loaded_at), Date.now())
    }))
})
