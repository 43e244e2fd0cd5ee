/**
 * When a call can have been made at the earliest, by the clock of the house: what the house changed before that was not
 * changed by the call.
 */

/** When a trace began, from its id: a UUIDv7 begins with the milliseconds. Nothing for another id. */
export const traceBegan = (traceId: string): number | undefined => {
  const hex = traceId.replaceAll("-", "").toLowerCase()
  return /^[0-9a-f]{12}7[0-9a-f]{19}$/.test(hex) ? Number.parseInt(hex.slice(0, 12), 16) : undefined
}

/** Two clocks of one machine differ by that much. */
const sameClockMs = 20

const isHere = ({ hostname }: URL): boolean =>
  hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.")

/**
 * In microseconds, by the house's clock. Another machine is asked for its time, which its server knows to the second; the
 * earliest that it can mean is taken. Nothing where it can't be known.
 */
export const earliestSince = async (
  traceId: string,
  url: URL,
  get: typeof globalThis.fetch
): Promise<number | undefined> => {
  const began = traceBegan(traceId)
  if (began === undefined) return undefined
  if (isHere(url)) return (began - sameClockMs) * 1_000
  try {
    const response = await get(url, { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(3_000) })
    const answered = Date.now()
    await response.body?.cancel().catch(() => {})
    const theirs = Date.parse(response.headers.get("date") ?? "")
    return Number.isNaN(theirs) ? undefined : (began + theirs - answered) * 1_000
  } catch {
    return undefined
  }
}
