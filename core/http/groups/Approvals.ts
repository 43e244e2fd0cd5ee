/** `GET /approvals`, `GET /approvals/{id}`, and the operator's word: approve, deny, edit. */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { Approval } from "../../contract/Approval.ts"
import { ApprovalStatus } from "../../contract/Enums.ts"
import { check } from "../../plugin/Explain.ts"
import { ApprovalLog } from "../../safety/ApprovalLog.ts"
import {
  ApprovalCommands,
  type ApprovalConflict,
  type ApprovalInputInvalid,
  type ApprovalNotFound
} from "../../tools/ApprovalCommands.ts"
import type { Api } from "../Api.ts"
import { answer, optionalBody, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"
import { defaultLimit, pageQuery, Text, Uuid, UuidText } from "../Query.ts"

export const ApprovalRecord = Approval.annotate({ identifier: "Approval" })
const ApprovalPage = Schema.Struct({
  items: Schema.Array(ApprovalRecord),
  next_cursor: Schema.optionalKey(Schema.String)
})

const reason = Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000)))
const ApproveBody = Schema.Struct({
  /** Of what was shown; another one is answered 409. */
  what_hash: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(100))),
  reason
})
const DenyBody = Schema.Struct({ reason })
/** The whole new input. */
const EditBody = Schema.Struct({ input: Schema.Record(Schema.String, Schema.Json) })
const checkApprove = check(ApproveBody, "field")
const checkDeny = check(DenyBody, "field")

const params = { id: UuidText }
const error = [problemResponse(404), problemResponse(409)]

export class ApprovalsGroup extends HttpApiGroup.make("approvals").add(
  HttpApiEndpoint.get("list", "/approvals", {
    query: {
      status: Schema.optionalKey(ApprovalStatus),
      trace_id: Uuid,
      task_id: Uuid,
      tool: Text,
      number: Schema.optionalKey(
        Schema.FiniteFromString.pipe(
          Schema.check(Schema.isInt({ message: "Expected the number of an approval" })),
          Schema.annotate({ description: "What a person calls it." })
        )
      ),
      ...pageQuery
    },
    success: ApprovalPage
  }),
  HttpApiEndpoint.get("get", "/approvals/:id", { params, success: ApprovalRecord, error: problemResponse(404) }),
  HttpApiEndpoint.post("approve", "/approvals/:id/approve", {
    params,
    payload: [ApproveBody, Schema.Null],
    success: ApprovalRecord,
    error
  }).annotateMerge(OpenApi.annotations({
    summary: "Lets exactly what was shown run, once",
    description:
      "409 where it is not pending any more, or is for another input than `what_hash`; the detail says what it is now."
  })),
  HttpApiEndpoint.post("deny", "/approvals/:id/deny", {
    params,
    payload: [DenyBody, Schema.Null],
    success: ApprovalRecord,
    error
  }),
  HttpApiEndpoint.post("edit", "/approvals/:id/edit", {
    params,
    payload: EditBody,
    success: ApprovalRecord.pipe(HttpApiSchema.status(201)),
    error: [problemResponse(400), ...error]
  }).annotateMerge(OpenApi.annotations({
    summary: "Asks for another input instead",
    description: "Gated afresh: 201 with an approval of its own, which takes the place of this one."
  }))
) {}

const notFound = problem("approval.not_found", "No approval has this id.")

const refusals = {
  ApprovalNotFound: () => Effect.fail(notFound),
  ApprovalConflict: ({ detail }: ApprovalConflict) => Effect.fail(problem("approval.state", detail))
}

const decided = (decision: Effect.Effect<Approval, ApprovalNotFound | ApprovalConflict | SqlError.SqlError>) =>
  reading(decision.pipe(Effect.catchTags(refusals)))

const edited = (
  decision: Effect.Effect<Approval, ApprovalNotFound | ApprovalConflict | ApprovalInputInvalid | SqlError.SqlError>
) =>
  reading(decision.pipe(Effect.catchTags({
    ...refusals,
    ApprovalInputInvalid: ({ detail }) => Effect.fail(problem("tool.input", detail))
  })))

export const approvalsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "approvals",
    Effect.fnUntraced(function*(handlers) {
      const commands = yield* ApprovalCommands
      const log = yield* ApprovalLog
      const by = "operator"
      const shown = (record: Approval) => answer(ApprovalRecord, record)

      return handlers
        .handle("list", ({ query: { cursor, limit = defaultLimit, ...filter } }) =>
          reading(Effect.map(log.page(filter, { limit, cursor }), (page) =>
            answer(ApprovalPage, page))))
        .handle("get", ({ params }) =>
          reading(Effect.flatMap(
            log.byId(params.id),
            (record) =>
              record === undefined ? Effect.fail(notFound) : Effect.succeed(shown(record))
          )))
        .handleRaw("approve", ({ params, request }) =>
          Effect.flatMap(optionalBody(request, checkApprove, {}), (body) =>
            Effect.map(decided(commands.approve(params.id, { ...body, by })), shown)))
        .handleRaw("deny", ({ params, request }) =>
          Effect.flatMap(optionalBody(request, checkDeny, {}), (body) =>
            Effect.map(decided(commands.deny(params.id, { ...body, by })), shown)))
        .handle("edit", ({ params, payload }) =>
          Effect.map(edited(commands.edit(params.id, { by, input: payload.input })), (record) =>
            HttpServerResponse.setStatus(shown(record), 201)))
    })
  )
