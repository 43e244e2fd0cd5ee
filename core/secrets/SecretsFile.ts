/**
 * How secrets lie on disk: `secrets.json`, one sealed value an entry, and where the key is that sealed them.
 *
 * - A value is sealed with AES-256-GCM; name, key and version are authenticated with it, so an entry can't be moved,
 *   renamed or swapped with another. Names and dates can be read by whoever reads the file.
 * - It is written whole or not at all, mode 0600: entries and the place of their key change at once.
 * - A file that says nothing of its key has it in `secrets.key` beside it.
 *
 * Not promised: that an older copy of the whole file, put back by somebody who can write it, is noticed.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { firstKeyFile, isKeyRecord, type KeyRecord } from "./KeyRecord.ts"
import { readIfThere, writeWhole } from "./WholeFile.ts"

export interface SealedEntry {
  readonly name: string
  readonly key: string
  /** Grows with each value of this name and key. */
  readonly version: number
  readonly set_at: string
  readonly nonce: string
  readonly ciphertext: string
  readonly tag: string
}

export interface SealedSecrets {
  /** Where the key is that sealed them. */
  readonly key: KeyRecord
  /** Keys that may still be somewhere and must not be: of a change that was cut off. */
  readonly leftover: ReadonlyArray<KeyRecord>
  readonly secrets: ReadonlyArray<SealedEntry>
}

/** Something is wrong with the files; the message is one sentence for the operator. */
class SecretsFileError extends Error {
  override readonly name = "SecretsFileError"
}

const format = "syris-secrets-1"

const authenticated = (entry: Pick<SealedEntry, "name" | "key" | "version">): Buffer =>
  Buffer.from(JSON.stringify([format, entry.name, entry.key, entry.version]), "utf8")

export const seal = (
  masterKey: Buffer,
  entry: Pick<SealedEntry, "name" | "key" | "version" | "set_at">,
  value: string
): SealedEntry => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", masterKey, nonce).setAAD(authenticated(entry))
  const ciphertext = Buffer.concat([cipher.update(value, "utf8"), cipher.final()])
  return {
    ...entry,
    nonce: nonce.toString("base64"),
    ciphertext: ciphertext.toString("base64"),
    tag: cipher.getAuthTag().toString("base64")
  }
}

/** Throws when the entry was changed or another key sealed it. */
export const unseal = (masterKey: Buffer, entry: SealedEntry): string => {
  const decipher = createDecipheriv("aes-256-gcm", masterKey, Buffer.from(entry.nonce, "base64"), { authTagLength: 16 })
  decipher.setAAD(authenticated(entry)).setAuthTag(Buffer.from(entry.tag, "base64"))
  return Buffer.concat([decipher.update(Buffer.from(entry.ciphertext, "base64")), decipher.final()]).toString("utf8")
}

/** What is sealed, or undefined where there is no file. */
export const readSealed = (file: string): SealedSecrets | undefined => {
  const text = readIfThere(file)
  if (text === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    parsed = undefined
  }
  if (!isSecretsFile(parsed)) {
    throw new SecretsFileError(
      `${file} is damaged and can't be read: restore it from a backup, or remove it and set the secrets again.`
    )
  }
  return { key: parsed.key ?? firstKeyFile, leftover: parsed.leftover ?? [], secrets: parsed.secrets }
}

export const writeSealed = (file: string, { key, leftover, secrets }: SealedSecrets): void =>
  writeWhole(
    file,
    JSON.stringify({ format, key, ...(leftover.length === 0 ? {} : { leftover }), secrets }, null, 2) + "\n"
  )

interface Stored {
  readonly key?: KeyRecord
  readonly leftover?: ReadonlyArray<KeyRecord>
  readonly secrets: ReadonlyArray<SealedEntry>
}

const isSecretsFile = (value: unknown): value is Stored => {
  if (typeof value !== "object" || value === null || !("format" in value) || value.format !== format) return false
  if ("key" in value && !isKeyRecord(value.key)) return false
  if ("leftover" in value && !(Array.isArray(value.leftover) && value.leftover.every(isKeyRecord))) return false
  return "secrets" in value && Array.isArray(value.secrets) &&
    value.secrets.every((entry: unknown) =>
      typeof entry === "object" && entry !== null && "version" in entry && Number.isSafeInteger(entry.version) &&
      ["name", "key", "set_at", "nonce", "ciphertext", "tag"].every((field) =>
        typeof (entry as Record<string, unknown>)[field] === "string"
      )
    )
}
