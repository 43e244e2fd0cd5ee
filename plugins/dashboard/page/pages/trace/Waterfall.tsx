/** A trace along the time: a line for each entry, with its bar on the axis that all share. A line opens to its details. */
import { useMemo, useState } from "react"
import { Button } from "../../parts/Action.tsx"
import { useNow, useZone } from "../../parts/Time.tsx"
import { short } from "../../parts/Words.tsx"
import { flat, type Placed } from "./entries.ts"
import type { Entry } from "./entry.ts"
import { EntryDetails, EntryName } from "./EntryDetails.tsx"
import { took } from "./took.ts"
import { type Axis, axisOf, type Bar, barOf } from "./waterfall.ts"

const percent = (part: number): string => `${(part * 100).toFixed(3)}%`
/** More are shown when they are asked for. */
const mostLines = 200

export const Waterfall = ({ entries }: { readonly entries: ReadonlyArray<Entry> }) => {
  const lines = useMemo(() => flat(entries), [entries])
  const isOpen = lines.some(({ entry }) => entry.open)
  return isOpen ? <Going lines={lines} /> : <Lines lines={lines} now={0} />
}

/** What goes on grows. */
const Going = ({ lines }: { readonly lines: ReadonlyArray<Placed> }) => <Lines lines={lines} now={useNow()} />

const Lines = ({ lines, now }: { readonly lines: ReadonlyArray<Placed>; readonly now: number }) => {
  const [all, setAll] = useState(false)
  const axis = useMemo(() => axisOf(lines.map(({ entry }) => entry), now), [lines, now])
  const shown = all ? lines : lines.slice(0, mostLines)
  return (
    <>
      <div className="waterfall" role="region" aria-label="The waterfall" tabIndex={0}>
        <AxisLine axis={axis} />
        <ol className="waterfall-lines">
          {shown.map((line) => <Line key={line.entry.id} axis={axis} line={line} now={now} />)}
        </ol>
      </div>
      {shown.length < lines.length && <Button onClick={() => setAll(true)}>{`Show all ${lines.length} lines`}</Button>}
      {axis.pieces.some(({ isBreak }) => isBreak) && (
        <p className="faint">
          The striped parts of the axis are long waits, drawn short: the length of each is written in it.
        </p>
      )}
    </>
  )
}

const AxisLine = ({ axis }: { readonly axis: Axis }) => {
  const { timezone } = useZone()
  const clock = useMemo(
    () =>
      new Intl.DateTimeFormat("en-GB", {
        timeZone: timezone,
        hour: "2-digit",
        minute: "2-digit",
        ...(axis.step < 60_000 ? { second: "2-digit" } : {}),
        ...(axis.step < 1_000 ? { fractionalSecondDigits: 3 } : {}),
        ...(axis.step >= 86_400_000 ? { day: "numeric", month: "short" } : {})
      }),
    [axis.step, timezone]
  )
  return (
    <div className="waterfall-axis">
      <span className="faint">{timezone}</span>
      <div className="waterfall-track">
        {axis.pieces.filter(({ isBreak }) => isBreak).map(({ from, left, until, width }) => (
          <span key={from} className="waterfall-break" style={{ left: percent(left), width: percent(width) }}>
            {took(until - from)}
          </span>
        ))}
        {axis.ticks.map(({ at, left }) => (
          <span key={at} className="waterfall-tick" style={{ left: percent(left) }}>
            {clock.format(at)}
          </span>
        ))}
      </div>
    </div>
  )
}

/** What stands beside the bar. */
const said = (entry: Entry, now: number): string => {
  if (!Number.isFinite(entry.from)) return "not begun"
  if (entry.open) return `${took(Math.max(0, now - entry.from))} so far`
  if (entry.until !== undefined) return took(entry.until - entry.from)
  return entry.words === undefined ? "" : short(entry.words, 60)
}

const wentBadly = new Set(["failed", "unknown", "timed_out", "failure"])
const classOf = ({ kind, open, status }: Entry): string =>
  [
    `waterfall-bar waterfall-bar-${kind}`,
    ...(open ? ["waterfall-bar-open"] : []),
    ...(status !== undefined && wentBadly.has(status) ? ["waterfall-bar-bad"] : [])
  ].join(" ")

/** Where there is room for what is said: behind the bar, before it, or on it. */
const sideOf = (bar: Bar | undefined): { readonly side: "after" | "before" | "on"; readonly place: number } => {
  if (bar === undefined) return { side: "after", place: 0 }
  if (bar.left + bar.width < 0.6) return { side: "after", place: bar.left + bar.width }
  return bar.left > 0.4 ? { side: "before", place: bar.left } : { side: "on", place: bar.left }
}

const Line = ({ axis, line, now }: { readonly axis: Axis; readonly line: Placed; readonly now: number }) => {
  const { depth, entry } = line
  const [open, setOpen] = useState(false)
  const bar = barOf(entry, axis, now)
  const tokens = entry.kind === "question" ? `, ${entry.facts.slice(0, 2).join(", ")}` : ""
  const { place, side } = sideOf(bar)
  return (
    <li>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="waterfall-line">
          <span className="waterfall-name" style={{ paddingLeft: `${Math.min(depth, 8)}rem` }}>
            <EntryName entry={entry} />
          </span>
          <span className="waterfall-track">
            {axis.pieces.filter(({ isBreak }) => isBreak).map(({ from, left, width }) => (
              <span key={from} className="waterfall-gap" style={{ left: percent(left), width: percent(width) }} />
            ))}
            {bar !== undefined && (
              <span
                className={classOf(entry)}
                style={{ left: `min(${percent(bar.left)}, 100% - 4px)`, width: percent(bar.width) }}
              />
            )}
            <span
              className={`waterfall-said waterfall-said-${side}`}
              style={side === "before" ? { right: percent(1 - place) } : { left: percent(place) }}
            >
              <bdi>{said(entry, now)}{tokens}</bdi>
            </span>
          </span>
        </summary>
        {open && <EntryDetails entry={entry} />}
      </details>
    </li>
  )
}
