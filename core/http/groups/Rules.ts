/** `/rules`: made, listed, changed, removed, explained for an event and tried on events of the past. */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { CursorInvalid, openCursor, pageOf, sealCursor } from "../../audit/Page.ts"
import { Rule, RuleDefinition } from "../../contract/Rule.ts"
import { RuleExplanation, RuleLeaf, RuleTrial } from "../../contract/RuleExplanation.ts"
import { asSentences, check } from "../../plugin/Explain.ts"
import { RuleExplain } from "../../rules/RuleExplain.ts"
import { RuleStore } from "../../rules/RuleStore.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, toDate, UuidText } from "../Query.ts"

const RuleRecord = Rule.annotate({ identifier: "Rule" })
const RulePage = Schema.Struct({ items: Schema.Array(RuleRecord), next_cursor: Schema.optionalKey(Schema.String) })

const Leaf = RuleLeaf.annotate({ identifier: "RuleLeaf" })

const Explained = RuleExplanation.pipe(Schema.fieldsAssign({ leaves: Schema.Array(Leaf) }))
  .annotate({ identifier: "RuleExplanation" })

const TestBody = Schema.Struct({
  /** The id of a rule, or a rule as in `POST /rules`. */
  rule: Schema.Unknown,
  /** Raw events. Default: the newest of the stored ones. */
  events: Schema.optionalKey(Schema.Array(Schema.Unknown).check(Schema.isMaxLength(500))),
  /** The stored events since then, oldest first. ISO 8601. */
  since: Schema.optionalKey(Schema.String),
  /** Stored events, at most 500; the default. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 })))
}).annotate({ identifier: "RuleTest" })
const checkTest = check(TestBody, "field")

const Tested = Schema.Struct({
  items: Schema.Array(RuleTrial.pipe(Schema.fieldsAssign({ leaves: Schema.Array(Leaf) })))
}).annotate({ identifier: "RuleTested" })

/** Those of the configuration have names with spaces. */
const params = { id: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(300)) }
const one = { params, success: RuleRecord, error: [problemResponse(404), problemResponse(409)] } as const

export class RulesGroup extends HttpApiGroup.make("rules").add(
  HttpApiEndpoint.get("list", "/rules", { query: pageQuery, success: RulePage }),
  HttpApiEndpoint.post("create", "/rules", {
    payload: RuleDefinition.annotate({ identifier: "NewRule" }),
    success: RuleRecord.pipe(HttpApiSchema.status(201)),
    error: problemResponse(409)
  }).annotateMerge(OpenApi.annotations({
    summary: "Makes a rule",
    description: "`risk` in the answer is the worst that it can do. What it does later is gated when it does it."
  })),
  HttpApiEndpoint.post("test", "/rules/test", { payload: TestBody, success: Tested, error: problemResponse(404) })
    .annotateMerge(
      OpenApi.annotations({
        summary: "Says on which events a rule would have fired; nothing is done"
      })
    ),
  HttpApiEndpoint.get("get", "/rules/:id", one),
  HttpApiEndpoint.patch("change", "/rules/:id", {
    ...one,
    payload: Schema.Record(Schema.String, Schema.Unknown).annotate({ identifier: "ChangedRule" })
  }).annotateMerge(OpenApi.annotations({
    summary: "Changes a rule",
    description: "Only what is given; null takes a field away. Of a rule of the configuration only `enabled` changes."
  })),
  HttpApiEndpoint.delete("remove", "/rules/:id", { params, success: HttpApiSchema.NoContent, error: one.error }),
  HttpApiEndpoint.get("explain", "/rules/:id/explain", {
    params,
    query: { event_id: UuidText },
    success: Explained,
    error: problemResponse(404)
  }).annotateMerge(OpenApi.annotations({
    summary: "Says which part of a rule's condition held for an event, with the values"
  }))
) {}

const mistakes = {
  RuleNotFound: (error: { readonly message: string }) => Effect.fail(problem("rule.not_found", error.message)),
  RuleRefused: (error: { readonly message: string }) =>
    Effect.fail(problem("rule.refused", error.message.slice(0, 2_000).toWellFormed())),
  RuleConflict: (error: { readonly message: string }) => Effect.fail(problem("rule.conflict", error.message))
}

export const rulesHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "rules",
    Effect.fnUntraced(function*(handlers) {
      const explanation = yield* RuleExplain
      const redactor = yield* Redactor
      const store = yield* RuleStore
      const record = (rule: Rule) => answer(RuleRecord, redactor.redactJson(rule))
      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit } }) =>
          reading(Effect.gen(function*() {
            // In the order in which they are looked at; there are few, so a page is cut out of all.
            const all = yield* store.list
            const [after] = cursor === undefined ? [] : openCursor("rule", cursor) ?? [""]
            const from = after === undefined ? 0 : all.findIndex(({ rule_id }) => rule_id === after) + 1
            if (after !== undefined && from === 0) return yield* new CursorInvalid()
            const page = pageOf(all.slice(from), limit, (rule) => redactor.redactJson(rule), (last) =>
              sealCursor("rule", last.rule_id))
            return answer(RulePage, page)
          })))
        .handleRaw("create", ({ request }) =>
          reading(
            Effect.flatMap(Effect.orDie(request.json), store.create).pipe(
              Effect.map((rule) => HttpServerResponse.setStatus(record(rule), 201)),
              Effect.catchTags({ RuleRefused: mistakes.RuleRefused, RuleConflict: mistakes.RuleConflict })
            )
          ))
        .handleRaw("test", ({ request }) =>
          reading(Effect.gen(function*() {
            const checked = checkTest(yield* Effect.orDie(request.json))
            if (!checked.ok) return yield* Effect.fail(problem("request.field", asSentences(checked.mistakes)))
            const { events, limit, rule, since } = checked.value
            const from = since === undefined ? undefined : toDate(since)
            if (from !== undefined && Number.isNaN(from.getTime())) {
              return yield* Effect.fail(problem("request.field", "The field \"since\" must be a moment in ISO 8601."))
            }
            const items = yield* explanation.test({ rule, events, limit, since: from }).pipe(Effect.catchTags({
              RuleNotFound: mistakes.RuleNotFound,
              RuleRefused: mistakes.RuleRefused,
              TestRefused: (error) => Effect.fail(problem("request.field", error.message))
            }))
            return answer(Tested, { items })
          })))
        .handle("get", ({ params }) =>
          reading(
            Effect.map(store.byId(params.id), record).pipe(Effect.catchTags({ RuleNotFound: mistakes.RuleNotFound }))
          ))
        .handle("change", ({ params, payload }) =>
          reading(Effect.map(store.patch(params.id, payload), record).pipe(Effect.catchTags(mistakes))))
        .handle("remove", ({ params }) =>
          reading(
            store.remove(params.id).pipe(
              Effect.as(HttpServerResponse.empty({ status: 204 })),
              Effect.catchTags({ RuleNotFound: mistakes.RuleNotFound, RuleConflict: mistakes.RuleConflict })
            )
          ))
        .handle("explain", ({ params, query }) =>
          reading(
            explanation.explain(params.id, query.event_id).pipe(
              Effect.map((found) =>
                answer(Explained, found)
              ),
              Effect.catchTags({
                RuleNotFound: mistakes.RuleNotFound,
                EventNotFound: (error) =>
                  Effect.fail(problem("event.not_found", error.message))
              })
            )
          ))
    })
  )
