/**
 * What `ctx.secret` is made of: a value by `(name, key)`, of a reference, or of an option that was written out.
 */
import { Effect, Redacted } from "effect"
import type { SecretsError, SecretsStore } from "../secrets/SecretsStore.ts"
import { isSecretRef, type SecretOption } from "./Secret.ts"

export const readSecret = (
  store: SecretsStore["Service"],
  first: SecretOption,
  key?: string
): Effect.Effect<string, SecretsError> => {
  if (isSecretRef(first)) return Effect.map(store.get(first.name, first.key), Redacted.value)
  return key === undefined ? Effect.succeed(first) : Effect.map(store.get(first, key), Redacted.value)
}
