/**
 * Puts what the plugins gave back together: checks each part, refuses clashes, answers what the host reads from then on.
 *
 * The host's own plugins take their names first, and stand last in every list: an operator's plugin can't take a name of
 * theirs, and its sentences are understood before theirs. In the same way those that run apart from the host come after the
 * others of the operator: they can't take a name of one that runs in the host, and their sentences are understood last of all.
 */
import type { Runtime, Trust } from "../contract/Enums.ts"
import { unknownKey } from "./Explain.ts"
import { makeIntentMatcher } from "./IntentMatcher.ts"
import { notifying } from "./Notifying.ts"
import { isLive } from "./LiveTools.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import {
  checkChannel,
  checkIntent,
  checkPage,
  checkProvider,
  checkRoute,
  type Mistake,
  type Phase,
  Refused
} from "./PartChecks.ts"
import { type JobTool, registerJob } from "./JobRegistration.ts"
import type { PluginCode } from "./PluginCode.ts"
import type { Channel, Intent, JobKind, PluginParts, PluginSpec, Route, Watcher } from "./Plugin.ts"
import type { BoundLog } from "./PluginLog.ts"
import type {
  RegisteredChannel,
  RegisteredIntent,
  RegisteredJob,
  RegisteredProvider,
  RegisteredRoute,
  RegisteredRule,
  RegisteredTask,
  RegisteredTool,
  RegisteredWatcher,
  Registry
} from "./Registry.ts"
import type { Outgoing } from "../safety/Outgoing.ts"
import { readRule } from "./RuleReading.ts"
import { registerTask } from "./TaskRegistration.ts"
import { registerTool, type ToolOverride } from "./ToolRegistration.ts"
import { registerWatcher } from "./WatcherRegistration.ts"

export interface NamedParts {
  readonly name: string
  readonly spec: PluginSpec<any, any>
  readonly parts: PluginParts
  readonly log: BoundLog
  /** Part of the host itself. */
  readonly own: boolean
  /** How its jobs are loaded apart from the host, or why they can't be: a sentence. */
  readonly code: PluginCode | string
  /** Where it runs. */
  readonly runtime: "inline" | Runtime
  /** Which addresses its requests may reach: of those that run in the host. */
  readonly outgoing?: Outgoing
  /** How far its rules, and what its sentences mean, can be trusted. Default: as far as the operator. */
  readonly trust?: Trust
}

/** Trust of the channels that the host itself provides. */
const ownChannels: ReadonlyMap<string, Trust> = new Map([["chat", "operator"], ["api", "operator"]])

/** `mayCome`: what is not there by name now may come later, so an intent that names it is left out until then. */
export const makeRegistry = (
  plugins: ReadonlyArray<NamedParts>,
  overrides: ReadonlyMap<string, ToolOverride>,
  timezone: string,
  jobTool: JobTool,
  mayCome = false
): Registry["Service"] | Mistake => {
  try {
    return collect(plugins, overrides, timezone, jobTool, mayCome)
  } catch (error) {
    if (error instanceof Refused) return error.where
    throw error
  }
}

const partKeys = ["tools", "tasks", "intents", "channels", "watchers", "rules", "jobs", "routes", "page", "providers"]

