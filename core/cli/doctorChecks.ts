/**
 * What can be wrong around a host, each with what to do about it. Every check looks and changes nothing, answers
 * whatever happens, and knows the machine only through `Machine`.
 */
import { createHash } from "node:crypto"
import * as path from "node:path"
import type { Integration } from "../contract/Integration.ts"
import type { Kernel } from "../../sandbox/runtimes/Kernel.ts"
import type { IsolateSettings } from "../plugin/IsolateSettings.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import { withoutPassword } from "../database/WithoutPassword.ts"
import { channelChecks } from "./doctorChannels.ts"
import type { Tried } from "./doctorConnections.ts"
import { isolateChecks, type PluginState } from "./doctorIsolates.ts"
import { mcpChecks } from "./doctorMcp.ts"
import { secretsCheck } from "./doctorSecrets.ts"
import { bytes, duration } from "./layout.ts"
import { visible } from "../contract/Visible.ts"

export interface Check {
  readonly name: string
  readonly status: "ok" | "warn" | "fail"
  /** What was found; where it is not ok, then what to do. */
  readonly message: string
}

export interface FileState {
  readonly mode: number
  readonly uid: number
  readonly folder: boolean
  readonly modified: number
}

/** What answered at an address. */
export type Answered =
  | {
    readonly kind: "syris"
    readonly status: string
    readonly version: string
    readonly degraded: ReadonlyArray<string>
    readonly date: number
  }
  | { readonly kind: "other"; readonly what: string }
  | { readonly kind: "nobody" }

export interface Machine {
  readonly node: string
  readonly uid: number | undefined
  /** The folder of the package. */
  readonly root: string
  readonly home: string
  readonly config: string
  readonly host: string
  readonly port: number
  /** Where a running host is looked for. */
  readonly url: string
  readonly databaseUrl: string | undefined
  readonly now: () => number
  readonly stat: (file: string) => FileState | undefined
  readonly read: (file: string) => string | undefined
  readonly freeBytes: (folder: string) => number
  readonly ask: (url: string) => Promise<Answered>
  /** The code of the error that listening there meets, if any. */
  readonly listen: (host: string, port: number) => Promise<string | undefined>
  /** Fails with a message that a person can read. */
  readonly askDatabase: (url: string) => Promise<{ readonly version: number; readonly now: number }>
  /** Its warnings; fails with a message that a person can read. */
  readonly loadConfig: (file: string) => Promise<ReadonlyArray<string>>
  /** Opens the secrets of the home; why that can't be, as a sentence. */
  readonly openSecrets: () => Promise<string | undefined>
  /** The folders in which programs are looked for. */
  readonly path: ReadonlyArray<string>
  /** The MCP servers that are configured. */
  readonly servers: (file: string) => Promise<ReadonlyArray<McpServerSettings>>
  /** What the running host is connected to; nothing where none runs, or where it does not say. */
  readonly integrations: () => Promise<ReadonlyArray<Integration> | undefined>
  /** What came of trying the connections of the channels. */
  readonly connections: (file: string) => Promise<ReadonlyArray<Tried>>
  /** The plugins that are listed to run apart from the host. */
  readonly isolates: (file: string) => Promise<ReadonlyArray<IsolateSettings>>
  /** What it can do to hold them. */
  readonly kernel: () => Promise<Kernel>
  /** The plugins of the running host; nothing where none runs, or where it does not say. */
  readonly plugins: () => Promise<ReadonlyArray<PluginState> | undefined>
}

const ok = (message: string): Omit<Check, "name"> => ({ status: "ok", message })
const warn = (message: string): Omit<Check, "name"> => ({ status: "warn", message })
const fail = (message: string): Omit<Check, "name"> => ({ status: "fail", message })
const GiB = 1_024 ** 3

