/**
 * A recorded trace, decided again: the records are read in one snapshot, the code that decides is run on them under a
 * configuration, and what comes out is laid beside what was decided. No tool and no model is called, and nothing is written.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Questions } from "../mcp/Questions.ts"
import * as PluginHost from "../plugin/PluginHost.ts"
import { RuleDesk } from "../rules/RuleDesk.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { compare, type Decided, isSame, type Line, type Replayed } from "./Compare.ts"
import { layerDeciders } from "./Deciders.ts"
import { layerHostPlugins } from "./HostTools.ts"
import { namesOf, recordedDecisions } from "./Recorded.ts"
import { recordedFilters } from "./RecordedFilters.ts"
import { layerRecordedServerTools } from "./RecordedServerTools.ts"
import { readRecords, type Records } from "./Records.ts"
import { replayEvent } from "./ReplayedEvent.ts"
import { replayRules } from "./ReplayedRules.ts"
import { replayTask } from "./ReplayedTask.ts"
import { Scene } from "./Scene.ts"

export interface TraceReplayed {
  readonly trace_id: string
  readonly recorded: ReadonlyArray<Decided>
  readonly replayed: ReadonlyArray<Replayed>
  readonly lines: ReadonlyArray<Line>
  readonly same: boolean
}

/** Events in which the end of an id is looked for. */
export const searched = 500

const unknownCause = "What led to it would have been another decision: whether it would have come is not on record."

/** Of a task that the records end in, what its steps came to after that is not compared. */
const cutOff = (
  recorded: ReadonlyArray<Decided>,
  replayed: ReadonlyArray<Replayed>,
  event: string
): ReadonlyArray<Replayed> => {
  const isOf = ({ about }: { readonly about: string }) =>
    ["step ", "way ", "code"].some((part) => about.startsWith(`${event}, ${part}`))
  const end = replayed.find((one) => "diverges" in one)
  if (end === undefined || !("diverges" in end)) return []
  const ended = new Set(replayed.flatMap((one) => "diverges" in one ? [one.about] : []))
  const count = (list: ReadonlyArray<{ readonly about: string }>, about: string) =>
    list.filter((one) => one.about === about).length
  return [...new Set(recorded.filter(isOf).map(({ about }) => about))]
    .filter((about) => !ended.has(about) && count(replayed, about) < count(recorded, about))
    .map((about) => ({ about, diverges: end.diverges }))
}

const replayRecords = Effect.fnUntraced(function*(records: Records) {
  const scene = yield* Scene
  scene.open(records)
  scene.filters.splice(0, Infinity, ...recordedFilters(records))
  const names = namesOf(records)
  const recorded = recordedDecisions(records)
  const replayed: Array<Replayed> = []
  /** Events of which something was decided otherwise. */
  const other = new Set<string>()
  for (const event of records.events) {
    const { event_id, parent_event_id } = event
    const name = names.event(event_id)
    const isOf = ({ about }: { readonly about: string }) => about === name || about.startsWith(`${name}, `)
    const own: Array<Replayed> = []
    if (parent_event_id !== undefined && other.has(parent_event_id)) {
      const about = new Set(recorded.filter(isOf).map((one) => one.about))
      own.push(...[...about].map((one) => ({ about: one, diverges: unknownCause })))
    } else {
      const { decided, owed, task } = yield* replayEvent(event)
      own.push(...decided)
      own.push(...(yield* replayRules(event, owed)))
      if (task !== undefined) own.push(...(yield* replayTask(event, task)))
      own.push(...cutOff(recorded, own, name))
    }
    if (!isSame(compare(recorded.filter(isOf), own))) other.add(event_id)
    replayed.push(...own)
  }
  const lines = compare(recorded, replayed)
  return { trace_id: records.trace_id, recorded, replayed, lines, same: isSame(lines) } satisfies TraceReplayed
})

export class Replay extends Context.Service<Replay, {
  /** `undefined` for a trace that nobody knows. One trace at a time. */
  readonly trace: (trace_id: string) => Effect.Effect<TraceReplayed | undefined, SqlError.SqlError>
  /** The newest events and their traces; with an id, that event alone. */
  readonly events: (event_id?: string) => Effect.Effect<
    ReadonlyArray<{ readonly event_id: string; readonly trace_id: string }>,
    SqlError.SqlError
  >
}>()("syris/replay/Replay") {
  /** Needs a database (`layerReadOnly`), the settings and the home. */
  static readonly layer = Layer.effect(
    Replay,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const context = yield* Effect.context<Services>()
      return Replay.of({
        events: (event_id) =>
          sql<{ readonly event_id: string; readonly trace_id: string }>`
            select event_id, trace_id from events
            where ${event_id === undefined ? sql`true` : sql`event_id = ${event_id}::uuid`}
            order by event_id desc
            limit ${searched}`,
        trace: Effect.fnUntraced(function*(trace_id) {
          const records = yield* readRecords(trace_id).pipe(Effect.provideService(SqlClient.SqlClient, sql))
          return records === undefined ? undefined : yield* replayRecords(records).pipe(Effect.provide(context))
        })
      })
    })
  ).pipe(
    Layer.provide(layerDeciders),
    Layer.provide(layerRecordedServerTools.pipe(Layer.provideMerge(PluginHost.layer))),
    Layer.provide(layerHostPlugins),
    Layer.provide([
      RuleDesk.layer,
      Questions.layer.pipe(Layer.provideMerge(Redactor.layer), Layer.provideMerge(SecretsStore.layer))
    ])
  )
}

type Services = Effect.Services<ReturnType<typeof replayRecords>>
