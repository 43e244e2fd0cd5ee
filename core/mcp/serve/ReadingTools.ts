/**
 * The tools of `/mcp` that look and change nothing: the state, traces and why they went as they did, events, the audit, the
 * registry, and the approvals that wait. They show what the API shows.
 */
import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import { AuditLog } from "../../audit/AuditLog.ts"
import type { CursorInvalid, PageRequest } from "../../audit/Page.ts"
import { isUuid } from "../../database/Ids.ts"
import { SystemState } from "../../health/SystemState.ts"
import { EventLog } from "../../pipeline/EventLog.ts"
import { Traces } from "../../pipeline/Traces.ts"
import { Registry, type RegisteredTool } from "../../plugin/Registry.ts"
import { RuleExplain } from "../../rules/RuleExplain.ts"
import { RuleStore } from "../../rules/RuleStore.ts"
import { eventLines, plainStyle, ruleLines } from "../../rules/WhyLines.ts"
import { ApprovalLog } from "../../safety/ApprovalLog.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import { answered, refuse, type ServeRefused } from "./Answers.ts"
import { asData, looking, type OwnTool, ownTool } from "./OwnTool.ts"
import { isServed } from "./Served.ts"

const text = Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(1_000)))
const uuid = Schema.String.pipe(
  Schema.check(Schema.makeFilter((value: string) => isUuid(value) || "Expected a UUID")),
  Schema.annotate({ format: "uuid" })
)
const instant = Schema.String.pipe(
  Schema.check(
    Schema.isMaxLength(64),
    Schema.makeFilter((value: string) =>
      !Number.isNaN(Date.parse(value)) || "Expected a moment in ISO 8601, like 2026-01-31T12:00:00Z"
    )
  ),
  Schema.annotate({ description: "ISO 8601" })
)
const page = {
  limit: Schema.optionalKey(
    Schema.Int.pipe(
      Schema.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
      Schema.annotate({ description: "1 to 100, 20 without it." })
    )
  ),
  cursor: Schema.optionalKey(
    Schema.String.pipe(
      Schema.check(Schema.isMaxLength(200)),
      Schema.annotate({ description: "The next_cursor of the page before." })
    )
  )
}
const aTrace = Schema.Union([uuid, Schema.Literal("last")]).pipe(
  Schema.annotate({ description: "The id of a trace, or \"last\" for that of the newest event." })
)
const nothing = Schema.Struct({})

const pageOf = (
  { cursor, limit = 20 }: { readonly limit?: number | undefined; readonly cursor?: string | undefined }
): PageRequest => ({
  limit,
  cursor
})

const moments = ({ since, until }: { readonly since?: string | undefined; readonly until?: string | undefined }) => ({
  ...(since === undefined ? {} : { since: new Date(since) }),
  ...(until === undefined ? {} : { until: new Date(until) })
})

/** What reading can fail with, as a sentence. */
export const looked = <A, R>(
  self: Effect.Effect<A, ServeRefused | SqlError.SqlError | CursorInvalid, R>
): Effect.Effect<A, ServeRefused, R> =>
  Effect.catch(self, (error) =>
    SqlError.isSqlError(error)
      ? Effect.andThen(
        Effect.logWarning("A client of /mcp could not be answered.", error),
        Effect.fail(refuse("The database does not answer. Try again."))
      )
      : Effect.fail(error._tag === "ServeRefused" ? error : refuse(error.message)))

/** Rules that are looked at for one story. */
const mostRules = 200

export const makeStories = Effect.gen(function*() {
  const events = yield* EventLog
  const explain = yield* RuleExplain
  const rules = yield* RuleStore
  const traces = yield* Traces

  const meant = Effect.fnUntraced(function*(trace_id: string) {
    if (trace_id !== "last") return trace_id
    const [newest] = (yield* events.page({}, { limit: 1 })).items
    return newest?.correlation.trace_id ?? (yield* refuse("There is no event yet."))
  })

  const trace = (trace_id: string) =>
    looked(Effect.gen(function*() {
      const found = yield* traces.byId(yield* meant(trace_id))
      return found ?? (yield* refuse("No trace has this id: syris_events lists the newest events with theirs."))
    }))

  /** The story of a trace, a line a sentence: each of its events, and what the rules made of the first. */
  const why = (trace_id: string) =>
    looked(Effect.gen(function*() {
      const found = yield* trace(trace_id)
      const all = (yield* rules.list).slice(0, mostRules)
      const [first] = found.events
      const explained = first === undefined ? [] : yield* Effect.forEach(
        all,
        ({ rule_id }) =>
          explain.explain(rule_id, first.event_id).pipe(
            // A rule or an event that went in the meantime.
            Effect.catchTags({
              RuleNotFound: () => Effect.succeed(undefined),
              EventNotFound: () => Effect.succeed(undefined)
            })
          ),
        { concurrency: 4 }
      )
      const decided = new Map(found.decisions.map((decision) => [decision.event_id, decision]))
      const lines = [
        ...found.events.slice(0, 50).flatMap((event) => eventLines(event, decided.get(event.event_id), plainStyle)),
        ...ruleLines(explained.flatMap((one) => one ?? []), plainStyle),
        ...found.audit.slice(0, 100).map(({ summary, timestamp }) => `${timestamp}  ${summary}`),
        found.settled ? `It is settled: ${found.outcome ?? "without an outcome"}.` : "It is not settled yet."
      ]
      return { trace_id: found.trace_id, lines }
    }))

  return { trace, why }
})

