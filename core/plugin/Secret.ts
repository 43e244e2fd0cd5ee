/**
 * A secret by its name. The value is read from the store inside a tool's run and nowhere else:
 * a reference can be printed, logged and compared without showing anything.
 */
import { Schema } from "effect"

const SecretTypeId = "~syris/Secret"

/** A reference to a value in the secrets store: `name` says whose it is, `key` which one. */
export class SecretRef {
  readonly [SecretTypeId] = SecretTypeId
  readonly name: string
  readonly key: string
  constructor(name: string, key: string) {
    this.name = name
    this.key = key
  }
  toString(): string {
    return `secret(${this.name}, ${this.key})`
  }
  toJSON(): { readonly secret: readonly [string, string] } {
    return { secret: [this.name, this.key] }
  }
}

/**
 * Refers to a value that `syris secrets set NAME KEY` keeps. The host refuses to start while it is missing.
 *
 * @example plugins: [github({ token: secret("github", "token") })]
 */
export const secret = (name: string, key: string): SecretRef => new SecretRef(name, key)

export const isSecretRef = (value: unknown): value is SecretRef =>
  typeof value === "object" && value !== null && SecretTypeId in value

/** The annotation by which the host finds the options that take a secret. */
export const secretOptionAnnotation = "~syris/SecretOption"

/** An option that takes `secret(name, key)`, or a plain string (accepted with a warning). */
export const SecretOption = Schema.Union([
  Schema.declare(isSecretRef, { expected: "secret(name, key)" }),
  Schema.String
]).pipe(Schema.annotate({ [secretOptionAnnotation]: true, expected: "secret(name, key) or a string" }))
export type SecretOption = typeof SecretOption.Type
