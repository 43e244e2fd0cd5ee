/**
 * `syris replay`: decides a recorded trace again, with this configuration or another, and shows where it would have come out
 * otherwise. It reads the database itself, runs no tool, asks no model and writes nothing.
 */
import { Console, Effect, Layer, Logger, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import type { Line } from "../replay/Compare.ts"
import type { Replay, TraceReplayed } from "../replay/Replay.ts"
import { CommandFailed, misused } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { type Paints, paints } from "./layout.ts"
import { isWholeId, meantId } from "./list.ts"
import { visible, visibleJson } from "../contract/Visible.ts"
import { settledPaths } from "./workingFolder.ts"

/** It could not be replayed at all. */
const impossible = (error: { readonly message: string; readonly more?: ReadonlyArray<string> }): CommandFailed =>
  error instanceof CommandFailed
    ? error
    : new CommandFailed({ sentence: [error.message, ...error.more ?? []].map(visible).join("\n"), exit_code: 2 })

export const replay = Command.make(
  "replay",
  {
    id: Argument.String("trace").pipe(
      Argument.withDescription("A trace or an event, or the beginning or end of an event's id")
    ),
    config: Flag.String("config").pipe(
      Flag.withDescription("What would have been decided with this configuration (default: SYRIS_CONFIG)"),
      Flag.optional
    ),
    json
  },
  Effect.fn(function*(given) {
    const modules = yield* Effect.promise(load)
    const environment = yield* Environment
    const connection = yield* modules.recordsAt
    const file = Option.match(given.config, { onNone: () => environment.config, onSome: whereSaid })
    const settings = yield* modules.loadConfiguration(file).pipe(Effect.mapError(impossible))
    const services = modules.Replay.layer.pipe(
      Layer.provide([modules.layerReadOnly(connection), Layer.succeed(modules.Settings, settings)]),
      // What plugins say while they are set up is no part of the answer.
      Layer.provide(Logger.layer([]))
    )
    const done = yield* replayed(given.id, modules.Replay).pipe(Effect.provide(services), Effect.mapError(impossible))
    if (given.json) yield* Console.log(visibleJson(done, 2))
    else {
      const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
      const paint = paints(canColor)
      for (const line of done.lines) {
        for (const text of wordsOf(line, modules.shortly, paint)) yield* Console.log(text)
      }
      yield* Console.log(summary(done.lines))
    }
    if (!done.same) return yield* new CommandFailed({ sentence: "", exit_code: 1 })
  }, Effect.provide(Environment.layer))
).pipe(
  Command.withDescription(
    "Decide a recorded trace again from its records: no tool is run, no model is asked, nothing is written. Exit code 0: every " +
      "decision is the same; 1: one differs, or the records end before it; 2: it can't be replayed"
  ),
  Command.withShortDescription("Decide a recorded trace again, also with another configuration"),
  Command.withExamples([
    { command: "syris replay 6f1d2e3f", description: "The end of an event's id is enough" },
    { command: "syris replay 6f1d2e3f --config other.config.ts", description: "What would have been decided instead" }
  ])
)

/** Only this command loads what decides. */
const load = async () => ({
  ...await import("../plugin/ConfigLoader.ts"),
  ...await import("../plugin/Settings.ts"),
  ...await import("../replay/ReadOnly.ts"),
  ...await import("../replay/Replay.ts"),
  ...await import("../replay/Sayings.ts"),
  ...await import("./replayDatabase.ts")
})

const whereSaid = (given: string): string =>
  settledPaths({ ...process.env, SYRIS_CONFIG: given }, process.cwd())["SYRIS_CONFIG"] ?? path.resolve(given)

const replayed = Effect.fnUntraced(function*(id: string, tag: typeof Replay) {
  const service = yield* tag
  const unknown = misused(`There is no trace and no event ${visible(id)}.`)
  if (!isWholeId(id)) {
    const newest = yield* service.events()
    const event_id = yield* meantId(id, newest.map((one) => one.event_id), "newest events").pipe(
      Effect.mapError(({ sentence }) => misused(sentence))
    )
    const trace = newest.find((one) => one.event_id === event_id)?.trace_id
    return (trace === undefined ? undefined : yield* service.trace(trace)) ?? (yield* unknown)
  }
  const found = yield* service.trace(id)
  if (found !== undefined) return found
  const [event] = yield* service.events(id)
  return (event === undefined ? undefined : yield* service.trace(event.trace_id)) ?? (yield* unknown)
})

type Shortly = (says: Readonly<Record<string, unknown>>) => string

const wordsOf = (line: Line, shortly: Shortly, paint: Paints): ReadonlyArray<string> => {
  const about = line.about.padEnd(16)
  const said = (says: Line["recorded"]): string => says === undefined ? "nothing" : visible(shortly(says))
  switch (line.is) {
    case "same":
      return [`${paint.green("=")}  ${about}  ${said(line.recorded)}`]
    case "differs":
      return [
        `${paint.red("≠")}  ${about}  recorded  ${said(line.recorded)}`,
        `   ${" ".repeat(about.length)}  replayed  ${said(line.replayed)}`
      ]
    case "diverges":
      return [`${paint.yellow("⋯")}  ${about}  diverges here: ${visible(line.why ?? "")}`]
  }
}

const summary = (lines: TraceReplayed["lines"]): string => {
  const count = (is: Line["is"]): number => lines.filter((line) => line.is === is).length
  const [same, differ, diverge] = [count("same"), count("differs"), count("diverges")]
  if (same === lines.length) return `${counted(same, "decision")}, all the same.`
  return [
    `${counted(same, "decision")} the same`,
    ...(differ === 0 ? [] : [`${differ} different`]),
    ...(diverge === 0 ? [] : [`the records end at ${counted(diverge, "place")}`])
  ].join(", ") + "."
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`
