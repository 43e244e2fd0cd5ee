/**
 * Events that this host has claimed: taken up, and brought to their end.
 *
 * - One without a decision takes the same way as one at the door.
 * - What its former holder had in flight is judged by `tools/CallRecovery.ts`; what follows is written here.
 * - A row that can't be settled is put off or parked. It never hides the rows behind it.
 */
import { Clock, Effect, FiberSet, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { present } from "../audit/Page.ts"
import type { EventRow, PlannedAction, SettlementRow } from "../contract/Rows.ts"
import { laneOf } from "../plugin/JobTool.ts"
import { Registry } from "../plugin/Registry.ts"
import { askWords } from "../safety/ApprovalRows.ts"
import { CallRecovery, nextTry, type Recovered, type StoredCall, storedCall } from "../tools/CallRecovery.ts"
import { type Held, ToolLedger } from "../tools/ToolLedger.ts"
import { Executor } from "./Executor.ts"
import { Intake } from "./Intake.ts"
import { Preparation } from "./Preparation.ts"
import { answerBy, responseFact } from "./Responder.ts"
import { handRules } from "./RuleIntake.ts"
import { Settlements } from "./Settlements.ts"
import { WorkQueue, type WorkRow } from "./WorkQueue.ts"

/** A claimed event, with its call where it has one. */
interface Claimed extends WorkRow {
  readonly event: EventRow
  readonly call: StoredCall | null
  /** What it was made for. */
  readonly action: PlannedAction | null
}

/** Serves the events of the work queue for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.gen(function*() {
    const executor = yield* Executor
    const intake = yield* Intake
    const ledger = yield* ToolLedger
    const preparation = yield* Preparation
    const queue = yield* WorkQueue
    const recovery = yield* CallRecovery
    const registry = yield* Registry
    const settlements = yield* Settlements
    const sql = yield* SqlClient.SqlClient

    /** Claimed rows that are being taken up. */
    const resuming = new Set<string>()

    const read = Effect.fnUntraced(function*(rows: ReadonlyArray<WorkRow>) {
      if (rows.length === 0) return []
      const found = yield* sql<{ readonly work_id: string } & Pick<Claimed, "event" | "call" | "action">>`
        select i.work_id, to_jsonb(e) as event, ${sql.literal(storedCall)} as call, a.action
        from work i
        join events e on e.event_id = i.event_id
        left join planned_actions a on a.event_id = i.event_id
        left join tool_calls c on c.tool_call_id = i.tool_call_id
        left join hosts h on h.host_id = c.held_by
        where i.work_id = any(${rows.map((row) => row.work_id)}::uuid[])`
      const byId = new Map(found.map((one) => [one.work_id, one]))
      return rows.flatMap((row): ReadonlyArray<Claimed> => {
        const one = byId.get(row.work_id)
        return one === undefined ? [] : [{ ...row, event: present(one.event), call: one.call, action: one.action }]
      })
    })

    /** What was just stored here is at hand; the others are read. */
    const load = Effect.fnUntraced(function*(rows: ReadonlyArray<WorkRow>) {
      const handed = rows.flatMap((row): ReadonlyArray<Claimed> =>
        row.made === undefined ? [] : [{ ...row, ...row.made, call: null }]
      )
      return [...handed, ...yield* read(rows.filter(({ made }) => made === undefined))]
    })

    const decide = Effect.fnUntraced(function*({ action, event, fence }: Claimed) {
      const { intent, plan } = yield* preparation.prepare(event, "", { known: true, planned: action ?? undefined })
      const claim = intent.task === undefined
      const claimRules = queue.hasRoom("rule")
      const store = (attempt: boolean) => intake.decide({ ...intent, attempt, claim, claimRules }, fence)
      const stored = yield* plan === undefined
        ? store(false)
        : executor.begin(event, plan, intent.policy_version, store)
      if (stored === undefined) return
      if (intent.settlement !== undefined) settlements.announce(intent.settlement, false)
      if (intent.task !== undefined) queue.wake()
      if (intent.rules !== undefined) yield* handRules(queue, event, stored.rules)
    })

    const settlementOf = (
      { call, event }: Pick<Claimed, "call" | "event">,
      outcome: SettlementRow["outcome"],
      reply: string,
      at: Date
    ): SettlementRow => ({
      event_id: event.event_id,
      trace_id: event.trace_id,
      lane: laneOf(call?.tool),
      outcome,
      reply,
      settled_at: at.toISOString(),
      answer_by: answerBy(registry, event, outcome)
    })

    const end = Effect.fnUntraced(function*(
      row: Claimed,
      held: Held,
      { fact, from, reply, status }: Recovered & { readonly _tag: "Ended" }
    ) {
      const at = fact?.at ?? new Date(yield* Clock.currentTimeMillis)
      const { event } = row
      const settlement = settlementOf(row, status === "succeeded" ? "succeeded" : "failed", reply, at)
      const response = responseFact(event, settlement, at)
      const more = response === undefined ? [] : [response]
      const mine = fact === undefined
        ? yield* ledger.finish(held, settlement, more)
        : from === "planned"
        ? yield* ledger.abandon(held, status === "canceled" ? "canceled" : "failed", [fact, ...more], settlement)
        : yield* ledger.reconcile(held, status === "succeeded" ? "succeeded" : "failed", [fact, ...more], settlement)
      if (!mine) return
      settlements.announce(settlement, false)
      if ((event.thread_id ?? null) !== null) queue.wake()
    })

    const heldBy = ({ call, fence, work_id }: Claimed): Held => ({
      tool_call_id: call?.tool_call_id ?? work_id,
      work_id,
      fence
    })

    const resume = Effect.fnUntraced(function*(row: Claimed) {
      const { call, event, tries } = row
      if (call === null) return yield* decide(row)
      const held = heldBy(row)
      const recovered = yield* recovery.recover({ call, held, event, tries })
      if (recovered._tag === "Attempt") return yield* executor.queue(recovered.work, recovered.attempt)
      if (recovered._tag === "PutOff") return yield* ledger.putOff(held, recovered.until, recovered.counts)
      if (recovered._tag === "Asked") return (yield* ledger.awaitApproval(held)) ? queue.wake() : undefined
      if (recovered._tag === "Ask") {
        const { approval, fact } = recovered
        const settlement = settlementOf(row, "waiting", askWords(approval), fact.at)
        if (yield* ledger.ask(held, approval, fact, settlement)) settlements.announce(settlement, false)
        return
      }
      return yield* end(row, held, recovered)
    })

    const take = (row: Claimed) =>
      resume(row).pipe(
        Effect.catchCause((cause) =>
          Effect.andThen(
            Effect.logError(`The event ${row.event_id} could not be taken up.`, cause),
            Effect.ignore(ledger.putOff(heldBy(row), nextTry(row.tries), true))
          )
        ),
        Effect.ensuring(Effect.sync(() => resuming.delete(row.work_id)))
      )

    const fibers = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(fibers)<never>()

    /** What could not be loaded stays claimed here until it is found forgotten. */
    const takeUp = (rows: ReadonlyArray<WorkRow>) =>
      Effect.gen(function*() {
        const claimed = yield* load(rows).pipe(
          Effect.catch((error) => Effect.as(Effect.logWarning("Claimed events can't be read.", error), []))
        )
        const found = new Set(claimed.map((row) => row.work_id))
        for (const { work_id } of rows) if (!found.has(work_id)) resuming.delete(work_id)
        for (const row of claimed) fork(take(row))
      })

    yield* queue.serve("event", {
      resume: (rows) =>
        Effect.sync(() => {
          for (const row of rows) resuming.add(row.work_id)
          fork(takeUp(rows))
        }),
      size: () => executor.size() + resuming.size,
      active: () => [...resuming, ...executor.active()]
    })
  })
)
