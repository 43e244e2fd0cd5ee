/**
 * Where the key that seals the secrets is, as `secrets.json` says it: in a file beside it, in the keyring of the operating
 * system, or in a passphrase that it is derived from. Never the key.
 */
export const keySources = ["file", "keyring", "passphrase"] as const

export type KeySourceName = typeof keySources[number]

export interface FileKeyRecord {
  readonly source: "file"
  /** Its name in the home folder. */
  readonly file: string
}

export interface KeyringRecord {
  readonly source: "keyring"
  /** What the entry is found by. */
  readonly account: string
}

/** The parameters of scrypt, and what tells a wrong passphrase from a damaged file. */
export interface PassphraseRecord {
  readonly source: "passphrase"
  readonly salt: string
  readonly n: number
  readonly r: number
  readonly p: number
  readonly check: string
}

export type KeyRecord = FileKeyRecord | KeyringRecord | PassphraseRecord

/** Where the key of a home is that says nothing of it. */
export const firstKeyFile: FileKeyRecord = { source: "file", file: "secrets.key" }

export const isKeySource = (text: string): text is KeySourceName => (keySources as ReadonlyArray<string>).includes(text)

const isPowerOfTwo = (value: number): boolean => Number.isSafeInteger(value) && value > 1 && (value & (value - 1)) === 0

/** Whether it is one, within bounds: a name that leads nowhere else, and scrypt that ends. */
export const isKeyRecord = (value: unknown): value is KeyRecord => {
  if (typeof value !== "object" || value === null) return false
  const record = value as Record<string, unknown>
  switch (record["source"]) {
    case "file":
      return typeof record["file"] === "string" && /^secrets(-[0-9a-f]{8})?\.key$/.test(record["file"])
    case "keyring":
      return typeof record["account"] === "string" && /^[0-9a-f-]{1,64}$/.test(record["account"])
    case "passphrase": {
      const { check, n, p, r, salt } = record
      return typeof salt === "string" && typeof check === "string" && Buffer.from(salt, "base64").length >= 16 &&
        typeof n === "number" && isPowerOfTwo(n) && n <= 2 ** 20 && typeof r === "number" &&
        Number.isSafeInteger(r) && r >= 1 && r <= 16 && typeof p === "number" && Number.isSafeInteger(p) && p >= 1 &&
        p <= 4
    }
    default:
      return false
  }
}
