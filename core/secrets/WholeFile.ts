/**
 * Files that are whole or not there: temporary file, fsync, rename, fsync of the folder; mode 0600.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"

/** `existing: "refuse"`: a file that is there already stays as it is, and EEXIST is thrown. */
export const writeWhole = (
  file: string,
  text: string,
  { existing = "replace" }: { readonly existing?: "replace" | "refuse" } = {}
): void => {
  const folder = path.dirname(file)
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`
  try {
    const handle = fs.openSync(temporary, "wx", 0o600)
    try {
      fs.writeFileSync(handle, text)
      fs.fsyncSync(handle)
    } finally {
      fs.closeSync(handle)
    }
    if (existing === "replace") fs.renameSync(temporary, file)
    else {
      fs.linkSync(temporary, file)
      fs.rmSync(temporary, { force: true })
    }
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(folder)
}

/** Gone for good, as far as a file system promises that; nothing where it is gone already. */
export const removeFile = (file: string): void => {
  fs.rmSync(file, { force: true })
  syncFolder(path.dirname(file))
}

export const readIfThere = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

const syncFolder = (folder: string): void => {
  const handle = fs.openSync(folder, "r")
  try {
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
}
