/** The key of a model, read anew for each question; it is in no failure. */
import { Effect } from "effect"
import type { SecretOption } from "../plugin/Secret.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import type { SecretsStore } from "../secrets/SecretsStore.ts"
import { type CompletionFailed, failed } from "./CompletionProvider.ts"

export const modelKey = (
  apiKey: SecretOption | undefined,
  store: SecretsStore["Service"]
): Effect.Effect<string | undefined, CompletionFailed> =>
  apiKey === undefined
    ? Effect.undefined
    : readSecret(store, apiKey).pipe(
      Effect.mapError((error) => failed("llm.refused", error.detail)),
      Effect.map((value) => value.trim()),
      Effect.filterOrFail(
        (value) => /^[\x21-\x7e]+$/.test(value),
        () => failed("llm.refused", "The key of the model (llm.apiKey) is empty or has characters that no key has.")
      )
    )
