/**
 * `secrets.json` as one process sees it: read when it changed, changed by one process at a time, its key wherever it is.
 *
 * - A reader never fails because another process changes the file, or moves it to another key, at the same time.
 * - A new key takes the place of the old one, with every value sealed again, at once or not at all: until `secrets.json` is
 *   in its place the old key is there, and from then on the new one is. What a change that was cut off left behind is
 *   destroyed by the next.
 * - Whoever read it once and can't get the key any more (a passphrase that was changed, a keyring that was locked) goes on
 *   with what was read, and says so.
 */
import { Effect, Redacted, Schedule, Semaphore } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type { KeyRecord, KeySourceName } from "./KeyRecord.ts"
import { firstKeyFile } from "./KeyRecord.ts"
import { KeyUnavailable, type NewKey } from "./MasterKey.ts"
import type { MasterKeys } from "./MasterKeys.ts"
import { type SecretName, type SecretValue } from "./SecretName.ts"
import { SecretsError, toSecretsError } from "./SecretsError.ts"
import { readSealed, seal, type SealedEntry, type SealedSecrets, unseal, writeSealed } from "./SecretsFile.ts"
import { tryLock, unlock } from "./StoreLock.ts"

export interface SealedStore {
  /** Reads what changed. */
  readonly look: Effect.Effect<void, SecretsError>
  readonly entries: () => ReadonlyArray<SealedEntry>
  readonly values: () => ReadonlyArray<SecretValue>
  /** Grows with each change. */
  readonly revision: () => number
  /** Where the key is; nothing where there is none yet. */
  readonly key: () => KeyRecord | undefined
  /** While no other process changes anything: what the file says now is changed to what `body` answers, if anything. */
  readonly change: <A>(
    body: (now: ReadonlyArray<SealedEntry>) => { readonly answer: A; readonly next?: ReadonlyArray<Kept> }
  ) => Effect.Effect<A, SecretsError>
  /** A new key, kept where `source` says or where the old one is. */
  readonly rotate: (source?: KeySourceName) => Effect.Effect<KeyRecord, SecretsError>
  /** Destroys what a change that was cut off left behind. */
  readonly tidy: Effect.Effect<void, SecretsError>
}

/** One that stays as it is, or one that is to be sealed. */
export type Kept = SealedEntry | NewEntry
export interface NewEntry extends SecretName {
  readonly version: number
  readonly set_at: string
  readonly value: Redacted.Redacted
}

export interface SealedStoreOptions {
  readonly home: string
  readonly keys: MasterKeys
  /** Hears, in a sentence, what is no failure and should be known. */
  readonly note: (sentence: string) => void
}

/** After this time a key that could not be got is tried again. */
const keyPause = 5_000

const attempt = <A>(body: () => A): Effect.Effect<A, SecretsError> => Effect.try({ try: body, catch: toSecretsError })

