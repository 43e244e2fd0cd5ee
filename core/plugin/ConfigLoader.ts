/**
 * Loads the operator's configuration: a `.ts`, `.mts`, `.js` or `.mjs` file anywhere, run by Node as it is.
 * Whatever is wrong with it is one sentence that names the file, and the line where there is one.
 */
import { Effect, Layer } from "effect"
import * as fs from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Environment } from "../database/Environment.ts"
import { installModuleHooks } from "./ModuleHooks.ts"
import { ConfigError, readConfiguration, Settings } from "./Settings.ts"

/** Loads and checks a file; absolute path. */
export const loadConfiguration = Effect.fn("ConfigLoader.load")(function*(file: string) {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) {
    return yield* new ConfigError({
      detail: stat === undefined
        ? `There is no configuration at ${file}: write one, or set SYRIS_CONFIG to where it is.`
        : `${file} is not a file: set SYRIS_CONFIG to your syris.config.ts.`,
      more: []
    })
  }
  if (!/\.[cm]?[jt]s$/.test(file)) {
    return yield* new ConfigError({ detail: `${file}: a configuration is a .ts, .mts, .js or .mjs file.`, more: [] })
  }
  installModuleHooks()
  const module = yield* Effect.tryPromise({
    try: () => import(pathToFileURL(file).href) as Promise<Record<string, unknown>>,
    catch: (cause) => new ConfigError({ detail: importFailure(file, cause), more: [], cause })
  })
  if (module["default"] === undefined) {
    return yield* new ConfigError({
      detail: `${file} has no default export: end it with \`export default defineConfig({ … })\`.`,
      more: []
    })
  }
  return yield* readConfiguration(module["default"], file)
})

/** `Settings` of the file that `SYRIS_CONFIG` names. What is ignored is in their `warnings`, for the banner. */
export const layer = Layer.effect(
  Settings,
  Effect.gen(function*() {
    const { config } = yield* Environment
    return yield* loadConfiguration(config)
  })
)

const importFailure = (file: string, cause: unknown): string => {
  const error = cause instanceof Error ? cause as Error & { readonly code?: string } : undefined
  const message = firstLine(error?.message ?? String(cause))
  if (error?.name === "SyntaxError") {
    const at = placeOf(error) ?? placeOf(syntaxOf(file))
    if (error.code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
      return `${at ?? file}: ${message}: write it without (Node only removes types).`
    }
    return /does not provide an export/.test(message)
      ? `${at ?? file}: ${message}.`
      : `${at ?? file}: syntax error: ${message}.`
  }
  if (error?.code === "ERR_MODULE_NOT_FOUND") {
    const [, kind, wanted, from] = /^Cannot find (module|package) '(.+)' imported from (.+)$/.exec(message) ?? []
    if (wanted === undefined || from === undefined) return `${file}: ${message}.`
    return kind === "package"
      ? `${from}: the package ${wanted} is not installed: run npm install ${wanted} there, or remove the import.`
      : `${from}: it imports ${path.relative(path.dirname(from), wanted)}, and there is no such file.`
  }
  return `${placeOf(error) ?? file}: it throws while it is loaded: ${message.replace(/\.$/, "")}.`
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!.trim() || "no message"

/** The parser's own word on a file; Node keeps the line of a JavaScript syntax error to itself. */
const syntaxOf = (file: string): Error | undefined => {
  const emitWarning = process.emitWarning.bind(process)
  try {
    process.emitWarning = () => {}
    stripTypeScriptTypes(fs.readFileSync(file, "utf8"), { sourceUrl: file })
  } catch (error) {
    return error instanceof Error ? error : undefined
  } finally {
    process.emitWarning = emitWarning
  }
  return undefined
}

/** `file:line` of an error, out of its head or its first frame that is not Node's or the library's. */
const placeOf = (error: Error | undefined): string | undefined => {
  for (const line of (error?.stack ?? "").split("\n")) {
    const found = /^((?:file:\/\/)?\/[^:]+:\d+)$/.exec(line) ?? /(file:\/\/\/[^:)]+:\d+):\d+\)?$/.exec(line)
    const place = found?.[1]
    if (place === undefined || place.includes("/node_modules/") || place.includes(import.meta.dirname)) continue
    return place.startsWith("file://")
      ? place.replace(/^(.+)(:\d+)$/, (_, url: string, n: string) => fileURLToPath(url) + n)
      : place
  }
  return undefined
}
