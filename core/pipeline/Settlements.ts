/**
 * How events ended, and who waits for it. A trace is settled when nothing of it can run by itself: no work of it is left,
 * or only such as waits for a time, a person, an approval, a job or the end of a pause. A job that it started is work of its
 * own, for which nobody waits here.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Lane, TraceOutcome } from "../contract/Enums.ts"
import type { SettlementRow } from "../contract/Rows.ts"
import type { Settled } from "./Submission.ts"

/** What is still owed of a trace. */
export interface Owed {
  /** Something of it can run by itself. */
  readonly open: boolean
  /** What is left waits: `unknown` where only a person can tell what became of it. */
  readonly waits: "unknown" | "waiting" | null
  /** A task is left. */
  readonly task: boolean
}

/** `Owed` of the trace `trace`: one row, always. */
export const owedOf = (trace: string): string => `
  select coalesce(bool_or(not w.parked and coalesce(w.waits_for, '') not in ('time', 'answer', 'approval')), false) as open,
         case when bool_or(w.waits_for = 'person' or (w.kind = 'event' and w.parked and w.waits_for is null)) then 'unknown'
              when count(*) > 0 then 'waiting' end as waits,
         coalesce(bool_or(w.kind = 'task'), false) as task
  from work w
  where w.trace_id = ${trace}::uuid and w.kind <> 'job'`

const lookStatement = `
  select o.*, s.lane, s.outcome, s.reply
  from (${owedOf("$1")}) o left join settlements s on s.event_id = $2::uuid`

interface TraceRow extends Owed {
  readonly lane: Lane | null
  readonly outcome: TraceOutcome | null
  readonly reply: string | null
}

/** Outcomes of this process kept for whoever asks a moment later. */
const remembered = 1_000

/** What this host settles is announced; only after so long somebody looks. */
const lookFirst = "100 millis"

/** What another host settles is found by looking again. */
const lookAgain = "200 millis"

export class Settlements extends Context.Service<Settlements, {
  /** After the commit: tells whoever waits. `whole` when nothing else of the trace is under way. */
  readonly announce: (settlement: SettlementRow, whole: boolean) => void
  /** Before an event is stored: whatever settles it, more of its trace is under way. */
  readonly goesOn: (event_id: string) => void
  /** Something of a trace has changed: whoever waits looks again. */
  readonly changed: (trace_id: string) => void
  /** Ends when something of a trace is announced the next time, by this host. */
  readonly next: (trace_id: string) => Effect.Effect<void>
  readonly await: (ids: { readonly event_id: string; readonly trace_id: string }) => Effect.Effect<Settled>
}>()("syris/pipeline/Settlements") {
  static readonly layer = Layer.effect(
    Settlements,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const recent = new Map<string, Settled>()
      const waiting = new Map<string, Set<() => void>>()
      const goingOn = new Set<string>()

      // A copy: whoever is woken may listen again at once.
      const tell = (trace_id: string): void => Array.from(waiting.get(trace_id) ?? []).forEach((wake) => wake())

      const announce = (row: SettlementRow, whole: boolean): void => {
        if (!goingOn.delete(row.event_id) && whole) {
          recent.set(row.event_id, {
            lane: row.lane,
            outcome: row.outcome,
            ...(row.reply === undefined ? {} : { reply: row.reply })
          })
          if (recent.size > remembered) recent.delete(recent.keys().next().value ?? "")
        }
        tell(row.trace_id)
      }

      const look = Effect.fnUntraced(function*(ids: { readonly event_id: string; readonly trace_id: string }) {
        const known = recent.get(ids.event_id)
        if (known !== undefined) return known
        const [row] = yield* sql.unsafe<TraceRow>(lookStatement, [ids.trace_id, ids.event_id])
        if (row === undefined || row.open) return undefined
        const reply = row.reply === null ? {} : { reply: row.reply }
        if (row.waits !== null) {
          return { lane: row.lane ?? (row.task ? "task" : "fast"), outcome: row.waits, ...reply } satisfies Settled
        }
        if (row.lane === null || row.outcome === null) return undefined
        return { lane: row.lane, outcome: row.outcome, ...reply } satisfies Settled
      })

      const changed = (traceId: string) =>
        Effect.callback<void>((resume) => {
          const wake = () => resume(Effect.void)
          const wakes = waiting.get(traceId) ?? new Set()
          wakes.add(wake)
          waiting.set(traceId, wakes)
          return Effect.sync(() => {
            wakes.delete(wake)
            if (wakes.size === 0) waiting.delete(traceId)
          })
        })

      const awaitSettled = Effect.fnUntraced(function*(ids: { readonly event_id: string; readonly trace_id: string }) {
        while (true) {
          const known = recent.get(ids.event_id)
          if (known !== undefined) return known
          // Listens before it looks, so that nothing falls between the two.
          const found = yield* Effect.raceFirst(
            Effect.as(changed(ids.trace_id), undefined),
            Effect.delay(
              look(ids).pipe(
                Effect.catch(() => Effect.succeed(undefined)),
                Effect.flatMap((settled) =>
                  settled === undefined ? Effect.as(Effect.sleep(lookAgain), undefined) : Effect.succeed(settled)
                )
              ),
              lookFirst
            )
          )
          if (found !== undefined) return found
        }
      })
      const goesOn = (eventId: string): void => {
        goingOn.add(eventId)
        if (goingOn.size > remembered) goingOn.delete(goingOn.keys().next().value ?? "")
      }
      return Settlements.of({ announce, goesOn, changed: tell, next: changed, await: awaitSettled })
    })
  )
}
