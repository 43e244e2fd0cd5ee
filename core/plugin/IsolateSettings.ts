/**
 * The entries of `plugins` that are an `isolate(…)`, after they were checked: where the code is, what it may do, its limits.
 *
 * - A grant is exact: no wildcard for hosts, no folder that holds everything, no name that stands for what is not known.
 * - Code that nobody vouches for goes to Deno or nowhere.
 */
import { Schema } from "effect"
import * as fs from "node:fs"
import { isIP, isIPv6 } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { Runtime } from "../contract/Enums.ts"
import type { Isolate } from "./Configuration.ts"
import { check } from "./Explain.ts"
import { toPlainJson } from "./PlainJson.ts"
import type { Permissions } from "./Plugin.ts"
import { isSecretRef } from "./Secret.ts"

export interface IsolateSettings {
  /** Which entry of `plugins` it is. */
  readonly position: number
  /** How many of the plugins that run in the host are listed before it. */
  readonly after: number
  /** As the operator wrote it. */
  readonly written: string
  /** Of the module, absolute. */
  readonly path: string
  /** Plain JSON but for references to secrets. */
  readonly options: unknown
  readonly runtime: Runtime
  /** Its paths are absolute. */
  readonly allow: Permissions
  readonly memoryMb: number
  /** Of a call of a part that names no time-out of its own. */
  readonly timeoutMs: number
  /** Whether the operator vouches for its code. */
  readonly trusted: boolean
  readonly reload: boolean
}

const optional = Schema.optional
const Names = optional(Schema.Array(Schema.String))
const OptionsSchema = Schema.Struct({
  options: optional(Schema.Unknown),
  runtime: optional(Runtime),
  allow: optional(Schema.Struct({ net: Names, read: Names, write: Names, env: Names, secrets: Names, tools: Names })),
  limits: optional(Schema.Struct({
    memoryMb: optional(Schema.Int.check(
      Schema.isBetween({ minimum: 16, maximum: 65_536 }, { expected: "a whole number of MiB from 16 to 65536" })
    )),
    timeoutMs: optional(Schema.Int.check(
      Schema.isBetween({ minimum: 1, maximum: 3_600_000 }, { expected: "milliseconds above zero, at most 1 hour" })
    ))
  })),
  trusted: optional(Schema.Boolean),
  reload: optional(Schema.Boolean)
})
const checkOptions = check(OptionsSchema, "option")

/** The entry, or what is wrong with it: a sentence without its full stop. `file` is the configuration. */
export const readIsolate = (
  entry: Isolate,
  position: number,
  file: string
): Omit<IsolateSettings, "after"> | string => {
  const written: unknown = entry.path
  const place = `plugins[${position}] is isolate(${JSON.stringify(written)})`
  const say = (rest: string): string => `${place}, and ${rest}`
  if (typeof written !== "string" || written === "") return say("it needs the path of the plugin's module")
  if (!/\.m?[jt]s$/.test(written)) {
    return say("a plugin's module is a .ts, .mts, .js or .mjs file: name it, as in ./plugins/x/index.ts")
  }
  const folder = path.dirname(file)
  const module = path.resolve(folder, written)
  const stat = fs.statSync(module, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) return say(`there is no such file: ${module}`)
  const checked = checkOptions(entry.options)
  if (!checked.ok) return say(checked.mistakes[0])
  const { allow = {}, limits = {}, options = {}, reload = false, runtime = "deno", ...given } = checked.value
  const problem = optionsProblem(options) ?? allowProblem(allow)
  if (problem !== undefined) return say(problem)
  const inNodeModules = module.split(path.sep).includes("node_modules")
  const trusted = given.trusted ?? (runtime !== "deno" && !inNodeModules)
  if (!trusted && runtime !== "deno") {
    return say(
      `its code is nobody's whom you vouch for, which ${
        runtime === "thread" ? "a thread" : "a process"
      } does not hold: leave runtime out, so that it runs in Deno, or say trusted: true`
    )
  }
  const absolute = (paths: ReadonlyArray<string> | undefined) => paths?.map((one) => path.resolve(folder, one))
  return {
    position,
    written,
    path: module,
    options,
    runtime,
    allow: withoutNone({ ...allow, read: absolute(allow.read), write: absolute(allow.write) }),
    memoryMb: limits.memoryMb ?? 128,
    timeoutMs: limits.timeoutMs ?? 30_000,
    trusted,
    reload
  }
}

