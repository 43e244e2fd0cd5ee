/**
 * Events that bring something along: it is kept as artifacts of the event's trace, before the event is.
 *
 * A message that was taken before keeps nothing. What a crash leaves between the two is an artifact of a trace that has no
 * event; the message comes again, and is kept whole then.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { RawEvent } from "../contract/Event.ts"
import { newId } from "../database/Ids.ts"
import type { Attachment } from "../plugin/Plugin.ts"
import type { RegisteredChannel } from "../plugin/Registry.ts"
import { worst } from "../safety/Provenance.ts"
import { type ArtifactRefused, Artifacts, maximumArtifactBytes, maximumArtifacts } from "../tools/Artifacts.ts"
import { dedupeKey } from "./Normaliser.ts"
import { type Accepted, Pipeline } from "./Pipeline.ts"
import type { Arrival, EventNotAccepted, EventRejected } from "./Submission.ts"

export class Attachments extends Context.Service<Attachments, {
  /** As `Pipeline.submit`. */
  readonly submit: (
    from: RegisteredChannel,
    event: RawEvent,
    arrival: Arrival,
    attachments: ReadonlyArray<Attachment>
  ) => Effect.Effect<Accepted, EventRejected | EventNotAccepted | ArtifactRefused | SqlError.SqlError | Error>
}>()("syris/pipeline/Attachments") {
  static readonly layer = Layer.effect(
    Attachments,
    Effect.gen(function*() {
      const artifacts = yield* Artifacts
      const pipeline = yield* Pipeline
      const sql = yield* SqlClient.SqlClient

      const isKnown = Effect.fnUntraced(function*({ channel, connector_id = channel, message_id }: RawEvent) {
        if (message_id === undefined) return false
        const rows = yield* sql`
          select 1 from event_keys where dedupe_key = ${dedupeKey(channel, connector_id, message_id)}`
        return rows.length > 0
      })

      const submit: Attachments["Service"]["submit"] = Effect.fnUntraced(function*(from, event, arrival, attachments) {
        const bytes = attachments.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0)
        if (attachments.length > maximumArtifacts || bytes > maximumArtifactBytes) {
          return yield* Effect.fail(
            new Error(`An event brings at most ${maximumArtifacts} attachments, and 16 MiB of them together.`)
          )
        }
        const { trust } = from.channel
        if (yield* isKnown(event)) return yield* pipeline.submit(event, trust, arrival)
        const trace_id = newId()
        // What comes with a message is worth what its channel is, whoever may have written the message.
        const labels = { trust: worst(trust, "trusted"), confidentiality: "private" as const }
        const kept = yield* Effect.forEach(
          attachments,
          ({ data, mediaType, name }) => artifacts.put({ data, name, media_type: mediaType, labels, trace_id })
        )
        const ids = kept.map(({ artifact_id }) => artifact_id)
        const drop = Effect.ignore(sql`delete from artifacts where artifact_id = any(${ids}::uuid[])`)
        const accepted = yield* pipeline.submit(event, trust, { ...arrival, trace_id, attachment_refs: ids }).pipe(
          Effect.tapErrorTag("EventRejected", () => drop)
        )
        if (accepted.deduped) yield* drop
        return accepted
      }, Effect.uninterruptible)

      return Attachments.of({ submit })
    })
  )
}
