/**
 * Ids are UUIDv7: made anywhere, sorted by time, and good as a partition key.
 */
import { SecureRandom } from "effect/crypto"
import * as crypto from "node:crypto"

/** A new id. Later ones of this process sort after earlier ones. */
export const newId = (): string => SecureRandom.uuidV7Unsafe()

/** SHA-256 over the parts, each with its length before it, so that no two lists of parts collide; hex. */
export const digest = (...parts: ReadonlyArray<string>): string => {
  const hash = crypto.createHash("sha256")
  for (const part of parts) {
    hash.update(`${Buffer.byteLength(part)}:`)
    hash.update(part)
  }
  return hash.digest("hex")
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Whether a text is a UUID, before it goes to the database. */
export const isUuid = (text: string): boolean => uuid.test(text)
