/**
 * The host's own tools for schedules: reminders, alarms, commands that come again, and a word on those that are there. They
 * act only in the host's database, in the transaction of their outcome.
 *
 * - What only tells the operator something is of low risk. Everything else acts later: a person is asked, at every level.
 * - What was understood is said back; what is not clear is refused with a question.
 * - A schedule is as good as the worst in the trace that made it.
 */
import { Effect, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { appendRows, toRow } from "../audit/Audit.ts"
import { CatchUp, Overrun, ScheduleType, type Trust } from "../contract/Enums.ts"
import { version } from "../health/Version.ts"
import { asksAtLeast } from "../plugin/AsksAtLeast.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, type ToolContext, ToolRefused } from "../plugin/Tool.ts"
import { worstOf } from "../safety/Provenance.ts"
import { changeSchedule, databaseNow, deleteSchedule, insertSchedule, type Origin, type Word } from "./ScheduleMoves.ts"
import { readNewSchedule } from "./NewSchedule.ts"
import type { ScheduleRow } from "./ScheduleRows.ts"
import { inWords, listSchedules, theOne } from "./ScheduleSearch.ts"
import { scheduleSentences } from "./ScheduleSentences.ts"

const bounded = (maximum: number) => Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(maximum))

const CreateInput = Schema.Struct({
  name: Schema.optionalKey(bounded(200)),
  /** In words: `every weekday at 7:30`. Instead of `type` and `spec`. */
  when: Schema.optionalKey(bounded(1_000)),
  type: Schema.optionalKey(ScheduleType),
  spec: Schema.optionalKey(bounded(200)),
  timezone: Schema.optionalKey(bounded(200)),
  start_at: Schema.optionalKey(bounded(64)),
  /** Told to the operator in the chat. */
  notify: Schema.optionalKey(bounded(8_000)),
  /** Handed in as if the operator had written it then. */
  text: Schema.optionalKey(bounded(8_000)),
  /** A raw event, where a text is not enough. */
  payload: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  catch_up: Schema.optionalKey(CatchUp),
  overrun: Schema.optionalKey(Overrun)
})
type CreateInput = typeof CreateInput.Type

const Made = Schema.Struct({ schedule_id: Schema.String, next_run_at: Schema.String, message: Schema.String })

const Which = bounded(200)
const Said = Schema.Struct({ message: Schema.String, schedule_id: Schema.String })

/** The host's own words are stored as they are; what a person wrote lies with the call, without known secrets. */
const wordOf = (ctx: ToolContext): Word => ({
  by: "operator (chat)",
  trace_id: ctx.traceId,
  at: ctx.now(),
  tell: (fact) => appendRows([toRow(fact)])
})

/** Of what a call in this trace makes: the worst that is in it. What a task makes was not said by the operator word by word. */
const originOf = Effect.fnUntraced(function*(ctx: ToolContext): Effect.fn.Return<
  Origin,
  SqlError.SqlError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const events = yield* sql<{ readonly event_id: string; readonly depth: number; readonly trust: Trust }>`
    select event_id, depth, trust from events where trace_id = ${ctx.traceId}::uuid order by depth desc, event_id limit 500`
  const calls = yield* sql<{ readonly trust: Trust }>`
    select distinct labels ->> 'trust' as trust
    from tool_calls where trace_id = ${ctx.traceId}::uuid and labels ->> 'trust' is not null`
  const [deepest] = events
  return {
    trust: worstOf([...events, ...calls].map(({ trust }) => trust).concat(ctx.taskId === undefined ? [] : ["trusted"])),
    parent_event_id: deepest?.event_id,
    depth: (deepest?.depth ?? 0) + 1
  }
})

const make = Effect.fnUntraced(function*(body: object, timezone: string, ctx: ToolContext) {
  const now = yield* databaseNow
  const asked = yield* readNewSchedule(body, { now, timezone }).pipe(
    Effect.mapError(({ ask, detail }) => new ToolRefused(ask ?? detail))
  )
  const row = yield* insertSchedule(asked, yield* originOf(ctx), wordOf(ctx))
  return {
    row,
    made: { schedule_id: row.schedule_id, next_run_at: asked.first.toISOString() },
    said: asked.said ?? asked.slots.inWords
  }
})

const whenIsAsked = "When? Say it as in \"tomorrow at 17:00\", \"in 20 minutes\" or \"every weekday at 7:30\"."

const onlyNotifies = ({ notify, payload, text }: CreateInput): boolean =>
  notify !== undefined && payload === undefined && text === undefined

