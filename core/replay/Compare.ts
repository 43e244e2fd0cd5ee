/**
 * Whether two lists of decisions are the same, but for ids and times. Pure.
 */
import canonicalize from "canonicalize"

/** One decision, as JSON that says all of it. */
export interface Decided {
  /** What it is about: `event 1`, `event 1, task`, … Decisions about one thing are in their order. */
  readonly about: string
  readonly says: Readonly<Record<string, unknown>>
}

/** The records end here: what would come after is not known. */
export interface Diverged {
  readonly about: string
  /** Why, as a sentence. */
  readonly diverges: string
}

export type Replayed = Decided | Diverged

export interface Line {
  readonly is: "same" | "differs" | "diverges"
  readonly about: string
  readonly recorded?: Readonly<Record<string, unknown>>
  readonly replayed?: Readonly<Record<string, unknown>>
  readonly why?: string
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi
const time = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})/gi

/** Ids become the number of their appearance, times go. */
const normaliser = () => {
  const seen = new Map<string, string>()
  const text = (given: string): string =>
    given.replaceAll(uuid, (id) => {
      const known = seen.get(id.toLowerCase())
      if (known !== undefined) return known
      const name = `#${seen.size + 1}`
      seen.set(id.toLowerCase(), name)
      return name
    }).replaceAll(time, "<time>")
  const walk = (value: unknown): unknown => {
    if (typeof value === "string") return text(value)
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== "object" || value === null) return value
    // In the order of the canonical form, so that ids are met in the same order.
    return Object.fromEntries(
      Object.entries(value).filter(([, one]) => one !== undefined).toSorted(([a], [b]) => a < b ? -1 : 1)
        .map(([key, one]) => [text(key), walk(one)])
    )
  }
  return (says: Readonly<Record<string, unknown>>) => walk(says) as Readonly<Record<string, unknown>>
}

/** Each thing's decisions beside one another, things in the order in which they were first decided about. */
export const compare = (
  recorded: ReadonlyArray<Decided>,
  replayed: ReadonlyArray<Replayed>
): ReadonlyArray<Line> => {
  const was = Map.groupBy(recorded, ({ about }) => about)
  const would = Map.groupBy(replayed, ({ about }) => about)
  return [...new Set([...recorded, ...replayed].map(({ about }) => about))].flatMap((about): ReadonlyArray<Line> => {
    const [before, after] = [was.get(about) ?? [], would.get(about) ?? []]
    const [ofRecord, ofReplay] = [normaliser(), normaliser()]
    const lines: Array<Line> = []
    for (let i = 0; i < Math.max(before.length, after.length); i++) {
      const [left, right] = [before[i], after[i]]
      if (right !== undefined && "diverges" in right) {
        lines.push({ is: "diverges", about, why: right.diverges })
        return lines
      }
      const one = left === undefined ? undefined : ofRecord(left.says)
      const other = right === undefined ? undefined : ofReplay(right.says)
      lines.push({
        is: one !== undefined && other !== undefined && canonicalize(one) === canonicalize(other) ? "same" : "differs",
        about,
        ...(one === undefined ? {} : { recorded: one }),
        ...(other === undefined ? {} : { replayed: other })
      })
    }
    return lines
  })
}

export const isSame = (lines: ReadonlyArray<Line>): boolean => lines.every(({ is }) => is === "same")
