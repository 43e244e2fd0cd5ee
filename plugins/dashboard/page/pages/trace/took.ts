/** A length of time, exact enough for what takes milliseconds. Pure. */
export const took = (ms: number): string => {
  if (ms < 1) return "less than 1 ms"
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 59_995) return `${(ms / 1_000).toFixed(ms < 9_995 ? 2 : 1)} s`
  const minutes = Math.floor(Math.round(ms / 1_000) / 60)
  if (minutes < 60) return `${minutes} min ${Math.round(ms / 1_000) % 60} s`
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return `${Math.floor(minutes / 1_440)} days`
}
