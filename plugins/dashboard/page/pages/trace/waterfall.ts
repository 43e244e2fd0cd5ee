/**
 * Where the bars of a waterfall stand. Pure.
 *
 * The axis is true to time but for long waits: where nothing begins or ends for long, compared with everything shorter, the
 * axis has a break of a fixed width, which says how long it is.
 */
export interface Span {
  /** Milliseconds since 1970. */
  readonly from: number
  /** Missing for a moment. */
  readonly until?: number
  /** It goes on until now. */
  readonly open: boolean
}

/** A piece of the axis; places are parts of the whole width, 0 to 1. */
export interface Piece {
  readonly from: number
  readonly until: number
  readonly left: number
  readonly width: number
  /** A long wait: its width says nothing of its length. */
  readonly isBreak: boolean
}

export interface Tick {
  readonly at: number
  readonly left: number
}

export interface Axis {
  readonly pieces: ReadonlyArray<Piece>
  readonly ticks: ReadonlyArray<Tick>
  /** Between two ticks, milliseconds. */
  readonly step: number
  readonly placeOf: (at: number) => number
}

/** What is shorter than this is never broken, milliseconds. */
const shortestBreak = 10_000
/** How many times longer than everything shorter together. */
const muchLonger = 5
const breakWidth = 0.09
/** Of the whole, for all breaks together. */
const mostForBreaks = 0.5
const wantedTicks = 6

const steps = [
  ...[1, 10, 100].flatMap((unit) => [1, 2, 5].map((n) => n * unit)),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * 1_000),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * 60_000),
  ...[1, 2, 3, 6, 12].map((n) => n * 3_600_000),
  ...[1, 2, 7, 14, 28].map((n) => n * 86_400_000)
]

/** From which length on a piece is a long wait. */
const breaksFrom = (lengths: ReadonlyArray<number>): number => {
  let shorter = 0
  const sorted = lengths.toSorted((a, b) => a - b)
  for (const [index, length] of sorted.entries()) {
    // One alone is all that there is to see.
    if (index > 0 && length >= shortestBreak && length > shorter * muchLonger) return length
    shorter += length
  }
  return Infinity
}

/** The axis of some spans. `now` is where those end that are open. */
export const axisOf = (spans: ReadonlyArray<Span>, now: number): Axis => {
  const moments = [
    ...new Set(
      spans.flatMap(({ from, open, until }) => [from, until ?? (open ? Math.max(from, now) : from)])
        .filter(Number.isFinite)
    )
  ].sort((a, b) => a - b)
  const [first = now] = moments
  if (moments.length < 2) {
    return { pieces: [], ticks: [{ at: first, left: 0 }], step: 1, placeOf: () => 0 }
  }
  const lengths = moments.slice(1).map((moment, index) => moment - (moments[index] ?? moment))
  const threshold = breaksFrom(lengths)
  const breaks = lengths.filter((length) => length >= threshold).length
  const each = breaks === 0 ? 0 : Math.min(breakWidth, mostForBreaks / breaks)
  const rest = lengths.reduce((sum, length) => sum + (length >= threshold ? 0 : length), 0)
  const wide = (1 - each * breaks) / rest

  const pieces: Array<Piece> = []
  let left = 0
  for (const [index, length] of lengths.entries()) {
    const from = moments[index] ?? first
    const isBreak = length >= threshold
    const width = isBreak ? each : length * wide
    const before = pieces.at(-1)
    if (before !== undefined && !before.isBreak && !isBreak) {
      pieces[pieces.length - 1] = { ...before, until: from + length, width: before.width + width }
    } else pieces.push({ from, until: from + length, left, width, isBreak })
    left += width
  }

  const placeOf = (at: number): number => {
    const piece = pieces.find(({ until }) => at <= until)
    if (piece === undefined) return 1
    if (at <= piece.from) return piece.left
    return piece.left + piece.width * (at - piece.from) / (piece.until - piece.from)
  }

  const step = steps.find((one) => rest / one <= wantedTicks) ?? rest
  const ticks: Array<Tick> = []
  for (const piece of pieces) {
    if (piece.isBreak) continue
    for (let at = Math.ceil(piece.from / step) * step; at <= piece.until; at += step) {
      ticks.push({ at, left: placeOf(at) })
    }
    // After a break it must be said when it goes on.
    if (!ticks.some(({ at }) => at >= piece.from && at <= piece.until)) ticks.push({ at: piece.from, left: piece.left })
  }
  return { pieces, ticks: apart(ticks), step, placeOf }
}

/** Of the whole: what the words of a tick need. */
const roomForTick = 0.15

/** Ticks whose words would overlap, or be cut at the end, are left out. */
const apart = (ticks: ReadonlyArray<Tick>): ReadonlyArray<Tick> => {
  const kept: Array<Tick> = []
  for (const tick of ticks) {
    const last = kept.at(-1)
    if (tick.left <= 1 - roomForTick + 0.01 && (last === undefined || tick.left - last.left >= roomForTick)) {
      kept.push(tick)
    }
  }
  return kept
}

export interface Bar {
  readonly left: number
  /** 0 for a moment. */
  readonly width: number
}

/** Where a span stands on an axis; nothing for one that has not begun. */
export const barOf = ({ from, open, until }: Span, { placeOf }: Axis, now: number): Bar | undefined => {
  if (!Number.isFinite(from)) return undefined
  const left = placeOf(from)
  return { left, width: Math.max(0, placeOf(until ?? (open ? Math.max(from, now) : from)) - left) }
}
