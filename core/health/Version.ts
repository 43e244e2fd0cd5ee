/**
 * The version of this package, as its `package.json` has it.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const read = (): string => {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  while (true) {
    const file = path.join(folder, "package.json")
    if (fs.existsSync(file)) {
      const { name, version } = JSON.parse(fs.readFileSync(file, "utf8")) as { name?: string; version?: string }
      if (name === "syris") return version ?? "0.0.0"
    }
    const up = path.dirname(folder)
    if (up === folder) return "0.0.0"
    folder = up
  }
}

export const version = read()