const collect = (
  plugins: ReadonlyArray<NamedParts>,
  overrides: ReadonlyMap<string, ToolOverride>,
  timezone: string,
  jobTool: JobTool,
  mayCome: boolean
): Registry["Service"] => {
  const tools = new Map<string, RegisteredTool>()
  const tasks = new Map<string, RegisteredTask>()
  const intents = new Map<string, RegisteredIntent>()
  const connectors = new Map<string, RegisteredChannel>()
  const trusts = new Map<string, { readonly plugin: string; readonly trust: Trust }>()
  const routes = new Map<string, RegisteredRoute>()
  const watchers = new Map<string, RegisteredWatcher>()
  const rules = new Map<string, RegisteredRule>()
  const jobs = new Map<string, RegisteredJob>()
  const providers = new Map<string, RegisteredProvider>()
  const pages = new Map<string, { readonly plugin: string; readonly path: string }>()

  const claimOrder = plugins.toSorted((a, b) => rankOf(a) - rankOf(b))
  /** In the order of the configuration, the host's own at the end. */
  const places = new Map(plugins.map(({ name, own }, i) => [name, own ? plugins.length + i : i]))
  const apart = new Set(plugins.filter(({ runtime }) => runtime !== "inline").map(({ name }) => name))
  const ownLast = <A extends { readonly plugin: string }>(parts: Iterable<A>): ReadonlyArray<A> =>
    Array.from(parts).toSorted((a, b) => (places.get(a.plugin) ?? 0) - (places.get(b.plugin) ?? 0))

  for (const { code, log, name, outgoing, parts, runtime, trust: ruleTrust } of claimOrder) {
    const reach = outgoing === undefined ? {} : { outgoing }
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
      claim(tools, tool.definition.name, { ...tool, ...reach }, name, "tools", `tool ${tool.definition.name}`)
    }
    for (const tool of listed("tools")) addTool(tool)
    for (const given of listed<unknown>("tasks")) {
      const task = registerTask(name, given, log)
      if (typeof task === "string") throw new Refused(name, "tasks", task)
      claim(tasks, task.definition.name, task, name, "tasks", `task ${task.definition.name}`)
    }
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
      if (channel.send !== undefined) {
        addTool(notifying({ ...channel.send, name: sendName(channel.name, connector_id) }))
      }
    }
    for (const given of listed<Intent>("intents")) {
      const intent = checkIntent(name, given)
      const registered = { ...intent, plugin: name, ...(ruleTrust === "untrusted" ? { strange: true } : {}) }
      claim(intents, intent.name, registered, name, "intents", `intent ${intent.name}`)
    }
    for (const given of listed<Watcher>("watchers")) {
      const watcher = registerWatcher(name, given, log)
      claim(watchers, watcher.watcher_id, { ...watcher, ...reach }, name, "watchers", `watcher ${watcher.watcher_id}`)
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
    if (parts.page !== undefined) {
      const path = checkPage(name, parts.page, listed<Route>("routes"))
      claim(pages, "page", { path, plugin: name }, name, "page", "page")
    }
    for (const [index, given] of listed<unknown>("rules").entries()) {
      const read = readRule(given, { style: "code", at: `rules[${index}]`, timezone })
      if (!read.ok) throw new Refused(name, "rules", read.mistakes.join("; "))
      const { name: called } = read.value.definition
      const rule = { ...read.value, plugin: name, ...(ruleTrust === undefined ? {} : { trust: ruleTrust }) }
      claim(rules, `${name}.${called}`, rule, name, "rules", `rule ${called}`)
    }
    for (const given of listed<JobKind>("jobs")) {
      const job = registerJob(name, given, { log, code, runtime })
      claim(jobs, job.kind, job, name, "jobs", `job ${job.kind}`)
      addTool(jobTool(job))
    }
    for (const given of listed<ModelProvider>("providers")) {
      const provider = checkProvider(name, given)
      const registered = { ...provider, plugin: name, log: log.with({ provider: provider.name }) }
      claim(providers, provider.name, registered, name, "providers", `provider ${provider.name}`)
    }
  }
  for (const intent of intents.values()) {
    const [noun, wanted, known] = intent.task === undefined
      ? ["tool", intent.tool, tools] as const
      : ["task", intent.task, tasks] as const
    if (known.has(wanted) || (noun === "tool" && isLive(wanted))) continue
    if (mayCome) {
      intents.delete(intent.name)
      continue
    }
    const hint = unknownKey(wanted, [...known.keys()], noun)
    throw new Refused(intent.plugin, "intents", `intent ${intent.name}: ${hint}`)
  }
  const lists = {
    tools: ownLast(tools.values()),
    tasks: ownLast(tasks.values()),
    intents: ownLast(intents.values()).toSorted((a, b) => Number(apart.has(a.plugin)) - Number(apart.has(b.plugin))),
    channels: ownLast(connectors.values()),
    routes: ownLast(routes.values()),
    watchers: ownLast(watchers.values()),
    rules: ownLast(rules.values()),
    jobs: ownLast(jobs.values()),
    providers: ownLast(providers.values()),
    plugins: plugins.toSorted((a, b) => Number(a.own) - Number(b.own)).map(({ name, parts, runtime, spec }) => ({
      name,
      version: spec.version ?? "0.0.0",
      runtime,
      permissions: spec.permissions ?? {},
      parts
    }))
  }
  return {
    tool: (name) => tools.get(name),
    tools: () => lists.tools,
    task: (name) => tasks.get(name),
    tasks: () => lists.tasks,
    intents: () => lists.intents,
    matchIntent: makeIntentMatcher(lists.intents),
    channels: () => lists.channels,
    connector: (connectorId) => connectors.get(connectorId),
    sendOf: ({ channel, connector_id }) => {
      const of = (id: string): RegisteredTool | undefined => {
        const found = connectors.get(id)?.channel
        return found?.name === channel && found.send !== undefined ? tools.get(sendName(channel, id)) : undefined
      }
      return of(connector_id) ?? of(channel)
    },
    routes: () => lists.routes,
    page: () => pages.get("page")?.path,
    watchers: () => lists.watchers,
    rules: () => lists.rules,
    job: (kind) => jobs.get(kind),
    jobs: () => lists.jobs,
    provider: (name) => providers.get(name),
    providers: () => lists.providers,
    trustOf: (channel) => trusts.get(channel)?.trust ?? ownChannels.get(channel) ?? "untrusted",
    plugins: () => lists.plugins,
    mayCome: () => mayCome
  }
}

/** Who takes its names first. */
const rankOf = ({ own, runtime }: NamedParts): number => own ? 0 : runtime === "inline" ? 1 : 2

/** One connector speaks for the channel: the one that has its name. */
const sendName = (channel: string, connectorId: string): string =>
  connectorId === channel ? `${channel}.send` : `${channel}.${connectorId}.send`

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
