/**
 * Lets a configuration or a plugin anywhere on disk import `syris`, `syris/records`, `syris/testing`, `syris/visible`,
 * `syris/words`, `syris/plugins/<name>`, `effect`, `effect/*`, `@effect/platform-node` and `@effect/sql-pg` without a
 * node_modules of its own, and get the very modules that the host runs on: one copy, so `instanceof` and service keys agree,
 * also where the plugin brings an `effect` of its own. All other imports, and whatever node_modules of this repository import,
 * resolve as ever. The hooks hold for the thread that installs them.
 */
import * as fs from "node:fs"
import { registerHooks } from "node:module"
import * as path from "node:path"
import { pathToFileURL } from "node:url"

const shared =
  /^(?:syris(?:\/(?:records|testing|visible|words))?|effect(?:\/.+)?|@effect\/(?:platform-node|sql-pg)(?:\/.+)?)$/
const builtIn = /^syris\/plugins\/[^/]+$/

/** An isolate may not look everywhere. */
const isThere = (file: string): boolean => {
  try {
    return fs.existsSync(file)
  } catch {
    return false
  }
}

/** The nearest folder above `from` that holds `name`. */
const above = (from: string, name: string): string | undefined => {
  for (let folder = from;; folder = path.dirname(folder)) {
    if (isThere(path.join(folder, name))) return folder
    if (path.dirname(folder) === folder) return undefined
  }
}

/** The folder of the bundle that this module is part of, or undefined when it runs from its source. */
const bundle = import.meta.filename.endsWith(".ts") ? undefined : above(import.meta.dirname, "bundle.json")
const root = above(import.meta.dirname, "package.json") ?? import.meta.dirname
const rootUrl = pathToFileURL(path.join(root, "package.json")).href
const ownModules = pathToFileURL(path.join(root, "node_modules") + path.sep).href
const ownFiles = pathToFileURL(root + path.sep).href

/** The file of the bundle that stands for a shared specifier. */
const bundled = (folder: string, specifier: string): string | undefined => {
  const file = path.join(folder, `${specifier === "syris/testing" ? "syris-testing" : specifier}.js`)
  return file.startsWith(folder + path.sep) && isThere(file) ? pathToFileURL(file).href : undefined
}

let installed = false

/** Installs the hooks in this thread, once. Call it before the first configuration or plugin is imported. */
export const installModuleHooks = (): void => {
  if (installed) return
  installed = true
  registerHooks({
    resolve: (specifier, context, next) => {
      const parent = context.parentURL ?? ""
      if (!parent.startsWith(ownModules)) {
        if (builtIn.test(specifier)) return typed(next(specifier, { ...context, parentURL: rootUrl }))
        if (shared.test(specifier)) {
          const url = bundle === undefined ? undefined : bundled(bundle, specifier)
          if (url !== undefined) return { url, format: "module", shortCircuit: true }
          if (!parent.startsWith(ownFiles)) return next(specifier, { ...context, parentURL: rootUrl })
        }
      }
      return typed(next(specifier, context))
    }
  })
}

/** A TypeScript file in a folder without a package.json is a module; asking Node to find out costs a warning. */
const typed = <A extends { readonly url: string; readonly format?: string | null | undefined }>(resolved: A): A =>
  /\.ts(?:$|\?)/.test(resolved.url) && (resolved.format === null || resolved.format === undefined)
    ? { ...resolved, format: "module-typescript" }
    : resolved
