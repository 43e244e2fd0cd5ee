/**
 * The operator's secrets, kept encrypted in `$SYRIS_HOME/secrets.json`, and those of the environment beside them.
 *
 * - A value leaves the store only as `Redacted`: printing or logging it shows nothing.
 * - A change by another process (`syris secrets set`) is seen at the next `get`, and within 5 seconds by `values`.
 * - Changes of several processes follow one another; none is lost.
 * - A stored secret wins over a variable of the environment.
 */
import { Context, Effect, Layer, Redacted, Schedule } from "effect"
import { Environment } from "../database/Environment.ts"
import { askPassphrase } from "./AskPassphrase.ts"
import { environmentSecrets, variableOf } from "./EnvironmentSecrets.ts"
import type { KeySourceName } from "./KeyRecord.ts"
import { makeMasterKeys, type MasterKeyOptions } from "./MasterKeys.ts"
import type { AskPassphrase, Variables } from "./Passphrase.ts"
import { makeSealedStore } from "./SealedStore.ts"
import { type ImportPlan, planImport } from "./SecretsImport.ts"
import { SecretsError } from "./SecretsError.ts"
import { bySecret, sameSecret, type SecretName, type SecretValue, whyNotKept } from "./SecretName.ts"

export type { SecretName, SecretValue } from "./SecretName.ts"
export { SecretsError } from "./SecretsError.ts"

/** A stored secret as it may be shown. */
export interface SecretInfo extends SecretName {
  readonly set_at: string
  /** Grows with each value of this name and key. */
  readonly version: number
  readonly source: "stored"
  /** A variable of the environment that would give it too, and is not used. */
  readonly overrides?: string
}

/** A variable of the environment that holds a secret which is not stored. */
export interface VariableInfo {
  readonly source: "environment"
  readonly variable: string
}

/** A stored secret as it leaves for another home. */
export interface ExportedSecret extends SecretName {
  readonly value: Redacted.Redacted
}

export class SecretsStore extends Context.Service<SecretsStore, {
  /** Keeps a value, in place of an older one. */
  readonly set: (name: string, key: string, value: Redacted.Redacted) => Effect.Effect<void, SecretsError>
  /** Names and dates, never a value; by name and key. */
  readonly list: Effect.Effect<ReadonlyArray<SecretInfo>, SecretsError>
  /** Whether there was one. */
  readonly remove: (name: string, key: string) => Effect.Effect<boolean, SecretsError>
  /** The value as it is now; a missing one fails with the command that sets it. */
  readonly get: (name: string, key: string) => Effect.Effect<Redacted.Redacted, SecretsError>
  /** Which of these are not there. */
  readonly missing: (names: ReadonlyArray<SecretName>) => Effect.Effect<ReadonlyArray<SecretName>, SecretsError>
  /** Everything that is to be hidden, as last read; from memory: stored values, those of the environment, a passphrase. */
  readonly values: () => ReadonlyArray<SecretValue>
  /** Grows when `values` changes. */
  readonly revision: () => number
}>()("syris/secrets/SecretsStore") {
  /** Fails when the file or its key can't be read: a host must not run without knowing what to hide. */
  static readonly layer = Layer.effect(
    SecretsStore,
    Effect.gen(function*() {
      const { home } = yield* Environment
      const log = Effect.runForkWith(yield* Effect.context<never>())
      const store = openStore(home, { note: (sentence) => void log(Effect.logWarning(sentence)) })
      yield* store.list
      yield* store.tidy.pipe(
        Effect.andThen(store.list),
        Effect.catchTag("SecretsError", (error) => Effect.logWarning(error.detail)),
        Effect.repeat(Schedule.spaced("5 seconds")),
        Effect.forkScoped
      )
      return SecretsStore.of(store)
    })
  )
}

/** What to tell the operator about a secret that is not there. */
export const missingSecret = (name: string, key: string): string =>
  `The secret ${name} ${key} is missing. Set it with: syris secrets set ${name} ${key}`

export interface OpenOptions {
  /** The environment; that of the process where there is none. */
  readonly env?: Variables
  /** Asks a person for a passphrase; on the terminal, where there is one. */
  readonly ask?: AskPassphrase
  /** Hears, in a sentence, what is no failure and should be known. */
  readonly note?: (sentence: string) => void
  readonly keyring?: MasterKeyOptions["keyring"]
  /** What a new passphrase costs who guesses it. */
  readonly work?: number
}

