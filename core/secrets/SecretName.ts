/**
 * What a secret is called and what may be one.
 */
import type { Redacted } from "effect"

export interface SecretName {
  readonly name: string
  readonly key: string
}

export interface SecretValue extends SecretName {
  readonly value: Redacted.Redacted
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/
const maximumBytes = 65_536

export const sameSecret = ({ key, name }: SecretName) => (other: SecretName): boolean =>
  other.name === name && other.key === key

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

export const bySecret = (a: SecretName, b: SecretName): number => compare(a.name, b.name) || compare(a.key, b.key)

/** Why it can't be kept, as a sentence. */
export const whyNotKept = ({ key, name }: SecretName, value: string): string | undefined => {
  for (const [what, text] of [["name", name], ["key", key]] as const) {
    if (!namePattern.test(text)) {
      return `The ${what} of a secret takes letters, digits, dots, _ and -, at most 100, and starts with a letter or digit.`
    }
  }
  if (value === "") return `The secret ${name} ${key} has no value: give it on standard input.`
  if (Buffer.byteLength(value) > maximumBytes) return `The secret ${name} ${key} is longer than 64 KiB.`
  return undefined
}
