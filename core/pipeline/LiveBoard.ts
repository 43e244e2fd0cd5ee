/**
 * The texts of answers that are being written, in memory: one for each event. Whoever reads takes what is new since the
 * last time, as one piece however many there were: a slow reader holds up nobody, and nothing is kept for it.
 */
import type { EventRow } from "../contract/Rows.ts"

/** What an answer is to. */
export type LiveSource = Pick<EventRow, "event_id" | "trace_id" | "thread_id" | "channel" | "connector_id" | "actor_id">

/** A text that is being written. Another try is another one, with a key of its own. */
export interface Live {
  readonly source: LiveSource
  readonly key: string
  /** A task of this host writes it. */
  readonly here: boolean
  text: string
  /** All of it is there, and the durable reply will say the same. */
  ended: boolean
  /** How often it was swept past since it last changed. */
  idle: number
}

export type LiveFrame =
  /** More of it, which begins after `from` characters (UTF-16 code units) of the whole. */
  | { readonly type: "delta"; readonly live: Live; readonly from: number; readonly text: string }
  /** All of it was told. */
  | { readonly type: "ended"; readonly live: Live }
  /** What was told of it counts no more. */
  | { readonly type: "reset"; readonly live: Live }

export interface BoardReader {
  /** What has changed since it was called last. */
  readonly collect: () => ReadonlyArray<LiveFrame>
  /** The durable reply to an event stands in the place of its text. */
  readonly replaced: (event_id: string) => void
  /** Tells everything that is being written from its beginning. */
  readonly anew: () => void
}

export interface LiveBoard {
  /** Begins a text, in the place of any other of its event. None where too many are being written. */
  readonly open: (source: LiveSource, key: string, here: boolean) => Live | undefined
  readonly append: (live: Live, text: string) => void
  /** Its text is the answer. */
  readonly end: (live: Live) => void
  /** Its text counts no more. */
  readonly drop: (live: Live) => void
  readonly find: (event_id: string) => Live | undefined
  /** Whether a task of this host is writing. */
  readonly writesHere: () => boolean
  /** Drops what other hosts write. */
  readonly forgetOthers: () => void
  /** Forgets what has ended long ago, and what another host began and went silent on. Whether anything is left to sweep. */
  readonly sweep: () => boolean
  /** Calls back at every change, until the answer is called. It must not throw. */
  readonly watch: (changed: () => void) => () => void
  readonly reader: (accepts: (live: Live) => boolean) => BoardReader
}

/** Most texts at once. */
const mostLives = 256
/** Sweeps that an ended text, and a silent one of another host, outlast. */
const sweeps = { ended: 1, silent: 6 }

export const makeLiveBoard = (): LiveBoard => {
  const lives = new Map<string, Live>()
  const watchers = new Set<() => void>()

  const tell = (): void => {
    for (const changed of watchers) changed()
  }
  const drop = (live: Live): void => {
    if (lives.get(live.source.event_id) !== live) return
    lives.delete(live.source.event_id)
    tell()
  }

  const reader = (accepts: (live: Live) => boolean): BoardReader => {
    const told = new Map<string, { readonly live: Live; length: number; ended: boolean }>()
    /** What was over before, or was replaced. */
    const past = new WeakSet<Live>()
    const anew = (): void => {
      told.clear()
      for (const live of lives.values()) if (live.ended) past.add(live)
    }
    anew()

    const collect = (): ReadonlyArray<LiveFrame> => {
      const frames: Array<LiveFrame> = []
      for (const [event_id, { live }] of told) {
        if (lives.get(event_id) === live) continue
        told.delete(event_id)
        frames.push({ type: "reset", live })
      }
      for (const live of lives.values()) {
        if (past.has(live) || live.text === "" || !accepts(live)) continue
        const { event_id } = live.source
        const known = told.get(event_id) ?? { live, length: 0, ended: false }
        told.set(event_id, known)
        if (live.text.length > known.length) {
          frames.push({ type: "delta", live, from: known.length, text: live.text.slice(known.length) })
          known.length = live.text.length
        }
        if (live.ended && !known.ended) {
          frames.push({ type: "ended", live })
          known.ended = true
        }
      }
      return frames
    }
    const replaced = (event_id: string): void => {
      const live = lives.get(event_id) ?? told.get(event_id)?.live
      if (live === undefined) return
      past.add(live)
      told.delete(event_id)
    }
    return { collect, replaced, anew }
  }

  return {
    open: (source, key, here) => {
      if (lives.size >= mostLives && !lives.has(source.event_id)) return undefined
      const live: Live = { source, key, here, text: "", ended: false, idle: 0 }
      lives.set(source.event_id, live)
      tell()
      return live
    },
    append: (live, text) => {
      live.text += text
      live.idle = 0
      tell()
    },
    end: (live) => {
      live.ended = true
      live.idle = 0
      tell()
    },
    drop,
    find: (event_id) => lives.get(event_id),
    writesHere: () => [...lives.values()].some(({ ended, here }) => here && !ended),
    forgetOthers: () => {
      for (const live of lives.values()) if (!live.here) drop(live)
    },
    sweep: () => {
      let left = false
      for (const live of lives.values()) {
        if (live.here && !live.ended) continue
        if (live.idle++ < (live.ended ? sweeps.ended : sweeps.silent)) left = true
        else drop(live)
      }
      return left
    },
    watch: (changed) => {
      watchers.add(changed)
      return () => void watchers.delete(changed)
    },
    reader
  }
}
