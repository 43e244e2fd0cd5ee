/**
 * How far a mailbox was read: the last number that was taken, of the numbering (UIDVALIDITY) that it belongs to. Where the
 * server numbers anew, what was there before is not taken for new.
 */
import { Schema } from "syris"

export const MailPlace = Schema.Struct({
  mailbox: Schema.String,
  uid_validity: Schema.String,
  last_uid: Schema.Int,
  /** What arrived before that is left alone, whatever its number. */
  since: Schema.optionalKey(Schema.String),
  /** Since when this mailbox is read. */
  begun: Schema.String,
  /** When the newest that was taken arrived. */
  newest: Schema.optionalKey(Schema.String)
})
export type MailPlace = typeof MailPlace.Type

const isPlace = Schema.is(MailPlace)

const day = 86_400_000

/** Where to go on in a mailbox, by what was kept of it. */
export const placeIn = (
  kept: unknown,
  mailbox: { readonly path: string; readonly uidValidity: bigint; readonly uidNext: number },
  since: Date | undefined,
  now: Date
): MailPlace => {
  const numbering = { mailbox: mailbox.path, uid_validity: String(mailbox.uidValidity) }
  if (!isPlace(kept) || kept.mailbox !== mailbox.path) {
    // Servers say to the second when a mail arrived.
    const begun = new Date(Math.floor((since ?? now).getTime() / 1000) * 1000).toISOString()
    return since === undefined
      ? { ...numbering, last_uid: Math.max(0, mailbox.uidNext - 1), begun }
      : { ...numbering, last_uid: 0, begun, since: begun }
  }
  if (kept.uid_validity === numbering.uid_validity) return kept
  // The same mail has other numbers: those of the last day come again, and are known by their Message-ID.
  const from = Math.max(Date.parse(kept.begun), Date.parse(kept.newest ?? kept.begun) - day)
  return { ...kept, ...numbering, last_uid: 0, since: new Date(from).toISOString() }
}

/** After a message was taken. */
export const passed = (place: MailPlace, uid: number, arrived: Date | undefined): MailPlace => {
  const at = arrived?.toISOString()
  return {
    ...place,
    last_uid: Math.max(place.last_uid, uid),
    ...(at === undefined || (place.newest !== undefined && place.newest > at) ? {} : { newest: at })
  }
}
