/**
 * Puts what the plugins gave back together: checks each part, refuses clashes, answers what the host reads from then on.
 */
import { Schema } from "effect"
import { Trust } from "../contract/Enums.ts"
import { unknownKey } from "./Explain.ts"
import { makeIntentMatcher, problemOf } from "./IntentMatcher.ts"
import type { Channel, Intent, PluginParts, PluginSpec, Route } from "./Plugin.ts"
import type { BoundLog } from "./PluginLog.ts"
import type { RegisteredChannel, RegisteredIntent, RegisteredRoute, RegisteredTool, Registry } from "./Registry.ts"
import { registerTool, type ToolOverride } from "./ToolRegistration.ts"

export interface NamedParts {
  readonly name: string
  readonly spec: PluginSpec<any, any>
  readonly parts: PluginParts
  readonly log: BoundLog
}

/** What a plugin is being read for when it fails. */
export const Phase = Schema.Literals([
  "options",
  "secrets",
  "setup",
  "tools",
  "intents",
  "channels",
  "routes",
  "parts"
])
export type Phase = typeof Phase.Type

/** A sentence without its full stop, and whose it is. */
export interface Mistake {
  readonly plugin: string
  readonly phase: Phase
  readonly mistake: string
}

class Refused extends Error {
  readonly where: Mistake
  constructor(plugin: string, phase: Phase, mistake: string) {
    super(mistake)
    this.where = { plugin, phase, mistake }
  }
}

/** Trust of the channels that the host itself provides. */
const ownChannels: ReadonlyMap<string, Trust> = new Map([["chat", "operator"], ["api", "operator"]])

export const makeRegistry = (
  plugins: ReadonlyArray<NamedParts>,
  overrides: ReadonlyMap<string, ToolOverride>
): Registry["Service"] | Mistake => {
  try {
    return collect(plugins, overrides)
  } catch (error) {
    if (error instanceof Refused) return error.where
    throw error
  }
}

const partKeys = ["tools", "intents", "channels", "watchers", "rules", "jobs", "routes"]

const collect = (
  plugins: ReadonlyArray<NamedParts>,
  overrides: ReadonlyMap<string, ToolOverride>
): Registry["Service"] => {
  const tools = new Map<string, RegisteredTool>()
  const intents = new Map<string, RegisteredIntent>()
  const connectors = new Map<string, RegisteredChannel>()
  const trusts = new Map<string, { readonly plugin: string; readonly trust: Trust }>()
  const routes = new Map<string, RegisteredRoute>()

  for (const { log, name, parts } of plugins) {
    const strange = Object.keys(parts).find((key) => !partKeys.includes(key))
    if (strange !== undefined) throw new Refused(name, "parts", unknownKey(strange, partKeys, "part"))
    const listed = <A>(part: keyof PluginParts): ReadonlyArray<A> => {
      const given: unknown = parts[part]
      if (given !== undefined && !Array.isArray(given)) throw new Refused(name, "parts", `its ${part} must be a list`)
      return given as ReadonlyArray<A> ?? []
    }
    const addTool = (given: unknown): void => {
      const toolName = (given as { readonly name?: unknown } | null)?.name
      const override = typeof toolName === "string" ? overrides.get(toolName) : undefined
      const tool = registerTool(name, given, log, override)
      if (typeof tool === "string") throw new Refused(name, "tools", tool)
      claim(tools, tool.definition.name, tool, name, "tools", `tool ${tool.definition.name}`)
    }
    for (const tool of listed("tools")) addTool(tool)
    for (const given of listed<Channel>("channels")) {
      const channel = checkChannel(name, given)
      const connector_id = channel.connector_id ?? channel.name
      claim(
        connectors,
        connector_id,
        { plugin: name, connector_id, channel, log: log.with({ channel: channel.name }) },
        name,
        "channels",
        `connector ${connector_id}`
      )
      const known = trusts.get(channel.name)
      if (known !== undefined && known.trust !== channel.trust) {
        throw new Refused(
          name,
          "channels",
          `the channel ${channel.name} is ${channel.trust} here and ${known.trust} in plugin ${known.plugin}: make them agree`
        )
      }
      trusts.set(channel.name, { plugin: name, trust: channel.trust })
      if (channel.send !== undefined) addTool({ ...channel.send, name: `${channel.name}.send` })
    }
    for (const given of listed<Intent>("intents")) {
      const intent = checkIntent(name, given)
      claim(intents, intent.name, { ...intent, plugin: name }, name, "intents", `intent ${intent.name}`)
    }
    for (const given of listed<Route>("routes")) {
      const route = checkRoute(name, given)
      claim(
        routes,
        `${name} ${route.method} ${route.path}`,
        { ...route, plugin: name },
        name,
        "routes",
        `route ${route.method} ${route.path}`
      )
    }
  }
  for (const intent of intents.values()) {
    if (tools.has(intent.tool)) continue
    const hint = unknownKey(intent.tool, [...tools.keys()], "tool")
    throw new Refused(intent.plugin, "intents", `intent ${intent.name}: ${hint}`)
  }
  const lists = {
    tools: [...tools.values()],
    intents: [...intents.values()],
    channels: [...connectors.values()],
    routes: [...routes.values()],
    plugins: plugins.map(({ name, parts, spec }) => ({
      name,
      version: spec.version ?? "0.0.0",
      runtime: "inline" as const,
      permissions: spec.permissions ?? {},
      parts
    }))
  }
  return {
    tool: (name) => tools.get(name),
    tools: () => lists.tools,
    intents: () => lists.intents,
    matchIntent: makeIntentMatcher(lists.intents),
    channels: () => lists.channels,
    connector: (connectorId) => connectors.get(connectorId),
    routes: () => lists.routes,
    trustOf: (channel) => trusts.get(channel)?.trust ?? ownChannels.get(channel) ?? "untrusted",
    plugins: () => lists.plugins
  }
}

