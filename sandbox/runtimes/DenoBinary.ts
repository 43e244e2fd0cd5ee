/** The Deno binary that the `deno` package brought for this machine; itself and not the script in front of it. */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"

const target = (): string => {
  if (process.platform !== "linux") return `${process.platform}-${process.arch}`
  const report = process.report as typeof process.report & { excludeNetwork?: boolean }
  const { excludeNetwork = false } = report
  // It would look up names otherwise, which takes long.
  report.excludeNetwork = true
  const { header } = report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } }
  report.excludeNetwork = excludeNetwork
  return `linux-${process.arch}-${header?.glibcVersionRuntime === undefined ? "musl" : "glibc"}`
}

const find = (): { readonly path: string } | { readonly missing: string } => {
  const name = `@deno/${target()}`
  try {
    const fromHere = createRequire(import.meta.url)
    const folder = path.dirname(createRequire(fromHere.resolve("deno/package.json")).resolve(`${name}/package.json`))
    const file = path.join(folder, process.platform === "win32" ? "deno.exe" : "deno")
    fs.accessSync(file, fs.constants.X_OK)
    return { path: file }
  } catch {
    return {
      missing:
        `there is no Deno for this machine (${name} is not installed): run npm install, or let the plugin run in `
        + `a "process" if you vouch for its code`
    }
  }
}

let found: ReturnType<typeof find> | undefined

export const denoBinary = (): ReturnType<typeof find> => found ??= find()
