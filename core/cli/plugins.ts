/**
 * `syris plugins`: what is listed, where it runs and what it may do there; and what has changed of one that was granted.
 *
 * What is granted is what was shown: the hash of the diff goes along, and the host refuses another one.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, Prompt, TerminalCapabilities } from "effect/cli"
import { clipped, visible, visibleJson, visibleLines } from "../contract/Visible.ts"
import { Client } from "./client.ts"
import { failed, misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { type Paints, paints, table } from "./layout.ts"

type Permissions = Readonly<Record<string, ReadonlyArray<string>>>

interface PluginView {
  readonly name: string
  readonly version: string
  readonly runtime: string
  readonly state: string
  readonly last_error?: string
  readonly permissions: Permissions
  readonly provides: Readonly<Record<string, ReadonlyArray<string> | number>>
  readonly asked?: Permissions
  readonly granted?: Permissions
  readonly code?: { readonly hash: string; readonly files: number; readonly bytes: number }
  readonly held?: { readonly hash: string; readonly since: string; readonly diff: string; readonly cut: boolean }
  readonly restarts?: number
}

type HeldPlugin = PluginView & { readonly held: NonNullable<PluginView["held"]> }

const named = Argument.String("plugin").pipe(Argument.withDescription("A plugin, by its name in this host"))

const readPlugins = Effect.gen(function*() {
  const client = yield* Client
  const { body } = yield* client.request("/plugins")
  return (body as { readonly items: ReadonlyArray<PluginView> }).items
})

const readOne = Effect.fnUntraced(function*(name: string) {
  const found = (yield* readPlugins).find((plugin) => plugin.name === name)
  if (found !== undefined) return found
  const say = yield* spell
  return yield* failed(`There is no plugin ${visible(name)}: see ${say("plugins")}`)
})

const isHeld = (plugin: PluginView): plugin is HeldPlugin => plugin.held !== undefined

const painter = Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) => paints(canColor))

const stateOf = ({ state }: PluginView, paint: Paints): string => {
  const shown = visible(state)
  return state === "running" ? paint.green(shown) : state === "failed" ? paint.red(shown) : paint.yellow(shown)
}

const show = Effect.fn("plugins.show")(function*(json: boolean) {
  const items = yield* readPlugins
  if (json) return yield* Effect.forEach(items, (one) => Console.log(visibleJson(one)), { discard: true })
  const say = yield* spell
  const paint = yield* painter
  const head = ["PLUGIN", "VERSION", "RUNS IN", "STATE", "TOOLS", "RESTARTS", "ERROR"].map(paint.dim)
  const rows = items.map((one) => [
    visible(one.name),
    visible(one.version),
    one.runtime === "inline" ? "the host" : visible(one.runtime),
    stateOf(one, paint),
    String(listOf(one, "tools").length),
    one.restarts === undefined ? "" : String(one.restarts),
    clipped(one.last_error ?? "", 120)
  ])
  for (const line of table([head, ...rows])) yield* Console.log(line)
  if (items.some(isHeld)) {
    yield* Console.log(paint.yellow(`Code has changed and is not loaded until you grant it: ${say("plugins", "diff")}`))
  }
  yield* Console.log(paint.dim(`One of them in full: ${say("plugins", "PLUGIN")}`))
})

const listOf = ({ provides }: PluginView, part: string): ReadonlyArray<string> => {
  const list = provides[part]
  return Array.isArray(list) ? list as ReadonlyArray<string> : []
}

const kibibytes = (count: number): string => `${Math.ceil(count / 1_024).toLocaleString("en")} KiB`

const itemsOf = (permissions: Permissions = {}): ReadonlyArray<string> =>
  Object.entries(permissions).flatMap(([kind, items]) => items.map((item) => `${kind}: ${item}`))

const full = Effect.fn("plugins.full")(function*(one: PluginView) {
  const paint = yield* painter
  const say = yield* spell
  const list = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
    lines.length === 0 ? [] : [paint.dim(title), ...lines.map((line) => `  ${visible(line)}`)]
  const granted = itemsOf(one.granted)
  const without = itemsOf(one.asked).filter((item) => !granted.includes(item))
  const where = one.runtime === "inline" ? "in the host, with all rights of it" : `apart from the host (${one.runtime})`
  for (
    const line of [
      `${paint.bold(visible(one.name))} ${visible(one.version)}  ${stateOf(one, paint)}`,
      `It runs ${visible(where)}.`,
      ...(one.last_error === undefined ? [] : [paint.red(visible(one.last_error))]),
      ...(one.code === undefined
        ? []
        : [`code ${visible(one.code.hash.slice(0, 16))}…, ${one.code.files} files, ${kibibytes(one.code.bytes)}`]),
      ...(one.held === undefined
        ? []
        : [paint.yellow(`Its code changed, and waits for you: ${say("plugins", "diff", visible(one.name))}`)]),
      ...(one.granted === undefined ? [] : list("it may:", granted.length === 0 ? ["nothing but compute"] : granted)),
      ...(one.granted === undefined ? [] : list("it asks for besides, and may not:", without)),
      ...Object.keys(one.provides).flatMap((part) => list(`${part}:`, listOf(one, part)))
    ]
  ) yield* Console.log(line)
})

const inColour = (line: string, paint: Paints): string =>
  line.startsWith("+") ? paint.green(line) : line.startsWith("-") ? paint.red(line) : line

const shown = ({ held, name }: HeldPlugin, paint: Paints): ReadonlyArray<string> => [
  paint.bold(visible(name)),
  ...visibleLines(held.diff).map((line) => inColour(line, paint)),
  ...(held.cut
    ? [paint.yellow("Not all that has changed can be shown: read the files themselves before you say yes.")]
    : []),
  paint.dim(`hash ${visible(held.hash)}`)
]

const diff = Command.make(
  "diff",
  { plugin: named.pipe(Argument.optional), json },
  Effect.fn(function*({ json, plugin }) {
    const wanted = Option.getOrUndefined(plugin)
    const all = wanted === undefined ? yield* readPlugins : [yield* readOne(wanted)]
    const held = all.filter(isHeld)
    if (json) {
      return yield* Effect.forEach(
        held,
        ({ held, name }) => Console.log(visibleJson({ plugin: name, ...held })),
        { discard: true }
      )
    }
    if (held.length === 0) {
      return yield* Console.log(
        wanted === undefined ? "No plugin is held." : `The plugin ${visible(wanted)} is what you granted.`
      )
    }
    const paint = yield* painter
    const say = yield* spell
    for (const one of held) {
      for (const line of [...shown(one, paint), ""]) yield* Console.log(line)
    }
    yield* Console.log(
      paint.dim(`It is loaded after: ${say("plugins", "grant", held.length === 1 ? held[0]!.name : "PLUGIN")}`)
    )
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Show what has changed of plugins since they were granted, line by line; with --json one object a line"
  ),
  Command.withShortDescription("Show what has changed of plugins that are held"),
  Command.withExamples([{ command: "syris plugins diff" }, { command: "syris plugins diff coffee" }])
)

const grant = Command.make(
  "grant",
  {
    plugin: named,
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("Do not ask: grant what is shown"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn(function*({ json, plugin, yes }) {
    const found = yield* readOne(plugin)
    if (!isHeld(found)) {
      return yield* failed(`The plugin ${visible(plugin)} is what you granted: there is nothing to decide.`)
    }
    const paint = yield* painter
    if (!json) { for (const line of shown(found, paint)) yield* Console.log(line) }
    if (!yes) {
      if (process.stdin.isTTY !== true) {
        return yield* misused("Nobody is here to say yes: look at the diff, then give --yes.")
      }
      const agreed = yield* Prompt.run(Prompt.Confirm({ message: "Grant the code as it is now?", initial: false }))
      if (!agreed) return yield* Console.log("It stays held.")
    }
    const client = yield* Client
    const { body } = yield* client.request(`/plugins/${encodeURIComponent(plugin)}/grant`, {
      method: "POST",
      body: { hash: found.held.hash }
    })
    yield* Console.log(json ? visibleJson(body, 2) : `The code of ${visible(plugin)} is granted as it is now.`)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Grant the code of a plugin that is held: shows what has changed, and asks for a yes"),
  Command.withShortDescription("Grant the code of a plugin as it is now"),
  Command.withExamples([{ command: "syris plugins grant coffee" }])
)

export const plugins = Command.make(
  "plugins",
  {
    plugin: Argument.String("plugin").pipe(
      Argument.withDescription("One of them, in full: its name, as the list has it"),
      Argument.optional
    ),
    json
  },
  Effect.fn(function*({ json, plugin }) {
    if (Option.isNone(plugin)) return yield* show(json)
    const one = yield* readOne(plugin.value)
    yield* json ? Console.log(visibleJson(one)) : full(one)
  }, Effect.provide(Client.layer))
).pipe(
  Command.withDescription(
    "List the plugins, where they run, and what they may do there; with --json one object a line. Show one in full, or what has changed of one that is held, and grant it"
  ),
  Command.withShortDescription("List the plugins, and grant what has changed"),
  Command.withExamples([
    { command: "syris plugins" },
    { command: "syris plugins coffee", description: "One in full: what it may do, what it brings" },
    { command: "syris plugins diff coffee" },
    { command: "syris plugins grant coffee" }
  ]),
  Command.withSubcommands([diff, grant])
)