/** All of them, in the order in which they matter. */
export const examine = async (machine: Machine): Promise<ReadonlyArray<Check>> => {
  const checks = { node, packages, disk, home, database, port, token, secrets: secretsCheck, config, clock }
  const [around, channels, servers, isolates] = await Promise.all([
    Promise.all(
      Object.entries(checks).map(async ([name, check]): Promise<Check> => {
        try {
          return { name, ...await check(machine) }
        } catch (error) {
          return {
            name,
            ...fail(`This could not be checked: ${visible(error instanceof Error ? error.message : String(error))}.`)
          }
        }
      })
    ),
    channelChecks(machine),
    mcpChecks(machine),
    isolateChecks(machine)
  ])
  return [...around, ...channels, ...servers, ...isolates]
}

const node = ({ node }: Machine) =>
  Number(node.split(".")[0]) >= 24
    ? ok(`Node ${node}`)
    : fail(
      `Node ${node} is too old for SYRIS, which needs 24: run it through npm (npm run syris …), which brings its own.`
    )

const packages = ({ read, root, stat }: Machine) => {
  const modules = path.join(root, "node_modules")
  if (stat(path.join(modules, "effect", "package.json")) === undefined) {
    return fail(`The packages are not installed: run \`npm ci\` in ${root}.`)
  }
  const lock = read(path.join(root, "package-lock.json"))
  const stamp = read(path.join(modules, ".syris-setup"))
  return lock !== undefined && stamp?.startsWith(createHash("sha256").update(lock).digest("hex")) === true
    ? ok("The packages are those of package-lock.json")
    : warn(`The packages may not be those of package-lock.json: run \`npm ci\` in ${root}.`)
}

const disk = ({ freeBytes, home, stat }: Machine) => {
  let folder = home
  while (stat(folder) === undefined && path.dirname(folder) !== folder) folder = path.dirname(folder)
  const free = freeBytes(folder)
  return free < GiB / 10.24
    ? fail(`Only ${bytes(free)} are free for ${home}: PostgreSQL stops when the disk is full; free some space.`)
    : free < GiB
    ? warn(`Only ${bytes(free)} are free for ${home}: free some space soon.`)
    : ok(`${bytes(free)} are free for ${home}`)
}

const home = ({ home, stat, uid }: Machine) => {
  const state = stat(home)
  if (state === undefined) return ok(`${home} will be made at the first start`)
  if (!state.folder) return fail(`${home} is not a folder: set SYRIS_HOME to another one.`)
  if (uid !== undefined && uid !== 0 && state.uid !== uid) {
    return fail(
      `${home} belongs to another user (uid ${state.uid}): run SYRIS as that user, or set SYRIS_HOME to another folder.`
    )
  }
  return (state.mode & 0o066) !== 0
    ? warn(`Others can look into ${home} (mode ${octal(state.mode)}): run \`chmod go-rw ${home}\`.`)
    : ok(home)
}

const database = async ({ askDatabase, databaseUrl, home, read, stat, uid }: Machine) => {
  if (databaseUrl !== undefined) {
    const shown = visible(withoutPassword(databaseUrl))
    try {
      const { version } = await askDatabase(databaseUrl)
      return version < 150_000
        ? fail(`PostgreSQL ${Math.floor(version / 10_000)} at ${shown} is too old: use 15 or newer.`)
        : ok(`PostgreSQL ${Math.floor(version / 10_000)} answers at ${shown}`)
    } catch (error) {
      return fail(
        `${shown} can't be used (${visible((error as Error).message)}): check that it runs, and DATABASE_URL.`
      )
    }
  }
  const folder = path.join(home, "postgres")
  const state = stat(folder)
  if (state === undefined) return ok("PostgreSQL comes with SYRIS; its data will be made at the first start")
  const version = read(path.join(folder, "PG_VERSION"))?.trim()
  if (!state.folder || (version === undefined && (uid === 0 || state.uid === uid))) {
    return fail(`${folder} holds no database: move it away, or set SYRIS_HOME to another folder.`)
  }
  if (uid !== undefined && uid !== 0 && state.uid !== uid) {
    return fail(
      `The database in ${folder} belongs to another user (uid ${state.uid}): run SYRIS as the user who made it.`
    )
  }
  if ((state.mode & 0o077) !== 0) {
    return fail(
      `Others can enter ${folder} (mode ${
        octal(state.mode)
      }), and PostgreSQL refuses that: run \`chmod 700 ${folder}\`.`
    )
  }
  const running = read(path.join(folder, "postmaster.pid")) !== undefined
  return ok(`PostgreSQL ${version} in ${folder}, ${running ? "running" : "stopped"}`)
}

