/**
 * Everything that can go wrong on the way through HTTP, in one table: a stable dotted code, its status and its title.
 * A problem is answered as `application/problem+json` (RFC 9457) and never shows internals.
 */
import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

export const problems = {
  "request.malformed": [400, "The request can't be read"],
  "request.parameter": [400, "A query parameter is not accepted"],
  "request.path": [400, "A part of the path is not accepted"],
  "request.cursor": [400, "The cursor is not accepted"],
  "request.field": [400, "A field of the body is not accepted"],
  "request.not_json": [400, "The body is not JSON"],
  "request.too_deep": [400, "The body is nested too deeply"],
  "request.too_many_keys": [400, "The body has too many keys"],
  "request.forbidden_key": [400, "The body has a key that is never accepted"],
  "request.forbidden_text": [400, "The body has text that is never accepted"],
  "request.unauthorized": [401, "Not authenticated"],
  "login.code": [401, "The code is not accepted"],
  "request.host": [403, "The Host is not this server's"],
  "request.origin": [403, "The Origin is not this server's"],
  "request.cross_site": [403, "Requests from other sites are refused"],
  "request.not_found": [404, "There is nothing here"],
  "request.method": [405, "The method is not allowed here"],
  "request.timeout": [408, "The request took too long to arrive"],
  "request.too_large": [413, "The body is too large"],
  "request.content_type": [415, "The content type is not accepted"],
  "request.headers_too_large": [431, "The headers are too large"],
  "request.too_many_wrong": [429, "Too many wrong credentials"],
  "request.rate": [429, "Too many requests"],
  "login.not_kept": [500, "The session can't be kept"],
  "page.not_found": [404, "There is no page"],
  "stream.too_many": [429, "Too many open streams"],
  "event.rejected": [400, "The event was refused"],
  "event.not_found": [404, "No such event"],
  "trace.not_found": [404, "No such trace"],
  "task.refused": [400, "The task was refused"],
  "task.not_found": [404, "No such task"],
  "task.state": [409, "The task's state forbids this"],
  "job.unknown_kind": [404, "No such kind of job"],
  "job.refused": [400, "The job was refused"],
  "job.forbidden": [403, "The job may not be started"],
  "job.not_found": [404, "No such job"],
  "job.state": [409, "The job's state forbids this"],
  "tool_call.not_found": [404, "No such tool call"],
  "tool_call.not_unknown": [409, "It is known what became of the tool call"],
  "tool_call.busy": [409, "The tool call is in other hands"],
  "artifact.not_found": [404, "No such artifact"],
  "alarm.not_found": [404, "No such alarm"],
  "alarm.state": [409, "The alarm's status forbids this"],
  "watcher.not_found": [404, "No such watcher"],
  "integration.not_found": [404, "No such integration"],
  "mcp_tool.not_found": [404, "No such tool of this server"],
  "mcp_tool.state": [409, "The tool can't be trusted so"],
  "quiet_hours.read_only": [409, "These quiet hours are written in the configuration"],
  "schedule.not_found": [404, "No such schedule"],
  "schedule.refused": [400, "The schedule was refused"],
  "approval.not_found": [404, "No such approval"],
  "approval.state": [409, "The approval can't be decided so"],
  "question.not_found": [404, "No such question"],
  "question.answer": [400, "The question does not take this answer"],
  "memory.not_found": [404, "No such memory"],
  "policy.not_found": [404, "No such standing rule"],
  "policy.refused": [400, "The standing rule was refused"],
  "rule.not_found": [404, "No such rule"],
  "rule.refused": [400, "The rule was refused"],
  "rule.conflict": [409, "The rule can't be changed so"],
  "tool.not_found": [404, "No such tool"],
  "tool.input": [400, "The tool does not take this input"],
  "hook.not_found": [404, "No such webhook"],
  "hook.signature": [401, "The signature is not accepted"],
  "hook.refused": [400, "The webhook was refused"],
  "hook.failed": [500, "The webhook's channel failed"],
  "plugin.not_found": [404, "No such plugin in an isolate"],
  "plugin.state": [409, "The plugin can't be granted so"],
  "plugin.route_failed": [500, "The plugin's route failed"],
  "server.failed": [500, "The server failed"],
  "server.stopping": [503, "The server is stopping"],
  "database.unavailable": [503, "The database is away"]
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemCode = keyof typeof problems
export type StatusOf<Code extends ProblemCode> = (typeof problems)[Code][0]

export const problemType = "application/problem+json"

/** One problem as it is answered; its headers are not in the body. */
export interface Problem<Status extends number = number> {
  readonly type: string
  readonly title: string
  readonly status: Status
  readonly detail: string
  readonly code: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Makes a problem of the table; `detail` is a sentence that says what to do. */
export const problem = <const Code extends ProblemCode>(
  code: Code,
  detail: string,
  headers?: Readonly<Record<string, string>>
): Problem<StatusOf<Code>> => ({
  type: "about:blank",
  title: problems[code][1],
  status: problems[code][0],
  detail,
  code,
  ...(headers === undefined ? {} : { headers })
})

/** The same problem under the code of whoever refused. */
export const withCode = <Status extends number>(self: Problem<Status>, code: string): Problem<Status> => ({
  ...self,
  code
})

export const isProblem = (value: unknown): value is Problem =>
  typeof value === "object" && value !== null && "code" in value && "status" in value && "detail" in value &&
  "title" in value

/** The body of a problem. */
export const problemBody = ({ code, detail, status, title, type }: Problem): string =>
  JSON.stringify({ type, title, status, detail, code })

/** Declares that an endpoint may answer a problem with this status. */
export const problemResponse = <const Status extends number>(status: Status) =>
  Schema.Struct({
    type: Schema.String,
    title: Schema.String,
    status: Schema.Literal(status),
    detail: Schema.String,
    code: Schema.String
  }).annotate({ identifier: `Problem${status}` }).pipe(
    HttpApiSchema.status(status),
    HttpApiSchema.asJson({ contentType: problemType })
  )

/** What any endpoint may answer. */
export const commonProblems = [
  problemResponse(400),
  problemResponse(401),
  problemResponse(403),
  problemResponse(413),
  problemResponse(415),
  problemResponse(429),
  problemResponse(500),
  problemResponse(503)
]
