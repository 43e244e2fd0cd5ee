/**
 * Rows as the tables have them, for the statements that write them: names are the columns'.
 */
import type { Schema } from "effect"
import type { RuleDefinition } from "./Rule.ts"
import type { ActorType, Lane, Risk, Sensitivity, TraceOutcome, Trust } from "./Enums.ts"

/** An event as the table `events` has it. */
export interface EventRow {
  readonly event_id: string
  readonly trace_id: string
  readonly parent_event_id?: string | undefined
  readonly schema_version: "1.0"
  readonly occurred_at: string
  readonly ingested_at: string
  readonly channel: string
  readonly connector_id: string
  readonly thread_id?: string | undefined
  readonly message_id?: string | undefined
  readonly actor_type: ActorType
  readonly actor_id: string
  readonly text?: string | undefined
  readonly structured: { readonly [key: string]: Schema.Json }
  readonly attachment_refs: ReadonlyArray<string>
  readonly links: ReadonlyArray<string>
  readonly timezone: string
  readonly locale: string
  readonly device_id?: string | undefined
  readonly dedupe_key?: string | undefined
  readonly sensitivity: Sensitivity
  readonly trust: Trust
  readonly redaction_policy_id: string
  readonly depth: number
}

/** A decision as the table `routing_decisions` has it. */
export interface DecisionRow {
  readonly event_id: string
  readonly trace_id: string
  readonly decided_at: string
  readonly lane: Lane
  readonly match: {
    readonly filter?: string
    readonly rule_ids: ReadonlyArray<string>
    readonly fastpath?: string
    readonly used_llm: boolean
  }
  readonly intent?: string | undefined
  readonly confidence?: number | undefined
  readonly tool?: string | undefined
  readonly input?: unknown
  readonly required_scopes: ReadonlyArray<string>
  readonly risk?: Risk | undefined
  readonly notes: ReadonlyArray<string>
  readonly prompt_hash?: string | undefined
}

/** A row of `settlements`, written in the transaction that settles the event. */
export interface SettlementRow {
  readonly event_id: string
  readonly trace_id: string
  readonly lane: Lane
  readonly outcome: TraceOutcome
  readonly reply?: string | undefined
  readonly settled_at: string
  /** Who brings the reply: `chat` is written in the same transaction, a `send` tool is called after it. */
  readonly answer_by?: string | undefined
}

/**
 * A rule as it was when an event matched it, with what its firing needs: what matched is what is done, also by a host that
 * has other rules, and after the rule was changed.
 */
export interface OwedRule {
  readonly rule_id: string
  readonly origin: "config" | "plugin" | "api"
  readonly trust: Trust
  readonly definition: RuleDefinition
  /** The condition looks at more than the event: it is looked at when the rule is fired. */
  readonly stateful?: true
  /** The condition had to stay true, and the time is over. */
  readonly held?: true
}

export type OwedRules = ReadonlyArray<OwedRule>

/** What an event was made to do, by a rule or a schedule; a row of `planned_actions`. Routed and gated like all else. */
export type PlannedAction =
  & {
    /** Who wants it, for the decision's notes: `rule porch`. */
    readonly by: string
  }
  & (
    | { readonly tool: string; readonly input: Schema.Json }
    /** In the shape of `POST /tasks`. */
    | { readonly task: Schema.Json }
    /** Told to the operator in the chat. */
    | { readonly say: string }
  )