const claim = <A extends { readonly plugin: string }>(
  taken: Map<string, A>,
  key: string,
  value: A,
  plugin: string,
  phase: Phase,
  what: string
): void => {
  const other = taken.get(key)
  if (other !== undefined) {
    throw new Refused(
      plugin,
      phase,
      other.plugin === plugin
        ? `it has the ${what} twice`
        : `the ${what} is provided by plugin ${other.plugin} already: remove one of the two`
    )
  }
  taken.set(key, value)
}

const dotted = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
const onlyKeys = (plugin: string, phase: Phase, what: string, given: object, keys: ReadonlyArray<string>): void => {
  const strange = Object.keys(given).find((key) => !keys.includes(key))
  if (strange !== undefined) throw new Refused(plugin, phase, `${what}: ${unknownKey(strange, keys, "property")}`)
}

const checkIntent = (plugin: string, intent: Intent): Intent => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "intents", mistake)
  }
  if (typeof intent !== "object" || intent === null) return refuse("an intent must be an object")
  if (typeof intent.name !== "string" || !dotted.test(intent.name) || intent.name.length > 200) {
    return refuse(`an intent is named ${JSON.stringify(intent.name)}: use lower-case letters, digits, _, - and dots`)
  }
  const what = `intent ${intent.name}`
  onlyKeys(plugin, "intents", what, intent, ["name", "patterns", "tool", "input"])
  if (typeof intent.tool !== "string") return refuse(`${what} needs the name of a tool`)
  if (intent.input !== undefined && typeof intent.input !== "function") {
    return refuse(`${what} needs input to be a function`)
  }
  if (!Array.isArray(intent.patterns)) return refuse(`${what} needs patterns: a list of regular expressions`)
  for (const pattern of intent.patterns as ReadonlyArray<unknown>) {
    if (!(pattern instanceof RegExp)) return refuse(`${what} has a pattern that is not a regular expression: write /…/`)
    const problem = problemOf(pattern)
    if (problem !== undefined) return refuse(`${what}: the pattern /${shorten(pattern.source)}/ ${problem}`)
  }
  return intent
}

const checkChannel = (plugin: string, channel: Channel): Channel => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "channels", mistake)
  }
  if (typeof channel !== "object" || channel === null) return refuse("a channel must be an object")
  if (typeof channel.name !== "string" || !dotted.test(channel.name) || channel.name.length > 100) {
    return refuse(`a channel is named ${JSON.stringify(channel.name)}: use lower-case letters, digits, _, - and dots`)
  }
  const what = `channel ${channel.name}`
  onlyKeys(plugin, "channels", what, channel, ["name", "connector_id", "trust", "receive", "webhook", "send"])
  if (channel.connector_id !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/.test(channel.connector_id)) {
    return refuse(
      `${what} has the connector_id ${JSON.stringify(channel.connector_id)}: use letters, digits, _, - and dots`
    )
  }
  if (!Trust.literals.some((trust) => trust === channel.trust)) {
    return refuse(`${what} needs trust: "operator", "trusted" or "untrusted"`)
  }
  for (const key of ["receive", "webhook"] as const) {
    if (channel[key] !== undefined && typeof channel[key] !== "function") {
      return refuse(`${what} needs ${key} to be a function`)
    }
  }
  return channel
}

const checkRoute = (plugin: string, route: Route): Route => {
  if (
    typeof route !== "object" || route === null || !["GET", "POST", "PUT", "PATCH", "DELETE"].includes(route.method) ||
    typeof route.path !== "string" || !route.path.startsWith("/") || typeof route.handle !== "function"
  ) {
    throw new Refused(plugin, "routes", "a route needs a method, a path that begins with /, and a handle function")
  }
  onlyKeys(plugin, "routes", `route ${route.path}`, route, ["method", "path", "handle"])
  try {
    new URLPattern({ pathname: route.path })
  } catch {
    throw new Refused(
      plugin,
      "routes",
      `route ${route.path} can't be read: write it as a URLPattern, as in /rooms/:name`
    )
  }
  return route
}

const shorten = (text: string): string => text.length > 80 ? `${text.slice(0, 80)}…` : text
