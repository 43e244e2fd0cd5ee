/**
 * Whether the secrets can be opened: where their key is, and whether this machine can get it. Changes nothing.
 */
import * as path from "node:path"
import { visible } from "../contract/Visible.ts"
import { firstKeyFile, isKeyRecord, type KeyRecord } from "../secrets/KeyRecord.ts"
import type { Check, Machine } from "./doctorChecks.ts"

type Finding = Omit<Check, "name">

export const secretsCheck = async (machine: Machine): Promise<Finding> => {
  const { home, openSecrets, read, stat } = machine
  const values = path.join(home, "secrets.json")
  const first = path.join(home, firstKeyFile.file)
  if (stat(values) === undefined) {
    return stat(first) === undefined ? ok("No secrets are kept") : fileKey(machine, first)
  }
  const record = recordIn(read(values)) ?? firstKeyFile
  if (record.source === "file") {
    const file = path.join(home, record.file)
    const found = fileKey(machine, file)
    if (stat(file) === undefined || found.status !== "ok") return found
  }
  const problem = await openSecrets()
  if (problem !== undefined) return { status: "fail", message: visible(problem) }
  return ok(
    record.source === "file"
      ? `${path.join(home, record.file)}, mode 0600`
      : record.source === "keyring"
      ? `${values}, with its key in the OS keyring`
      : `${values}, sealed with a passphrase`
  )
}

const ok = (message: string): Finding => ({ status: "ok", message })
const fail = (message: string): Finding => ({ status: "fail", message })

const fileKey = ({ home, read, stat }: Machine, file: string): Finding => {
  const state = stat(file)
  const values = path.join(home, "secrets.json")
  if (state === undefined) {
    return fail(
      `The key of ${values} is missing: restore ${file} from a backup, or remove ${values} and set the secrets again.`
    )
  }
  if ((state.mode & 0o777) !== 0o600) {
    return fail(
      `${file} has mode ${
        (state.mode & 0o7777).toString(8).padStart(4, "0")
      }: run \`chmod 600 ${file}\`, and change the secrets if others use this machine.`
    )
  }
  return /^[0-9a-f]{64}\n?$/.test(read(file) ?? "")
    ? ok(`${file}, mode 0600`)
    : fail(`${file} is not a key that SYRIS made: restore it from a backup.`)
}

/** Where a file says that its key is; nothing where it does not, or is damaged. */
const recordIn = (text: string | undefined): KeyRecord | undefined => {
  try {
    const { key } = JSON.parse(text ?? "") as { readonly key?: unknown }
    return isKeyRecord(key) ? key : undefined
  } catch {
    return undefined
  }
}
