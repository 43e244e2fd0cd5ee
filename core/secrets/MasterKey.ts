/**
 * The key that seals the secrets, wherever it is kept: one interface, one small file for each source.
 */
import { type Effect, Schema } from "effect"
import type { KeyRecord } from "./KeyRecord.ts"

/** A key that was made; it is not kept anywhere yet. */
export interface NewKey<Record extends KeyRecord> {
  readonly record: Record
  readonly key: Buffer
}

export interface MasterKeySource<Record extends KeyRecord> {
  readonly read: (record: Record) => Effect.Effect<Buffer, KeyUnavailable>
  /** Makes one; nothing is kept outside of this process. */
  readonly make: Effect.Effect<NewKey<Record>, KeyUnavailable>
  /** Keeps it where its record says. */
  readonly keep: (key: NewKey<Record>) => Effect.Effect<void, KeyUnavailable>
  /** Destroys it where it was kept; nothing where it is gone already. */
  readonly destroy: (record: Record) => Effect.Effect<void, KeyUnavailable>
  /** As it stands in a sentence. */
  readonly where: (record: Record) => string
}

/** The key can't be got, made or kept; the message is a sentence that says what to do. */
export class KeyUnavailable extends Schema.TaggedError<KeyUnavailable>()("KeyUnavailable", {
  detail: Schema.String,
  /** The part of it that says what was found, for another sentence. */
  why: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}
