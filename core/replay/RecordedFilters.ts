/**
 * The filters of a replay: whether the operator had switched a connector off is taken from what was decided, for no record
 * says what held at every moment.
 */
import { Effect, Layer } from "effect"
import { type Filter, Filters } from "../pipeline/Router.ts"
import type { Records } from "./Records.ts"
import { Scene } from "./Scene.ts"

/** As they were when the trace was decided; none where there were none then. */
export const recordedFilters = ({ decisions }: Pick<Records, "decisions">): ReadonlyArray<Filter> => {
  const all = [...decisions.values()]
  if (all.every(({ notes }) => notes.includes("filters: none are set"))) return []
  const names = new Set(all.flatMap(({ match }) => match.filter === undefined ? [] : [match.filter]))
  const passing: Filter = { name: "nothing is muted", drops: () => undefined }
  return names.size === 0 ? [passing] : [...names].map((name): Filter => ({
    name,
    drops: ({ event_id }) => {
      const begin = `filters: ${name}: `
      return decisions.get(event_id)?.notes.find((note) => note.startsWith(begin))?.slice(begin.length)
    }
  }))
}

export const layerRecordedFilters = Layer.effect(Filters, Effect.map(Scene, ({ filters }) => filters))
