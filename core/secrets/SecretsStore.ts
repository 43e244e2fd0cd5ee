/**
 * The operator's secrets, kept encrypted in `$SYRIS_HOME/secrets.json`.
 *
 * - A value leaves the store only as `Redacted`: printing or logging it shows nothing.
 * - A change by another process (`syris secrets set`) is seen at the next `get`, and within 5 seconds by `values`.
 * - Changes of several processes follow one another; none is lost.
 */
import { Context, Effect, Layer, Redacted, Schedule, Schema } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import {
  makeMasterKey,
  readEntries,
  readMasterKey,
  seal,
  type SealedEntry,
  unseal,
  writeEntries
} from "./SecretsFile.ts"

/** The store can't be read or written; `detail` says what to do. */
export class SecretsError extends Schema.TaggedError<SecretsError>()("SecretsError", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

export interface SecretName {
  readonly name: string
  readonly key: string
}
export interface SecretInfo extends SecretName {
  readonly set_at: string
}
export interface SecretValue extends SecretName {
  readonly value: Redacted.Redacted
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/
const maximumBytes = 65_536

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
  /** Every value, as last read; from memory. */
  readonly values: () => ReadonlyArray<SecretValue>
  /** Grows when `values` changes. */
  readonly revision: () => number
}>()("syris/secrets/SecretsStore") {
  /** Fails when the file or its key can't be read: a host must not run without knowing what to hide. */
  static readonly layer = Layer.effect(
    SecretsStore,
    Effect.gen(function*() {
      const { home } = yield* Environment
      const store = openStore(home)
      yield* store.list
      yield* store.list.pipe(
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

/** The store of a home folder; for one command, without the layer. */
export const openStore = (home: string): SecretsStore["Service"] => {
  const file = path.join(home, "secrets.json")
  const keyFile = path.join(home, "secrets.key")
  let stamp: string | undefined
  let entries: ReadonlyArray<SealedEntry> = []
  let values: ReadonlyArray<SecretValue> = []
  let revision = 0

  const load = (): void => {
    const now = stampOf(file)
    if (now === stamp) return
    const read = readEntries(file)
    const masterKey = read.length === 0 ? undefined : readMasterKey(keyFile)
    if (read.length > 0 && masterKey === undefined) {
      throw new SecretsError({
        detail: `The key of ${file} is missing: restore ${keyFile} from a backup, ` +
          `or remove ${file} and set the secrets again.`
      })
    }
    values = read.map((entry) => {
      try {
        return { name: entry.name, key: entry.key, value: Redacted.make(unseal(masterKey!, entry)) }
      } catch (cause) {
        throw new SecretsError({
          detail: `The secret ${entry.name} ${entry.key} in ${file} is damaged or was sealed with another key than ` +
            `${keyFile}: restore both files from a backup, or remove ${file} and set the secrets again.`,
          cause
        })
      }
    })
    entries = read
    stamp = now
    revision++
  }

  const change = <A>(body: () => A): Effect.Effect<A, SecretsError> =>
    Effect.acquireUseRelease(
      takeLock(`${file}.lock`),
      () =>
        attempt(() => {
          load()
          return body()
        }),
      () => Effect.sync(() => fs.rmSync(`${file}.lock`, { force: true }))
    )
  const write = (next: ReadonlyArray<SealedEntry>): void => {
    writeEntries(file, next)
    load()
  }
  const same = (name: string, key: string) => (entry: SecretName) => entry.name === name && entry.key === key

  return {
    set: Effect.fn("SecretsStore.set")(function*(name, key, value) {
      const text = Redacted.value(value)
      const detail = wrong(name, key, text)
      if (detail !== undefined) return yield* new SecretsError({ detail })
      return yield* change(() => {
        const version = (entries.find(same(name, key))?.version ?? 0) + 1
        const masterKey = readMasterKey(keyFile) ?? makeMasterKey(keyFile)
        const entry = seal(masterKey, { name, key, version, set_at: new Date().toISOString() }, text)
        write([...entries.filter((other) => !same(name, key)(other)), entry])
      })
    }),
    list: attempt(() => {
      load()
      return entries.map(({ key, name, set_at }) => ({ name, key, set_at }))
        .sort((a, b) => compare(a.name, b.name) || compare(a.key, b.key))
    }),
    remove: Effect.fn("SecretsStore.remove")((name, key) =>
      change(() => {
        const left = entries.filter((entry) => !same(name, key)(entry))
        const found = left.length < entries.length
        if (found) write(left)
        return found
      })
    ),
    get: Effect.fn("SecretsStore.get")((name, key) =>
      attempt(() => {
        load()
        const found = values.find(same(name, key))
        if (found === undefined) throw new SecretsError({ detail: missingSecret(name, key) })
        return found.value
      })
    ),
    missing: (names) =>
      attempt(() => {
        load()
        return names.filter(({ key, name }) => !entries.some(same(name, key)))
      }),
    values: () => values,
    revision: () => revision
  }
}

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

const wrong = (name: string, key: string, value: string): string | undefined => {
  for (const [what, text] of [["name", name], ["key", key]] as const) {
    if (!namePattern.test(text)) {
      return `The ${what} of a secret takes letters, digits, dots, _ and -, at most 100, and starts with a letter or digit.`
    }
  }
  if (value === "") return `The secret ${name} ${key} has no value: give it on standard input.`
  if (Buffer.byteLength(value) > maximumBytes) return `The secret ${name} ${key} is longer than 64 KiB.`
  return undefined
}

const attempt = <A>(body: () => A): Effect.Effect<A, SecretsError> =>
  Effect.try({
    try: body,
    catch: (cause) =>
      cause instanceof SecretsError
        ? cause
        : new SecretsError({ detail: cause instanceof Error ? cause.message : String(cause), cause })
  })

const stampOf = (file: string): string => {
  const stat = fs.statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? "none" : `${stat.ino} ${stat.mtimeNs} ${stat.size}`
}

/** Waits for another process that is changing the file; takes over the lock of a dead one. */
const takeLock = (lock: string): Effect.Effect<void, SecretsError> =>
  attempt(() => {
    fs.mkdirSync(path.dirname(lock), { recursive: true, mode: 0o700 })
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: "wx", mode: 0o600 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
      if (!isHeld(lock)) fs.rmSync(lock, { force: true })
      return false
    }
  }).pipe(
    Effect.filterOrFail(
      (taken) => taken,
      () => new SecretsError({ detail: `Another SYRIS is changing the secrets; if none is, remove ${lock}.` })
    ),
    Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 100, while: (error) => error.cause === undefined }),
    Effect.asVoid
  )

const isHeld = (lock: string): boolean => {
  try {
    const holder = Number(fs.readFileSync(lock, "utf8"))
    if (holder === process.pid) return Date.now() - fs.statSync(lock).mtimeMs < 10_000
    if (!Number.isSafeInteger(holder) || holder <= 0) return Date.now() - fs.statSync(lock).mtimeMs < 10_000
    process.kill(holder, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
