/**
 * The key in a file of the home folder, mode 0600. Each key has a file of its own: one takes the place of another only in
 * `secrets.json`, at once.
 */
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { type FileKeyRecord, firstKeyFile } from "./KeyRecord.ts"
import { KeyUnavailable, type MasterKeySource } from "./MasterKey.ts"
import { diskSentence } from "./SecretsError.ts"
import { removeFile, writeWhole } from "./WholeFile.ts"

const keyPattern = /^[0-9a-f]{64}\n?$/

export const makeKeyFile = (home: string): MasterKeySource<FileKeyRecord> => {
  const at = ({ file }: FileKeyRecord): string => path.join(home, file)
  const values = path.join(home, "secrets.json")
  const attempt = <A>(body: () => A): Effect.Effect<A, KeyUnavailable> =>
    Effect.try({
      try: body,
      catch: (cause) =>
        cause instanceof KeyUnavailable
          ? cause
          : new KeyUnavailable({
            detail: diskSentence(cause) ?? (cause instanceof Error ? cause.message : String(cause)),
            cause
          })
    })

  const readKey = (record: FileKeyRecord): Buffer | undefined => {
    const file = at(record)
    const stat = fs.statSync(file, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if ((stat.mode & 0o077) !== 0) {
      throw new KeyUnavailable({
        detail: `${file} can be read by other users (mode ${
          (stat.mode & 0o777).toString(8)
        }): run \`chmod 600 ${file}\`.`
      })
    }
    const text = fs.readFileSync(file, "utf8")
    if (!keyPattern.test(text)) {
      throw new KeyUnavailable({ detail: `${file} is not a key that SYRIS made: restore it from a backup.` })
    }
    return Buffer.from(text.trim(), "hex")
  }

  return {
    read: (record) =>
      attempt(() => {
        const key = readKey(record)
        if (key !== undefined) return key
        throw new KeyUnavailable({
          detail: `The key of ${values} is missing: restore ${at(record)} from a backup, ` +
            `or remove ${values} and set the secrets again.`
        })
      }),
    make: attempt(() => {
      // A home without secrets may have its first key already.
      if (!fs.existsSync(values)) {
        const key = readKey(firstKeyFile)
        return { record: firstKeyFile, key: key ?? randomBytes(32) }
      }
      return {
        record: { source: "file", file: `secrets-${randomBytes(4).toString("hex")}.key` },
        key: randomBytes(32)
      }
    }),
    keep: ({ key, record }) => attempt(() => writeWhole(at(record), `${key.toString("hex")}\n`)),
    destroy: (record) => attempt(() => removeFile(at(record))),
    where: at
  }
}
