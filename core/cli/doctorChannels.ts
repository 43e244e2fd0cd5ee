/**
 * Whether the connections of the channels work: what came of trying them, and what the running host says of them.
 */
import type { Integration } from "../contract/Integration.ts"
import { visible } from "../contract/Visible.ts"
import type { Check, Machine } from "./doctorChecks.ts"
import type { Tried } from "./doctorConnections.ts"

/** One check for each channel that can be tried; none where the configuration can't be read, which is said elsewhere. */
export const channelChecks = async (machine: Machine): Promise<ReadonlyArray<Check>> => {
  const [tried, running, apart] = await Promise.all([
    machine.connections(machine.config).catch((error: unknown) => failed(machine, error)),
    machine.integrations().catch(() => undefined),
    machine.isolates(machine.config).catch(() => [])
  ])
  if (typeof tried === "string") return tried === "" ? [] : [{ name: "channels", status: "fail", message: tried }]
  const channels = (running ?? []).filter(({ kind }) => kind === "channel")
  const seen = new Set(tried.map(({ connector_id }) => connector_id))
  return [
    ...tried.map((one) => said(one, channels.find(({ integration_id }) => integration_id === one.connector_id))),
    // Of those that can't be tried, what does not work.
    ...channels.filter(({ integration_id, health }) => !seen.has(integration_id) && health !== "healthy").map(unwell),
    ...(apart.length === 0 ? [] : [untried(apart.map(({ written }) => written))])
  ]
}

/** A sentence; nothing where it is the configuration's fault, which is said elsewhere. */
const failed = ({ config, loadConfig }: Machine, error: unknown): Promise<string> =>
  loadConfig(config).then(
    () => `The connections could not be tried: ${visible(error instanceof Error ? error.message : String(error))}`,
    () => ""
  )

const said = ({ kind, message, name, well }: Tried, running: Integration | undefined): Check => {
  const found = { name: visible(kind === "plugin" ? `plugin ${name}` : name), message: visible(message) }
  if (!well) return { ...found, status: "fail" }
  if (running?.enabled === false) {
    const again = `on again with: syris integrations enable ${visible(running.integration_id)}`
    return { ...found, status: "ok", message: `${found.message}; but switched off, ${again}` }
  }
  if (running === undefined || running.health === "healthy") return { ...found, status: "ok" }
  const error = running.last_error === undefined ? "it is not connected" : visible(running.last_error)
  return { ...found, status: "warn", message: `${found.message}; but the running SYRIS says: ${error}` }
}

const unwell = ({ integration_id, last_error }: Integration): Check => ({
  name: `channel ${visible(integration_id)}`,
  status: "warn",
  message: last_error === undefined ? "The running SYRIS is not connected to it." : visible(last_error)
})

const untried = (written: ReadonlyArray<string>): Check => ({
  name: "channels",
  status: "ok",
  message: `What runs apart from the host is not tried here: ${written.map(visible).join(", ")}`
})
