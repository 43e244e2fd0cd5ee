/**
 * The key derived from a passphrase that only the operator has: scrypt, with its salt and parameters in `secrets.json`.
 *
 * - The passphrase is `SYRIS_PASSPHRASE`; without that the content of the file `SYRIS_PASSPHRASE_FILE`, without the line end
 *   at its end; without that it is asked for where there is somebody to ask.
 * - One that takes the place of another is `SYRIS_NEW_PASSPHRASE`, or in the file `SYRIS_NEW_PASSPHRASE_FILE`, or asked for;
 *   else it is the one there is, with a new salt.
 */
import { Effect, Redacted } from "effect"
import { createHash, randomBytes, scrypt } from "node:crypto"
import * as fs from "node:fs"
import type { PassphraseRecord } from "./KeyRecord.ts"
import { KeyUnavailable, type MasterKeySource } from "./MasterKey.ts"

export type Variables = Readonly<Record<string, string | undefined>>

/** Asks a person; nothing where there is nobody to ask. */
export type AskPassphrase = (what: "known" | "new") => Effect.Effect<Redacted.Redacted | undefined>

/** Shorter ones are guessed. */
const minimumLength = 12

export interface PassphraseOptions {
  readonly env: Variables
  readonly ask: AskPassphrase
  /** Hears each that is used, so that it can be hidden. */
  readonly heard: (passphrase: Redacted.Redacted) => void
  /** How much work a new key costs who guesses its passphrase: N of scrypt. */
  readonly work?: number
}

export const makePassphrase = (
  { ask, env, heard, work = 2 ** 17 }: PassphraseOptions
): MasterKeySource<PassphraseRecord> => {
  /** What a person typed: nobody is asked twice. */
  let typed: Redacted.Redacted | undefined
  /** Whether what there is was sealed with one: a new one is another. */
  let isUsed = false
  const parameters = { n: work, r: 8, p: 1 }
  const known = Effect.gen(function*() {
    const given = yield* passphraseIn(env, "SYRIS_PASSPHRASE")
    if (given !== undefined) return given
    typed ??= yield* ask("known")
    return typed
  })

  const read = Effect.fnUntraced(function*(record: PassphraseRecord) {
    const passphrase = yield* known
    if (passphrase === undefined) {
      return yield* new KeyUnavailable({
        detail: "The secrets are sealed with a passphrase: give it in SYRIS_PASSPHRASE, or in a file that " +
          "SYRIS_PASSPHRASE_FILE names."
      })
    }
    const key = yield* derive(passphrase, record)
    if (checkOf(key) !== record.check) {
      typed = undefined
      return yield* new KeyUnavailable({
        detail: "The passphrase is not the one that the secrets are sealed with: check SYRIS_PASSPHRASE and " +
          "SYRIS_PASSPHRASE_FILE."
      })
    }
    heard(passphrase)
    isUsed = true
    return key
  })

  const make = Effect.gen(function*() {
    const passphrase = (yield* passphraseIn(env, "SYRIS_NEW_PASSPHRASE")) ?? (isUsed
      ? (yield* ask("new")) ?? (yield* known)
      : (yield* passphraseIn(env, "SYRIS_PASSPHRASE")) ?? (yield* ask("new")))
    if (passphrase === undefined) {
      return yield* new KeyUnavailable({
        detail: "There is no passphrase to seal the secrets with: give it in SYRIS_PASSPHRASE, or in a file that " +
          "SYRIS_PASSPHRASE_FILE names."
      })
    }
    if (Redacted.value(passphrase).length < minimumLength) {
      return yield* new KeyUnavailable({
        detail: `A passphrase for the secrets has at least ${minimumLength} characters; take several words.`
      })
    }
    const salt = randomBytes(16).toString("base64")
    const key = yield* derive(passphrase, { salt, ...parameters })
    heard(passphrase)
    return { record: { source: "passphrase" as const, salt, ...parameters, check: checkOf(key) }, key }
  })

  return {
    read,
    make,
    keep: () => Effect.void,
    destroy: () => Effect.void,
    where: () => "a passphrase"
  }
}

/** A passphrase of the environment: the variable itself, or the file that it names with `_FILE` at its end. */
export const passphraseIn = (
  env: Variables,
  variable: string
): Effect.Effect<Redacted.Redacted | undefined, KeyUnavailable> =>
  Effect.try({
    try: () => {
      const given = env[variable]
      if (given !== undefined && given !== "") return Redacted.make(given)
      const file = env[`${variable}_FILE`]
      if (file === undefined || file === "") return undefined
      const text = fs.readFileSync(file, "utf8").replace(/\r?\n$/, "")
      if (text === "") throw new Error("it is empty")
      return Redacted.make(text)
    },
    catch: (cause) =>
      new KeyUnavailable({
        detail: `The passphrase in ${env[`${variable}_FILE`]} can't be read (${
          (cause as Error).message
        }): check ${variable}_FILE.`,
        cause
      })
  })

const derive = (
  passphrase: Redacted.Redacted,
  { n, p, r, salt }: Pick<PassphraseRecord, "n" | "p" | "r" | "salt">
): Effect.Effect<Buffer, KeyUnavailable> =>
  Effect.callback((resume) =>
    scrypt(
      Redacted.value(passphrase).normalize("NFC"),
      Buffer.from(salt, "base64"),
      32,
      { N: n, r, p, maxmem: 256 * n * r },
      (error, key) =>
        resume(
          error === null
            ? Effect.succeed(key)
            : Effect.fail(
              new KeyUnavailable({ detail: `The passphrase can't be used: ${error.message}`, cause: error })
            )
        )
    )
  )

const checkOf = (key: Buffer): string =>
  createHash("sha256").update("syris-secrets-check-1\0").update(key).digest("hex").slice(0, 16)
