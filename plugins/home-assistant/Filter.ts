/**
 * Which entities' changes become events.
 */
import { domainOf } from "./Wire.ts"

export interface EntityFilter {
  readonly include?: ReadonlyArray<string> | undefined
  readonly exclude?: ReadonlyArray<string> | undefined
}

/** A domain (`light`), an id, or a pattern (`sensor.*_power`). */
const matcher = (patterns: ReadonlyArray<string>): (entityId: string) => boolean => {
  const domains = new Set(patterns.filter((pattern) => !pattern.includes(".")))
  const globs = patterns.filter((pattern) => pattern.includes(".")).map((pattern) =>
    new RegExp(`^${pattern.replace(/[^\w*?]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`)
  )
  return (entityId) => domains.has(domainOf(entityId)) || globs.some((glob) => glob.test(entityId))
}

const mostRemembered = 20_000

export const makeFilter = ({ exclude, include }: EntityFilter = {}): (entityId: string) => boolean => {
  if (exclude === undefined && include === undefined) return () => true
  const isIn = include === undefined ? () => true : matcher(include)
  const isOut = matcher(exclude ?? [])
  const known = new Map<string, boolean>()
  return (entityId) => {
    const found = known.get(entityId)
    if (found !== undefined) return found
    if (known.size >= mostRemembered) known.clear()
    const taken = isIn(entityId) && !isOut(entityId)
    known.set(entityId, taken)
    return taken
  }
}
