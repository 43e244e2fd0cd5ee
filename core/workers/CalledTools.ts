/**
 * How a tool or a job has another tool called (`ctx.call`): as a child of its event in the same trace, on the channel
 * `worker`, made for exactly that call (`core/pipeline/MadeCalls.ts`). It is routed, gated, written down and done once like
 * everything else; here is waited for its end.
 *
 * - It is never the operator's word: at best trusted, else the worst of what is in the trace and of what the run has got
 *   back; from an isolate untrusted.
 * - A later attempt of the same call or job that asks the same is led to the first: what was done is not done again.
 * - What nobody waits for any more and has not begun is given up, and its question with it; where the caller may be tried
 *   again, or the host stops, it stays for the next attempt.
 */
import { Cause, Clock, Context, Effect, Exit, Layer, Schedule, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, Audit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { JobStatus, ToolCallStatus, TraceOutcome, Trust } from "../contract/Enums.ts"
import { digest, isUuid } from "../database/Ids.ts"
import { MadeCalls } from "../pipeline/MadeCalls.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import type { Accepted } from "../pipeline/Submission.ts"
import { WorkQueue } from "../pipeline/WorkQueue.ts"
import { outputTrust } from "../plugin/OutputTrust.ts"
import { Registry } from "../plugin/Registry.ts"
import { ToolRefused, ToolUnknown } from "../plugin/Tool.ts"
import { worstOf } from "../safety/Provenance.ts"
import { giveUp, wakeWork } from "../tools/ApprovalMoves.ts"
import { hashOf } from "../tools/InputHash.ts"
import { type NestedCall, NestedCalls } from "../tools/NestedCalls.ts"
import { maximumAttempts } from "../tools/ToolExecutor.ts"
import { endedStatuses } from "./JobState.ts"

/** The channel of all calls that plugins have made, and its connector. */
export const calledChannel = "worker"

/** How many calls may be made one on behalf of the other. */
export const maximumNesting = 5

/** What another host brings to an end is found by looking again, milliseconds: at first, and at most. */
const lookAgainMs = { first: 50, most: 1_000 }

/** What the caller rests on: whose words are in its trace, which tools it has had called, and how deep it is nested. */
const restsOnStatement = `
with recursive up as (
    select e.event_id, e.parent_event_id, e.channel from events e where e.event_id = $1::uuid
    union all
    select e.event_id, e.parent_event_id, e.channel from events e join up u on e.event_id = u.parent_event_id
  )
select (select count(*)::int from up where channel = '${calledChannel}') as nested,
       array(select distinct e.trust from events e where e.trace_id = $2::uuid
             union
             select c.labels ->> 'trust' from tool_calls c
             where c.trace_id = $2::uuid and c.labels ->> 'trust' is not null) as trusts,
       array(select distinct c.tool
             from events e join tool_calls c on c.trace_id = $2::uuid and c.event_id = e.event_id
             where e.trace_id = $2::uuid and e.parent_event_id = $1::uuid and e.channel = '${calledChannel}') as tools`

interface RestsOn {
  readonly nested: number
  readonly trusts: ReadonlyArray<Trust>
  readonly tools: ReadonlyArray<string>
}

/** Where the call of an event stands; the last one, where the operator has edited it. */
const standingStatement = `
select c.tool_call_id, c.tool, c.status, c.attempts, c.output, c.error, c.risk, c.autonomy,
       w.work_id is not null as owed, coalesce(w.parked or w.waits_for = 'person', false) as stuck, s.outcome, s.reply
from (select $1::uuid as event_id) e
     left join lateral (
       select * from tool_calls c
       where c.trace_id = $2::uuid and c.event_id = e.event_id and c.task_id is null
       order by c.ordinal desc, c.tool_call_id desc
       limit 1) c on true
     left join work w on w.work_id = e.event_id
     left join settlements s on s.event_id = e.event_id`

interface Standing {
  readonly tool_call_id: string | null
  readonly tool: string | null
  readonly status: ToolCallStatus | null
  readonly attempts: number | null
  readonly output: unknown
  readonly error: ErrorDetail | null
  readonly risk: "low" | "medium" | "high" | "critical" | null
  readonly autonomy: "A0" | "A1" | "A2" | "A3" | "A4" | null
  /** Something is still to be done. */
  readonly owed: boolean
  /** Only a person can tell what became of it. */
  readonly stuck: boolean
  readonly outcome: TraceOutcome | null
  readonly reply: string | null
}

/** How a call has ended; nothing while it goes on. */
const endOf = (tool: string, standing: Standing): Exit.Exit<unknown, ToolRefused | ToolUnknown> | undefined => {
  const { error, outcome, output, owed, reply, status, stuck } = standing
  if (status === "succeeded") {
    return error === null
      ? Exit.succeed(output)
      : Exit.fail(new ToolUnknown(`${tool} was done, and what it gave back is not known: ${error.message}`))
  }
  if (status === "failed" || status === "canceled") {
    return Exit.fail(new ToolRefused(error?.message ?? reply ?? `${tool} was not done.`))
  }
  if (status === "unknown" && stuck) {
    return Exit.fail(
      new ToolUnknown(`It is not known whether ${tool} was done${error === null ? "." : `: ${error.message}`}`)
    )
  }
  if (status !== null || owed || outcome === null || outcome === "waiting") return undefined
  return Exit.fail(
    new ToolRefused(
      outcome === "dropped" ? `${tool} was not called: a filter dropped it.` : reply ?? `${tool} was not called.`
    )
  )
}

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const calls = yield* MadeCalls
  const nestedCalls = yield* NestedCalls
  const queue = yield* WorkQueue
  const registry = yield* Registry
  const settlements = yield* Settlements
  const sql = yield* SqlClient.SqlClient
  const clock = yield* Clock.Clock
  const here = Context.make(SqlClient.SqlClient, sql).pipe(Context.add(Clock.Clock, clock))
  const run = Effect.runPromiseExitWith(here)
  const fork = Effect.runForkWith(here)
  let stopping = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      stopping = true
    })
  )

  const restsOn = Effect.fnUntraced(function*({ origin, plugin, trust }: NestedCall) {
    const [found] = yield* sql.unsafe<RestsOn>(restsOnStatement, [origin.event_id, origin.trace_id])
    const isolated = registry.plugins().find(({ name }) => name === plugin)?.runtime !== "inline"
    return {
      nested: found?.nested ?? 0,
      trust: worstOf([
        "trusted",
        trust,
        ...(found?.trusts ?? ["untrusted" as const]),
        // Of a tool that is not there any more nobody knows whose words it gave back.
        ...(found?.tools ?? []).map((name) => {
          const tool = registry.tool(name)
          return tool === undefined ? "untrusted" : tool.definition.trust ?? "trusted"
        }),
        ...(isolated ? ["untrusted" as const] : [])
      ])
    }
  })

  /** How far it can be trusted what a tool has answered, be it that it refuses. */
  const heardFrom = (tool: string, exit: Exit.Exit<unknown, unknown>): Trust => {
    const definition = registry.tool(tool)?.definition
    // Where it is not there any more, nobody knows whose words it gave back.
    if (definition === undefined) return Exit.isSuccess(exit) ? "untrusted" : "trusted"
    return outputTrust(definition, Exit.isSuccess(exit) ? exit.value : undefined) ?? "trusted"
  }

  const standingOf = ({ event_id, trace_id }: Accepted) =>
    Effect.flatMap(
      sql.unsafe<Standing>(standingStatement, [event_id, trace_id]),
      ([row]) => row === undefined ? Effect.die(new Error("One row was expected.")) : Effect.succeed(row)
    )

  const ended = Effect.fnUntraced(function*(tool: string, made: Accepted) {
    let wait = lookAgainMs.first
    while (true) {
      // What falls between the look and the listening is found by the next look.
      yield* Effect.raceFirst(settlements.next(made.trace_id), Effect.sleep(wait))
      wait = Math.min(wait * 2, lookAgainMs.most)
      const standing = yield* Effect.orElseSucceed(standingOf(made), () => undefined)
      const end = standing === undefined ? undefined : endOf(tool, standing)
      if (end !== undefined) return yield* end
    }
  })

  /** Gives up what has not begun. Answers whether there is nothing more to give up. */
  const giveUpNow = Effect.fnUntraced(function*(call: NestedCall, made: Accepted) {
    const owed = yield* sql`select 1 from work where work_id = ${made.event_id}::uuid for update`
    if (owed.length === 0) return true
    const { attempts, autonomy, risk, status, tool, tool_call_id } = yield* standingOf(made)
    // It is not decided yet.
    if (tool_call_id === null) return false
    if (status !== "planned" || attempts !== 0) return true
    const error = {
      code: "tool.not_wanted",
      message: `${tool} was not run: nobody waits for it any more.`,
      retryable: false
    }
    yield* giveUp(tool_call_id, error)
    yield* wakeWork({ task_id: null, work_id: made.event_id })
    yield* appendRows([
      audit.row({
        type: "tool_call.canceled",
        trace_id: made.trace_id,
        at: new Date(yield* Clock.currentTimeMillis),
        summary: error.message,
        refs: { event_id: made.event_id, tool_call_id },
        actor: `plugin:${call.plugin}`.slice(0, 100),
        ...(tool === null ? {} : { tool }),
        ...(risk === null ? {} : { risk }),
        ...(autonomy === null ? {} : { autonomy }),
        data: { error }
      })
    ])
    return true
  }, (effect) => Effect.provideService(sql.withTransaction(effect), SqlClient.SqlClient, sql))

  /** Whether the call or the job that wanted it is over for good. Nothing while nobody can tell. */
  const callerIsOver = Effect.fnUntraced(function*({ key, origin }: NestedCall) {
    if (isUuid(key)) {
      const [job] = yield* sql<{ readonly status: JobStatus }>`select status from jobs where job_id = ${key}::uuid`
      return job?.status === "running" ? undefined : job === undefined || endedStatuses.includes(job.status)
    }
    const [caller] = yield* sql<{ readonly status: ToolCallStatus; readonly attempts: number }>`
      select c.status, c.attempts from tool_calls c
      where c.trace_id = ${origin.trace_id}::uuid and c.idempotency_key = ${key}`
    if (caller?.status === "attempted") return undefined
    if (caller === undefined || caller.status === "planned") return false
    return caller.status !== "unknown" || caller.attempts >= maximumAttempts
  })

  /** Again while it may change: at first at once, then every half second, half a minute at most. */
  const untilSure = <E>(effect: Effect.Effect<boolean, E>): Effect.Effect<void> =>
    effect.pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logWarning("A call that nobody waits for can't be given up.", error), false)
      ),
      Effect.repeat({ until: (sure) => sure || stopping, schedule: Schedule.spaced("500 millis"), times: 60 }),
      Effect.asVoid
    )

  const letGo = (call: NestedCall, made: Accepted): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (stopping) return Effect.void
      const now = Effect.tap(giveUpNow(call, made), () => Effect.sync(queue.wake))
      if (!call.repeats) {
        // What is not decided yet is given up later: nobody waits for that.
        return Effect.flatMap(
          Effect.orElseSucceed(now, () => false),
          (sure) => sure ? Effect.void : Effect.sync(() => void fork(untilSure(now)))
        )
      }
      const later = Effect.flatMap(
        callerIsOver(call),
        (over) => over === undefined ? Effect.succeed(false) : over ? now : Effect.succeed(true)
      )
      return Effect.sync(() => void fork(untilSure(later)))
    })

  const called = Effect.fnUntraced(function*(call: NestedCall) {
    const { key, ordinal, origin, plugin, tool } = call
    // As `callsOfRun` has it: plain JSON.
    const input = call.input as Schema.Json
    const { nested, trust } = yield* restsOn(call)
    if (nested >= maximumNesting) {
      return yield* Effect.fail(
        new ToolRefused(
          `${tool} was not called: ${maximumNesting} calls are made one on behalf of the other already. A tool that calls ` +
            "itself must come to an end."
        )
      )
    }
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        calls.make({
          tool,
          input,
          channel: calledChannel,
          actor_type: "integration",
          actor_id: `plugin:${plugin}`.slice(0, 100),
          trust,
          maker: `The plugin ${plugin}`,
          by: `plugin ${plugin}`,
          message_id: digest("call", key, String(ordinal), hashOf([tool, input])),
          parent: { ...origin, trust }
        }),
        (made) =>
          restore(ended(tool, made)).pipe(
            Effect.onExit((exit) =>
              Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
                ? letGo(call, made)
                : Effect.sync(() => call.heard(heardFrom(tool, exit)))
            )
          )
      )
    )
  }, (effect, { tool }) =>
    Effect.catchTags(effect, {
      SqlError: () => Effect.fail(new ToolRefused(`${tool} was not called: the database is away.`)),
      EventRejected: ({ message }) => Effect.fail(new ToolRefused(`${tool} was not called: ${message}`)),
      EventNotAccepted: () =>
        Effect.fail(new ToolUnknown(`It is not known whether ${tool} is called: the database did not confirm it.`))
    }))

  nestedCalls.provide(async (nested) => {
    const exit = await run(called(nested), { signal: nested.signal })
    if (Exit.isSuccess(exit)) return exit.value
    if (Cause.hasInterruptsOnly(exit.cause)) throw new ToolUnknown(`Nobody waits for ${nested.tool} any more.`)
    throw Cause.squash(exit.cause)
  })
})

/** Calls can be made for as long as it lives. */
export const layer = Layer.effectDiscard(make)
