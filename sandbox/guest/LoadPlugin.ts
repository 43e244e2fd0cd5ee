/**
 * Finds the plugin in its module, checks its options and runs its `setup`, with the sentences that the host has for the same
 * mistakes (`core/plugin/PluginHost.ts`).
 */
import { Schema } from "effect"
import { check, unknownKey, withStop } from "../../core/plugin/Explain.ts"
import { findPlainSecrets, findSecretRefs } from "../../core/plugin/OptionSecrets.ts"
import { factorySpec, isPlugin, type PluginParts, type PluginSpec } from "../../core/plugin/Plugin.ts"
import { secret, type SecretRef } from "../../core/plugin/Secret.ts"
import type { Log } from "../../core/plugin/Tool.ts"
import { type NamedHosts, namedHosts } from "../../core/safety/NamedHosts.ts"
import { decodeOptions } from "../protocol/Values.ts"
import { awaited } from "./Awaited.ts"

/** The plugin can't be used; the message is a sentence's end, and `code` says while it was read for what. */
export class NotUsable extends Error {
  override readonly name = "NotUsable"
  readonly code: string
  constructor(code: string, mistakes: ReadonlyArray<string>, cause?: unknown) {
    super(mistakes.map((mistake) => mistake.replace(/\.$/, "")).join("; "), cause === undefined ? undefined : { cause })
    this.code = code
  }
}

export interface Wanted {
  /** Path or address of the module. */
  readonly entry: string
  /** The name that the plugin gave itself; empty: whichever the module has. */
  readonly plugin: string
  /** Its name in the host; empty: made of its own and its instance's. */
  readonly name: string
  /** As they crossed. */
  readonly options: unknown
  readonly timezone: string
  /** The hosts that it was granted. */
  readonly net?: ReadonlyArray<string>
}

export interface Loaded {
  readonly spec: PluginSpec<any, any>
  readonly name: string
  readonly instance: string | undefined
  readonly parts: PluginParts
  readonly secrets: ReadonlyArray<SecretRef>
  readonly plainSecrets: ReadonlyArray<string>
  /** Which hosts the operator named. */
  readonly named: () => NamedHosts
}

const specKeys = ["name", "version", "instance", "options", "permissions", "setup"]
const namePattern = /^[a-z][a-z0-9_-]{0,63}$/
const instancePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/

export const loadPlugin = async (
  wanted: Wanted,
  read: (url: string) => Promise<Readonly<Record<string, unknown>>>,
  makeLog: (name: string) => Log
): Promise<Loaded> => {
  let module: Readonly<Record<string, unknown>>
  try {
    module = await read(urlOf(wanted.entry))
  } catch (error) {
    throw new NotUsable("load", [`it threw while it was loaded: ${firstLine(error)}`], error)
  }
  const { options: given, spec } = findPlugin(module, wanted, decodeOptions(wanted.options ?? {}))
  if (typeof spec.name !== "string" || !namePattern.test(spec.name)) {
    throw new NotUsable("options", ["its name must be lower-case letters, digits, _ and -, and begin with a letter"])
  }
  const strange = Object.keys(spec).find((key) => !specKeys.includes(key))
  if (strange !== undefined) throw new NotUsable("options", [unknownKey(strange, specKeys, "property")])
  if (typeof spec.setup !== "function") throw new NotUsable("setup", ["it has no setup function"])
  const checked = check(spec.options ?? Schema.Struct({}), "option")(given)
  if (!checked.ok) throw new NotUsable("options", checked.mistakes)
  const options: unknown = checked.value
  const instance = instanceOf(spec, options)
  const name = wanted.name !== "" ? wanted.name : instance === undefined ? spec.name : `${spec.name}.${instance}`
  const secrets: Array<SecretRef> = [...findSecretRefs(options)]
  const parts = await setUp(spec, {
    options,
    name,
    log: makeLog(name),
    timezone: wanted.timezone,
    secret: (whose, key) => {
      const ref = secret(whose, key)
      secrets.push(ref)
      return ref
    }
  })
  const plain = spec.options === undefined ? [] : findPlainSecrets(spec.options.ast, options)
  const { net = [] } = wanted
  return {
    spec,
    name,
    instance,
    parts,
    secrets,
    plainSecrets: plain.map(({ option }) => option),
    named: () => namedHosts(options, { net, secrets: plain.map(({ value }) => value) })
  }
}

