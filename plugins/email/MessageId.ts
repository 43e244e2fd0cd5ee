/**
 * Message-IDs: which of them a mail belongs to, and those that mail of ours carries. Ours is made from the call's idempotency
 * key, so every attempt of one mail has the same; and it carries the thread's mark, so an answer that names nothing but it
 * finds its thread.
 */
import { createHash } from "node:crypto"

const hash = (...parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 24)

const maximumIds = 50

/** An id without its angle brackets. */
const plain = /^[\x21-\x3b\x3d\x3f-\x7e]{1,250}$/

export const isMessageId = (id: string): boolean => plain.test(id) && id.includes("@")

/** The Message-ID in what an event is known by: there may be a mark behind it. */
export const withoutMark = (id: string): string => id.split(" ")[0]!

/** The ids in a header, without brackets: of very many the first, and the last ones. */
export const idsIn = (value: string | undefined): ReadonlyArray<string> => {
  const found = (value ?? "").slice(0, 65_536).match(/<[^<>\s]{1,250}>/g) ?? []
  const ids = [...new Set(found.map((id) => id.slice(1, -1)).filter(isMessageId))]
  return ids.length <= maximumIds ? ids : [ids[0]!, ...ids.slice(1 - maximumIds)]
}

const ours = /^syris\.[0-9a-f]{24}\.([0-9a-f]{24})@(.+)$/i

/** Whether we wrote it. */
export const isOurs = (id: string, domain: string): boolean => ours.exec(id)?.[2]?.toLowerCase() === domain

/** What all mail of a thread has in common. `ids`: the oldest first, the mail's own last. */
export const threadMark = (ids: ReadonlyArray<string>): string => {
  const [root = ""] = ids
  return ours.exec(root)?.[1]?.toLowerCase() ?? hash("thread", root)
}

/** The thread of a mail; a sender who is verified has threads of his own, which nobody else can write into. */
export const threadOf = (ids: ReadonlyArray<string>, verified: string | undefined): string =>
  verified === undefined ? threadMark(ids) : hash("verified", verified, threadMark(ids))

/** The id of a mail of ours. `ids`: the thread that it answers in. */
export const ownId = (idempotencyKey: string, domain: string, ids: ReadonlyArray<string>): string => {
  const key = hash("mail", idempotencyKey)
  return `syris.${key}.${ids.length > 0 ? threadMark(ids) : hash("own", key)}@${domain}`
}
