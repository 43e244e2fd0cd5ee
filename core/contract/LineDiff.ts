/**
 * What was against what is now, line by line, for a person who decides. Long lines are broken and not cut, and where the whole is
 * cut its beginning and its end are shown, with how much is between.
 */
const longestLine = 160
const maximumLines = 400
/** Same lines that are shown before and after what differs. */
const around = 3
/** Lines between the first and the last that differ: where there are more, or so many differ, they are not compared one by one. */
const maximumCompared = 3_000
const maximumSteps = 200
/** In the place of lines that are not shown. */
const cut = "…"

export interface Diff {
  readonly text: string
  /** Not all that has changed is shown: its beginning and its end are, and how much is between. */
  readonly isCut: boolean
}

/** `show`: in which lines one is shown, where lines are compared that can't be shown as they are. */
export const diffOfLines = (
  before: ReadonlyArray<string>,
  after: ReadonlyArray<string>,
  show: (line: string) => ReadonlyArray<string> = (line) => [line]
): Diff => {
  const shown = collapse(compare(before, after))
  const half = maximumLines / 2
  const lines = shown.length <= maximumLines
    ? shown
    : [...shown.slice(0, half), unshown(shown.slice(half, -half).map(([mark]) => mark)), ...shown.slice(-half)]
  return {
    text: lines.flatMap(([mark, text]) => mark === cut ? [` ${mark}${text}`] : show(text).map((one) => `${mark}${one}`))
      .join("\n"),
    isCut: lines.some(([mark]) => mark === cut)
  }
}

/** A line in pieces that a person can read. */
export const broken = (line: string): ReadonlyArray<string> => {
  if (line.length <= longestLine) return [line]
  const characters = Array.from(line)
  const parts: Array<string> = []
  for (let i = 0; i < characters.length; i += longestLine) {
    parts.push(`${i === 0 ? "" : "    "}${characters.slice(i, i + longestLine).join("")}`)
  }
  return parts
}

type Line = readonly [mark: " " | "-" | "+" | typeof cut, text: string]

const compare = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> => {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let end = 0
  while (
    end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)
  ) end++
  const same = (text: string): Line => [" ", text]
  return [
    ...before.slice(0, start).map(same),
    ...between(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map(same)
  ]
}

/** The shortest way from one to the other (Myers); without it, all that is gone and all that is new. */
const between = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> =>
  (before.length <= maximumCompared && after.length <= maximumCompared ? shortest(before, after) : undefined) ??
    [...ends(before.map((text): Line => ["-", text])), ...ends(after.map((text): Line => ["+", text]))]

/** Nothing where it takes more than `maximumSteps`: the time it takes grows with them. */
const shortest = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> | undefined => {
  const middle = maximumSteps + 1
  const furthest = new Int32Array(2 * middle + 1)
  const reached: Array<Int32Array> = []
  const from = (of: Int32Array, k: number, steps: number): number =>
    k === -steps || (k !== steps && of[middle + k - 1]! < of[middle + k + 1]!) ? k + 1 : k - 1
  for (let steps = 0; steps <= maximumSteps; steps++) {
    reached.push(furthest.slice())
    for (let k = -steps; k <= steps; k += 2) {
      const last = from(furthest, k, steps)
      let x = furthest[middle + last]! + (last < k ? 1 : 0)
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++
      furthest[middle + k] = x
      if (x >= before.length && x - k >= after.length) return wayBack(before, after, reached, from)
    }
  }
  return undefined
}

const wayBack = (
  before: ReadonlyArray<string>,
  after: ReadonlyArray<string>,
  reached: ReadonlyArray<Int32Array>,
  from: (of: Int32Array, k: number, steps: number) => number
): ReadonlyArray<Line> => {
  const lines: Array<Line> = []
  let [x, y] = [before.length, after.length]
  for (let steps = reached.length - 1; steps >= 0; steps--) {
    const last = from(reached[steps]!, x - y, steps)
    const start = reached[steps]![maximumSteps + 1 + last]!
    while (x > start && y > start - last) {
      lines.push([" ", before[--x]!])
      y--
    }
    if (steps > 0) lines.push(x === start ? ["+", after[--y]!] : ["-", before[--x]!])
  }
  return lines.toReversed()
}

/** The first and the last of them: what is put in their midst hides neither. */
const ends = (lines: ReadonlyArray<Line>): ReadonlyArray<Line> => {
  const kept = maximumLines / 5
  if (lines.length <= 2 * kept) return lines
  return [...lines.slice(0, kept), unshown(lines.slice(kept, -kept).map(([mark]) => mark)), ...lines.slice(-kept)]
}

const unshown = (marks: ReadonlyArray<string>): Line => {
  const [gone, come] = ["-", "+"].map((mark) => marks.filter((one) => one === mark).length)
  return [cut, ` ${marks.length} more lines, which are not shown: ${gone} gone, ${come} new`]
}

/** Runs of lines that are the same, but those beside what differs. */
const collapse = (lines: ReadonlyArray<Line>): ReadonlyArray<Line> => {
  const near = lines.map(() => false)
  lines.forEach(([mark], i) => {
    if (mark === " ") return
    for (let k = Math.max(0, i - around); k <= Math.min(lines.length - 1, i + around); k++) near[k] = true
  })
  const shown: Array<Line> = []
  let left = 0
  const say = (): void => {
    if (left > 0) shown.push([" ", `… ${left} ${left === 1 ? "line" : "lines"} the same`])
    left = 0
  }
  lines.forEach((line, i) => {
    if (near[i] !== true) {
      left++
      return
    }
    say()
    shown.push(line)
  })
  say()
  return shown
}
