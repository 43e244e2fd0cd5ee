/**
 * Answers on channels that can send: each is the call of the channel's `send` tool, under the same gates and in the same
 * ledger as any other, so at A1 an answer by mail waits.
 *
 * - What is owed stands in the database from the commit that settled the event (migrations/0003), once for each answer;
 *   its key comes from that row, so a crash in between never sends it twice where the other side knows keys.
 * - A question for approval that goes to the operator on another channel than the chat is owed and brought in the same way
 *   (`OperatorConnectors.ts`); it is never held, and the code to answer it with is in what the tool is given and in no row.
 * - The end of the call is the end of the answer: `response.sent` or `response.failed`, in the outcome's transaction.
 */
import { Clock, Effect, FiberSet, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit, type Fact } from "../audit/Audit.ts"
import { present } from "../audit/Page.ts"
import type { Trust } from "../contract/Enums.ts"
import type { EventRow } from "../contract/Rows.ts"
import { isTrustedByOutput, outputTrust } from "../plugin/OutputTrust.ts"
import { Registry } from "../plugin/Registry.ts"
import { ApprovalCodes } from "../safety/ApprovalCodes.ts"
import { questionSubject } from "../safety/ApprovalQuestion.ts"
import { approvalLists, askFor } from "../safety/ApprovalRows.ts"
import { worst } from "../safety/Provenance.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import { CallRecovery, nextTry, type Recovered, type StoredCall, storedCall } from "../tools/CallRecovery.ts"
import type { Plan } from "../tools/ToolCallPlan.ts"
import { type Lane, plannedWork, type Work } from "../tools/ToolExecutor.ts"
import { type Held, ToolLedger } from "../tools/ToolLedger.ts"
import { Gates } from "../safety/Gates.ts"
import { Executor, type Owner } from "./Executor.ts"
import { askedFrom, type Asks, asksOf } from "./OperatorConnectors.ts"
import { refusedFact, requiredFact } from "./Preparation.ts"
import { filledInput, questionInput, replyInput } from "./SendInput.ts"
import { Settlements } from "./Settlements.ts"
import { WorkQueue, type WorkRow } from "./WorkQueue.ts"

/** An answer that is owed, with its call where it has one. */
interface Owed extends WorkRow {
  readonly event: EventRow
  readonly tool: string
  readonly text: string
  /** A model wrote it. */
  readonly by_model: boolean
  /** The worst of all that is in the trace. */
  readonly trust: Trust
  /** It says what was looked up, or what somebody else wrote. */
  readonly discloses: boolean
  /** It is no answer but a question to the operator; then the event has the operator's trust and the connector's name. */
  readonly asks: Asks | null
  readonly call: StoredCall | null
}

/** As it is read: with what was done in its trace. */
type Found = Omit<Owed, "discloses"> & {
  readonly done: ReadonlyArray<{ readonly tool: string; readonly looks: boolean; readonly output: unknown }>
}

/** What it says: the operator may have edited it. */
const saidBy = ({ call, text }: Pick<Owed, "call" | "text">): string => {
  const { text: said } = (call?.input ?? {}) as { readonly text?: unknown }
  return typeof said === "string" ? said : text
}