/** What the command line does besides. */
export interface OpenStore extends Context.Service.Shape<typeof SecretsStore> {
  /** Variables of the environment that hold secrets which are not stored. */
  readonly variables: Effect.Effect<ReadonlyArray<VariableInfo>, SecretsError>
  /** The variable of the environment that has this secret, if any. */
  readonly variableWith: (name: string, key: string) => Effect.Effect<string | undefined>
  /** Where the key is, as it stands in a sentence; nothing where there is none yet. */
  readonly keyPlace: () => string | undefined
  /** Seals everything with a new key, kept where `source` says or where the old one was; answers where it is. */
  readonly rotate: (source?: KeySourceName) => Effect.Effect<string, SecretsError>
  /** Every stored value. */
  readonly exported: Effect.Effect<ReadonlyArray<ExportedSecret>, SecretsError>
  /**
   * Takes these in, all or none: what is new is kept, what has another value is replaced. `replace`: what is not among them
   * is removed. `dry`: nothing is changed.
   */
  readonly imported: (
    secrets: ReadonlyArray<ExportedSecret>,
    options: { readonly replace: boolean; readonly dry: boolean }
  ) => Effect.Effect<ImportPlan, SecretsError>
  /** Destroys what a change that was cut off left behind. */
  readonly tidy: Effect.Effect<void, SecretsError>
}

/** The store of a home folder; for one command, without the layer. */
export const openStore = (
  home: string,
  { ask = askPassphrase, env = process.env, keyring, note = () => {}, work }: OpenOptions = {}
): OpenStore => {
  const passphrases = new Map<string, Redacted.Redacted>()
  const heard = (passphrase: Redacted.Redacted): void => void passphrases.set(Redacted.value(passphrase), passphrase)
  const keys = makeMasterKeys({
    home,
    env,
    ask,
    heard,
    ...(keyring === undefined ? {} : { keyring }),
    ...(work === undefined ? {} : { work })
  })
  const sealed = makeSealedStore({ home, keys, note })
  const environment = environmentSecrets(env)

  const storedVariables = (): ReadonlySet<string> => new Set(sealed.entries().map(variableOf))
  const find = (secret: SecretName): Redacted.Redacted | SecretsError => {
    const stored = sealed.values().find(sameSecret(secret))
    if (stored !== undefined) return stored.value
    const given = environment.find(secret)
    if (given.kind === "value") return given.value
    const { key, name } = secret
    return new SecretsError({
      detail: given.kind === "none"
        ? missingSecret(name, key)
        : `${given.variable} is used as the secret ${given.serves.name} ${given.serves.key}, so it is not given as ` +
          `${name} ${key} too. Set that with: syris secrets set ${name} ${key}`
    })
  }

  return {
    set: Effect.fn("SecretsStore.set")(function*(name, key, value) {
      const detail = whyNotKept({ name, key }, Redacted.value(value))
      if (detail !== undefined) return yield* new SecretsError({ detail })
      return yield* sealed.change((now) => {
        const secret = { name, key }
        const version = (now.find(sameSecret(secret))?.version ?? 0) + 1
        const entry = { ...secret, version, set_at: new Date().toISOString(), value }
        return { answer: undefined, next: [...now.filter((other) => !sameSecret(secret)(other)), entry] }
      })
    }),
    list: Effect.map(sealed.look, () =>
      sealed.entries().map(({ key, name, set_at, version }): SecretInfo => {
        const variable = variableOf({ name, key })
        return {
          name,
          key,
          set_at,
          version,
          source: "stored",
          ...(environment.has(variable) ? { overrides: variable } : {})
        }
      }).sort(bySecret)),
    variables: Effect.map(sealed.look, () => {
      const stored = storedVariables()
      return environment.variables.filter((variable) => !stored.has(variable))
        .map((variable) => ({ source: "environment", variable }))
    }),
    remove: Effect.fn("SecretsStore.remove")((name, key) =>
      sealed.change((now) => {
        const left = now.filter((entry) => !sameSecret({ name, key })(entry))
        return left.length < now.length ? { answer: true, next: left } : { answer: false }
      })
    ),
    get: Effect.fn("SecretsStore.get")(function*(name, key) {
      yield* sealed.look
      const found = find({ name, key })
      return found instanceof SecretsError ? yield* found : found
    }),
    missing: (names) => Effect.map(sealed.look, () => names.filter((secret) => find(secret) instanceof SecretsError)),
    values: () => [
      ...sealed.values(),
      ...environment.values,
      ...[...passphrases.values()].map((value) => ({ name: "syris", key: "passphrase", value }))
    ],
    revision: sealed.revision,
    variableWith: (name, key) =>
      Effect.sync(() => {
        const variable = variableOf({ name, key })
        return environment.has(variable) ? variable : undefined
      }),
    keyPlace: () => {
      const record = sealed.key()
      return record === undefined ? undefined : keys.where(record)
    },
    rotate: (source) => Effect.map(sealed.rotate(source), keys.where),
    exported: Effect.map(sealed.look, () => sealed.values().toSorted(bySecret)),
    imported: Effect.fn("SecretsStore.imported")(function*(secrets, { dry, replace }) {
      const plan = (now: Parameters<Parameters<typeof sealed.change>[0]>[0]) =>
        planImport({ now, values: sealed.values(), given: secrets, replace, at: new Date() })
      if (dry) {
        yield* sealed.look
        return plan(sealed.entries()).answer
      }
      return yield* sealed.change(plan)
    }),
    tidy: sealed.tidy
  }
}
