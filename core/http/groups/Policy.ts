/** `GET`, `POST /policy`, `GET`, `DELETE /policy/{id}`: the standing rules that "always allow" made. */
import { Clock, Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { StandingRule } from "../../contract/StandingRule.ts"
import type { Condition } from "../../plugin/Configuration.ts"
import { isLive } from "../../plugin/LiveTools.ts"
import { Registry } from "../../plugin/Registry.ts"
import { unknownKey, withStop } from "../../plugin/Explain.ts"
import { Standing } from "../../safety/Standing.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import { AlwaysAllow, defaultRuleMs } from "../../tools/AlwaysAllow.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, UuidText } from "../Query.ts"

const Rule = StandingRule.annotate({ identifier: "StandingRule" })
const RulePage = Schema.Struct({ items: Schema.Array(Rule), next_cursor: Schema.optionalKey(Schema.String) })

const year = 366 * 86_400_000
const common = {
  /** From now, milliseconds: a second to 366 days. Default: 30 days. */
  expires_in_ms: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: year }))),
  reason: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000)))
}
const Body = Schema.Union([
  Schema.Struct({
    approval_id: UuidText,
    /** The fields of its input that the rule is about; default: all, as they were shown. */
    fields: Schema.optionalKey(Schema.Array(Schema.String)),
    ...common
  }),
  Schema.Struct({
    tool: Schema.String,
    /** A condition that names at least one value of `input.…`. */
    when: Schema.Unknown,
    /** The highest, after all that makes a call riskier, for which it holds. Default `high`. */
    risk: Schema.optionalKey(Schema.Literals(["low", "medium", "high"])),
    /** ISO 8601, instead of `expires_in_ms`. */
    expires_at: Schema.optionalKey(Schema.String),
    ...common
  })
]).annotate({ identifier: "NewStandingRule" })

const params = { id: UuidText }

export class PolicyGroup extends HttpApiGroup.make("policy").add(
  HttpApiEndpoint.get("list", "/policy", { query: pageQuery, success: RulePage }),
  HttpApiEndpoint.get("get", "/policy/:id", { params, success: Rule, error: problemResponse(404) }),
  HttpApiEndpoint.post("create", "/policy", { payload: Body, success: Rule.pipe(HttpApiSchema.status(201)) })
    .annotateMerge(
      OpenApi.annotations({
        summary: "Makes a standing rule",
        description: "From an approval, or in words of its own: over a tool and its arguments, never over a whole tool."
      })
    ),
  HttpApiEndpoint.delete("revoke", "/policy/:id", { params, success: Rule, error: problemResponse(404) })
) {}

const notFound = problem("policy.not_found", "No standing rule has this id, or it has ended.")

export const policyHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "policy",
    Effect.fnUntraced(function*(handlers) {
      const always = yield* AlwaysAllow
      const redactor = yield* Redactor
      const registry = yield* Registry
      const standing = yield* Standing
      const refused = ({ detail }: { readonly detail: string }) => Effect.fail(problem("policy.refused", detail))

      const create = Effect.fnUntraced(function*(body: typeof Body.Type) {
        const by = "operator"
        if ("approval_id" in body) {
          const { approval_id, expires_in_ms, fields, reason } = body
          return yield* always.fromApproval({ approval_id, fields, for_ms: expires_in_ms, reason, by }).pipe(
            Effect.catchTags({ AlwaysAllowRefused: refused, StandingRefused: refused })
          )
        }
        const { expires_at, expires_in_ms, reason, risk = "high", tool } = body
        const known = registry.tool(tool)
        if (known?.operatorOnly === true) {
          return yield* refused({ detail: `${tool} is the operator's own: it is asked about each time.` })
        }
        if (known === undefined && !isLive(tool)) {
          const names = registry.tools().map(({ definition }) => definition.name)
          return yield* refused({ detail: withStop(`tool: ${unknownKey(tool, names, "tool")}`) })
        }
        const now = yield* Clock.currentTimeMillis
        const until = expires_at === undefined ? undefined : Date.parse(expires_at)
        if (until !== undefined && !(until > now)) {
          return yield* refused({ detail: "expires_at must be a moment in ISO 8601 that is still to come." })
        }
        const for_ms = until === undefined ? expires_in_ms ?? defaultRuleMs : until - now
        return yield* standing.create({ tool, when: body.when as Condition, risk, for_ms, reason, by }).pipe(
          Effect.catchTags({ StandingRefused: refused })
        )
      })

      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit } }) =>
          reading(Effect.map(standing.page({ limit, cursor }), (page) =>
            answer(RulePage, redactor.redactJson(page)))))
        .handle("get", ({ params }) =>
          reading(Effect.flatMap(
            standing.byId(params.id),
            (rule) =>
              rule === undefined ? Effect.fail(notFound) : Effect.succeed(answer(Rule, redactor.redactJson(rule)))
          )))
        .handle("create", ({ payload }) =>
          Effect.map(reading(create(payload)), (rule) =>
            HttpServerResponse.setStatus(answer(Rule, redactor.redactJson(rule)), 201)))
        .handle("revoke", ({ params }) =>
          reading(
            standing.revoke(params.id, "operator").pipe(Effect.catchTags({
              StandingNotFound: () =>
                Effect.fail(notFound)
            }))
          ).pipe(Effect.map((rule) =>
            answer(Rule, redactor.redactJson(rule))
          )))
    })
  )
