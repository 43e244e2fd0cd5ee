/**
 * Taking secrets in from another home: what is new, what is replaced, what stays. Pure.
 */
import { Redacted } from "effect"
import type { Kept } from "./SealedStore.ts"
import type { SealedEntry } from "./SecretsFile.ts"
import { bySecret, sameSecret, type SecretName, type SecretValue } from "./SecretName.ts"

export interface ImportPlan {
  readonly added: ReadonlyArray<SecretName>
  readonly replaced: ReadonlyArray<SecretName>
  /** The value is the one that is here. */
  readonly same: ReadonlyArray<SecretName>
  /** Only with `replace`. */
  readonly removed: ReadonlyArray<SecretName>
}

export interface ImportRequest {
  readonly now: ReadonlyArray<SealedEntry>
  readonly values: ReadonlyArray<SecretValue>
  readonly given: ReadonlyArray<SecretName & { readonly value: Redacted.Redacted }>
  readonly replace: boolean
  readonly at: Date
}

export const planImport = (
  { at, given, now, replace, values }: ImportRequest
): { readonly answer: ImportPlan; readonly next?: ReadonlyArray<Kept> } => {
  const added: Array<SecretName> = []
  const replaced: Array<SecretName> = []
  const same: Array<SecretName> = []
  const taken: Array<Kept> = []
  for (const { key, name, value } of given) {
    const secret = { name, key }
    const here = now.find(sameSecret(secret))
    const known = values.find(sameSecret(secret))
    if (here !== undefined && known !== undefined && Redacted.value(known.value) === Redacted.value(value)) {
      same.push(secret)
      taken.push(here)
      continue
    }
    ;(here === undefined ? added : replaced).push(secret)
    taken.push({ ...secret, version: (here?.version ?? 0) + 1, set_at: at.toISOString(), value })
  }
  const others = now.filter((entry) => !given.some(sameSecret(entry)))
  const removed = replace ? others.map(({ key, name }) => ({ name, key })) : []
  const answer = {
    added: added.toSorted(bySecret),
    replaced: replaced.toSorted(bySecret),
    same: same.toSorted(bySecret),
    removed: removed.toSorted(bySecret)
  }
  return added.length + replaced.length + removed.length === 0
    ? { answer }
    : { answer, next: [...replace ? [] : others, ...taken] }
}