const create = (timezone: string) =>
  asksAtLeast(
    defineTool({
      name: "schedule.create",
      description:
        "Make a schedule: tell the operator something (notify), or run a command (text) or an event (payload), " +
        "once or again and again. Say when in words (when), or by type and spec.",
      input: CreateInput,
      output: Made,
      effect: "write",
      risk: (input) => onlyNotifies(input) ? "low" : "high",
      scopes: ["schedules.write"],
      guarantee: "transactional",
      preview: ({ notify, spec, text, when = spec ?? "" }) =>
        `would ${
          notify === undefined ? `run ${JSON.stringify(text ?? "an event")}` : `tell you ${JSON.stringify(notify)}`
        } ${when}`
          .trim(),
      run: (input, ctx) =>
        Effect.gen(function*() {
          const { name, payload, text, ...rest } = input
          if (input.when === undefined && input.type === undefined) {
            return yield* Effect.fail(new ToolRefused(whenIsAsked))
          }
          if (text !== undefined && payload !== undefined) {
            return yield* Effect.fail(new ToolRefused("Give \"text\" or \"payload\", not both."))
          }
          const { made, row, said } = yield* make(
            {
              ...rest,
              name: name ?? (text ?? input.notify ?? "event").slice(0, 200).toWellFormed(),
              ...(text === undefined ? {} : { payload: { text } }),
              ...(payload === undefined ? {} : { payload })
            },
            timezone,
            ctx
          )
          const what = input.notify === undefined ? `Scheduled "${row.name}"` : row.notify ?? row.name
          return { ...made, message: `${what}: ${said}.` }
        })
    }),
    (input) => !onlyNotifies(input)
  )

const alarm = (timezone: string) =>
  defineTool({
    name: "alarm.set",
    description: "Set an alarm clock: the operator is told at a time, once or again and again.",
    input: Schema.Struct({ when: bounded(1_000), label: Schema.optionalKey(bounded(200)) }),
    output: Made,
    effect: "write",
    risk: "low",
    scopes: ["schedules.write"],
    guarantee: "transactional",
    preview: ({ when }) => `would set an alarm ${when}`,
    run: ({ label, when }, ctx) =>
      Effect.gen(function*() {
        const notify = label === undefined ? "Alarm!" : `Alarm: ${label}`
        const { made, said } = yield* make({ name: label ?? "alarm", when, notify }, timezone, ctx)
        return { ...made, message: `Alarm set${label === undefined ? "" : ` (${label})`}: ${said}.` }
      })
  })

const Listed = Schema.Struct({
  schedule_id: Schema.String,
  name: Schema.String,
  enabled: Schema.Boolean,
  when: Schema.String,
  next_run_at: Schema.optionalKey(Schema.String)
})

const listedAs = (row: ScheduleRow): typeof Listed.Type => ({
  schedule_id: row.schedule_id,
  name: row.name,
  enabled: row.enabled,
  when: inWords(row),
  ...(row.next_run_at === null ? {} : { next_run_at: row.next_run_at.toISOString() })
})

const list = (timezone: string) =>
  defineTool({
    name: "schedule.list",
    description: "Say what is scheduled: timers, reminders, alarms and what comes again.",
    input: Schema.Struct({}),
    output: Schema.Struct({ message: Schema.String, schedules: Schema.Array(Listed) }),
    effect: "read",
    risk: "low",
    scopes: ["schedules.read"],
    guarantee: "transactional",
    // They are called by the words that they came from, whoever wrote them.
    trust: "untrusted",
    run: () => Effect.map(listSchedules(timezone), ({ message, rows }) => ({ message, schedules: rows.map(listedAs) }))
  })

const cancel = forOperatorOnly(defineTool({
  name: "schedule.cancel",
  description: "Delete a schedule, by its name or its id. Only the operator may.",
  input: Schema.Struct({ which: Which }),
  output: Said,
  effect: "write",
  risk: "low",
  scopes: ["schedules.write"],
  guarantee: "transactional",
  preview: ({ which }) => `would cancel the schedule ${which}`,
  run: ({ which }, ctx) =>
    Effect.gen(function*() {
      const row = yield* theOne(which)
      yield* deleteSchedule(row.schedule_id, wordOf(ctx))
      return { message: `${row.name} is canceled.`, schedule_id: row.schedule_id }
    })
}))

const enabling = (verb: "pause" | "resume", enabled: boolean) =>
  forOperatorOnly(defineTool({
    name: `schedule.${verb}`,
    description: enabled
      ? "Switch a schedule on again, by its name or its id. Only the operator may."
      : "Switch a schedule off until it is resumed, by its name or its id. Only the operator may.",
    input: Schema.Struct({ which: Which }),
    output: Said,
    effect: "write",
    risk: "low",
    scopes: ["schedules.write"],
    guarantee: "transactional",
    preview: ({ which }) => `would ${verb} the schedule ${which}`,
    run: ({ which }, ctx) =>
      Effect.gen(function*() {
        const row = yield* theOne(which)
        const { schedule_id } = row
        const state = enabled ? "on" : "paused"
        if (row.enabled === enabled) return { message: `${row.name} is ${state} already.`, schedule_id }
        yield* changeSchedule(
          row,
          {
            ...row,
            quiet_hours: row.quiet_hours ?? undefined,
            notify: row.notify ?? undefined,
            enabled,
            inWords: inWords(row)
          },
          ["enabled"],
          wordOf(ctx)
        )
        return { message: `${row.name} is ${enabled ? "on again" : "paused"}.`, schedule_id }
      })
  }))

/** Part of the host; see `HostPlugins`. */
export const scheduleTools = definePlugin({
  name: "schedules",
  version,
  setup: ({ timezone }) => ({
    tools: [
      create(timezone),
      alarm(timezone),
      list(timezone),
      cancel,
      enabling("pause", false),
      enabling("resume", true)
    ],
    intents: scheduleSentences
  })
})()
