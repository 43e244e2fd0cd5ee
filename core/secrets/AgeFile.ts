/**
 * Secrets on their way to another home: a file in age format (age-encryption.org), armored, that `age` can open and that
 * `age` can have made. Inside it is one JSON document.
 *
 * - Sealed for a passphrase, or for recipients (`age1…`); opened with a passphrase, or with identities
 *   (`AGE-SECRET-KEY-…`). An identity file that is itself encrypted is not read.
 */
import { armor, Decrypter, Encrypter } from "age-encryption"
import { Effect, Redacted } from "effect"
import { SecretsError } from "./SecretsError.ts"
import { sameSecret, type SecretName, whyNotKept } from "./SecretName.ts"
import type { ExportedSecret } from "./SecretsStore.ts"

const format = "syris-secrets-export-1"

/** Far more than any store has. */
export const maximumExport = 64 * 1_048_576

export type AgeKey =
  | { readonly kind: "passphrase"; readonly passphrase: Redacted.Redacted }
  | { readonly kind: "recipients"; readonly recipients: ReadonlyArray<string> }
  | { readonly kind: "identities"; readonly identities: ReadonlyArray<Redacted.Redacted> }

export const sealExport = Effect.fnUntraced(function*(
  secrets: ReadonlyArray<ExportedSecret>,
  key: Exclude<AgeKey, { kind: "identities" }>
) {
  const text = JSON.stringify({
    format,
    secrets: secrets.map(({ key, name, value }) => ({ name, key, value: Redacted.value(value) }))
  })
  return yield* Effect.tryPromise({
    try: async () => {
      const encrypter = new Encrypter()
      if (key.kind === "passphrase") encrypter.setPassphrase(Redacted.value(key.passphrase))
      else for (const recipient of key.recipients) encrypter.addRecipient(recipient)
      return armor.encode(await encrypter.encrypt(text))
    },
    catch: (cause) =>
      new SecretsError({
        detail: key.kind === "recipients"
          ? "A recipient is not one of age: it begins with age1 and is the public key that `age-keygen` printed."
          : `The secrets could not be sealed: ${(cause as Error).message}`,
        cause
      })
  })
})

/** The secrets of a file; fails whole where anything in it can't be kept. */
export const openExport = Effect.fnUntraced(function*(
  file: Uint8Array,
  key: Exclude<AgeKey, { kind: "recipients" }>
) {
  const text = yield* Effect.tryPromise({
    try: async () => {
      const decrypter = new Decrypter()
      if (key.kind === "passphrase") decrypter.addPassphrase(Redacted.value(key.passphrase))
      else for (const identity of key.identities) decrypter.addIdentity(Redacted.value(identity))
      return await decrypter.decrypt(binaryOf(file), "text")
    },
    catch: (cause) => new SecretsError({ detail: whyClosed(key, cause), cause })
  })
  const document = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => new SecretsError({ detail: notAnExport })
  })
  return yield* secretsIn(document)
})

/** Whether it was sealed with a passphrase, and not for recipients. */
export const isForPassphrase = (file: Uint8Array): boolean => {
  try {
    const head = Buffer.from(binaryOf(file).subarray(0, 200)).toString("latin1")
    return head.startsWith("age-encryption.org/v1\n-> scrypt ")
  } catch {
    return false
  }
}

/** The identities of a file as `age-keygen` writes it. */
export const identitiesIn = (text: string): ReadonlyArray<Redacted.Redacted> =>
  text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line.startsWith("AGE-SECRET-KEY-")).map((line) =>
    Redacted.make(line)
  )

const notAnExport =
  "This file can be opened, but it is no export of secrets: make one with `syris secrets export`, or see docs/secrets.md " +
  "for what belongs in it."

const binaryOf = (file: Uint8Array): Uint8Array => {
  const start = Buffer.from(file.subarray(0, 64)).toString("latin1").trimStart()
  return start.startsWith("-----BEGIN AGE") ? armor.decode(Buffer.from(file).toString("latin1")) : file
}

const whyClosed = (key: AgeKey, cause: unknown): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (/no identity matched/i.test(message)) {
    return key.kind === "passphrase"
      ? "The file can't be opened with this passphrase: give the one that it was sealed with, or --identity FILE where it " +
        "was sealed for a recipient."
      : "The file was not sealed for this identity: give the identity file of its recipient, or leave --identity out where " +
        "it was sealed with a passphrase."
  }
  if (/work factor is too high/i.test(message)) return "The file asks for more work than SYRIS does for a passphrase."
  if (/identity/i.test(message)) return "The identity file holds no identity that age knows."
  return "The file is damaged, or it is no age file: make it again with `syris secrets export`."
}

const secretsIn = Effect.fnUntraced(function*(document: unknown) {
  if (
    typeof document !== "object" || document === null || !("format" in document) || document.format !== format ||
    !("secrets" in document) || !Array.isArray(document.secrets)
  ) return yield* new SecretsError({ detail: notAnExport })
  const found: Array<ExportedSecret> = []
  for (const [i, one] of (document.secrets as ReadonlyArray<unknown>).entries()) {
    const { key, name, value } = (typeof one === "object" && one !== null ? one : {}) as Partial<
      SecretName & { readonly value: unknown }
    >
    if (typeof name !== "string" || typeof key !== "string" || typeof value !== "string") {
      return yield* new SecretsError({
        detail: `Secret ${i + 1} of the file has no name, key or value, so nothing was taken from it.`
      })
    }
    const wrong = found.some(sameSecret({ name, key }))
      ? `The secret ${name} ${key} is there twice.`
      : whyNotKept({ name, key }, value)
    if (wrong !== undefined) {
      return yield* new SecretsError({ detail: `Nothing was taken from the file, for secret ${i + 1} of it: ${wrong}` })
    }
    found.push({ name, key, value: Redacted.make(value) })
  }
  return found
})
