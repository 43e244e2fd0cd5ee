/**
 * From when on this host has looked at every slot as it came, by the database's clock.
 *
 * It begins anew where the host has slept: two looks far apart by the monotonic clock, or a database clock that ran ahead of
 * it (the clock was put forward, or the machine was suspended, which stops the monotonic one). Slots in between came while
 * no host ran. A clock that was put back begins it anew where it would lie in the future. Pure.
 */

/** One look at the database's clock. Times are milliseconds. */
export interface Reading {
  /** The monotonic clock before the question was sent. */
  readonly before: number
  /** The same after the answer. */
  readonly after: number
  readonly database: number
}

/** Two looks further apart: the host did not look. */
export const longestGap = 15_000

/** The database's clock may run ahead of the monotonic one by so much between two looks. */
export const furthestAhead = 2_000

export interface AwakeSince {
  /** By the database's clock. Nothing before the first look. */
  readonly at: () => number | undefined
  /** Takes note of a look; whether the time begins anew with it. */
  readonly note: (reading: Reading) => boolean
}

export const make = (): AwakeSince => {
  let since: number | undefined
  let last: Reading | undefined
  return {
    at: () => since,
    note: (reading) => {
      // Asked before the last one, and answered after it: it says nothing new.
      if (last !== undefined && reading.before < last.before) return false
      // The longest that can have passed: what the answers took must not look like a jump.
      const slept = last !== undefined && reading.before - last.before > longestGap
      const ahead = last !== undefined &&
        reading.database - last.database > reading.after - last.before + furthestAhead
      const anew = since === undefined || slept || ahead || reading.database < since
      last = reading
      if (anew) since = reading.database
      return anew
    }
  }
}
