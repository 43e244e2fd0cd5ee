/**
 * For tests: what a test that leads task engines step by step sees of them (`TestEngines.ts`).
 */
import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Audit } from "../audit/Audit.ts"
import type { EventRow } from "../contract/Rows.ts"
import { newId } from "../database/Ids.ts"
import type { WorkRow } from "../pipeline/WorkQueue.ts"
import type { TaskDefinition } from "../plugin/TaskDefinition.ts"
import type { Verdict } from "../tools/CallSettlement.ts"
import type { Held } from "../tools/ToolLedger.ts"
import type { Advance, Advanced, Checkpoints } from "./Checkpoints.ts"
import type { LlmRunner } from "./LlmRunner.ts"
import type { NewTask } from "./TaskPlan.ts"
import type { CreatedTask } from "./TaskRows.ts"

/** The tools, one of each guarantee. */
export const toolsOf = {
  "t.read": { effect: "read", guarantee: "none" },
  "t.transactional": { effect: "write", guarantee: "transactional" },
  "t.keyed": { effect: "write", guarantee: "native_key" },
  "t.probed": { effect: "write", guarantee: "probe" },
  "t.plain": { effect: "write", guarantee: "none" }
} as const
export type ToolName = keyof typeof toolsOf

/** What an engine is about to send, or has sent. */
export interface Op {
  readonly kind: "load" | "write" | "writeHere" | "lose" | "replan" | "evidence"
  readonly phase: "before" | "after"
  /** Of a write. */
  readonly advance?: Advance
  /** Of a call under a claim. */
  readonly held?: Held
  /** Rows that were claimed, of a load. */
  readonly rows?: ReadonlyArray<WorkRow>
  /** Behind the commit: what it answered. */
  readonly answer?: Advanced | undefined
  /** `twice`: sends the statement again when it is done, as after a lost answer. */
  readonly pass: (twice?: boolean) => void
}

export type Fate = "succeed" | "refuse" | "unknown"

/** A tool that runs. */
export interface Flying {
  readonly tool: ToolName
  readonly key: string
  readonly step_id: string
  /** Whether the effect has happened, and how it ends. */
  readonly end: (fate: Fate, landed?: boolean) => void
}

export interface TestEngine {
  readonly hostId: string
  /** What stands at a gate. */
  readonly ops: ReadonlyArray<Op>
  readonly air: ReadonlyArray<Flying>
  /** Calls without an intent that took long enough to be noted. */
  readonly notes: () => ReadonlyArray<() => void>
  /** What two sendings of one statement answered. */
  readonly resent: ReadonlyArray<readonly [Advanced | undefined, Advanced | undefined]>
  readonly claim: () => Promise<ReadonlyArray<WorkRow>>
  readonly release: () => Promise<number>
  readonly hear: (message: string) => void
  /** Stores a task; where `claim`, this engine begins it. */
  readonly create: (plan: NewTask, claim: boolean) => Promise<CreatedTask & { readonly fence: number }>
  readonly run: <A, E>(effect: Effect.Effect<A, E, Checkpoints | Audit | SqlClient.SqlClient>) => Promise<A>
  /** The process ends now: nothing more of it reaches the database. What its tools were doing lands, or not. */
  readonly vanish: (landed: boolean) => Promise<void>
}

export interface World {
  readonly query: <Row extends object = Record<string, any>>(
    text: string,
    ...values: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Row>>
  readonly start: () => Promise<TestEngine>
  /** Until nothing moves any more but what waits at a gate. */
  readonly quiet: () => Promise<void>
  readonly command: (name: "cancel" | "pause" | "resume" | "retry", task_id: string) => Promise<string>
  readonly settle: (tool_call_id: string, outcome: Verdict["outcome"]) => Promise<string>
  /** How often each key has had its effect in the world outside. */
  readonly outside: Map<string, number>
  readonly stop: () => Promise<void>
}

export interface WorldOptions {
  readonly tasks?: ReadonlyArray<TaskDefinition>
  /** Changes a statement before it is sent; for red controls. */
  readonly weaken?: (text: string) => string
  /** What the model of an engine comes to. */
  readonly decide?: LlmRunner["Service"]["decide"]
}

/** An event of the operator's, by HTTP. */
export const eventRow = (): EventRow => {
  const at = new Date().toISOString()
  return {
    event_id: newId(),
    trace_id: newId(),
    schema_version: "1.0",
    occurred_at: at,
    ingested_at: at,
    channel: "api",
    connector_id: "api",
    actor_type: "user",
    actor_id: "operator",
    structured: {},
    attachment_refs: [],
    links: [],
    timezone: "UTC",
    locale: "en",
    sensitivity: "low",
    trust: "operator",
    redaction_policy_id: "default",
    depth: 0
  }
}
