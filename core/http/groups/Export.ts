/**
 * `GET /export`: events and audit as JSON lines, newest first per kind, to be saved. The filters are those of the lists, and a
 * `text` is looked for in all of it. The last line is `{"kind":"end", …}`: an export without it is not whole.
 */
import { Effect, Schedule, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { AuditLog } from "../../audit/AuditLog.ts"
import type { CursorInvalid } from "../../audit/Page.ts"
import type { SearchPage } from "../../audit/Search.ts"
import { isTransient } from "../../database/Transient.ts"
import { EventLog } from "../../pipeline/EventLog.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import type { Api } from "../Api.ts"
import { reading } from "../Checked.ts"
import { makeLineStream } from "../LineStream.ts"
import { problem } from "../Problem.ts"
import { auditFilters } from "./Audit.ts"
import { eventFilters } from "./Events.ts"

const kinds = ["events", "audit"] as const
type Kind = (typeof kinds)[number]

const Kinds = Schema.optionalKey(
  Schema.String.pipe(
    Schema.check(
      Schema.makeFilter((text: string) =>
        readKinds(text) !== undefined || "Expected \"events\", \"audit\" or \"events,audit\""
      )
    ),
    Schema.annotate({
      description: "`events`, `audit`, or both, in the order in which they come. Default `events,audit`."
    })
  )
)

const readKinds = (text: string): ReadonlyArray<Kind> | undefined => {
  const given = text.split(",")
  const known = kinds.filter((kind) => given.includes(kind))
  return given.length > 0 && known.length === given.length ? given as ReadonlyArray<Kind> : undefined
}

export class ExportGroup extends HttpApiGroup.make("export").add(
  HttpApiEndpoint.get("export", "/export", {
    query: { kind: Kinds, ...eventFilters, ...auditFilters },
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" }))
  }).annotateMerge(OpenApi.annotations({
    summary: "Events and audit as JSON lines",
    description: "One object a line, each with its `kind`: `event` or `audit`. The last line is " +
      "`{\"kind\": \"end\", \"events\": …, \"audit\": …}`; where it is missing, the export broke off."
  }))
) {}

/** What is read at once, and so in memory: so many rows, and fewer of long ones. A row more than these bytes at the most. */
const atOnce = { limit: 500, bytes: 512 * 1024 }

/** A database that is away for a moment does not end an export. */
const again = { schedule: Schedule.spaced("500 millis"), times: 20, while: isTransient }

const shown = { events: "event", audit: "audit" } as const

const fileName = (): string => `syris-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "")}Z.jsonl`

export const exportHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "export",
    Effect.fnUntraced(function*(handlers) {
      const audit = yield* AuditLog
      const events = yield* EventLog
      const redactor = yield* Redactor
      const { serve } = yield* makeLineStream
      return handlers.handle(
        "export",
        Effect.fnUntraced(function*({ query: { kind: given = kinds.join(","), ...filter } }) {
          const wanted = readKinds(given) ?? kinds
          for (const one of wanted) {
            const ofIt: Readonly<Record<string, unknown>> = one === "events" ? eventFilters : auditFilters
            const foreign = Object.keys(filter).find((name) => !(name in ofIt))
            if (foreign !== undefined) {
              const other = one === "events" ? "audit" : "events"
              return yield* Effect.fail(problem(
                "request.parameter",
                `The filter "${foreign}" is one of the ${other} only: ask for kind=${other}, or leave it out.`
              ))
            }
          }
          const page = (
            kind: Kind,
            cursor: string | undefined
          ): Effect.Effect<SearchPage<object>, CursorInvalid | SqlError.SqlError> =>
            kind === "events"
              ? events.page(filter, { ...atOnce, cursor })
              : audit.page(filter, { ...atOnce, cursor, newestFirst: true })
          const headers = {
            "content-type": "application/x-ndjson",
            "content-disposition": `attachment; filename="${fileName()}"`
          }
          return yield* reading(serve(
            yield* HttpServerRequest.HttpServerRequest,
            headers,
            Effect.fnUntraced(function*(write) {
              const counts = { events: 0, audit: 0 }
              let begun = false
              for (const kind of wanted) {
                let cursor: string | undefined
                do {
                  const read = page(kind, cursor)
                  const { items, next_cursor } = yield* begun ? Effect.retry(read, again) : read
                  begun = true
                  const text = items
                    .map((item) => `${JSON.stringify(redactor.redactJson({ kind: shown[kind], ...item }))}\n`)
                    .join("")
                  yield* write(text)
                  counts[kind] += items.length
                  cursor = next_cursor
                } while (cursor !== undefined)
              }
              yield* write(`${JSON.stringify({ kind: "end", ...counts })}\n`)
            })
          ))
        })
      )
    })
  )
