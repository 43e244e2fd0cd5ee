/**
 * Waiting in tests: for a condition, with a bound, never for a time.
 */

/** Thrown by what `until` asks: the answer will never come. */
export class Hopeless extends Error {}

/**
 * Asks until the answer is there; says what was waited for, and what was seen last, when the bound is over. The last look
 * is after the bound: whoever stood still until then has seen nothing of what came meanwhile.
 */
export const until = async <A>(
  what: string,
  ask: () => A | undefined | false | Promise<A | undefined | false>,
  boundMs = 30_000
): Promise<A> => {
  const end = performance.now() + boundMs
  let seen: unknown
  while (true) {
    const last = performance.now() > end
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
      seen = answer
    } catch (error) {
      if (error instanceof Hopeless) throw error
      seen = error
    }
    if (last) {
      throw new Error(`Waited ${boundMs / 1000} s for ${what}.`, seen === undefined ? {} : { cause: seen })
    }
    await moment(20)
  }
}

/** Looks until what is found holds, and answers it; says what was found last when the bound is over. */
export const untilHolds = async <A>(
  look: () => A | Promise<A>,
  holds: (found: A) => boolean,
  boundMs = 30_000
): Promise<A> => {
  for (const end = performance.now() + boundMs;;) {
    const last = performance.now() > end
    const found = await look()
    if (holds(found)) return found
    if (last) {
      throw new Error(`Still ${JSON.stringify(found, (_, value) => typeof value === "bigint" ? `${value}` : value)}`)
    }
    await moment(10)
  }
}

/** A moment of so many milliseconds: the pause between two looks, or the random moment of a kill. */
export const moment = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Random numbers that a seed repeats (mulberry32): a storm that found something can be run again. */
export const makeRandom = (seed: number): () => number => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const long = process.env["SYRIS_TEST_LONG"] === "1"

/** The seed of this run; `SYRIS_TEST_SEED` sets it. */
export const seed = Number(process.env["SYRIS_TEST_SEED"] ?? Date.now() % 1_000_000)

/** How a walk over statements goes on: the short form takes every third one, on each side others, and others each time. */
export const stride = long ? 1 : 3
export const first = (side: "request" | "answer"): number => 1 + (side === "request" ? seed : seed + 1) % stride

/**
 * One of each of so many equal parts of what was counted: where the short form of a walk kills. How many there are differs a
 * little from time to time, so the last one is followed by the first of all, which is there always: for a walk that has
 * reached none.
 */
export const sample = (counted: number, parts: number, random: () => number): ReadonlyArray<number> => [
  ...new Set(Array.from({ length: parts }, (_, part) => 1 + Math.floor((part + random()) * counted / parts))),
  1
]
