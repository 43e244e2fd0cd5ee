/**
 * In which order what waits is shown, so that nothing moves under a finger: what is shown stays where it is, also when it is
 * decided, and what is new comes after it. Pure.
 */

export interface Waiting {
  readonly id: string
  /** The first to expire is the first; without one it comes after those that have one. */
  readonly expires_at?: string | undefined
  readonly asked_at: string
}

/** By the units of their characters: a locale has `~` before digits. */
const order = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0
const before = (a: Waiting, b: Waiting): number =>
  order(a.expires_at ?? "~", b.expires_at ?? "~") || order(a.asked_at, b.asked_at) || order(a.id, b.id)

/** The same array where nothing is new. */
export const arrange = (shown: ReadonlyArray<string>, waiting: ReadonlyArray<Waiting>): ReadonlyArray<string> => {
  const known = new Set(shown)
  const fresh = waiting.filter(({ id }) => !known.has(id))
  return fresh.length === 0 ? shown : [...shown, ...fresh.toSorted(before).map(({ id }) => id)]
}

/** `next` stands where `old` stood: the operator has edited it here. */
export const replaced = (shown: ReadonlyArray<string>, old: string, next: string): ReadonlyArray<string> =>
  shown.filter((id) => id !== next).map((id) => id === old ? next : id)

/** The one after, or before; the ends stay. Where none has the focus it begins at the first, or the last. */
export const neighbour = (shown: ReadonlyArray<string>, at: string | undefined, by: 1 | -1): string | undefined => {
  const index = at === undefined ? -1 : shown.indexOf(at)
  if (index === -1) return by === 1 ? shown[0] : shown.at(-1)
  return shown[Math.max(0, Math.min(shown.length - 1, index + by))]
}