const setUp = async (
  spec: PluginSpec<any, any>,
  context: Parameters<PluginSpec<any, any>["setup"]>[0]
): Promise<PluginParts> => {
  let parts: unknown
  try {
    parts = await awaited(() => spec.setup(context))
  } catch (error) {
    throw new NotUsable("setup", [firstLine(error)], error)
  }
  if (typeof parts !== "object" || parts === null || Array.isArray(parts)) {
    throw new NotUsable("setup", ["it must give back an object, such as { tools: [ … ] }"])
  }
  return parts as PluginParts
}

const instanceOf = (spec: PluginSpec<any, any>, options: unknown): string | undefined => {
  let instance: string | undefined
  try {
    instance = spec.instance?.(options)
  } catch (error) {
    throw new NotUsable("options", [`its instance function throws: ${firstLine(error)}`], error)
  }
  if (instance !== undefined && !instancePattern.test(instance)) {
    throw new NotUsable("options", [
      `${JSON.stringify(instance)} can't name it: use lower-case letters, digits, _ and -`
    ])
  }
  return instance
}

interface Found {
  readonly spec: PluginSpec<any, any>
  readonly options: unknown
}

/** The default export is asked first; what was not made by `definePlugin` is called only where nothing else fits. */
const findPlugin = (
  module: Readonly<Record<string, unknown>>,
  wanted: Wanted,
  options: unknown
): Found => {
  const fits = (spec: PluginSpec<any, any> | undefined): spec is PluginSpec<any, any> =>
    spec !== undefined && (wanted.plugin === "" || spec.name === wanted.plugin)
  const exported = [
    module["default"],
    ...Object.keys(module).filter((key) => key !== "default").map((key) => module[key])
  ]
  for (const value of exported) {
    const spec = factorySpec(value)
    if (fits(spec)) return { spec, options }
    if (isPlugin(value) && fits(value.spec)) return value
    const listed = listedIn(value).filter((plugin) => fits(plugin.spec))
    const found = listed.length > 1 && wanted.name !== ""
      ? listed.find((plugin) => nameOf(plugin) === wanted.name)
      : listed[0]
    if (found !== undefined) return found
  }
  for (const value of exported) {
    if (typeof value !== "function" || factorySpec(value) !== undefined) continue
    try {
      const made: unknown = value(options)
      if (isPlugin(made) && fits(made.spec)) return made
    } catch {
      // It was no factory, or not for these options: the next one may be.
    }
  }
  throw new NotUsable("load", [
    wanted.plugin === ""
      ? "it exports no plugin: end it with `export default definePlugin({ … })`"
      : `it exports no plugin that is named ${wanted.plugin}`
  ])
}

/** The plugins of a configuration. */
const listedIn = (value: unknown): ReadonlyArray<Found> => {
  if (typeof value !== "object" || value === null || !("plugins" in value) || !Array.isArray(value.plugins)) return []
  return (value.plugins as ReadonlyArray<unknown>).filter(isPlugin)
}

const nameOf = ({ options, spec }: Found): string => {
  const checked = check(spec.options ?? Schema.Struct({}), "option")(options)
  const instance = checked.ok ? instanceOf(spec, checked.value) : undefined
  return instance === undefined ? spec.name : `${spec.name}.${instance}`
}

const urlOf = (entry: string): string =>
  entry.startsWith("file:")
    ? entry
    : `file://${entry.split("/").map((part) => encodeURIComponent(part)).join("/")}`

const firstLine = (cause: unknown): string => {
  const [line = ""] = (cause instanceof Error ? cause.message || cause.name : String(cause)).split("\n")
  return withStop(line.slice(0, 500) || "it failed without a message").replace(/\.$/, "")
}
