/**
 * What the members of parts take (`args`) and answer, as plain JSON.
 *
 * | part    | member            | args                     | answer                                     |
 * | ------- | ----------------- | ------------------------ | ------------------------------------------ |
 * | tool    | read              | input                    | `ReadAnswer`                               |
 * | tool    | run               | input                    | `RunAnswer`                                |
 * | tool    | preview, probe    | input                    | what it gave back: words                   |
 * | tool    | compensate        | input, output            | null                                       |
 * | job     | read, run         | input                    | `ReadAnswer`, `RunAnswer`                  |
 * | task    | read, run         | input                    | `ReadAnswer` (with `steps`), `RunAnswer`   |
 * | channel | receive           |                          | null                                       |
 * | channel | webhook           | `WebhookArgs`            | `WebhookAnswer`                            |
 * | channel | live              | a `LiveReply`            | null                                       |
 * | watcher | tick              | now (ISO), state or null | `TickAnswer`                               |
 * | route   | handle            | `RouteArgs`              | `RouteAnswer`                              |
 * | intent  | input             | groups                   | `{input}`                                  |
 *
 * Facts: of a tool `idempotencyKey, traceId, trust, taskId?, stepId?, now` (milliseconds); of a job `jobId, traceId, attempt,
 * trust`; of a task `taskId, traceId, now`. Others have none.
 *
 * Asks: of a tool and a job `secret(name, key)`, `artifact(data, meta)`, `call(tool, input)`, `emit(event)`,
 * `progress({percent?, message?})`; of a channel `emit`, `secret`; of a watcher `secret`; of a task `call(tool, input,
 * {name?, maxAttempts?, retry?})`, `sleep(ms, name)`, `sleepUntil(iso, name)`, each answered by a `TaskAnswer`. Calls of a
 * task come in the order in which its code made them. `emit` of a tool, and `progress`, wait for no answer.
 */
import type { Schema } from "effect"
import type { Risk } from "../../core/contract/Enums.ts"

type Json = Schema.Json

/** Bytes among JSON. */
export interface Bytes {
  readonly "~bytes": string
}

/** A reference to a secret among JSON. */
export interface SecretReference {
  readonly "~secret": readonly [name: string, key: string]
}

export type ReadAnswer =
  | { readonly ok: false; readonly mistake: string }
  | {
    readonly ok: true
    /** As it was given, in fresh objects. */
    readonly input: Json
    /** Where it is a function of the input. */
    readonly risk?: Risk
    readonly target?: string
    readonly action?: string
    readonly blast_radius?: number
    /** In the shape of `POST /tasks`. */
    readonly steps?: ReadonlyArray<Json>
    /** What a function of these threw instead: `{risk: "…"}`. */
    readonly threw?: Readonly<Record<string, string>>
  }

/** `invalid`: it was done, and what it gave back breaks its schema or its limit: the whole sentence. */
export type RunAnswer = { readonly output: Json } | { readonly invalid: string }

export interface WebhookArgs {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Bytes
}

/** `null`: the signature is wrong. */
export type WebhookAnswer =
  | { readonly event: Json }
  | { readonly reply: { readonly contentType: string; readonly body: string } }
  | null

export interface TickAnswer {
  /** Without it the old one stays. */
  readonly state?: Json
  readonly emitted: ReadonlyArray<Json>
}

export interface RouteArgs {
  readonly method: string
  readonly url: string
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body?: Bytes
}

export interface RouteAnswer {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body?: Bytes
}

export interface TaskAnswer {
  /** Of a call. */
  readonly output?: Json
  /** What the task's clock says from then on, milliseconds. */
  readonly now: number
}

/** Bytes of the body of a route or a webhook, each way. */
export const maximumBody = 262_144
