/**
 * What a plugin in an isolate said that it brings, as parts that the registry takes like those of any other plugin.
 *
 * What it says is a stranger's word. It may not speak for the host: no name of the host's own, no sentence for a tool that is
 * neither its own nor granted to it, no rule that has such a tool called. Of the events of others it sees none by its rules,
 * unless the operator vouches for it.
 */
import { Schema } from "effect"
import type { RuleConfiguration } from "../plugin/Configuration.ts"
import { isLive } from "../plugin/LiveTools.ts"
import type { PluginParts } from "../plugin/Plugin.ts"
import { Described } from "../../sandbox/protocol/Described.ts"
import type { Access } from "./Access.ts"
import { namedIn } from "./Broker.ts"
import { channelProxy, intentProxy, routeProxy, watcherProxy } from "./ChannelProxy.ts"
import { patternsRefused, understandsAnything } from "./Patterns.ts"
import { taskProxy } from "./TaskProxy.ts"
import { jobProxy, toolProxy } from "./ToolProxy.ts"

/** What can't be believed of what it said, or what it may not bring: a sentence. */
export class DescriptionRefused extends Error {
  override readonly name = "DescriptionRefused"
}

const namePattern = /^[a-z][a-z0-9_-]{0,63}$/
const instancePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/

/** Channels on which the host itself speaks, or on which it is spoken to. */
const ownChannels: ReadonlySet<string> = new Set(["api", "chat", "cli", "rule_engine", "scheduler", "watcher"])

const mostPatterns = 2_000
const isDescribed = Schema.is(Described)

/** Its name in this host. */
export const nameOf = ({ instance, plugin }: Pick<Described, "plugin" | "instance">): string =>
  instance === undefined ? plugin : `${plugin}.${instance}`

/** Throws `DescriptionRefused`. Also for what was kept of an earlier run. */
export const checkDescribed = (given: unknown): Described => {
  const refuse = (sentence: string): never => {
    throw new DescriptionRefused(sentence)
  }
  if (!isDescribed(given)) return refuse("What it says that it brings has not the shape that the host knows.")
  if (given.refused !== undefined) return refuse(given.refused.slice(0, 500))
  if (!namePattern.test(given.plugin)) {
    return refuse("Its name must be lower-case letters, digits, _ and -, and begin with a letter.")
  }
  if (given.instance !== undefined && !instancePattern.test(given.instance)) {
    return refuse(`${JSON.stringify(given.instance)} can't name it: use lower-case letters, digits, _ and -.`)
  }
  const reserved = given.tools.find(({ name }) => isLive(name) || /^(job\.run|syris|system)\./.test(name))
  if (reserved !== undefined) {
    return refuse(`The name ${reserved.name} of a tool is the host's own: give it another one.`)
  }
  const own = given.channels.find(({ name }) => ownChannels.has(name))
  if (own !== undefined) return refuse(`The channel ${own.name} is the host's own: give it another name.`)
  const transactional = [...given.tools, ...given.channels.map(({ send }) => send)].find((tool) =>
    tool?.guarantee === "transactional"
  )
  if (transactional !== undefined) {
    return refuse(`Its tool ${transactional.name} is transactional, which only a plugin in the host can be.`)
  }
  const patterns = given.intents.reduce((sum, intent) => sum + intent.patterns.length, 0)
  if (patterns > mostPatterns) {
    return refuse(`It brings ${patterns} patterns of sentences, and ${mostPatterns} are the most.`)
  }
  const unfit = patternsRefused(given.intents, true)
  if (unfit !== undefined) return refuse(unfit)
  return given
}

