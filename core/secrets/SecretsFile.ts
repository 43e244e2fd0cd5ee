/**
 * How secrets lie on disk: `secrets.json`, one sealed value an entry, and `secrets.key` beside it.
 *
 * - A value is sealed with AES-256-GCM; name, key and version are authenticated with it, so an entry can't be moved,
 *   renamed or swapped with another. Names and dates can be read by whoever reads the file.
 * - Both files are written whole or not at all (temporary file, fsync, rename, fsync of the folder), mode 0600.
 *
 * Not promised: that an older copy of the whole file, put back by somebody who can write it, is noticed.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"

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

/** Something is wrong with the files; the message is one sentence for the operator. */
class SecretsFileError extends Error {
  override readonly name = "SecretsFileError"
}

const format = "syris-secrets-1"
const keyPattern = /^[0-9a-f]{64}\n?$/

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

/** The entries, or none where there is no file. */
export const readEntries = (file: string): ReadonlyArray<SealedEntry> => {
  const text = readIfThere(file)
  if (text === undefined) return []
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
  return parsed.secrets
}

export const writeEntries = (file: string, secrets: ReadonlyArray<SealedEntry>): void =>
  writeWhole(file, JSON.stringify({ format, secrets }, null, 2) + "\n")

/** The key that seals the values, or undefined where none was made yet. */
export const readMasterKey = (file: string): Buffer | undefined => {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if ((stat.mode & 0o077) !== 0) {
    throw new SecretsFileError(
      `${file} can be read by other users (mode ${(stat.mode & 0o777).toString(8)}): run \`chmod 600 ${file}\`.`
    )
  }
  const text = fs.readFileSync(file, "utf8")
  if (!keyPattern.test(text)) {
    throw new SecretsFileError(`${file} is not a key that SYRIS made: restore it from a backup.`)
  }
  return Buffer.from(text.trim(), "hex")
}

export const makeMasterKey = (file: string): Buffer => {
  const key = randomBytes(32)
  writeWhole(file, key.toString("hex") + "\n")
  return key
}

const isSecretsFile = (value: unknown): value is { readonly secrets: ReadonlyArray<SealedEntry> } => {
  if (typeof value !== "object" || value === null || !("format" in value) || value.format !== format) return false
  return "secrets" in value && Array.isArray(value.secrets) &&
    value.secrets.every((entry: unknown) =>
      typeof entry === "object" && entry !== null && "version" in entry && Number.isSafeInteger(entry.version) &&
      ["name", "key", "set_at", "nonce", "ciphertext", "tag"].every((field) =>
        typeof (entry as Record<string, unknown>)[field] === "string"
      )
    )
}

const readIfThere = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

const writeWhole = (file: string, text: string): void => {
  const folder = path.dirname(file)
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`
  try {
    const handle = fs.openSync(temporary, "wx", 0o600)
    try {
      fs.writeFileSync(handle, text)
      fs.fsyncSync(handle)
    } finally {
      fs.closeSync(handle)
    }
    fs.renameSync(temporary, file)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
  const handle = fs.openSync(folder, "r")
  try {
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
}