export const makeSealedStore = ({ home, keys, note }: SealedStoreOptions): SealedStore => {
  const file = path.join(home, "secrets.json")
  const lock = `${file}.lock`
  const turn = Semaphore.makeUnsafe(1)
  let stamp: string | undefined
  let sealed: SealedSecrets | undefined
  let values: ReadonlyArray<SecretValue> = []
  let revision = 0
  /** The last key from outside of the home: nobody asks a keyring for each change. */
  let got: { readonly record: string; readonly key: Buffer } | undefined
  let failed: { readonly stamp: string; readonly at: number; readonly error: SecretsError } | undefined

  const remember = ({ key, record }: NewKey<KeyRecord>): void => {
    got = { record: JSON.stringify(record), key }
  }

  const masterKey = Effect.fnUntraced(function*(record: KeyRecord) {
    // A file is read each time: it tells when others can read it.
    if (record.source !== "file" && got?.record === JSON.stringify(record)) return got.key
    const key = yield* keys.read(record)
    remember({ record, key })
    return key
  })

  const readAll = Effect.fnUntraced(function*() {
    const read = yield* attempt(() => readSealed(file))
    if (read === undefined || read.secrets.length === 0) return { read, opened: [] }
    const key = yield* masterKey(read.key)
    const opened = yield* attempt(() =>
      read.secrets.map((entry): SecretValue => {
        try {
          return { name: entry.name, key: entry.key, value: Redacted.make(unseal(key, entry)) }
        } catch (cause) {
          throw new SecretsError({
            detail: `The secret ${entry.name} ${entry.key} in ${file} is damaged or was sealed with another key than ` +
              `${keys.where(read.key)}: restore both from a backup, or remove ${file} and set the secrets again.`,
            cause
          })
        }
      })
    )
    return { read, opened }
  })

  const reload = Effect.fnUntraced(function*(mustBeNew: boolean) {
    while (true) {
      const now = yield* attempt(() => stampOf(file))
      if (now === stamp) return
      if (failed?.stamp === now && !mustBeNew && Date.now() - failed.at < keyPause) return
      const result = yield* Effect.result(readAll())
      if (result._tag === "Success") {
        sealed = result.success.read
        values = result.success.opened
        stamp = now
        failed = undefined
        revision++
        return
      }
      // It was changed meanwhile, so its key may be another: what failed is of the past.
      if ((yield* attempt(() => stampOf(file))) !== now) continue
      const error = toSecretsError(result.failure)
      if (stamp === undefined || mustBeNew || !(result.failure instanceof KeyUnavailable)) return yield* error
      if (failed?.error.detail !== error.detail) {
        note(`The secrets were changed and can't be read; those of before are used. ${error.detail}`)
      }
      failed = { stamp: now, at: Date.now(), error }
      return
    }
  })

  const look = Effect.suspend(() => {
    try {
      if (stampOf(file) === stamp) return Effect.void
    } catch (cause) {
      return Effect.fail(toSecretsError(cause))
    }
    return turn.withPermit(reload(false))
  })

  const write = (next: SealedSecrets): Effect.Effect<void, SecretsError> =>
    Effect.andThen(attempt(() => writeSealed(file, next)), reload(true))

  const destroyAll = Effect.fnUntraced(function*(records: ReadonlyArray<KeyRecord>) {
    for (const record of records) {
      if (JSON.stringify(record) === JSON.stringify(sealed?.key)) continue
      yield* keys.destroy(record)
    }
  })

  const tidyNow = Effect.suspend(() =>
    sealed === undefined || sealed.leftover.length === 0
      ? Effect.void
      : Effect.andThen(destroyAll(sealed.leftover), write({ ...sealed, leftover: [] })).pipe(
        Effect.catch((error) =>
          Effect.sync(() => note(`A former key of the secrets could not be destroyed. ${error.message}`))
        )
      )
  )

  const locked = <A>(body: Effect.Effect<A, SecretsError | KeyUnavailable>): Effect.Effect<A, SecretsError> =>
    Effect.acquireUseRelease(
      takeLock(lock),
      () =>
        turn.withPermit(Effect.andThen(reload(true), Effect.andThen(tidyNow, body))).pipe(
          Effect.mapError(toSecretsError)
        ),
      () => Effect.sync(() => unlock(lock))
    )

  /** The key that what is written now is sealed with; the first where there is none. */
  const writingKey = Effect.gen(function*() {
    const nothingSealed = sealed === undefined || sealed.secrets.length === 0
    const record = sealed?.key ?? firstKeyFile
    const isThere = record.source !== "file" || fs.existsSync(path.join(home, record.file))
    if (sealed !== undefined && (isThere || !nothingSealed)) return { record, key: yield* masterKey(record) }
    return yield* Effect.tap(keys.first(note), (made) => Effect.sync(() => remember(made)))
  })

  const sealAll = (key: Buffer, next: ReadonlyArray<Kept>): ReadonlyArray<SealedEntry> =>
    next.map((one) => {
      if (!("value" in one)) return one
      const { value, ...entry } = one
      return seal(key, entry, Redacted.value(value))
    })

  return {
    look,
    entries: () => sealed?.secrets ?? [],
    values: () => values,
    revision: () => revision,
    key: () => sealed?.key,
    change: (body) =>
      locked(Effect.gen(function*() {
        const { answer, next } = body(sealed?.secrets ?? [])
        if (next === undefined) return answer
        const { key, record }: NewKey<KeyRecord> = yield* writingKey
        yield* write({ key: record, leftover: sealed?.leftover ?? [], secrets: sealAll(key, next) })
        return answer
      })),
    rotate: (source) =>
      locked(Effect.gen(function*() {
        const now = sealed
        if (now === undefined) {
          return yield* new SecretsError({
            detail: "There are no secrets whose key could be changed. Keep one with: syris secrets set NAME KEY"
          })
        }
        const made = yield* keys.make(source ?? now.key.source)
        const { leftover } = now
        // Said before it is kept: whoever comes after a crash knows what to destroy.
        if (made.record.source !== "passphrase") yield* write({ ...now, leftover: [...leftover, made.record] })
        yield* keys.keep(made).pipe(Effect.tapError(() => tidyNow))
        remember(made)
        const again = now.secrets.map(({ key, name, set_at, version }, i) => ({
          name,
          key,
          set_at,
          version,
          value: values[i]!.value
        }))
        yield* write({ key: made.record, leftover: [...leftover, now.key], secrets: sealAll(made.key, again) })
        yield* tidyNow
        return made.record
      })),
    tidy: Effect.suspend(() => (sealed?.leftover.length ?? 0) === 0 ? Effect.void : locked(Effect.void))
  }
}

const stampOf = (file: string): string => {
  const stat = fs.statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? "none" : `${stat.ino} ${stat.mtimeNs} ${stat.size}`
}

/** Waits for another process that is changing the file. */
const takeLock = (lock: string): Effect.Effect<void, SecretsError> =>
  attempt(() => tryLock(lock)).pipe(
    Effect.filterOrFail(
      (taken) => taken,
      () => new SecretsError({ detail: `Another SYRIS is changing the secrets; if none is, remove ${lock}.` })
    ),
    Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 400, while: (error) => error.cause === undefined }),
    Effect.asVoid
  )
