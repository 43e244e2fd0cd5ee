/**
 * Where the code of a plugin is, so that a thread or a process apart from the host can load it: for its jobs, and for all of
 * it where it is listed with `isolate`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { NotPlainJson, toPlainJson } from "./PlainJson.ts"
import type { Permissions, Plugin } from "./Plugin.ts"
import { isSecretRef } from "./Secret.ts"

export interface PluginCode {
  /** The module: its default export, or another one, is the plugin's factory; or a configuration that lists the plugin. */
  readonly entry: string
  /** The name that the plugin gave itself (`definePlugin({ name })`). */
  readonly plugin: string
  /** Its name in this host, `<name>` or `<name>.<instance>`. */
  readonly name: string
  /** As the operator wrote them; plain JSON but for references to secrets. */
  readonly options: unknown
  readonly timezone: string
  /** What its modules are read from besides. For code that was granted: nothing but the copy that was granted. */
  readonly folders: ReadonlyArray<string>
  /** What it may do. `undefined`: it is a part of the host's own configuration, which vouches for it. */
  readonly grant: Permissions | undefined
  /** SHA-256 over the code that was granted. */
  readonly hash?: string
}

/** Of a plugin that runs in the host; or a sentence that says why nobody apart from it can load it. */
export const codeOf = (plugin: Plugin, name: string, timezone: string): PluginCode | string => {
  const { module, spec } = plugin
  if (module === undefined || !fs.existsSync(module)) {
    return `Where the code of ${name} is, is not known: call definePlugin in a file of its own, and not by way of eval.`
  }
  const mistake = optionsProblem(plugin.options)
  if (mistake !== undefined) {
    return `The options of ${name} can't be handed to a job: they ${mistake}. Give it plain values, and secrets by secret(…).`
  }
  const entry = bundledEntry(module, spec.name) ?? module
  return {
    entry,
    plugin: spec.name,
    name,
    options: plugin.options,
    timezone,
    folders: [isIndex(entry) ? path.dirname(entry) : entry],
    grant: undefined
  }
}

/** Whether its folder is its code, too. */
export const isIndex = (entry: string): boolean => /^index\.[cm]?[jt]s$/.test(path.basename(entry))

/** In a bundle a plugin lies in some chunk of it, and is what the file of its name exports. */
const bundledEntry = (module: string, plugin: string): string | undefined => {
  if (!import.meta.filename.endsWith(".js") || typeof plugin !== "string") return undefined
  for (let folder = path.dirname(module);; folder = path.dirname(folder)) {
    if (fs.existsSync(path.join(folder, "bundle.json"))) {
      const file = path.join(folder, "syris", "plugins", `${plugin}.js`)
      return fs.existsSync(file) ? file : undefined
    }
    if (path.dirname(folder) === folder) return undefined
  }
}

/** What keeps options from crossing, without a subject; nothing where they can. */
const optionsProblem = (options: unknown): string | undefined => {
  try {
    toPlainJson(withoutRefs(options, 0))
    return undefined
  } catch (error) {
    if (error instanceof NotPlainJson) return error.message.replace(/^has\b/, "have").replace(/^is\b/, "are")
    return "throw when they are looked at"
  }
}

/** References to secrets, and bytes, cross in their own shape. */
const withoutRefs = (value: unknown, depth: number): unknown => {
  if (isSecretRef(value)) return [value.name, value.key]
  if (value instanceof Uint8Array) return []
  if (typeof value !== "object" || value === null || depth > 64) return value
  if (Array.isArray(value)) return value.map((item) => withoutRefs(item, depth + 1))
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutRefs(item, depth + 1)]))
}
