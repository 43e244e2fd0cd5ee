/**
 * What a plugin brings, told to the host as plain JSON. The host checks all of it again where it has the rules for it; here is
 * only what needs the plugin's own functions and schemas, with the sentences that an inline plugin gets.
 */
import { Schema } from "effect"
import { toMillis } from "../../core/plugin/DurationInput.ts"
import { type InputOutput, inputOutput } from "../../core/plugin/InputOutput.ts"
import { NotPlainJson, toPlainJson } from "../../core/plugin/PlainJson.ts"
import type { Channel, Intent, JobKind, Route, Watcher } from "../../core/plugin/Plugin.ts"
import type { TaskDefinition } from "../../core/plugin/TaskDefinition.ts"
import { problemOf as taskProblem } from "../../core/plugin/TaskRegistration.ts"
import { requestSteps } from "../../core/plugin/TaskSteps.ts"
import type { ToolDefinition } from "../../core/plugin/Tool.ts"
import { problemOf as toolProblem } from "../../core/plugin/ToolRegistration.ts"
import { unknownKey, withStop } from "../../core/plugin/Explain.ts"
import type { Described, DescribedJob, DescribedTool } from "../protocol/Described.ts"
import { type Loaded, NotUsable } from "./LoadPlugin.ts"

export interface GuestTool {
  readonly definition: ToolDefinition
  readonly boundary: InputOutput
}

export interface GuestTask {
  readonly definition: TaskDefinition
  readonly boundary: InputOutput
  readonly stepsOf: ((input: unknown) => ReadonlyArray<unknown>) | undefined
}

export interface GuestJob {
  readonly definition: JobKind
  readonly boundary: InputOutput
}

/** The parts as they are invoked, by name. */
export interface GuestParts {
  readonly tools: ReadonlyMap<string, GuestTool>
  readonly jobs: ReadonlyMap<string, GuestJob>
  readonly tasks: ReadonlyMap<string, GuestTask>
  readonly channels: ReadonlyMap<string, Channel>
  readonly watchers: ReadonlyMap<string, Watcher>
  readonly routes: ReadonlyMap<string, Route>
  readonly intents: ReadonlyMap<string, Intent>
}

const partKeys = ["tools", "tasks", "intents", "channels", "watchers", "rules", "jobs", "routes", "page", "providers"]
const noFields = Schema.Struct({})
const toolFunctions = ["bind", "preview", "probe", "compensate", "target", "action", "blastRadius"] as const

/** Where one is twice, the first is kept: the host, which gets both, says so. */
const put = <A>(parts: Map<string, A>, name: string, part: A): void => void (parts.has(name) || parts.set(name, part))

