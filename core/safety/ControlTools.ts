/**
 * The host's own tools for its controls: autonomy, pause, resume. They are there whatever the operator configures, for the
 * operator alone, and act only in the host's database, in the transaction of their outcome.
 *
 * A pause by a call can't wait for every host: it is committed with the call's end.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, toRow } from "../audit/Audit.ts"
import { Autonomy } from "../contract/Enums.ts"
import { autonomyInWords } from "../contract/words/AutonomyWords.ts"
import { version } from "../health/Version.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, type ToolContext } from "../plugin/Tool.ts"
import type { ControlRow } from "./Control.ts"
import { moveAutonomy, pauseAll, resumeAll, type Word } from "./ControlMoves.ts"
import { controlSentences } from "./ControlSentences.ts"

const Nothing = Schema.Struct({})
const Standing = Schema.Struct({ message: Schema.String, autonomy: Autonomy, paused: Schema.Boolean })

/** A reason stays with the call, whose input is stored without known secrets: the row holds the host's own words. */
const wordOf = (ctx: ToolContext): Word => ({
  by: "operator",
  trace_id: ctx.traceId,
  at: ctx.now(),
  tell: (fact) => appendRows([toRow(fact)])
})

const set = forOperatorOnly(
  defineTool({
    name: "autonomy.set",
    description: "Set how much the system may do by itself, from A0 (it only shows) to A4. Only the operator may.",
    input: Schema.Struct({ level: Autonomy }),
    output: Standing,
    effect: "write",
    risk: "low",
    scopes: ["controls.write"],
    guarantee: "transactional",
    preview: ({ level }) => `would set autonomy to ${level}`,
    run: ({ level }, ctx) =>
      Effect.map(moveAutonomy(level, wordOf(ctx)), ({ changed, state: { autonomy, paused } }) => ({
        message: `Autonomy is ${changed ? "now" : "already"} ${autonomyInWords[autonomy]}.`,
        autonomy,
        paused
      }))
  }),
  // The digits are in the order of the levels.
  { asks: ({ level }, { autonomy }) => level > autonomy }
)

const show = forOperatorOnly(
  defineTool({
    name: "autonomy.show",
    description: "Say how much the system may do by itself, and whether it is paused.",
    input: Nothing,
    output: Standing,
    effect: "read",
    risk: "low",
    scopes: ["controls.read"],
    guarantee: "transactional",
    run: () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql<Pick<ControlRow, "autonomy" | "paused">>`select autonomy, paused from control`
        if (row === undefined) return yield* Effect.die(new Error("The table control has no row."))
        const message = `Autonomy is ${autonomyInWords[row.autonomy]}.${
          row.paused ? " Everything is paused: nothing new begins." : ""
        }`
        return { message, ...row }
      })
  }),
  {}
)

const pause = forOperatorOnly(
  defineTool({
    name: "control.pause",
    description: "Pause everything: nothing new begins until it is resumed. Only the operator may.",
    input: Schema.Struct({ reason: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000))) }),
    output: Standing,
    effect: "write",
    risk: "low",
    scopes: ["controls.write"],
    guarantee: "transactional",
    preview: () => "would pause everything",
    run: (_, ctx) =>
      Effect.map(pauseAll(wordOf(ctx)), ({ changed, state: { autonomy, paused } }) => ({
        message: changed ? "Paused: nothing new begins." : "Everything is paused already: nothing new begins.",
        autonomy,
        paused
      }))
  }),
  {}
)

const resume = forOperatorOnly(
  defineTool({
    name: "control.resume",
    description: "End the pause of everything. Only the operator may.",
    input: Nothing,
    output: Standing,
    effect: "write",
    risk: "low",
    scopes: ["controls.write"],
    guarantee: "transactional",
    preview: () => "would end the pause",
    run: (_, ctx) =>
      Effect.map(resumeAll(wordOf(ctx)), ({ changed, state: { autonomy, paused } }) => ({
        message: changed ? "The pause is over: it goes on." : "Nothing is paused.",
        autonomy,
        paused
      }))
  }),
  {}
)

/** Part of the host; see `HostPlugins`. */
export const controlTools = definePlugin({
  name: "controls",
  version,
  setup: () => ({ tools: [set, show, pause, resume], intents: controlSentences })
})()