/** Serves the answers of the work queue for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.gen(function*() {
    const audit = yield* Audit
    const codes = yield* ApprovalCodes
    const executor = yield* Executor
    const gates = yield* Gates
    const ledger = yield* ToolLedger
    const planner = yield* CallPlanner
    const queue = yield* WorkQueue
    const recovery = yield* CallRecovery
    const redactor = yield* Redactor
    const registry = yield* Registry
    const settlements = yield* Settlements
    const sql = yield* SqlClient.SqlClient
    const taking = new Set<string>()

    /** What the tools of its trace say of the words that they brought. */
    const withDone = <A extends Pick<Found, "done" | "trust">>({ done, ...found }: A) => {
      const foreign = done.some(({ output, tool }) => {
        const definition = registry.tool(tool)?.definition
        return definition === undefined || outputTrust(definition, output) === "untrusted"
      })
      return {
        ...found,
        trust: foreign ? "untrusted" as const : found.trust,
        discloses: foreign || done.some(({ looks }) => looks)
      }
    }

    /** Tools whose output says how far it can be trusted. */
    const trustedByOutput = registry.tools().flatMap(({ definition }) =>
      isTrustedByOutput(definition) ? [definition.name] : []
    )

    const load = Effect.fnUntraced(function*(rows: ReadonlyArray<WorkRow>) {
      const found = yield* sql<{ readonly work_id: string } & Omit<Found, keyof WorkRow>>`
        select w.work_id, to_jsonb(e) as event, r.tool,
               -- Why the operator or the gates said no is nobody else's business.
               case when e.trust <> 'operator' and exists (
                      select 1 from tool_calls o
                      where o.trace_id = r.trace_id and o.status in ('canceled', 'failed') and o.error->>'code' like 'gate.%')
                    then 'It was not done.' else r.text end as text, ${sql.literal(storedCall)} as call,
               coalesce((select s.lane = 'llm_plan' from settlements s where s.event_id = r.event_id), false) as by_model,
               case when exists (select 1 from events o where o.trace_id = r.trace_id and o.trust = 'untrusted')
                      or exists (select 1 from tool_calls o
                                 where o.trace_id = r.trace_id and o.labels->>'trust' = 'untrusted')
                      or exists (select 1 from tasks t join steps s on s.task_id = t.task_id
                                 where t.trace_id = r.trace_id and s.checkpoint->>'trust' = 'untrusted')
                    then 'untrusted' else e.trust end as trust,
               coalesce((select jsonb_agg(distinct jsonb_build_object(
                                   'tool', o.tool, 'looks', o.effect = 'read',
                                   'output', case when o.tool = any(${trustedByOutput}) then o.output end))
                         from tool_calls o
                         where o.trace_id = r.trace_id and o.status = 'succeeded'), '[]') as done,
               ${sql.literal(asksOf)} as asks
        from work w
        join replies r on r.reply_id = w.work_id
        join events e on e.event_id = r.event_id
        left join tool_calls c on c.tool_call_id = w.tool_call_id
        left join hosts h on h.host_id = c.held_by
        where w.work_id = any(${rows.map((row) => row.work_id)}::uuid[])`
      const byId = new Map(found.map((one) => [one.work_id, one]))
      return rows.flatMap((row): ReadonlyArray<Owed> => {
        const one = byId.get(row.work_id)
        return one === undefined
          ? []
          : [{
            ...row,
            ...withDone(one),
            event: present(one.asks === null ? one.event : askedFrom(one.event, one.asks))
          }]
      })
    })

    const response = (
      type: "response.sent" | "response.failed",
      owed: Pick<Owed, "asks" | "call" | "event" | "text" | "tool">,
      at: Date,
      tool_call_id: string | undefined,
      why?: string
    ): Fact => {
      const { asks, event, tool } = owed
      const text = asks === null ? saidBy(owed) : questionSubject(asks)
      return {
        type,
        trace_id: event.trace_id,
        at,
        summary: (type === "response.sent"
          ? `${asks === null ? "Answered" : "Asked"} on ${event.channel}: ${text}`
          : `The ${asks === null ? "answer" : "question"} on ${event.channel} was not sent: ${why ?? ""}`).slice(
            0,
            300
          ),
        refs: { event_id: event.event_id, ...(tool_call_id === undefined ? {} : { tool_call_id }) },
        tool,
        data: { channel: event.channel, text, ...(why === undefined ? {} : { why }) }
      }
    }

    const ownerOf = (owed: Owed): Owner => {
      const conclude: Lane["conclude"] = (work, ending, _left, at) =>
        Effect.succeed({
          settlement: undefined,
          emitted: [],
          rows: ending.status === "unknown" ? [] : [audit.row(
            ending.status === "succeeded"
              ? response("response.sent", owed, at, work.tool_call_id)
              : response("response.failed", owed, at, work.tool_call_id, ending.error.message)
          )]
        })
      return {
        lane: {
          conclude,
          settle: ledger.settle,
          settleHere: ledger.settleHere,
          settled: () => {
            settlements.changed(owed.trace_id)
            queue.wake()
          }
        },
        refused: Effect.fnUntraced(function*(work, fact, error) {
          const told = response("response.failed", owed, fact.at, work.tool_call_id, error.message)
          yield* ledger.abandon(work, "canceled", [fact, told], undefined)
          settlements.changed(owed.trace_id)
        })
      }
    }

    const heldBy = ({ call, fence, work_id }: Owed): Held => ({
      tool_call_id: call?.tool_call_id ?? work_id,
      work_id,
      fence
    })

    /** Stores a call that is planned, under the claim. Answers whether the claim was still ours. */
    const store = (owed: Owed, { approval, refused, row }: Plan, facts: ReadonlyArray<Fact>) =>
      Effect.gen(function*() {
        const [mine] = yield* sql`
          select 1 from work where work_id = ${owed.work_id} and fence = ${owed.fence} and tool_call_id is null for update`
        if (mine === undefined) return false
        const { deadline_ms: _, ...columns } = row
        const stored = {
          ...columns,
          fence: owed.fence,
          attempts: 0,
          open_attempts: 0,
          resolved_at: refused === undefined ? null : row.created_at
        }
        yield* sql`
          insert into tool_call_keys (idempotency_key, tool_call_id)
          values (${row.idempotency_key}, ${row.tool_call_id}::uuid)`
        yield* sql`
          insert into tool_calls
          select * from json_populate_record(null::tool_calls, ${JSON.stringify(stored)}::json)`
        if (approval !== undefined) {
          yield* sql.unsafe(
            `with ${askFor("$1", "true")}
             update work set tool_call_id = $2::uuid, tool = $3, claimed_by = null, waits_for = 'approval',
                             due_at = (select expires_at from asked)
             where work_id = $4::uuid`,
            [approvalLists.of([approval]), row.tool_call_id, row.tool, owed.work_id]
          )
        } else if (refused === undefined) {
          yield* sql`
            update work set tool_call_id = ${row.tool_call_id}::uuid, tool = ${row.tool} where work_id = ${owed.work_id}`
        } else yield* sql`delete from work where work_id = ${owed.work_id}`
        if (facts.length > 0) yield* audit.append(...facts)
        return true
      }).pipe(sql.withTransaction)

    /** The code of a question is in no row: it is there in what the tool is given. */
    const withCode = Effect.fnUntraced(function*({ asks }: Owed, work: Work, stored: unknown) {
      if (asks === null) return work
      const code = yield* codes.issue(asks.approval_id, asks.connector_id)
      const filled = filledInput(stored, code)
      const input: unknown = filled === undefined
        ? work.input
        : yield* Effect.orElseSucceed(work.tool.decodeInput(filled), () => work.input)
      return { ...work, input }
    })

    const decide = Effect.fnUntraced(function*(owed: Owed) {
      const { asks, by_model, discloses, event, text, trust, work_id } = owed
      // It was decided before it was asked here.
      if (asks?.over === true) return void (yield* ledger.finish(heldBy(owed), undefined, []))
      const at = new Date(yield* Clock.currentTimeMillis)
      const tool = registry.tool(owed.tool)
      if (tool === undefined) {
        const why = `there is no tool ${owed.tool} any more`
        yield* ledger.finish(heldBy(owed), undefined, [response("response.failed", owed, at, undefined, why)])
        return settlements.changed(owed.trace_id)
      }
      const policy_version = gates.policyVersion()
      const plan = yield* planner.plan({
        event,
        ordinal: 0,
        tool,
        input: asks === null
          ? replyInput(tool, event, text)
          : questionInput(tool, asks, redactor.redactText),
        at,
        trust: worst(trust, event.trust),
        by_model,
        reply: { id: work_id, to: event.trust, discloses }
      })
      const { approval, refused } = plan
      const facts = approval !== undefined
        ? [requiredFact(approval, at)]
        : refused !== undefined
        ? [
          refusedFact(event, plan, refused, at),
          response("response.failed", owed, at, plan.row.tool_call_id, refused.error.message)
        ]
        : []
      if (!(yield* store(owed, plan, facts))) return
      settlements.changed(owed.trace_id)
      if (approval !== undefined || refused !== undefined) return
      const work: Work = { ...plannedWork(event, plan, owed.fence, policy_version), work_id }
      yield* executor.queue(yield* withCode(owed, work, plan.row.input), 1, ownerOf(owed))
    })

    const end = Effect.fnUntraced(function*(
      owed: Owed,
      { fact, from, reply, status }: Recovered & { readonly _tag: "Ended" }
    ) {
      const held = heldBy(owed)
      const at = fact?.at ?? new Date(yield* Clock.currentTimeMillis)
      const told = status === "succeeded"
        ? response("response.sent", owed, at, held.tool_call_id)
        : response("response.failed", owed, at, held.tool_call_id, reply)
      yield* fact === undefined
        ? ledger.finish(held, undefined, [told])
        : from === "planned"
        ? ledger.abandon(held, status === "canceled" ? "canceled" : "failed", [fact, told], undefined)
        : ledger.reconcile(held, status === "succeeded" ? "succeeded" : "failed", [fact, told], undefined)
      settlements.changed(owed.trace_id)
    })

    const resume = Effect.fnUntraced(function*(owed: Owed) {
      const { by_model, call, discloses, event, tries, trust } = owed
      if (call === null) return yield* decide(owed)
      const held = heldBy(owed)
      const recovered = yield* recovery.recover({ call, held, event, tries, by_model, trust, reply: { discloses } })
      switch (recovered._tag) {
        case "Attempt":
          return yield* executor.queue(
            yield* withCode(owed, recovered.work, call.input),
            recovered.attempt,
            ownerOf(owed)
          )
        case "Ask":
          return void (yield* ledger.ask(held, recovered.approval, recovered.fact, undefined))
        case "Asked":
          return (yield* ledger.awaitApproval(held)) ? queue.wake() : undefined
        case "PutOff":
          return yield* ledger.putOff(held, recovered.until, recovered.counts)
        case "Ended":
          return yield* end(owed, recovered)
      }
    })

    const take = (owed: Owed) =>
      resume(owed).pipe(
        Effect.catchCause((cause) =>
          Effect.andThen(
            Effect.logError(`The answer to the event ${owed.event_id} could not be taken up.`, cause),
            Effect.ignore(ledger.putOff(heldBy(owed), nextTry(owed.tries), true))
          )
        ),
        Effect.ensuring(Effect.sync(() => taking.delete(owed.work_id)))
      )

    const fibers = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(fibers)<never>()

    /** What could not be loaded stays claimed here until it is found forgotten. */
    const takeUp = (rows: ReadonlyArray<WorkRow>) =>
      Effect.gen(function*() {
        const found = yield* load(rows).pipe(
          Effect.catch((error) => Effect.as(Effect.logWarning("Claimed answers can't be read.", error), []))
        )
        const known = new Set(found.map((owed) => owed.work_id))
        for (const { work_id } of rows) if (!known.has(work_id)) taking.delete(work_id)
        for (const owed of found) fork(take(owed))
      })

    yield* queue.serve("reply", {
      resume: (rows) =>
        Effect.sync(() => {
          for (const row of rows) taking.add(row.work_id)
          fork(takeUp(rows))
        }),
      size: () => taking.size,
      active: () => [...taking, ...executor.active()]
    })
  })
)
