/**
 * The place in what happens that is kept over restarts: up to which moment all is handed over, and which states were known.
 * From it and from the states of now it is found what changed while nobody listened.
 */
import { type Change, foundChange } from "./Changes.ts"
import { microsOf } from "./Instant.ts"
import type { HaState } from "./Wire.ts"

export interface Place {
  /** Microseconds by the house's clock: all that was changed until then is handed over. */
  readonly until: number
  /** A mark of each entity with its state, 4 bytes each. */
  readonly marks: ReadonlySet<number>
}

/** FNV-1a. */
export const markOf = ({ entity_id, state }: Pick<HaState, "entity_id" | "state">): number => {
  let hash = 0x811c9dc5
  const text = `${entity_id}=${state}`
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** As much as fits. */
const mostMarks = 30_000

export const toKeep = (
  until: number,
  states: Iterable<HaState>
): { readonly until: number; readonly marks: string } => {
  const marks = Uint32Array.from([...states].slice(0, mostMarks), markOf)
  return { until, marks: Buffer.from(marks.buffer).toString("base64") }
}

/** What was kept; nothing for what is none. */
export const fromKept = (kept: unknown): Place | undefined => {
  if (typeof kept !== "object" || kept === null) return undefined
  const { marks, until } = kept as { readonly marks?: unknown; readonly until?: unknown }
  if (typeof until !== "number" || !Number.isFinite(until)) return undefined
  const bytes = Buffer.from(typeof marks === "string" ? marks : "", "base64")
  const read = Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readUInt32LE(4 * i))
  return { until, marks: new Set(read) }
}

export interface Known {
  /** What was kept, by this host or another; nothing at the very first start. */
  readonly place: Place | undefined
  /** The states that this host handed over last; nothing after its start, or after something was not taken. */
  readonly states: ReadonlyMap<string, HaState> | undefined
  /** Nobody else has listened since. */
  readonly mine: boolean
}

/**
 * What changed while nobody listened, oldest first. `live` is what has come by itself since: when it was changed first.
 *
 * Home Assistant writes all states anew when it starts: where none is older than the place, only what is another state counts.
 */
export const missed = (
  snapshot: ReadonlyArray<HaState>,
  { mine, place, states }: Known,
  live: ReadonlyMap<string, number>
): ReadonlyArray<Change> => {
  if (place === undefined) return []
  const moments = new Map(snapshot.map((state) => [state, microsOf(state.last_updated)]))
  const restarted = snapshot.length > 0 && [...moments.values()].every((at) => at > place.until)
  return snapshot
    .filter((state) => {
      const at = moments.get(state)!
      const cameLive = live.get(state.entity_id)
      if (cameLive !== undefined && at >= cameLive) return false
      const before = states?.get(state.entity_id)
      if (before !== undefined && before.last_updated === state.last_updated) return false
      if (!restarted) return at > place.until || (mine && before !== undefined)
      return before !== undefined && mine ? before.state !== state.state : !place.marks.has(markOf(state))
    })
    .sort((one, other) => moments.get(one)! - moments.get(other)!)
    .map((state) => foundChange(state, states?.get(state.entity_id)))
}
