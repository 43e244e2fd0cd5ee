/**
 * Finds the few of many conditions that an event could match, by the fields that they need.
 *
 * - Never leaves one out: an entry whose choices say nothing is a candidate for every event. The order stays.
 * - Each path is read once for an event, however many entries ask for it.
 * - Of the choices of an entry the one counts whose values are the rarest among all entries: a rule about one sensor is
 *   found by the sensor, not by the channel that all of them share.
 */
import type { Choice, Need } from "../safety/Condition.ts"
import { isByValue } from "../safety/ConditionTree.ts"

export interface RuleIndex<Entry> {
  /** What could match the subject, in the order of the entries. */
  readonly candidates: (subject: unknown) => ReadonlyArray<Entry>
}

/** `choicesOf` gives the sets of needs (`CompiledCondition.choices`) of which an entry fulfils one in each, or nothing. */
export const makeIndex = <Entry>(
  entries: ReadonlyArray<Entry>,
  choicesOf: (entry: Entry) => ReadonlyArray<Choice>
): RuleIndex<Entry> => {
  const choices = entries.map((entry) => choicesOf(entry).filter((choice) => choice.length > 0))
  const rarest = rarestBy(choices)
  const always = new Uint32Array(Math.ceil(entries.length / 32))
  const paths = new Map<string, Path>()
  for (const [position, some] of choices.entries()) {
    const choice = rarest(some)
    if (choice === undefined) mark(always, position)
    for (const need of choice ?? []) put(paths, need, position)
  }
  const lookUps = [...paths.values()]
  const found = new Uint32Array(always.length)
  return {
    candidates: (subject) => {
      found.set(always)
      for (const path of lookUps) look(path, subject, found)
      return marked(found, entries)
    }
  }
}

/** What the entries need of one path; they are known by their positions. */
interface Path {
  readonly read: Need["field"]["read"]
  readonly byValue: Map<unknown, Array<number>>
  readonly tests: Array<{ readonly test: Need["test"]; readonly position: number }>
  /** Of `tests`, those that a missing field passes. */
  readonly whereMissing: Array<number>
}

const put = (paths: Map<string, Path>, { field, test, values }: Need, position: number): void => {
  let path = paths.get(field.path)
  if (path === undefined) {
    path = { read: field.read, byValue: new Map(), tests: [], whereMissing: [] }
    paths.set(field.path, path)
  }
  if (values === undefined) {
    path.tests.push({ test, position })
    if (test(undefined)) path.whereMissing.push(position)
  }
  for (const value of values ?? []) {
    const there = path.byValue.get(value)
    if (there === undefined) path.byValue.set(value, [position])
    else there.push(position)
  }
}

const look = ({ byValue, read, tests, whereMissing }: Path, subject: unknown, found: Uint32Array): void => {
  const actual = read(subject)
  if (actual === undefined) {
    for (const position of whereMissing) mark(found, position)
    return
  }
  const there = byValue.get(actual)
  if (there !== undefined) { for (const position of there) mark(found, position) }
  for (const { position, test } of tests) {
    if (!isMarked(found, position) && test(actual)) mark(found, position)
  }
}

const mark = (bits: Uint32Array, position: number): void => {
  const word = position >>> 5
  bits[word] = (bits[word] ?? 0) | (1 << (position & 31))
}

const isMarked = (bits: Uint32Array, position: number): boolean =>
  ((bits[position >>> 5] ?? 0) & (1 << (position & 31))) !== 0

const marked = <Entry>(bits: Uint32Array, entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> => {
  const out: Array<Entry> = []
  for (let word = 0; word < bits.length; word++) {
    for (let left = bits[word] ?? 0; left !== 0; left &= left - 1) {
      const entry = entries[word * 32 + 31 - Math.clz32(left & -left)]
      if (entry !== undefined) out.push(entry)
    }
  }
  return out
}

/** Chooses for one entry; counts over all of them. A choice that is by value alone is quicker than any with tests. */
const rarestBy = (all: ReadonlyArray<ReadonlyArray<Choice>>) => {
  const counts = new Map<string, Map<unknown, number>>()
  for (const choices of all) {
    for (const { field: { path }, values = [] } of new Set(choices.flat())) {
      const ofPath = counts.get(path) ?? new Map<unknown, number>()
      counts.set(path, ofPath)
      for (const value of values) ofPath.set(value, (ofPath.get(value) ?? 0) + 1)
    }
  }
  /** Entries that share the commonest of its values, then how few values the path is known to have. */
  const rank = (choice: Choice): readonly [number, number] => {
    let shared = 0
    let known = Infinity
    for (const { field: { path }, values = [] } of choice) {
      const ofPath = counts.get(path)
      known = Math.min(known, ofPath?.size ?? 0)
      for (const value of values) shared = Math.max(shared, ofPath?.get(value) ?? 0)
    }
    return [shared, -known]
  }
  return (choices: ReadonlyArray<Choice>): Choice | undefined => {
    const quick = choices.filter(isByValue)
    if (quick.length === 0) return choices.toSorted((a, b) => a.length - b.length)[0]
    // Of equals the last: people write from the general to the particular.
    return quick.map((choice) => ({ choice, rank: rank(choice) })).reduce((best, next) =>
      next.rank[0] < best.rank[0] || (next.rank[0] === best.rank[0] && next.rank[1] <= best.rank[1]) ? next : best
    ).choice
  }
}