export const describe = (loaded: Loaded): { readonly described: Described; readonly parts: GuestParts } => {
  const { name: plugin, parts, spec } = loaded
  const strange = Object.keys(parts).find((key) => !partKeys.includes(key))
  if (strange !== undefined) throw new NotUsable("parts", [unknownKey(strange, partKeys, "part")])
  const refused: Array<string> = []
  const tools = new Map<string, GuestTool>()
  const tasks = new Map<string, GuestTask>()
  const jobs = new Map<string, GuestJob>()
  const channels = new Map<string, Channel>()
  const watchers = new Map<string, Watcher>()
  const routes = new Map<string, Route>()
  const intents = new Map<string, Intent>()

  const addTool = (given: unknown): DescribedTool => {
    const problem = toolProblem(given)
    if (problem !== undefined) throw new NotUsable("tools", [problem])
    const definition = given as ToolDefinition
    const boundary = inputOutput("tool", definition)
    if (typeof boundary === "string") throw new NotUsable("tools", [boundary])
    if (definition.guarantee === "transactional") {
      refused.push(
        `its tool ${definition.name} is transactional, and a transaction can't leave the host: list the plugin without isolate()`
      )
    }
    put(tools, definition.name, { definition, boundary })
    return describedTool(definition, boundary)
  }

  const list = <A>(key: keyof Loaded["parts"]): ReadonlyArray<A> => listed<A>(loaded, key)
  const described = {
    plugin: spec.name,
    ...(loaded.instance === undefined ? {} : { instance: loaded.instance }),
    ...(typeof spec.version === "string" ? { version: spec.version } : {}),
    permissions: permissionsOf(spec.permissions),
    tools: list("tools").map(addTool),
    intents: list<Intent>("intents").map((intent) => {
      if (typeof intent !== "object" || intent === null) throw new NotUsable("intents", ["an intent must be an object"])
      if (!Array.isArray(intent.patterns) || intent.patterns.some((pattern: unknown) => !(pattern instanceof RegExp))) {
        throw new NotUsable("intents", [`intent ${intent.name} needs patterns: a list of regular expressions`])
      }
      if (intent.input !== undefined && typeof intent.input !== "function") {
        throw new NotUsable("intents", [`intent ${intent.name} needs input to be a function`])
      }
      put(intents, intent.name, intent)
      return {
        ...only(intent, ["name", "tool", "task"]),
        patterns: intent.patterns.map(({ flags, source }) => ({ source, flags })),
        reads: intent.input !== undefined
      }
    }),
    channels: list<Channel>("channels").map((channel) => {
      if (typeof channel !== "object" || channel === null) {
        throw new NotUsable("channels", ["a channel must be an object"])
      }
      const connector = channel.connector_id ?? channel.name
      const has = (["receive", "webhook", "live"] as const).filter((key) => channel[key] !== undefined)
      const wrong = has.find((key) => typeof channel[key] !== "function")
      if (wrong !== undefined) {
        throw new NotUsable("channels", [`channel ${channel.name} needs ${wrong} to be a function`])
      }
      put(channels, connector, channel)
      const send = channel.send === undefined
        ? {}
        : { send: addTool({ ...channel.send, name: sendName(channel.name, connector) }) }
      if (channel.raises !== undefined || channel.operator !== undefined) {
        refused.push(
          `its channel ${channel.name} ${
            channel.raises === undefined ? "asks the operator for approvals" : "raises the trust of events"
          }, which only a plugin in the host may: list the plugin without isolate()`
        )
      }
      return { ...only(channel, ["name", "connector_id", "trust", "exclusive"]), has, ...send }
    }),
    watchers: list<Watcher>("watchers").map((watcher) => describedWatcher(plugin, watcher, watchers)),
    rules: list("rules").map((rule) => plain("rules", "a rule", rule)),
    jobs: list<JobKind>("jobs").map((job) => describedJob(job, jobs)),
    tasks: list("tasks").map((given) => describedTask(given, tasks)),
    routes: list<Route>("routes").map((route) => {
      if (typeof route !== "object" || route === null || typeof route.handle !== "function") {
        throw new NotUsable("routes", ["a route needs a method, a path that begins with /, and a handle function"])
      }
      put(routes, `${route.method} ${route.path}`, route)
      if (route.open === true) {
        refused.push(
          `its route ${route.path} answers without token or session, which only a plugin in the host may: list the plugin without isolate()`
        )
      }
      return { method: route.method, path: route.path }
    }),
    ...(loaded.plainSecrets.length === 0 ? {} : { plain_secrets: loaded.plainSecrets }),
    ...(loaded.secrets.length === 0 ? {} : { secrets: loaded.secrets.map(({ key, name }) => [name, key]) })
  }
  if (list("providers").length > 0) {
    refused.push("it brings a way to a language model, which works in the host only: list the plugin without isolate()")
  }
  if (parts.page !== undefined) {
    refused.push(
      "it brings the operator's page, which only a plugin in the host may: list the plugin without isolate()"
    )
  }
  return {
    described: {
      ...described,
      ...(refused.length === 0 ? {} : { refused: refused.join("; ") })
    } as unknown as Described,
    parts: { tools, tasks, jobs, channels, watchers, routes, intents }
  }
}

const listed = <A>({ parts }: Loaded, key: keyof Loaded["parts"]): ReadonlyArray<A> => {
  const given: unknown = parts[key]
  if (given !== undefined && !Array.isArray(given)) throw new NotUsable("parts", [`its ${key} must be a list`])
  return given as ReadonlyArray<A> ?? []
}

const describedTool = (tool: ToolDefinition, boundary: InputOutput): DescribedTool => ({
  ...only(tool, ["name", "description", "effect", "scopes", "guarantee", "trust", "concurrency"]),
  ...(typeof tool.risk === "function" ? {} : { risk: tool.risk }),
  input_schema: boundary.inputSchema,
  ...(boundary.outputSchema === undefined ? {} : { output_schema: boundary.outputSchema }),
  ...(tool.timeout === undefined ? {} : { timeout_ms: toMillis(tool.timeout) }),
  has: toolFunctions.filter((key) => tool[key] !== undefined)
} as unknown as DescribedTool)

