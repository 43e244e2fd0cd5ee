/**
 * Accepted work that nobody runs: claimed by one host, under a new fence, and brought to its end.
 *
 * - A row is free when nobody holds it, or when its holder has ended or let its lease lapse.
 * - What the former holder had in flight becomes `unknown` first. Then: a read, a transactional or a keyed call is
 *   repeated under the same key; one that can be probed is asked once nothing can land any more; any other waits for a
 *   person.
 * - A row that can't be settled is put off or parked. It never hides the rows behind it.
 */
import { Cause, Clock, Effect, FiberSet, Layer, Queue } from "effect"
import { SqlClient } from "effect/sql"
import type { Fact } from "../audit/Audit.ts"
import { present } from "../audit/Page.ts"
import type { Autonomy, Guarantee, Risk, ToolCallStatus, ToolEffect } from "../contract/Enums.ts"
import type { EventRow, SettlementRow } from "../contract/Rows.ts"
import { HostLease } from "../health/HostLease.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { Control } from "../safety/Control.ts"
import { interrupted, leavesNoTrace } from "../tools/Ending.ts"
import * as ToolCallPlan from "../tools/ToolCallPlan.ts"
import { maximumAttempts, ToolExecutor, type Work, plannedWork } from "../tools/ToolExecutor.ts"
import { type Held, ToolLedger } from "../tools/ToolLedger.ts"
import { Executor } from "./Executor.ts"
import { InboxWake } from "./InboxWake.ts"
import { Intake } from "./Intake.ts"
import { Preparation } from "./Preparation.ts"
import { compose } from "./Responder.ts"
import { Settlements } from "./Settlements.ts"

/** Most calls that this host brings to their end at once, waiting ones included. */
const capacity = 2_000

/** How often the inbox looks by itself. */
const lookEvery = "2 seconds"

/** How often it looks for what was forgotten. */
const rememberEvery = "5 seconds"

/** After so long a row of this host that it does not work on is taken for forgotten. */
const forgottenAfterSeconds = 30

/** A probe that keeps answering `unknown` is asked this often before a person is. */
const maximumProbes = 8

interface CallJson {
  readonly tool_call_id: string
  readonly tool: string
  readonly input: unknown
  readonly idempotency_key: string
  readonly effect: ToolEffect
  readonly guarantee: Guarantee
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly status: ToolCallStatus
  readonly attempts: number
  readonly open_attempts: number
  /** Nothing of it can land any more. */
  readonly quiet: boolean
  /** Its holder is proven dead, or has stopped. */
  readonly holder_ended: boolean
}

interface Claimed {
  readonly event_id: string
  readonly fence: bigint
  readonly tries: number
  readonly event: EventRow
  readonly call: CallJson | null
}

