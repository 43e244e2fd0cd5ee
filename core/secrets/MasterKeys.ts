/**
 * All sources of the key that seals the secrets, and which of them a home without secrets takes: the one that
 * `SYRIS_KEY_SOURCE` names; else a passphrase where the environment has one; else the keyring of the operating system where
 * it can be used; else a file of mode 0600. What a home uses is written in its `secrets.json`.
 */
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { makeKeyFile } from "./KeyFile.ts"
import { makeKeyring } from "./Keyring.ts"
import { firstKeyFile, isKeySource, type KeyRecord, keySources, type KeySourceName } from "./KeyRecord.ts"
import { KeyUnavailable, type MasterKeySource, type NewKey } from "./MasterKey.ts"
import { makePassphrase, type PassphraseOptions, type Variables } from "./Passphrase.ts"

export interface MasterKeys extends Omit<MasterKeySource<KeyRecord>, "make"> {
  readonly make: (source: KeySourceName) => Effect.Effect<NewKey<KeyRecord>, KeyUnavailable>
  /** For a home that has none; it is kept. `note` hears why a keyring was not taken. */
  readonly first: (note: (sentence: string) => void) => Effect.Effect<NewKey<KeyRecord>, KeyUnavailable>
}

export interface MasterKeyOptions extends PassphraseOptions {
  readonly home: string
  /** A keyring; that of this machine where there is none. */
  readonly keyring?: MasterKeySource<Extract<KeyRecord, { source: "keyring" }>>
}

export const makeMasterKeys = (options: MasterKeyOptions): MasterKeys => {
  const { env, home } = options
  const sources = {
    file: makeKeyFile(home),
    keyring: options.keyring ?? makeKeyring({ env }),
    passphrase: makePassphrase(options)
  }
  const of = (name: KeySourceName) => sources[name] as MasterKeySource<KeyRecord>
  return {
    read: (record) => of(record.source).read(record),
    make: (source) => of(source).make,
    keep: (made) => of(made.record.source).keep(made),
    destroy: (record) => of(record.source).destroy(record),
    where: (record) => of(record.source).where(record),
    first: Effect.fnUntraced(function*(note) {
      const named = env["SYRIS_KEY_SOURCE"] ?? ""
      if (named !== "" && !isKeySource(named)) {
        return yield* new KeyUnavailable({ detail: `SYRIS_KEY_SOURCE takes ${keySources.join(", ")}.` })
      }
      const kept = (name: KeySourceName) => Effect.tap(of(name).make, of(name).keep)
      if (named !== "" && isKeySource(named)) return yield* kept(named)
      if (hasPassphrase(env)) return yield* kept("passphrase")
      if (fs.existsSync(path.join(home, firstKeyFile.file))) return yield* kept("file")
      const made = yield* Effect.result(of("keyring").make)
      // Where there is none nobody needs to hear of it.
      if (made._tag === "Failure") return yield* kept("file")
      return yield* of("keyring").keep(made.success).pipe(
        Effect.as(made.success),
        Effect.catch((error) =>
          Effect.tap(kept("file"), ({ record }) =>
            Effect.sync(() =>
              note(
                `The OS keyring did not take the key of the secrets (${error.why ?? error.detail}), so it is in ${
                  of("file").where(record)
                }.`
              )
            ))
        )
      )
    })
  }
}

const hasPassphrase = (env: Variables): boolean =>
  ["SYRIS_PASSPHRASE", "SYRIS_PASSPHRASE_FILE"].some((variable) => (env[variable] ?? "") !== "")
