/**
 * Secrets of the environment: `SYRIS_SECRET_<NAME>_<KEY>`, where `NAME` and `KEY` are those of the secret in upper case,
 * with `_` for everything that is neither a letter nor a digit. Read-only, and as they were when the store was opened.
 *
 * - A stored secret wins over a variable: `syris secrets set` takes effect whatever the environment says.
 * - Several secrets may have one variable (`home-assistant token`, `home assistant_token`). It serves the one that is asked
 *   for first; to any other it is refused, so that no plugin is handed what was meant for another.
 */
import { Redacted } from "effect"
import type { Variables } from "./Passphrase.ts"
import type { SecretName, SecretValue } from "./SecretName.ts"

const prefix = "SYRIS_SECRET_"
const pattern = /^SYRIS_SECRET_[A-Z0-9_]+$/

/** The variable that a secret may come from. */
export const variableOf = ({ key, name }: SecretName): string =>
  `${prefix}${[name, key].map((word) => word.toUpperCase().replace(/[^A-Z0-9]/g, "_")).join("_")}`

export type FromEnvironment =
  | { readonly kind: "value"; readonly value: Redacted.Redacted }
  | { readonly kind: "none" }
  /** Its variable serves another secret. */
  | { readonly kind: "clash"; readonly variable: string; readonly serves: SecretName }

export interface EnvironmentSecrets {
  readonly find: (secret: SecretName) => FromEnvironment
  /** The names of all variables that hold one, sorted. */
  readonly variables: ReadonlyArray<string>
  readonly has: (variable: string) => boolean
  /** All of them, by variable, for who hides them. */
  readonly values: ReadonlyArray<SecretValue>
}

export const environmentSecrets = (env: Variables): EnvironmentSecrets => {
  const held = new Map<string, Redacted.Redacted>()
  for (const variable of Object.keys(env).filter((one) => pattern.test(one)).sort()) {
    const value = env[variable]
    if (value !== undefined && value !== "") held.set(variable, Redacted.make(value))
  }
  const serves = new Map<string, SecretName>()
  return {
    find: (secret) => {
      const variable = variableOf(secret)
      const value = held.get(variable)
      if (value === undefined) return { kind: "none" }
      const served = serves.get(variable) ?? { name: secret.name, key: secret.key }
      serves.set(variable, served)
      return served.name === secret.name && served.key === secret.key
        ? { kind: "value", value }
        : { kind: "clash", variable, serves: served }
    },
    variables: [...held.keys()],
    has: (variable) => held.has(variable),
    values: [...held].map(([variable, value]) => ({ name: "environment", key: variable, value }))
  }
}
