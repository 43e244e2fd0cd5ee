/**
 * The code that decides, over the records instead of a running host: router, planner, gates and preparation as they are;
 * what they ask of the host's memory is asked of the scene. Nothing here can write, call a tool or ask a model.
 */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { EventRow } from "../contract/Rows.ts"
import { Audit, toRow } from "../audit/Audit.ts"
import { Model, Router, Rules } from "../pipeline/Router.ts"
import { Preparation } from "../pipeline/Preparation.ts"
import { Settings } from "../plugin/Settings.ts"
import { Control } from "../safety/Control.ts"
import { approvedAt, begunAt, decide, Gates } from "../safety/Gates.ts"
import { isMarked, Redactor } from "../secrets/Redactor.ts"
import * as LlmLane from "../tasks/LlmLane.ts"
import { Binding } from "../tools/Binding.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import { Previews } from "../tools/Previews.ts"
import { layerRecollection, layerRecordedCompletions, Recollection } from "./Recollection.ts"
import { layerRecordedFilters } from "./RecordedFilters.ts"
import { assumedHealth, Scene } from "./Scene.ts"

/** The row of a fact as the host makes it; it is told to nobody and written nowhere. */
const layerAudit = Layer.effect(
  Audit,
  Effect.map(Redactor, ({ redactJson }) =>
    Audit.of({
      row: (fact) => {
        const { actor, data, summary, ...rest } = toRow(fact)
        return { ...rest, ...redactJson({ actor, data, summary }) }
      },
      append: () => Effect.die(new Error("A replay writes nothing.")),
      onSecret: () => Effect.void
    }))
)

const layerControl = Layer.effect(
  Control,
  Effect.map(Scene, (scene) => {
    const current = () => ({ autonomy: scene.autonomy(), paused: false, policy_version: 0 })
    return Control.of({ current, refresh: Effect.sync(current), enter: () => () => {} })
  })
)

const layerGates = Layer.effect(
  Gates,
  Effect.gen(function*() {
    const redactor = yield* Redactor
    const scene = yield* Scene
    const { safety } = yield* Settings
    return Gates.of({
      decide: (question) =>
        decide(question, {
          match: (tool, subject, now) => scene.policy(question.at).match(tool, subject, now),
          health: () => assumedHealth,
          quiet: scene.quiet,
          blastRadius: safety.blastRadius,
          // What is counted is taken from the records.
          recent: () => false,
          hasSecret: (json) => redactor.redactJson(json) !== json || isMarked(json)
        }),
      approvedAt,
      begunAt,
      policyVersion: () => 0,
      refresh: Effect.void
    })
  })
)

/** A preview is the plugin's code, and may look outside: it is no part of a decision. */
const layerPreviews = Layer.succeed(Previews, Previews.of({ show: () => Effect.succeed({}) }))

/** What an input meant is what it meant then. */
const layerBinding = Layer.effect(
  Binding,
  Effect.map(Effect.all([Redactor, Scene]), ([{ redactJson }, scene]) => ({
    redact: redactJson,
    bind: ({ event, json, step, tool }) =>
      Effect.sync(() =>
        scene.records().calls.find((call) =>
          call.tool === tool.definition.name &&
          (step === undefined ? call.event_id === event.event_id : call.step_id === step.step_id)
        )?.input ?? json
      )
  }))
)

const layerRules = Layer.effect(
  Rules,
  Effect.map(Scene, ({ route }) => (event) => Effect.sync(() => route(event)))
)

/** The lane of the model. Which question an event answers, and that a day was used up, is what was recorded of it. */
const layerModel = Layer.effect(
  Model,
  Effect.gen(function*() {
    const scene = yield* Scene
    const model = yield* Model
    if (model === undefined) return undefined
    return Effect.fnUntraced(function*(event: EventRow) {
      const answer = yield* model(event)
      const { spent } = scene
      return answer.lane === "llm_plan" && spent !== undefined ? { lane: "unhandled" as const, notes: [spent] } : answer
    })
  })
).pipe(
  Layer.provide(LlmLane.layer),
  Layer.provide(Layer.effect(
    SqlClient.SqlClient,
    Effect.map(Scene, (scene) => {
      const recorded: unknown = () => Effect.sync(() => scene.asking === undefined ? [] : [scene.asking])
      return recorded as SqlClient.SqlClient
    })
  )),
  Layer.provide(layerRecordedCompletions)
)

export const layerDeciders = Layer.mergeAll(Preparation.layer, layerRecollection).pipe(
  Layer.provideMerge(Router.layer),
  Layer.provideMerge(CallPlanner.layer),
  Layer.provideMerge([
    layerBinding,
    layerModel,
    layerRecordedFilters,
    layerRules,
    layerGates,
    layerControl,
    layerPreviews,
    layerAudit
  ]),
  Layer.provideMerge([Scene.layer, Recollection.layer])
)
