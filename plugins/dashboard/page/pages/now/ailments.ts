/**
 * The parts that `GET /health` names as not well: each in words, with what else the API knows of it and where to look.
 */
import type { Alarm, Integration, PluginRecord, WatcherState } from "syris/records"
import { short } from "../../parts/Words.tsx"

export interface Ailment {
  readonly name: string
  /** For the middle of a sentence. */
  readonly clause: string
  /** From outside: the reason, where one is known. */
  readonly reason?: string | undefined
  readonly since?: string | undefined
  /** The type of the alarm that it is. */
  readonly alarm?: string
  readonly to?: "/integrations" | "/watchers" | "/plugins" | "/settings" | undefined
}

export interface Known {
  readonly alarms: ReadonlyArray<Alarm>
  readonly integrations: ReadonlyArray<Integration>
  readonly watchers: ReadonlyArray<WatcherState>
  readonly plugins: ReadonlyArray<PluginRecord>
}

const integrationClauses: Readonly<Record<Integration["state"], string>> = {
  connecting: "is not connected yet",
  connected: "is not well",
  reconnecting: "does not answer",
  sign_in: "wants you to sign in",
  off: "is switched off"
}

const integrationAilment = (name: string, integration: Integration): Ailment => ({
  name,
  clause: `${short(integration.integration_id, 60)} ${integrationClauses[integration.state]}`,
  reason: integration.last_error,
  to: "/integrations"
})

const ailmentOf = (name: string, known: Known): Ailment => {
  if (name === "database") {
    return {
      name,
      clause: "the database does not answer",
      reason: "Look whether PostgreSQL runs: npm run syris doctor."
    }
  }
  if (name === "host") {
    return {
      name,
      clause: "this host has lost its place",
      reason: "Another host may have taken its work; start it again."
    }
  }
  const [, kind = "", rest = name] = /^(alarm|channel|model|plugin|watcher) (.+)$/s.exec(name) ?? []
  const shown = short(rest, 60)
  switch (kind) {
    case "alarm": {
      const alarm = known.alarms.find(({ type }) => type === rest)
      // Its message stands with the alarms, where something can be done about it.
      return { name, clause: `the alarm ${shown} is open`, since: alarm?.opened_at, alarm: rest }
    }
    case "channel": {
      const channel = known.integrations.find(({ integration_id }) => integration_id === rest)
      return { name, clause: `the channel ${shown} does not listen`, reason: channel?.last_error, to: "/integrations" }
    }
    case "model":
      return {
        name,
        clause: `the model ${shown} gives no answer`,
        reason: "The next model of the list is asked instead."
      }
    case "plugin": {
      const plugin = known.plugins.find((one) => rest === one.name || rest.startsWith(`${one.name} `))
      const clause = plugin?.state === "held" ? "waits for your grant" : "is not well"
      return { name, clause: `the plugin ${shown} ${clause}`, reason: plugin?.last_error, to: "/plugins" }
    }
    case "watcher": {
      const watcher = known.watchers.find(({ watcher_id }) => watcher_id === rest)
      return { name, clause: `the watcher ${shown} fails`, reason: watcher?.last_error, to: "/watchers" }
    }
  }
  const integration = known.integrations.find(({ integration_id }) =>
    name === integration_id || name === `mcp ${integration_id}`
  )
  return integration === undefined ? { name, clause: `${shown} is not well` } : integrationAilment(name, integration)
}

export const ailmentsOf = (names: ReadonlyArray<string>, known: Known): ReadonlyArray<Ailment> =>
  names.map((name) => ailmentOf(name, known))
