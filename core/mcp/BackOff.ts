/**
 * How long to wait before a server is tried again. Pure.
 */
const firstMs = 500
const longestMs = 30_000

/** A connection that lasted so long was well: what comes after it is a first failure again. */
export const wellAfterMs = 60_000

/** Twice as long each time, up to 30 s; of that the half is left to chance, so that fifty servers do not come back at once. */
export const backOff = (failures: number, random: number): number => {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(16, Math.max(0, failures - 1)))
  return Math.round(full * (0.5 + random / 2))
}
