/**
 * How much one side may begin: so many messages a second, and so many at once. What is more has to wait: nothing is lost.
 */

/** Messages a second, and at once. */
export const perSecond = 100
export const burst = 200

/** A message of so many bytes counts as one. */
export const bytesOfOne = 65_536

/** Tokens that are there again before anything more is read. */
const refill = 10

export class Allowance {
  #tokens = burst
  #at: number
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#at = now()
  }

  /**
   * Counts one message, a long one for several: to read it costs as much. Answers for how long nothing more may be read,
   * milliseconds.
   */
  take(bytes = 0): number {
    const now = this.#now()
    const cost = Math.max(1, bytes / bytesOfOne)
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1_000) * perSecond) - cost
    this.#at = now
    return this.#tokens >= 0 ? 0 : ((refill - this.#tokens) / perSecond) * 1_000
  }
}
