/**
 * The host's own tools for schedules: reminders, alarms, commands that come again, and a word on those that are there. They
 * act only in the host's database, in the transaction of their outcome.
 *
 * - What only tells the operator something is of low risk. Everything else acts later: a person is asked, at every level.
 * - What was understood is said back; what is not clear is refused with a question.
 * - A schedule is as good as the worst in the trace that made it. What others' words make comes again only after a yes, once a
 *   minute at most, and says whose words it tells.
 */
import { Effect, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { appendRows, toRow } from "../audit/Audit.ts"
import { CatchUp, Overrun, ScheduleType } from "../contract/Enums.ts"
import { version } from "../health/Version.ts"
import { asksAtLeast } from "../plugin/AsksAtLeast.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, type ToolContext, ToolRefused } from "../plugin/Tool.ts"
import { trustOfMade } from "../tools/TraceTrust.ts"
import { changeSchedule, databaseNow, deleteSchedule, insertSchedule, type Origin, type Word } from "./ScheduleMoves.ts"
import { atMostOften, readNewSchedule, tooOften } from "./NewSchedule.ts"
import type { ScheduleRow } from "./ScheduleRows.ts"
import { inWords, listSchedules, theOne } from "./ScheduleSearch.ts"
import { scheduleSentences } from "./ScheduleSentences.ts"
import { readSlots } from "./Slots.ts"
import { understand } from "./Words.ts"
import { isZone } from "./Zone.ts"

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
  tell: (...facts) => appendRows(facts.map(toRow))
})

/** Of what a call in this trace makes, with the first channel that brought untrusted words. */
const originOf = Effect.fnUntraced(function*(ctx: ToolContext): Effect.fn.Return<
  Origin & { readonly channel: string | null },
  SqlError.SqlError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{
    readonly channel: string | null
    readonly event_id: string | null
    readonly depth: number | null
  }>`
    select (select e.channel from events e
            where e.trace_id = ${ctx.traceId}::uuid and e.trust = 'untrusted'
            order by e.depth, e.event_id limit 1) as channel,
           d.event_id, d.depth
    from (select 1) one
         left join lateral (select e.event_id, e.depth from events e
                            where e.trace_id = ${ctx.traceId}::uuid
                            order by e.depth desc, e.event_id limit 1) d on true`
  return {
    trust: yield* trustOfMade(ctx),
    channel: found?.channel ?? null,
    parent_event_id: found?.event_id ?? undefined,
    depth: (found?.depth ?? 0) + 1
  }
})

/** When the person was asked who said yes to this call; now, where nobody was: `tomorrow` means the day after that. */
const askedAt = Effect.fnUntraced(function*(ctx: ToolContext) {
  const sql = yield* SqlClient.SqlClient
  const [asked] = yield* sql<{ readonly created_at: Date }>`
    select a.created_at
    from tool_calls c join approvals a on a.tool_call_id = c.tool_call_id
    where c.trace_id = ${ctx.traceId}::uuid and c.idempotency_key = ${ctx.idempotencyKey} and c.needs_approval
    order by a.approval_id desc
    limit 1`
  return asked?.created_at ?? (yield* databaseNow)
})

/** Of untrusted words, at most so many are not over; `schedules_untrusted` in migrations/0004 holds it, too. */
const mostUntrusted = 20

const refuse = (sentence: string) => Effect.fail(new ToolRefused(sentence))

const make = Effect.fnUntraced(function*(body: object, timezone: string, ctx: ToolContext) {
  const sql = yield* SqlClient.SqlClient
  const now = yield* databaseNow
  const asked = yield* readNewSchedule(body, { now: yield* askedAt(ctx), timezone }).pipe(
    Effect.mapError(({ ask, detail }) => new ToolRefused(ask ?? detail))
  )
  const first = asked.slots.next(now)
  if (first === undefined) {
    return yield* refuse(
      `${asked.said ?? asked.slots.inWords}: that has passed by now. Ask for it again with another time.`
    )
  }
  const { channel, ...origin } = yield* originOf(ctx)
  if (origin.trust !== "operator" && tooOften(asked.slots, now)) return yield* refuse(atMostOften)
  if (origin.trust === "untrusted") {
    const [open] = yield* sql<{ readonly n: number }>`
      select count(*)::int as n from schedules where trust = 'untrusted' and next_run_at is not null`
    if ((open?.n ?? 0) >= mostUntrusted) {
      return yield* refuse(
        `Of untrusted words ${mostUntrusted} schedules are open, and no more are made: cancel one, or wait until one is over.`
      )
    }
  }
  const notify = origin.trust === "untrusted" && asked.notify !== undefined
    ? `${channel ?? "untrusted"}: ${asked.notify}`.slice(0, 8_000).toWellFormed()
    : asked.notify
  const row = yield* insertSchedule({ ...asked, first, notify }, origin, wordOf(ctx))
  return {
    row,
    made: { schedule_id: row.schedule_id, next_run_at: first.toISOString() },
    said: asked.said ?? asked.slots.inWords
  }
})

type When = Partial<Pick<CreateInput, "when" | "type" | "timezone">>

/** Whether it comes again and again; what is not clear will be refused. */
const recurs = ({ timezone: own, type, when }: When, timezone: string): boolean => {
  if (when === undefined) return type !== undefined && type !== "one_shot"
  const understood = understand(when, { now: new Date(), timezone: own !== undefined && isZone(own) ? own : timezone })
  return understood.ok && understood.type !== "one_shot"
}

/** What was said of when, as it is understood now: that is what a yes is for. */
const understoodAs = ({ timezone: own, when }: When, spec: string, timezone: string, now: Date): string => {
  if (when === undefined) return spec
  const understood = understand(when, { now, timezone: own !== undefined && isZone(own) ? own : timezone })
  return understood.ok ? `${when} (${understood.said})` : when
}

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
      preview: (input, ctx) =>
        `would ${
          input.notify === undefined
            ? `run ${JSON.stringify(input.text ?? "an event")}`
            : `tell you ${JSON.stringify(input.notify)}`
        } ${understoodAs(input, input.spec ?? "", timezone, ctx.now())}`
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
    (input, { trust }) => !onlyNotifies(input) || (trust !== "operator" && recurs(input, timezone))
  )

const alarm = (timezone: string) =>
  asksAtLeast(
    defineTool({
      name: "alarm.set",
      description: "Set an alarm clock: the operator is told at a time, once or again and again.",
      input: Schema.Struct({ when: bounded(1_000), label: Schema.optionalKey(bounded(200)) }),
      output: Made,
      effect: "write",
      risk: "low",
      scopes: ["schedules.write"],
      guarantee: "transactional",
      preview: (input, ctx) => `would set an alarm ${understoodAs(input, "", timezone, ctx.now())}`,
      run: ({ label, when }, ctx) =>
        Effect.gen(function*() {
          const notify = label === undefined ? "Alarm!" : `Alarm: ${label}`
          const { made, said } = yield* make({ name: label ?? "alarm", when, notify }, timezone, ctx)
          return { ...made, message: `Alarm set${label === undefined ? "" : ` (${label})`}: ${said}.` }
        })
    }),
    (input, { trust }) => trust !== "operator" && recurs(input, timezone)
  )

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
        const now = yield* databaseNow
        const read = readSlots(row)
        const due = row.next_run_at !== null && row.next_run_at <= now
        yield* changeSchedule(
          row,
          {
            ...row,
            // Slots that have come meant what it was until now.
            anew: due
              ? {
                now,
                next: read.ok ? read.value.next(now) : undefined,
                reason: row.enabled ? "the schedule was paused" : "disabled"
              }
              : undefined,
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