const describedJob = (job: JobKind, jobs: Map<string, GuestJob>): DescribedJob => {
  if (typeof job !== "object" || job === null) throw new NotUsable("jobs", ["a job must be an object"])
  const say = (rest: string): NotUsable => new NotUsable("jobs", [`job ${job.name} ${rest}`])
  if (!Schema.isSchema(job.input)) throw say("needs an input: use Schema.Struct({ … })")
  if (job.output !== undefined && !Schema.isSchema(job.output)) throw say("has an output that is not a Schema")
  if (typeof job.run !== "function") throw say("needs run to be a function")
  const boundary = inputOutput("job", job)
  if (typeof boundary === "string") throw new NotUsable("jobs", [boundary])
  put(jobs, job.name, { definition: job, boundary })
  return {
    ...only(job, ["name", "description", "effect", "scopes", "runtime", "limits", "concurrency"]),
    ...(job.risk === undefined ? {} : typeof job.risk === "function" ? { risk_varies: true } : { risk: job.risk }),
    input_schema: boundary.inputSchema,
    ...(job.maxAttempts === undefined ? {} : { max_attempts: job.maxAttempts }),
    ...(job.retry === undefined ? {} : { retry: retryOf(job.retry) })
  } as unknown as DescribedJob
}

/** In milliseconds, which are durations as well. */
const retryOf = (retry: object): object =>
  Object.fromEntries(
    Object.entries(retry).map(([key, value]) =>
      key === "baseDelay" || key === "maxDelay" ? [key, toMillis(value) ?? String(value)] : [key, value as unknown]
    )
  )

const describedTask = (given: unknown, tasks: Map<string, GuestTask>) => {
  const problem = taskProblem(given)
  if (problem !== undefined) throw new NotUsable("tasks", [problem])
  const definition = given as TaskDefinition
  const boundary = inputOutput("task", { ...definition, input: definition.input ?? noFields })
  if (typeof boundary === "string") throw new NotUsable("tasks", [boundary])
  const { steps } = definition
  put(tasks, definition.name, {
    definition,
    boundary,
    stepsOf: steps === undefined ? undefined : (input) => {
      try {
        return requestSteps(steps(input))
      } catch (error) {
        throw new Error(withStop(error instanceof Error ? error.message || error.name : String(error)), {
          cause: error
        })
      }
    }
  })
  return {
    ...only(definition, ["name", "description", "labels", "priority"]),
    input_schema: boundary.inputSchema,
    kind: steps === undefined ? "code" : "steps"
  }
}

const describedWatcher = (plugin: string, watcher: Watcher, watchers: Map<string, Watcher>) => {
  if (typeof watcher !== "object" || watcher === null) throw new NotUsable("watchers", ["a watcher must be an object"])
  const what = `watcher ${String(watcher.name).includes(".") ? watcher.name : `${plugin}.${watcher.name}`}`
  if (typeof watcher.tick !== "function") throw new NotUsable("watchers", [`${what} needs tick to be a function`])
  const interval = toMillis(watcher.interval)
  if (interval === undefined) {
    throw new NotUsable("watchers", [`${what} needs an interval from 1 second to 7 days, such as "30 seconds"`])
  }
  const timeout = watcher.timeout === undefined ? undefined : toMillis(watcher.timeout)
  if (watcher.timeout !== undefined && timeout === undefined) {
    throw new NotUsable("watchers", [`${what} needs a timeout above zero and of at most 1 hour, such as "30 seconds"`])
  }
  const { throttle } = watcher
  const per = throttle === undefined ? undefined : toMillis(throttle.per)
  if (throttle !== undefined && per === undefined) {
    throw new NotUsable("watchers", [`${what} needs throttle.per from 1 second to 7 days, such as "1 minute"`])
  }
  put(watchers, watcher.name, watcher)
  return {
    ...only(watcher, ["name", "trust"]),
    interval_ms: interval,
    ...(timeout === undefined ? {} : { timeout_ms: timeout }),
    ...(throttle === undefined ? {} : { throttle: { events: throttle.events, per_ms: per } }),
    ...(watcher.alarmAfter === undefined ? {} : { alarm_after: watcher.alarmAfter })
  }
}

const permissionsOf = (given: unknown): Described["permissions"] => {
  if (given === undefined) return {}
  const json = plain("options", "its permissions", given)
  if (
    typeof json !== "object" || json === null ||
    Object.values(json).some((list) => !Array.isArray(list) || list.some((item) => typeof item !== "string"))
  ) {
    throw new NotUsable("options", [
      "its permissions must be lists of words, such as { net: [\"api.example.org:443\"] }"
    ])
  }
  return json as Described["permissions"]
}

const plain = (phase: string, what: string, value: unknown): unknown => {
  try {
    return toPlainJson(value)
  } catch (error) {
    throw error instanceof NotPlainJson ? new NotUsable(phase, [`${what} ${error.message}`]) : error
  }
}

/** One connector speaks for the channel: the one that has its name. */
const sendName = (channel: string, connector: string): string =>
  connector === channel ? `${channel}.send` : `${channel}.${connector}.send`

const only = (from: object, keys: ReadonlyArray<string>): Record<string, unknown> =>
  Object.fromEntries(
    keys.map((key) => [key, (from as Readonly<Record<string, unknown>>)[key]]).filter(([, value]) =>
      value !== undefined
    )
  )
