/**
 * What a tool is. A tool states how bad it can be, what it needs and what makes it safe to repeat; the host
 * decides from that whether it runs, asks or repeats. Nothing here runs by itself.
 */
import type { Duration, Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { Guarantee, Risk, ToolEffect, Trust } from "../contract/Enums.ts"
import type { RawEvent } from "../contract/Event.ts"
import type { SecretOption } from "./Secret.ts"

/** What a plugin function may give back: a value, a Promise of it, or an Effect. */
export type Awaitable<A> = A | PromiseLike<A> | Effect.Effect<A, unknown, never>

/** A logger that carries the plugin's name and, inside a run, the trace. Known secrets are removed. */
export interface Log {
  readonly debug: (message: string, fields?: Record<string, unknown>) => void
  readonly info: (message: string, fields?: Record<string, unknown>) => void
  readonly warn: (message: string, fields?: Record<string, unknown>) => void
  readonly error: (message: string, fields?: Record<string, unknown>) => void
}

/** What a run is given. */
export interface ToolContext {
  /** The same for every attempt of this call, after a crash too. Hand it to a remote that deduplicates. */
  readonly idempotencyKey: string
  readonly traceId: string
  /** How far the words can be trusted that led to the call: the worst of all that is in its trace. */
  readonly trust: Trust
  readonly taskId?: string
  readonly stepId?: string
  /** The host's clock. In a test it is the one that the test moves. */
  readonly now: () => Date
  /** Aborted at the time-out and at a stop of the host. Pass it on to whatever can be aborted. */
  readonly signal: AbortSignal
  readonly log: Log
  /** The value of a secret: by `(name, key)`, or of an option that was given as `secret(…)` or as a plain string. */
  readonly secret: {
    (name: string, key: string): Promise<string>
    (option: SecretOption): Promise<string>
  }
  /**
   * `fetch` with the call's signal: http and https, to public addresses and to hosts that the operator named in the plugin's
   * options; 30 seconds, 10 MiB, five redirects that are looked at in the same way (docs/safety.md, "What goes out").
   */
  readonly fetch: typeof globalThis.fetch
  /** Hands a child event of this trace to the pipeline, together with the call's outcome. */
  readonly emit: (event: RawEvent) => void
  /**
   * Keeps what is no output: a picture, a document, a text of more than an output takes. Stored at once, whatever becomes of
   * the call, with known secrets taken out of a text; answers what an output refers to it by. At most 8 MiB each, and 32 of
   * them with 16 MiB for one call. A preview and a probe keep nothing.
   */
  readonly artifact: (
    data: Uint8Array | string,
    meta?: { readonly name?: string; readonly mediaType?: string }
  ) => Promise<KeptArtifact>
  /**
   * Has another tool called on behalf of this call: as an event of the same trace, gated, written down and done once. Answers
   * its output as JSON; throws `ToolRefused` where it was refused or failed, `ToolUnknown` where nobody knows. Where a person
   * is asked, it waits for as long as this call may run; what nobody waits for any more and has not begun is given up, with
   * its question. It is never the operator's word, so the operator's own tools are refused. At most 5 calls deep.
   */
  readonly call: <O = unknown>(tool: string, input?: unknown) => Promise<O>
  /** Says how far the run is, for whoever watches. */
  readonly progress: (progress: { readonly percent?: number; readonly message?: string }) => void
}

/** What an output refers to an artifact by. Its bytes are at `GET /artifacts/{artifact_id}`. */
export interface KeptArtifact {
  readonly artifact_id: string
  readonly name: string
  readonly media_type: string
  readonly bytes: number
}

/** A one-shot that a transactional tool leaves behind. */
export interface NewSchedule {
  readonly name: string
  /** When it is due. */
  readonly at: Date
  /** The event that it becomes when it is due. */
  readonly payload: RawEvent
  /** What the operator is told in the chat when it is due. Default: nothing. */
  readonly notify?: string
}

/** What a transactional tool is given besides. All of it is in the outcome's transaction, or not at all. */
export interface TransactionalContext extends ToolContext {
  /** A tagged template over the outcome's transaction: `` await ctx.sql`insert into …` ``. */
  readonly sql: <Row extends object = Record<string, unknown>>(
    strings: TemplateStringsArray,
    ...values: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Row>>
  readonly schedules: {
    /** Answers the id that the schedule will have. */
    readonly create: (schedule: NewSchedule) => string
    readonly cancel: (scheduleId: string) => void
  }
}

export interface ToolDefinition<I = any, O = any, G extends Guarantee = Guarantee> {
  /** Dotted, lower case, unique: `coffee.brew`. */
  readonly name: string
  /** One sentence for a person and for a model. */
  readonly description: string
  readonly input: Schema.Codec<I, any>
  /** Checked on what `run` gives back. Default: any JSON of at most 1 MiB. */
  readonly output?: Schema.Codec<O, any>
  /** `read` changes nothing; `irreversible` can't be taken back. */
  readonly effect: ToolEffect
  readonly risk: Risk | ((input: I) => Risk)
  /** What a channel must be granted for this tool to run on its behalf. */
  readonly scopes: ReadonlyArray<string>
  /** Default `none`. Promise more only if it is true: the host repeats calls because of it. */
  readonly guarantee?: G
  /** How far what it returns can be trusted. Default `trusted`. */
  readonly trust?: Trust
  /**
   * What it acts on: the same done to it again within the cooldown is refused. One that is many people or everybody (`group:…`,
   * `public`, `#…`, `@all`, or several with commas) is one more risk.
   */
  readonly target?: (input: I) => string
  /** Which of several things it does to the target; default: the tool's name. `delete`, `wipe` and such are one more risk. */
  readonly action?: (input: I) => string
  /** How many things it touches; above `safety.blastRadius` it is one more risk. Default 1. */
  readonly blastRadius?: (input: I) => number
  /** Default 30 seconds, at most 1 hour. */
  readonly timeout?: Duration.Input
  /** Calls at once in one host. Default 10. */
  readonly concurrency?: number
  /**
   * Says which things are meant, before anything is judged, shown or approved: from an input that says "the kitchen lights"
   * to one that names them. What it answers, as JSON that `input` decodes, takes the place of the input from then on: it is
   * what is stored, shown, approved and run. Of an input that it gave back it makes the same again. Must change nothing, and
   * may wait for 3 seconds. What it throws is told to whoever asked, and nothing runs.
   */
  readonly bind?: (input: I, ctx: Pick<ToolContext, "signal" | "secret">) => Awaitable<unknown>
  /** What would happen, in words. Must change nothing. */
  readonly preview?: (input: I, ctx: ToolContext) => Awaitable<string>
  /** With guarantee `probe`: whether this call has happened. Asked only when nothing can be under way any more. */
  readonly probe?: (input: I, ctx: ToolContext) => Awaitable<"done" | "not_done" | "unknown">
  /** Takes a call that succeeded back. */
  readonly compensate?: (input: I, output: O, ctx: ToolContext) => Awaitable<void>
  /**
   * Does it. A value: succeeded. `ToolRefused` or any error thrown: failed, it was not done. A time-out, an abort, a
   * lost connection or `ToolUnknown`: unknown (failed, for `read` and `transactional`).
   */
  readonly run: (
    input: I,
    ctx: [G] extends ["transactional"] ? TransactionalContext : ToolContext
  ) => Awaitable<O> | Effect.Effect<O, unknown, SqlClient.SqlClient>
}

/** Identity plus types: the tool as the plugin hands it to the host. */
export const defineTool = <I, O, const G extends Guarantee = "none">(
  definition: ToolDefinition<I, O, G>
): ToolDefinition<I, O, G> => definition

/** Thrown by a run: it was refused before anything was done. */
export class ToolRefused extends Error {
  override readonly name = "ToolRefused"
}

/** Thrown by a run: it may or may not have been done. */
export class ToolUnknown extends Error {
  override readonly name = "ToolUnknown"
}