/** The proxies. Throws `DescriptionRefused`. */
export const makeParts = (access: Access, said: Described): PluginParts => {
  const ownTools = new Set([
    ...said.tools.map(({ name }) => name),
    ...said.jobs.map(({ name }) => `job.run.${name}`),
    ...said.channels.flatMap(({ connector_id: id, name, send }) =>
      send === undefined ? [] : [id === undefined || id === name ? `${name}.send` : `${name}.${id}.send`]
    )
  ])
  const ownTasks = new Set(said.tasks.map(({ name }) => name))
  const mayCall = (tool: string): boolean => ownTools.has(tool) || namedIn(access.allow.tools, tool)
  for (const { name, task, tool } of said.intents) {
    if (tool !== undefined && !mayCall(tool)) {
      throw new DescriptionRefused(
        `Its intent ${name} calls ${tool}, which is no tool of its own: add it to allow.tools of its isolate(), or leave it out.`
      )
    }
    if (task !== undefined && !ownTasks.has(task)) {
      throw new DescriptionRefused(`Its intent ${name} starts the task ${task}, which is none of its own.`)
    }
  }
  const unfit = patternsRefused(said.intents, access.trusted)
  if (unfit !== undefined) throw new DescriptionRefused(unfit)
  const intents = said.intents.map((intent) => intentProxy(access, intent))
  const greedy = access.trusted ? undefined : intents.find(({ patterns }) => patterns.some(understandsAnything))
  if (greedy !== undefined) {
    throw new DescriptionRefused(
      `Its intent ${greedy.name} understands whatever is said, so it would hear what is meant for others: let its sentences ` +
        "begin with a word of their own, or say trusted: true in its isolate()."
    )
  }
  const ownChannels = new Set(said.channels.map(({ name }) => name))
  for (const rule of said.rules) {
    if (!access.trusted && !looksAtOwn(rule["when"], ownChannels)) {
      throw new DescriptionRefused(
        "One of its rules looks at more than the events of its own channels: let it begin with source.channel, or say " +
          "trusted: true in its isolate()."
      )
    }
    const foreign = [...toolsOf(rule["then"]), ...sayersOf(rule["then"])].find((tool) => !mayCall(tool))
    if (foreign !== undefined) {
      throw new DescriptionRefused(
        `One of its rules calls ${foreign}, which is no tool of its own: add it to allow.tools of its isolate(), or leave it out.`
      )
    }
    const task = tasksOf(rule["then"]).find((one) => !ownTasks.has(one))
    if (task !== undefined) {
      throw new DescriptionRefused(`One of its rules starts the task ${task}, which is none of its own.`)
    }
  }
  return {
    tools: said.tools.map((tool) => toolProxy(access, tool.name, tool)),
    intents,
    channels: said.channels.map((channel) => channelProxy(access, channel)),
    watchers: said.watchers.map((watcher) => watcherProxy(access, watcher)),
    rules: said.rules as unknown as ReadonlyArray<RuleConfiguration>,
    jobs: said.jobs.map((job) => jobProxy(access, job)),
    tasks: said.tasks.map((task) => taskProxy(access, task, (tool) => ownTools.has(tool))),
    routes: said.routes.map((route) => routeProxy(access, route))
  }
}

/** Whether a condition holds for events of these channels alone. */
const looksAtOwn = (when: unknown, channels: ReadonlySet<string>): boolean => {
  if (typeof when !== "object" || when === null) return false
  const { all, op, path, value } = when as Readonly<Record<string, unknown>>
  if (Array.isArray(all)) return all.some((one) => looksAtOwn(one, channels))
  return path === "source.channel" && op === "eq" && typeof value === "string" && channels.has(value)
}

const actionsOf = (then: unknown): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  (Array.isArray(then) ? then as ReadonlyArray<unknown> : []).flatMap((action) =>
    typeof action === "object" && action !== null ? [action as Readonly<Record<string, unknown>>] : []
  )

/** The tasks that actions start by their names. */
const tasksOf = (then: unknown): ReadonlyArray<string> =>
  actionsOf(then).flatMap(({ task }) =>
    typeof task === "object" && task !== null && "task" in task && typeof task.task === "string" ? [task.task] : []
  )

/** The tools that say what actions have said; the chat is the operator's own. */
const sayersOf = (then: unknown): ReadonlyArray<string> =>
  actionsOf(then).flatMap(({ notify }) => {
    if (typeof notify !== "object" || notify === null) return []
    const channel = "channel" in notify ? notify.channel : undefined
    return typeof channel === "string" && channel !== "chat" ? [`${channel}.send`] : []
  })

/** Everything under the key `tool`, however deep: what has a tool called. Templates count as names that nobody was granted. */
const toolsOf = (value: unknown, depth = 0): ReadonlyArray<string> => {
  if (typeof value !== "object" || value === null || depth > 16) return []
  if (Array.isArray(value)) return value.flatMap((one) => toolsOf(one, depth + 1))
  return Object.entries(value).flatMap(([key, one]) =>
    key === "tool" && typeof one === "string" ? [one] : key === "input" ? [] : toolsOf(one, depth + 1)
  )
}
