/**
 * `syris autonomy`, `syris pause`, `syris resume`: the operator's hand on the whole system.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import { type Autonomy as Level, Autonomy } from "../contract/Enums.ts"
import { autonomyInWords } from "../contract/words/AutonomyWords.ts"
import type { AutonomyChange } from "../safety/AutonomyHistory.ts"
import { Client } from "./client.ts"
import { failed, misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { localTime, paints, table } from "./layout.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

interface Standing {
  readonly level: Level
  readonly paused: boolean
}

const reason = Flag.String("reason").pipe(Flag.withDescription("Why; kept in the audit"), Flag.optional)

const bodyOf = (reason: Option.Option<string>) =>
  Option.match(reason, { onNone: () => ({}), onSome: (reason) => ({ reason }) })

const isLevel = (text: string): text is Level => Autonomy.literals.some((level) => level === text)

export const autonomy = Command.make(
  "autonomy",
  {
    level: Argument.String("level").pipe(
      Argument.withDescription("A0 to A4 (default: show the level and how it came to be)"),
      Argument.optional
    ),
    reason,
    json
  },
  Effect.fn(function*({ json, level: given, reason }) {
    const client = yield* Client
    if (Option.isNone(given)) {
      if (Option.isSome(reason)) return yield* misused("--reason goes with a level only.")
      return yield* show(json)
    }
    const level = given.value.toUpperCase()
    if (!isLevel(level)) {
      return yield* misused(`There is no level ${visible(given.value)}: ${Object.values(autonomyInWords).join("; ")}.`)
    }
    const { body } = yield* client.request("/controls/autonomy", {
      method: "POST",
      body: { level, ...bodyOf(reason) }
    })
    const standing = body as Standing
    yield* Console.log(json ? visibleJson(standing, 2) : `Autonomy is ${levelInWords(standing)}.`)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    `Show or set how much the system may do by itself: ${Object.values(autonomyInWords).join("; ")}`
  ),
  Command.withShortDescription("Show or set how much it may do by itself"),
  Command.withExamples([
    { command: "syris autonomy" },
    { command: "syris autonomy A1 --reason \"guests are here\"" }
  ])
)

const show = Effect.fn("autonomy.show")(function*(json: boolean) {
  const client = yield* Client
  const { body } = yield* client.request("/controls/autonomy", { query: { limit: 10 } })
  if (json) return yield* Console.log(visibleJson(body, 2))
  const standing = body as Standing & { readonly items: ReadonlyArray<AutonomyChange> }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  yield* Console.log(`Autonomy is ${levelInWords(standing)}.`)
  const rows = standing.items.map(({ at, by, from, reason = "", to }) => [
    `  ${localTime(visible(at))}`,
    `${visible(from)} → ${visible(to)}`,
    `by ${clipped(by, 60)}`,
    clipped(reason, 200)
  ])
  for (const line of table(rows)) yield* Console.log(paint.dim(line))
})

const levelInWords = ({ level, paused }: Standing): string =>
  `${autonomyInWords[level] ?? visible(String(level))}${paused ? "; everything is paused" : ""}`

export const pause = Command.make(
  "pause",
  { reason, json },
  Effect.fn(function*({ json, reason }) {
    const client = yield* Client
    const { body } = yield* client.request("/controls/pause", { method: "POST", body: bodyOf(reason) })
    const { unheeded = [] } = body as Standing & { readonly unheeded?: ReadonlyArray<string> }
    if (json) yield* Console.log(visibleJson(body, 2))
    else {
      const say = yield* spell
      yield* Console.log(`Paused: nothing new begins. What comes in is kept. Go on with: ${say("resume")}`)
    }
    if (unheeded.length > 0) {
      return yield* failed(
        `Something may still begin: ${
          unheeded.length === 1 ? "a host does" : `${unheeded.length} hosts do`
        } not answer (${unheeded.slice(0, 5).map(visible).join(", ")}). Try again, or end ${
          unheeded.length === 1 ? "it" : "them"
        }.`
      )
    }
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Pause everything: when it returns nothing new begins, until it is resumed"),
  Command.withShortDescription("Pause everything"),
  Command.withExamples([{ command: "syris pause --reason \"the cat is on the keyboard\"" }])
)

export const resume = Command.make(
  "resume",
  { reason, json },
  Effect.fn(function*({ json, reason }) {
    const client = yield* Client
    const { body } = yield* client.request("/controls/resume", { method: "POST", body: bodyOf(reason) })
    yield* Console.log(
      json ? visibleJson(body, 2) : `The pause is over. Autonomy is ${levelInWords(body as Standing)}.`
    )
  })
).pipe(Command.provide(Client.layer), Command.withDescription("End the pause of everything"))
