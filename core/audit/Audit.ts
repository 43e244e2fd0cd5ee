/**
 * Writes the audit. A row goes into the transaction of the fact that it tells: no fact without its row, no row without
 * its fact. Nobody updates or deletes; the database refuses (migrations/0001).
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { type AuditRefs, type AuditType, auditTypes } from "../contract/AuditEvent.ts"
import type { Autonomy, Risk } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { lists } from "../database/Lists.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { AuditWake } from "./AuditWake.ts"

/** What a caller says of a fact; stage and outcome follow from the type. */
export interface Fact {
  readonly type: AuditType
  readonly trace_id: string
  /** When it happened. */
  readonly at: Date
  /** One sentence for a person. */
  readonly summary: string
  readonly refs?: AuditRefs
  readonly actor?: string | undefined
  readonly tool?: string | undefined
  readonly risk?: Risk | undefined
  readonly autonomy?: Autonomy | undefined
  readonly latency_ms?: number | undefined
  /** Small: the reasons that a person needs. */
  readonly data?: Record<string, unknown>
}

/** Where a known secret stood that was taken out of a row. */
export type Found = Pick<Fact, "type" | "trace_id" | "tool">

/** A row of `audit_events` as it is handed to the database. */
export type AuditRow = ReturnType<typeof toRow>

/** The row of a fact that holds nothing but the host's own words and ids. */
export const toRow = (fact: Fact) => ({
  audit_id: newId(),
  timestamp: fact.at,
  trace_id: fact.trace_id,
  stage: auditTypes[fact.type][0],
  type: fact.type,
  outcome: auditTypes[fact.type][1],
  summary: fact.summary.replaceAll("\0", "␀").toWellFormed(),
  refs: fact.refs ?? {},
  actor: fact.actor,
  tool: fact.tool,
  risk: fact.risk,
  autonomy: fact.autonomy,
  latency_ms: fact.latency_ms,
  data: fact.data ?? {}
})

/**
 * `insert into audit_events … select … from <source>`, for the statements that write a fact and its rows at once.
 * The source has the columns of `audit_events` and `ord`, the order within the statement.
 */
export const insertAudit = (source: string): string => `
  insert into audit_events
    (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, actor, tool, risk, autonomy, latency_ms, data)
  select r.audit_id, r.timestamp, r.trace_id, r.stage, r.type, r.outcome, r.summary, r.refs, r.actor, r.tool, r.risk,
         r.autonomy, r.latency_ms, r.data
  from ${source}
  order by r.ord`

/** The columns of a list of `AuditRow`, for `json_to_recordset`. */
export const auditColumns = `
    audit_id uuid, timestamp timestamptz, trace_id uuid, stage text, type text, outcome text, summary text, refs jsonb,
    actor text, tool text, risk text, autonomy text, latency_ms real, data jsonb`

/** A row that goes with a statement, and the fact in it that it depends on. */
export interface Told extends AuditRow {
  readonly event_id?: string
  readonly tool_call_id?: string
  readonly told_when?: string
}

/** Four of these rows and more come with each event, so they travel as lists. */
const told = lists<Told>(`${auditColumns}, event_id uuid, tool_call_id uuid, told_when text`)

/** CTE `told`: the audit rows of `parameter`, made by `toldLists`, for which `condition` (over `r`) holds. */
export const tellAudit = (parameter: string, condition: string): string => `
  told as (${insertAudit(`${told.from(parameter, "r")}\n  where ${condition}`)}
  )`

/** The rows as the parameter of `tellAudit`. */
export const toldLists = told.of

/** Writes rows in the caller's transaction. */
export const appendRows = Effect.fnUntraced(function*(rows: ReadonlyArray<AuditRow>) {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(
    `with rows as (
       select r.*, row_number() over () as ord
       from json_to_recordset($1::json) as r(${auditColumns})
     )
     ${insertAudit("rows r")}`,
    [JSON.stringify(rows)]
  )
})

export class Audit extends Context.Service<Audit, {
  /**
   * Makes the row of a fact, with known secrets removed, for a statement that writes it together with the fact. `dry`: it is
   * not written, and nobody is told of a secret in it.
   */
  readonly row: (fact: Fact, options?: { readonly dry?: boolean }) => AuditRow
  /** Appends rows in the caller's transaction, or in one of their own where the caller has none. */
  readonly append: (...facts: ReadonlyArray<Fact>) => Effect.Effect<void, SqlError.SqlError>
  /** Tells where a fact held a known secret, until the scope ends. The listener must not throw, nor take long. */
  readonly onSecret: (listener: (found: Found) => void) => Effect.Effect<void, never, Scope.Scope>
}>()("syris/audit/Audit") {
  static readonly layer = Layer.effect(
    Audit,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const redactor = yield* Redactor
      const wake = yield* AuditWake
      const listeners = new Set<(found: Found) => void>()
      // Only what people or programs wrote: a secret that looks like a type must not break the row.
      const row = (fact: Fact, { dry = false }: { readonly dry?: boolean } = {}): AuditRow => {
        const { actor, data, summary, ...rest } = toRow(fact)
        const given = { actor, data, summary }
        const shown = redactor.redactJson(given)
        if (shown !== given && !dry) { for (const listener of listeners) listener(fact) }
        return { ...rest, ...shown }
      }
      const append = Effect.fnUntraced(function*(...facts: ReadonlyArray<Fact>) {
        yield* Effect.provideService(appendRows(facts.map((fact) => row(fact))), SqlClient.SqlClient, sql)
        yield* sql.afterCommit(wake.wake)
      })
      const onSecret = (listener: (found: Found) => void) =>
        Effect.asVoid(Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        ))
      return Audit.of({ row, append, onSecret })
    })
  )
}
