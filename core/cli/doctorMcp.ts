/**
 * What can be wrong with the MCP servers of the configuration: whether their programs are there, and what the running host
 * says of them. Nothing is started.
 */
import * as path from "node:path"
import type { Integration } from "../contract/Integration.ts"
import { visible } from "../contract/Visible.ts"
import { addressOf } from "../mcp/McpFailures.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { Check, Machine } from "./doctorChecks.ts"

/** One check a server; none where the configuration can't be read, which is said elsewhere. */
export const mcpChecks = async (machine: Machine): Promise<ReadonlyArray<Check>> => {
  const servers = await machine.servers(machine.config).catch(() => [])
  if (servers.length === 0) return []
  const running = await machine.integrations().catch(() => undefined)
  return servers.map((server): Check => {
    const name = `mcp ${server.server}`
    const missing = missingProgram(machine, server)
    if (missing !== undefined) return { name, status: "fail", message: missing }
    const found = running?.find(({ integration_id, kind }) => kind === "mcp" && integration_id === server.server)
    return { name, ...(found === undefined ? unasked(server, running !== undefined) : said(found)) }
  })
}

/** A sentence where the program is not there, or can't be run. */
const missingProgram = ({ path: folders, stat }: Machine, { place, server }: McpServerSettings): string | undefined => {
  if (place.kind !== "stdio") return undefined
  const { command, cwd } = place
  const runs = (file: string): boolean => {
    const state = stat(file)
    return state !== undefined && !state.folder && (state.mode & 0o111) !== 0
  }
  if (command.includes("/")) {
    // Without a working folder it has one that only the host knows.
    if (!path.isAbsolute(command) && cwd === undefined) return undefined
    const file = path.resolve(cwd ?? "/", command)
    if (runs(file)) return undefined
    return stat(file) === undefined
      ? `There is no ${visible(file)}: install the server, or correct mcp.${server}.command.`
      : `${visible(file)} can't be run: run \`chmod +x\` on it, or correct mcp.${server}.command.`
  }
  return folders.some((folder) => runs(path.join(folder, command)))
    ? undefined
    : `There is no program ${visible(command)} in PATH: install it, or write the whole path in mcp.${server}.command.`
}

const placeOf = (server: McpServerSettings): string => visible(addressOf(server))

const unasked = (server: McpServerSettings, runs: boolean): Omit<Check, "name"> =>
  runs
    ? {
      status: "warn",
      message: "The running SYRIS does not know it: restart it, so that it reads the configuration again."
    }
    : {
      status: "ok",
      message: server.place.kind === "stdio"
        ? `${placeOf(server)} is there; no SYRIS is running that would start it`
        : `${placeOf(server)} is asked when SYRIS runs`
    }

const said = ({ health, integration_id, last_error, quarantined, state, tools }: Integration): Omit<Check, "name"> => {
  const id = visible(integration_id)
  const error = last_error === undefined ? "" : ` ${visible(last_error)}`
  if (state === "off") return { status: "ok", message: `switched off; on again with: syris integrations enable ${id}` }
  if (state === "sign_in") {
    return { status: "warn", message: `It asks you to sign in: \`syris integrations ${id}\` has the link.` }
  }
  if (state !== "connected") {
    return { status: "warn", message: `It is not connected (${state}).${error} See: syris integrations ${id}` }
  }
  if (quarantined.length > 0) {
    return {
      status: "warn",
      message: `${quarantined.length} of its tools are not what you trusted, and are not used: see syris mcp diff ${id}`
    }
  }
  return health === "healthy"
    ? { status: "ok", message: `connected, ${tools.length} ${tools.length === 1 ? "tool" : "tools"}` }
    : { status: "warn", message: `It is connected, but not well.${error}` }
}