const port = async ({ ask, host, listen, port, url }: Machine) => {
  const answer = await ask(url)
  if (answer.kind === "syris") {
    const running = `SYRIS ${visible(answer.version)} answers at ${url}`
    return answer.status === "healthy"
      ? ok(`${running} and is healthy`)
      : warn(
        `${running} and is ${visible(answer.status)} (${answer.degraded.map(visible).join(", ")}): see what it printed.`
      )
  }
  if (port === 0) return ok("SYRIS takes any free port")
  const problem = answer.kind === "other" ? "EADDRINUSE" : await listen(host, port)
  switch (problem) {
    case undefined:
      return ok(`${host}:${port} is free; no SYRIS is running`)
    case "EADDRINUSE":
      return fail(
        `${host}:${port} is used by something that is not SYRIS${
          answer.kind === "other" ? ` (${visible(answer.what)})` : ""
        }: stop it, or set SYRIS_PORT to another port.`
      )
    case "EACCES":
      return fail(`This user may not listen on port ${port}: set SYRIS_PORT to one above 1023.`)
    case "EADDRNOTAVAIL":
      return fail(`${host} is no address of this machine: set SYRIS_HOST to one that is, or leave it out.`)
    default:
      return fail(`SYRIS can't listen on ${host}:${port} (${problem}): check SYRIS_HOST and SYRIS_PORT.`)
  }
}

const token = ({ home, read, stat }: Machine) => {
  const file = path.join(home, "token")
  const state = stat(file)
  if (state === undefined) return ok(`${file} will be made at the first start`)
  if ((state.mode & 0o777) !== 0o600) {
    return fail(
      `${file} has mode ${
        octal(state.mode)
      }: run \`chmod 600 ${file}\`; if others use this machine, delete it and restart SYRIS for a new one.`
    )
  }
  const text = read(file)
  if (text === undefined) return fail(`This user can't read ${file}: run the command as the one who runs SYRIS.`)
  return text.trim() === ""
    ? fail(`${file} is empty: delete it and restart SYRIS, which makes a new one.`)
    : ok(`${file}, mode 0600`)
}

const config = async ({ config, loadConfig, stat }: Machine) => {
  if (stat(config) === undefined) {
    return fail(`There is no configuration at ${config}: write one, or set SYRIS_CONFIG to where it is.`)
  }
  try {
    const warnings = await loadConfig(config)
    return warnings.length === 0 ? ok(`${config} loads`) : warn(warnings.map(visible).join(" "))
  } catch (error) {
    return fail(visible((error as Error).message))
  }
}

const clock = async ({ ask, askDatabase, databaseUrl, home, now, stat, url }: Machine) => {
  const wrong = (why: string) => fail(`${why}: set this machine's clock (timedatectl).`)
  const here = now()
  if (here < Date.UTC(2026, 0)) return wrong("The clock is years behind")
  const newest = Math.max(
    0,
    ...["token", "secrets.json", "host.json"].map((name) => stat(path.join(home, name))?.modified ?? 0)
  )
  if (newest > here + 300_000) {
    return wrong(`The clock is behind: files in ${home} are ${duration(newest - here)} ahead of it`)
  }
  const others = [
    ...(databaseUrl === undefined
      ? []
      : [["the database", askDatabase(databaseUrl).then((found) => found.now)] as const]),
    ["the running SYRIS", ask(url).then((found) => found.kind === "syris" ? found.date : Number.NaN)] as const
  ]
  for (const [name, asked] of others) {
    const off = Math.abs(await asked.catch(() => Number.NaN) - now())
    if (off > 10_000) return warn(`The clock differs from that of ${name} by ${duration(off)}: set both by NTP.`)
  }
  return ok(`${new Date(here).toISOString()}, ${Intl.DateTimeFormat().resolvedOptions().timeZone}`)
}

const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, "0")
