/**
 * Two limiters in memory: for wrong credentials and for rates. Time is handed in; both forget what is old, so what
 * strangers send can't fill the memory.
 */

/** Most sources that are remembered at once; the oldest makes room. */
const remembered = 10_000

const makeRoom = (map: Map<string, unknown>): void => {
  if (map.size < remembered) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}

export interface WrongCredentials {
  /** Counts one wrong try; answers the seconds to wait, or 0. */
  readonly wrong: (source: string, now: number) => number
  /** Counts nothing; answers the seconds that a source is closed for, or 0. */
  readonly closed: (source: string, now: number) => number
}

/** Ten wrong tries in a minute close a source for five minutes; a hundred from everywhere close all wrong tries. */
export const makeWrongCredentials = (
  { each = 10, all = 100, lock = 300_000, window = 60_000 } = {}
): WrongCredentials => {
  interface Tries {
    since: number
    count: number
    until: number
  }
  const sources = new Map<string, Tries>()
  const everybody: Tries = { since: 0, count: 0, until: 0 }
  const count = (tries: Tries, limit: number, now: number): number => {
    if (now < tries.until) return tries.until - now
    if (now - tries.since >= window) {
      tries.since = now
      tries.count = 0
    }
    if (++tries.count <= limit) return 0
    tries.until = now + lock
    tries.count = 0
    return lock
  }
  return {
    closed: (source, now) => {
      const until = Math.max(sources.get(source)?.until ?? 0, everybody.until)
      return Math.ceil(Math.max(0, until - now) / 1000)
    },
    wrong: (source, now) => {
      let tries = sources.get(source)
      if (tries === undefined) {
        makeRoom(sources)
        tries = { since: now, count: 0, until: 0 }
      }
      sources.delete(source)
      sources.set(source, tries)
      const wait = Math.max(count(tries, each, now), count(everybody, all, now))
      return Math.ceil(wait / 1000)
    }
  }
}

export interface Rate {
  /** Takes one; answers the seconds to wait, or 0 if it was granted. */
  readonly take: (source: string, now: number) => number
}

/** At most `perSecond` a second for each source, with as many at once after a quiet second. */
export const makeRate = (perSecond: number): Rate => {
  const sources = new Map<string, { tokens: number; at: number }>()
  return {
    take: (source, now) => {
      let bucket = sources.get(source)
      if (bucket === undefined) {
        makeRoom(sources)
        bucket = { tokens: perSecond, at: now }
        sources.set(source, bucket)
      }
      bucket.tokens = Math.min(perSecond, bucket.tokens + (now - bucket.at) / 1000 * perSecond)
      bucket.at = now
      if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond))
      bucket.tokens -= 1
      return 0
    }
  }
}
