/**
 * What an intent, a channel, a route, a page and a provider must be. A mistake ends the start with a sentence that names the plugin.
 */
import { Schema } from "effect"
import { Trust } from "../contract/Enums.ts"
import { unknownKey } from "./Explain.ts"
import { problemOf } from "./IntentMatcher.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import type { Channel, Intent, Route } from "./Plugin.ts"

/** What a plugin is being read for when it fails. */
export const Phase = Schema.Literals([
  "options",
  "secrets",
  "setup",
  "tools",
  "tasks",
  "intents",
  "channels",
  "routes",
  "page",
  "rules",
  "watchers",
  "jobs",
  "providers",
  "parts"
])
export type Phase = typeof Phase.Type

/** A sentence without its full stop, and whose it is. */
export interface Mistake {
  readonly plugin: string
  readonly phase: Phase
  readonly mistake: string
}

/** Ends the collecting. */
export class Refused extends Error {
  readonly where: Mistake
  constructor(plugin: string, phase: Phase, mistake: string) {
    super(mistake)
    this.where = { plugin, phase, mistake }
  }
}

export const dotted = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
export const onlyKeys = (
  plugin: string,
  phase: Phase,
  what: string,
  given: object,
  keys: ReadonlyArray<string>
): void => {
  const strange = Object.keys(given).find((key) => !keys.includes(key))
  if (strange !== undefined) throw new Refused(plugin, phase, `${what}: ${unknownKey(strange, keys, "property")}`)
}

export const checkIntent = (plugin: string, intent: Intent): Intent => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "intents", mistake)
  }
  if (typeof intent !== "object" || intent === null) return refuse("an intent must be an object")
  if (typeof intent.name !== "string" || !dotted.test(intent.name) || intent.name.length > 200) {
    return refuse(`an intent is named ${JSON.stringify(intent.name)}: use lower-case letters, digits, _, - and dots`)
  }
  const what = `intent ${intent.name}`
  onlyKeys(plugin, "intents", what, intent, ["name", "patterns", "tool", "task", "input"])
  const { task, tool } = intent as { readonly task?: unknown; readonly tool?: unknown }
  if (task !== undefined && tool !== undefined) return refuse(`${what} has both a tool and a task: keep one of the two`)
  if (typeof (task ?? tool) !== "string") return refuse(`${what} needs the name of a tool, or of a task`)
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

const channelKeys = [
  "name",
  "connector_id",
  "trust",
  "receive",
  "exclusive",
  "raises",
  "operator",
  "check",
  "webhook",
  "live",
  "send"
]

/** Channels whose events the host makes by itself. */
const hostChannels: ReadonlySet<string> = new Set(["api", "mcp", "rule_engine", "scheduler", "watcher", "worker"])

export const checkChannel = (plugin: string, channel: Channel): Channel => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "channels", mistake)
  }
  if (typeof channel !== "object" || channel === null) return refuse("a channel must be an object")
  if (typeof channel.name !== "string" || !dotted.test(channel.name) || channel.name.length > 100) {
    return refuse(`a channel is named ${JSON.stringify(channel.name)}: use lower-case letters, digits, _, - and dots`)
  }
  const what = `channel ${channel.name}`
  if (hostChannels.has(channel.name)) return refuse(`the ${what} is the host's own: give it another name`)
  onlyKeys(plugin, "channels", what, channel, channelKeys)
  if (channel.connector_id !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/.test(channel.connector_id)) {
    return refuse(
      `${what} has the connector_id ${JSON.stringify(channel.connector_id)}: use letters, digits, _, - and dots`
    )
  }
  if (!Trust.literals.some((trust) => trust === channel.trust)) {
    return refuse(`${what} needs trust: "operator", "trusted" or "untrusted"`)
  }
  const { exclusive, operator, raises, send } = channel
  if (exclusive !== undefined && typeof exclusive !== "boolean") return refuse(`${what} needs exclusive: true or false`)
  if (raises !== undefined && !Trust.literals.some((trust) => trust === raises)) {
    return refuse(`${what} needs raises: "operator", "trusted" or "untrusted"`)
  }
  if (operator !== undefined) {
    const to: unknown = (operator as { readonly to?: unknown } | null)?.to
    if (typeof to !== "string" || to === "" || to.length > 1_000) return refuse(`${what} needs operator: { to: "…" }`)
    if (send === undefined) return refuse(`${what} has an operator and no send: nobody could be asked there`)
  }
  for (const key of ["receive", "webhook", "live", "check"] as const) {
    if (channel[key] !== undefined && typeof channel[key] !== "function") {
      return refuse(`${what} needs ${key} to be a function`)
    }
  }
  return channel
}

export const checkRoute = (plugin: string, route: Route): Route => {
  if (
    typeof route !== "object" || route === null || !["GET", "POST", "PUT", "PATCH", "DELETE"].includes(route.method) ||
    typeof route.path !== "string" || !route.path.startsWith("/") || typeof route.handle !== "function"
  ) {
    throw new Refused(plugin, "routes", "a route needs a method, a path that begins with /, and a handle function")
  }
  onlyKeys(plugin, "routes", `route ${route.path}`, route, ["method", "path", "open", "handle"])
  if (route.open !== undefined && typeof route.open !== "boolean") {
    throw new Refused(plugin, "routes", `route ${route.path} needs open: true or false`)
  }
  if (route.open === true && route.method !== "GET") {
    throw new Refused(plugin, "routes", `route ${route.path} is open and answers ${route.method}: only GET may be open`)
  }
  if (/^\/grant\/?$/.test(route.path)) {
    throw new Refused(plugin, "routes", `route ${route.path} is the host's own address: give it another path`)
  }
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

/** The path of a page, as the host serves it. */
export const checkPage = (plugin: string, page: string, routes: ReadonlyArray<Route>): string => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "page", mistake)
  }
  if (typeof page !== "string" || !/^\/[\w./~-]*$/.test(page)) {
    return refuse("its page must be a path that begins with /, of letters, digits, and _ - . ~ /")
  }
  const pathname = `/plugins/${plugin}${page}`
  const route = routes.find(({ method, path }) =>
    method === "GET" && new URLPattern({ pathname: `/plugins/${plugin}${path}` }).test({ pathname })
  )
  if (route === undefined) return refuse(`its page is ${page}, and no GET route of it has this path: add one`)
  if (route.open !== true) {
    return refuse(`the route ${route.path} of its page ${page} needs open: true, or no browser could log in there`)
  }
  return pathname
}

export const checkProvider = (plugin: string, provider: ModelProvider): ModelProvider => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "providers", mistake)
  }
  if (typeof provider !== "object" || provider === null) return refuse("a provider must be an object")
  if (typeof provider.name !== "string" || !dotted.test(provider.name) || provider.name.length > 100) {
    return refuse(`a provider is named ${JSON.stringify(provider.name)}: use lower-case letters, digits, _, - and dots`)
  }
  const what = `provider ${provider.name}`
  if (provider.name === "openai") return refuse(`the ${what} is the host's own: give it another name`)
  onlyKeys(plugin, "providers", what, provider, ["name", "make"])
  if (typeof provider.make !== "function") return refuse(`${what} needs make to be a function`)
  return provider
}

const shorten = (text: string): string => text.length > 80 ? `${text.slice(0, 80)}…` : text