/** Looks after the inbox for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.gen(function*() {
    const control = yield* Control
    const executor = yield* Executor
    const { hostId } = yield* HostLease
    const inbox = yield* InboxWake
    const intake = yield* Intake
    const ledger = yield* ToolLedger
    const preparation = yield* Preparation
    const registry = yield* Registry
    const settings = yield* Settings
    const settlements = yield* Settlements
    const sql = yield* SqlClient.SqlClient
    const tools = yield* ToolExecutor

    /** Claimed rows that are being taken up. */
    const resuming = new Set<string>()

    const claim = (most: number) =>
      sql<{ readonly event_id: string }>`
          update inbox
          set claimed_by = ${hostId}, fence = nextval('fence_seq')
          where event_id in (
            select i.event_id
            from inbox i left join hosts h on h.host_id = i.claimed_by
            where not i.parked and i.due_at <= clock_timestamp()
              and i.claimed_by is distinct from ${hostId}::uuid
              and (h.host_id is null or h.ended_at is not null or h.lease_until < clock_timestamp())
              and (i.tool is null or i.tool <> all(${tools.saturated()}::text[]))
              and (i.thread_id is null or not exists (
                    select 1 from inbox e
                    where e.thread_id = i.thread_id and e.event_id < i.event_id and not e.parked))
              and exists (select 1 from hosts me
                          where me.host_id = ${hostId} and me.ended_at is null and me.lease_until > clock_timestamp())
            order by i.event_id
            limit ${most}
            for update of i skip locked)
          returning event_id`

    /** Gives back rows of ours that nobody here works on: an outcome was not written, an answer never came. */
    const giveBackForgotten = Effect.suspend(() =>
      sql`
          update inbox i
          set claimed_by = null
          where i.claimed_by = ${hostId} and not i.parked
            and i.due_at < clock_timestamp() - make_interval(secs => ${forgottenAfterSeconds})
            and i.event_id <> all(${[...resuming, ...executor.active()]}::uuid[])
            and not exists (select 1 from tool_calls c
                            where c.tool_call_id = i.tool_call_id and c.status = 'attempted'
                              and c.deadline_at > clock_timestamp())`
    )

    const load = (eventIds: ReadonlyArray<string>) =>
      sql<Claimed>`
          select i.event_id, i.fence, i.tries, to_jsonb(e) as event,
                 case when c.tool_call_id is not null then to_jsonb(c) ||
                   jsonb_build_object('quiet', coalesce(c.quiet_at <= clock_timestamp(), true),
                                      'holder_ended', coalesce(h.ended_at is not null, true)) end as call
          from inbox i
          join events e on e.event_id = i.event_id
          left join tool_calls c on c.tool_call_id = i.tool_call_id
          left join hosts h on h.host_id = c.held_by
          where i.event_id = any(${eventIds}::uuid[]) and i.claimed_by = ${hostId}
          order by i.event_id`

    /** An event that was born without a decision: it takes the same way as one at the door. */
    const decide = Effect.fnUntraced(function*(row: Claimed) {
      const { intent, plan } = yield* preparation.prepare(row.event, "", true)
      const stored = yield* intake.decide({ ...intent, attempt: false, claim: true }, Number(row.fence))
      if (stored === undefined) return
      if (intent.settlement !== undefined) settlements.announce(intent.settlement, false)
      if (plan !== undefined) {
        yield* executor.queue(plannedWork(row.event, plan, stored.fence, intent.policy_version), 1)
      }
    })

    const fact = Effect.fnUntraced(function*(
      type: Fact["type"],
      row: Claimed,
      call: CallJson,
      summary: string,
      data: Record<string, unknown>
    ) {
      return {
        type,
        trace_id: row.event.trace_id,
        at: new Date(yield* Clock.currentTimeMillis),
        summary,
        refs: { event_id: row.event_id, tool_call_id: call.tool_call_id },
        tool: call.tool,
        risk: call.risk,
        autonomy: call.autonomy,
        data: { attempt: call.attempts, guarantee: call.guarantee, ...data }
      } satisfies Fact
    })

    const end = Effect.fnUntraced(function*(
      row: Claimed,
      call: CallJson,
      held: Held,
      outcome: "succeeded" | "failed",
      told: Fact,
      reply: string
    ) {
      const settlement: SettlementRow = {
        event_id: row.event_id,
        trace_id: row.event.trace_id,
        lane: "fast",
        outcome,
        reply,
        settled_at: told.at.toISOString()
      }
      const mine = call.status === "planned"
        ? yield* ledger.abandon(
          held,
          told.type.startsWith("gate.") && call.attempts === 0 ? "canceled" : "failed",
          told,
          settlement
        )
        : yield* ledger.reconcile(held, outcome, told, settlement)
      if (mine) settlements.announce(settlement, false)
    })

    const workOf = Effect.fnUntraced(function*(row: Claimed, call: CallJson, held: Held) {
      const tool = registry.tool(call.tool)
      const decoded = tool === undefined ? undefined : yield* Effect.result(tool.decodeInput(call.input))
      if (tool === undefined || decoded?._tag !== "Success") return undefined
      return {
        ...held,
        event: row.event,
        tool,
        input: decoded.success as unknown,
        idempotency_key: call.idempotency_key,
        risk: call.risk,
        autonomy: call.autonomy,
        policy_version: control.current().policy_version
      } satisfies Work
    })

    const ask = Effect.fnUntraced(function*(row: Claimed, call: CallJson, held: Held, work: Work) {
      const answer = yield* tools.probe(work)
      if (answer === "done") {
        const words = compose(work.tool, { status: "succeeded" })
        const told = yield* fact(
          "tool_call.reconciled",
          row,
          call,
          `${call.tool} had been done, as the other side says.`,
          {
            answer
          }
        )
        return yield* end(row, call, held, "succeeded", told, words)
      }
      if (answer === "not_done") {
        yield* ledger.replan(held)
        return yield* executor.queue(work, call.attempts + 1)
      }
      yield* ledger.putOff(held, row.tries >= maximumProbes ? "person" : 1_000 * 2 ** row.tries, true)
    })

    const resume = Effect.fnUntraced(function*(row: Claimed) {
      const { call } = row
      if (call === null) return yield* decide(row)
      const held: Held = { tool_call_id: call.tool_call_id, event_id: row.event_id, fence: Number(row.fence) }
      const asks = call.effect !== "read" && (call.guarantee === "probe" || call.guarantee === "none")
      if (call.status === "attempted") {
        // A lapsed lease is only a presumption: its holder may still bring the answer, until its deadline.
        if (asks && !call.quiet && !call.holder_ended) return yield* ledger.putOff(held, "quiet")
        const why = `It is not known whether ${call.tool} was done: the host that ran it ended.`
        yield* ledger.lose(held, yield* fact("tool_call.unknown", row, call, why, { error: interrupted }))
      }
      const work = yield* workOf(row, call, held)
      if (work === undefined) {
        if (call.status !== "planned" || call.open_attempts > 0) return yield* ledger.putOff(held, "person")
        const error = {
          code: "tool.not_found",
          message: `The tool ${call.tool} is not there any more, or takes another input now.`,
          retryable: false
        }
        const told = yield* fact("tool_call.failed", row, call, error.message, { error })
        return yield* end(row, call, held, "failed", told, error.message)
      }
      if (call.status !== "planned" && asks) {
        if (call.guarantee === "none") return yield* ledger.putOff(held, "person")
        // An answer before everything is quiet could be overtaken by an effect under way.
        return yield* call.quiet ? ask(row, call, held, work) : ledger.putOff(held, "quiet")
      }
      if (call.status !== "planned" && call.attempts >= maximumAttempts) {
        if (!leavesNoTrace(call)) return yield* ledger.putOff(held, "person")
        const message = `${call.tool} was given up: its host ended under it ${call.attempts} times.`
        const told = yield* fact("tool_call.failed", row, call, message, { error: interrupted })
        return yield* end(row, { ...call, status: "unknown" }, held, "failed", told, message)
      }
      // Whatever is still to be sent is judged by today's policy.
      const refused = ToolCallPlan.judge({
        tool: work.tool,
        granted: settings.safety.scopesOf(row.event.channel),
        autonomy: control.current().autonomy
      }, call.risk)
      if (refused !== undefined) {
        if (call.status !== "planned" || call.open_attempts > 0) return yield* ledger.putOff(held, "person")
        const { error, reasons, verdict } = refused
        const told = yield* fact(refused.type, row, call, error.message, { error, reasons, verdict })
        return yield* end(row, call, held, "failed", told, error.message)
      }
      if (call.status === "planned") return yield* executor.queue(work, call.attempts + 1)
      yield* ledger.replan(held)
      return yield* executor.queue(work, call.attempts + 1)
    })

    const fibers = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(fibers)<never>()

    const look = Effect.gen(function*() {
      while (true) {
        if (control.current().paused) return
        const room = capacity - executor.size() - resuming.size
        const claimed = room <= 0 ? [] : yield* claim(Math.min(room, 100))
        if (claimed.length === 0) return
        for (const found of yield* load(claimed.map((one) => one.event_id))) {
          const row: Claimed = { ...found, event: present(found.event) }
          resuming.add(row.event_id)
          fork(
            resume(row).pipe(
              Effect.catchCause((cause) =>
                Effect.andThen(
                  Effect.logError(`The event ${row.event_id} could not be taken up.`, cause),
                  Effect.ignore(ledger.putOff(
                    {
                      event_id: row.event_id,
                      fence: Number(row.fence),
                      tool_call_id: row.call?.tool_call_id ?? row.event_id
                    },
                    row.tries >= maximumProbes ? "person" : 1_000 * 2 ** row.tries,
                    true
                  ))
                )
              ),
              Effect.ensuring(Effect.sync(() => resuming.delete(row.event_id)))
            )
          )
        }
      }
    }).pipe(Effect.catchCause((cause) => Effect.logWarning("The inbox can't be read.", Cause.squash(cause))))

    const wakes = yield* Queue.sliding<void>(1)
    inbox.onWake(() => Queue.offerUnsafe(wakes, undefined))
    yield* look.pipe(
      Effect.andThen(Effect.raceFirst(Queue.take(wakes), Effect.sleep(lookEvery))),
      Effect.forever,
      Effect.forkScoped
    )
    yield* giveBackForgotten.pipe(
      Effect.catch((error) => Effect.logDebug(`The inbox can't be read: ${error.message}`)),
      Effect.delay(rememberEvery),
      Effect.forever,
      Effect.forkScoped
    )
  })
)