type Given = { readonly [Key in keyof Permissions]: Permissions[Key] | undefined }

const withoutNone = (allow: Given): Permissions =>
  Object.fromEntries(Object.entries(allow).filter(([, names]) => names !== undefined))

const longestOptions = 262_144

/** They cross a boundary as plain JSON. */
const optionsProblem = (options: unknown): string | undefined => {
  if (typeof options !== "object" || options === null || Array.isArray(options)) return "its options must be an object"
  try {
    const plain = toPlainJson(withoutRefs(options, 0))
    return JSON.stringify(plain).length > longestOptions ? "its options are longer than 256 KiB" : undefined
  } catch (error) {
    return `an option ${error instanceof Error ? error.message : String(error)}: ` +
      "what goes to an isolate is plain JSON and secret(…)"
  }
}

/** The same with its references as plain values. */
const withoutRefs = (value: unknown, depth: number): unknown => {
  if (isSecretRef(value)) return null
  if (depth > 64 || typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map((one) => withoutRefs(one, depth + 1))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutRefs(one, depth + 1)]))
}

const allowProblem = (allow: Given): string | undefined => {
  const checks = {
    net: netProblem,
    read: pathProblem,
    write: pathProblem,
    env: envProblem,
    secrets: secretProblem
  } as const
  for (const [key, problemOf] of Object.entries({ ...checks, tools: toolProblem })) {
    for (const name of allow[key as keyof Permissions] ?? []) {
      const problem = problemOf(name)
      if (problem !== undefined) return `its allow.${key} has ${JSON.stringify(name)}: ${problem}`
    }
  }
  return undefined
}

const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*$/

const netProblem = (name: string): string | undefined => {
  if (name.includes("*")) return "name each host, as in api.example.org:443; there is no wildcard"
  if (name.includes("://")) return "write the host alone, as in api.example.org:443"
  if (name.includes("/")) return "it is one host and no range or path: write it as in 10.0.0.9:8123"
  if (isIPv6(name)) return undefined
  const [, six, host = "", port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(name) ?? []
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    return "its port must be a number from 1 to 65535"
  }
  if (six !== undefined) return isIPv6(six) ? undefined : "between [ and ] stands an IPv6 address, as in [::1]:8080"
  if (/^[\d.]+$/.test(host)) return isIP(host) === 4 ? undefined : "write an IPv4 address in full, as in 10.0.0.9"
  return hostName.test(host) ? undefined : "write it as in api.example.org:443, 10.0.0.9 or [::1]:8080"
}

/** Folders that hold what is not the operator's to give, or everything. */
const closedFolders = ["/proc", "/sys", "/dev"]

const pathProblem = (name: string): string | undefined => {
  if (name.trim() === "" || name.includes("\0")) return "name a file or a folder"
  if (name.includes(",")) return "a path with a comma can't be granted: give the file another name"
  const absolute = path.resolve(name)
  if (path.isAbsolute(name)) {
    if (absolute === path.parse(absolute).root) return "that is everything: name the folder that it needs"
    if (closedFolders.some((one) => absolute === one || absolute.startsWith(`${one}/`))) {
      return "there the system shows what runs beside it: it can't be granted"
    }
    if (absolute === os.homedir()) return "that is your whole home folder: name the folder that it needs"
  }
  return undefined
}

const envProblem = (name: string): string | undefined => {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return "name a variable, as in HTTPS_PROXY; there is no wildcard"
  return /^(NODE_|DENO_|LD_|DYLD_|V8_)/.test(name)
    ? "this variable steers the runtime itself: it can't be granted"
    : undefined
}

const secretProblem = (name: string): string | undefined =>
  /^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$/.test(name)
    ? undefined
    : "write name.key for one secret, or name for all of its keys, as `syris secrets list` shows them"

const toolProblem = (name: string): string | undefined =>
  /^(\*|[a-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$/.test(name)
    ? undefined
    : "name a tool, as in chat.send, or write a prefix, as in lights.*"