export type Stories = Effect.Success<typeof makeStories>

const toolRecord = (tool: RegisteredTool) => {
  const { definition, inputSchema, outputSchema, plugin } = tool
  return {
    name: definition.name,
    plugin,
    description: definition.description,
    effect: definition.effect,
    /** `null` where it depends on the input. */
    risk: typeof definition.risk === "string" ? definition.risk : null,
    guarantee: definition.guarantee ?? "none",
    trust: definition.trust ?? "trusted",
    scopes: definition.scopes,
    input_schema: inputSchema,
    ...(outputSchema === undefined ? {} : { output_schema: outputSchema }),
    /** Whether a client of `/mcp` may call it. */
    callable: isServed(tool)
  }
}

export const makeReadingTools = Effect.fnUntraced(function*(stories: Stories) {
  const approvals = yield* ApprovalLog
  const audit = yield* AuditLog
  const events = yield* EventLog
  const redactor = yield* Redactor
  const registry = yield* Registry
  const state = yield* SystemState
  const shown = (value: object) => answered(value, redactor)

  return [
    ownTool({
      name: "syris_state",
      description:
        "What SYRIS is doing, in numbers: autonomy, pause, tasks, approvals, alarms, queue, versions, hosts.",
      input: nothing,
      annotations: looking
    }, () => looked(Effect.map(state.current, shown))),
    ownTool({
      name: "syris_trace",
      description:
        `The whole story of one trace: events, decisions, tool calls, approvals, tasks, replies and audit. ${asData}`,
      input: Schema.Struct({ trace_id: aTrace }),
      annotations: looking
    }, ({ trace_id }) => Effect.map(stories.trace(trace_id), shown)),
    ownTool(
      {
        name: "syris_why",
        description:
          `Why an event led to what it did, in sentences: how it was routed, and which rules fired, were held back or missed it. ${asData}`,
        input: Schema.Struct({ trace_id: aTrace }),
        annotations: looking
      },
      ({ trace_id }) => Effect.map(stories.why(trace_id), (story) => answered(story, redactor, story.lines.join("\n")))
    ),
    ownTool(
      {
        name: "syris_events",
        description: `The events that were accepted, newest first. ${asData}`,
        input: Schema.Struct({
          channel: Schema.optionalKey(text),
          trace_id: Schema.optionalKey(uuid),
          thread_id: Schema.optionalKey(text),
          since: Schema.optionalKey(instant),
          until: Schema.optionalKey(instant),
          ...page
        }),
        annotations: looking
      },
      ({ cursor, limit, since, until, ...filter }) =>
        looked(Effect.map(events.page({ ...filter, ...moments({ since, until }) }, pageOf({ cursor, limit })), shown))
    ),
    ownTool(
      {
        name: "syris_audit",
        description:
          `What happened, row by row: newest first, or oldest first with a trace_id. Types are as in tool_call.succeeded. ${asData}`,
        input: Schema.Struct({
          trace_id: Schema.optionalKey(uuid),
          type: Schema.optionalKey(text),
          stage: Schema.optionalKey(text),
          outcome: Schema.optionalKey(text),
          tool: Schema.optionalKey(text),
          task_id: Schema.optionalKey(uuid),
          since: Schema.optionalKey(instant),
          until: Schema.optionalKey(instant),
          ...page
        }),
        annotations: looking
      },
      ({ cursor, limit, since, until, ...filter }) =>
        looked(Effect.map(audit.page({ ...filter, ...moments({ since, until }) }, pageOf({ cursor, limit })), shown))
    ),
    ownTool({
      name: "syris_tools",
      description:
        `The tools that SYRIS has, with input schema, effect, risk and scopes; "callable" ones are tools of this server, too. ${asData}`,
      input: Schema.Struct({
        contains: Schema.optionalKey(text.pipe(Schema.annotate({ description: "A part of the name." }))),
        limit: page.limit
      }),
      annotations: looking
    }, ({ contains, limit = 20 }) =>
      Effect.sync(() => {
        const found = registry.tools().filter(({ definition }) =>
          contains === undefined || definition.name.includes(contains)
        )
        return shown({ items: found.slice(0, limit).map(toolRecord), total: found.length })
      })),
    ownTool(
      {
        name: "syris_approvals",
        description:
          `The calls that wait for the operator's yes, to look at: nobody but the operator can approve, deny or change one. ${asData}`,
        input: Schema.Struct({ trace_id: Schema.optionalKey(uuid), tool: Schema.optionalKey(text), ...page }),
        annotations: looking
      },
      ({ cursor, limit, ...filter }) =>
        looked(Effect.map(approvals.page({ ...filter, status: "pending" }, pageOf({ cursor, limit })), shown))
    )
  ] satisfies ReadonlyArray<OwnTool>
})
