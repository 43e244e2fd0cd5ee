/**
 * What handing in an event can come to.
 */
import { Schema } from "effect"
import type { Lane, TraceOutcome, Trust } from "../contract/Enums.ts"
import { ErrorDetail } from "../contract/ErrorDetail.ts"

/** The event was refused; `detail.message` says what to change. */
export class EventRejected extends Schema.TaggedError<EventRejected>()("EventRejected", {
  detail: ErrorDetail
}) {
  override get message() {
    return this.detail.message
  }
}

/** The database could not take the event now. Nothing is known to be lost; the same message may be sent again. */
export class EventNotAccepted extends Schema.TaggedError<EventNotAccepted>()("EventNotAccepted", {
  cause: Schema.Defect()
}) {
  override get message() {
    return "The database did not confirm the event. Send it again with the same message_id."
  }
}

/** What a channel says of an event besides. */
export interface Arrival {
  /** More trust than its channel has, and why. */
  readonly raised?: { readonly trust: Trust; readonly because: string }
  /** Why it has no more trust than its channel, where a person might expect it. */
  readonly doubt?: string
  /** Of the trace that the attachments are kept in. */
  readonly trace_id?: string
  /** Ids of artifacts. */
  readonly attachment_refs?: ReadonlyArray<string>
}

export interface Accepted {
  readonly event_id: string
  readonly trace_id: string
  /** The same message was accepted before: these are the first ids. */
  readonly deduped: boolean
  /** Only on a duplicate: it came with another body, which was kept beside the first. */
  readonly conflict?: boolean
}

/** How a trace ended. Nothing of it can run by itself any more. */
export interface Settled {
  readonly lane: Lane
  readonly outcome: TraceOutcome
  readonly reply?: string
}

/** What would happen, in the shape of `GET /traces/{trace_id}`. */
export interface DryRun {
  readonly dry_run: true
  /** The same message was processed already: what it made then. */
  readonly deduped?: true
  readonly event_id?: string
  readonly trace_id?: string
  readonly events: ReadonlyArray<unknown>
  readonly decisions: ReadonlyArray<unknown>
  readonly tool_calls: ReadonlyArray<unknown>
  readonly approvals: ReadonlyArray<unknown>
  readonly tasks: ReadonlyArray<unknown>
  readonly replies: ReadonlyArray<unknown>
  readonly audit: ReadonlyArray<unknown>
  /** What can't be foreseen, as sentences. */
  readonly notes: ReadonlyArray<string>
}
