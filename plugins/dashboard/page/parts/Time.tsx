/** Moments in the operator's zone, and what is left until one. One clock ticks for all of them. */
import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from "react"
import { visible } from "syris/visible"
import { useSettings } from "../api/queries.ts"

interface Zone {
  readonly timezone: string
  readonly date: Intl.DateTimeFormat
  readonly moment: Intl.DateTimeFormat
  readonly time: Intl.DateTimeFormat
}

const zoneOf = (timezone: string): Zone => {
  const of = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat("en-GB", { timeZone: timezone, ...options })
  return {
    timezone,
    date: of({ weekday: "short", day: "numeric", month: "short", year: "numeric" }),
    moment: of({ dateStyle: "medium", timeStyle: "medium" }),
    time: of({ hour: "2-digit", minute: "2-digit", second: "2-digit" })
  }
}

const here = zoneOf(Intl.DateTimeFormat().resolvedOptions().timeZone)
const Zone = createContext<Zone>(here)

/** The zone of the configuration; until it is known the browser's. */
export const ZoneProvider = ({ children }: { readonly children: ReactNode }) => {
  const { data } = useSettings()
  const timezone = data?.timezone
  const zone = useMemo(() => {
    try {
      return timezone === undefined ? here : zoneOf(timezone)
    } catch {
      // a zone that this browser does not know
      return here
    }
  }, [timezone])
  return <Zone value={zone}>{children}</Zone>
}

export const useZone = (): Zone => useContext(Zone)

const clockMs = 1_000

const clock = (() => {
  const listeners = new Set<() => void>()
  let now = Date.now()
  let timer: ReturnType<typeof setInterval> | undefined
  return {
    now: () => now,
    subscribe: (listener: () => void) => {
      listeners.add(listener)
      timer ??= setInterval(() => {
        now = Date.now()
        listeners.forEach((each) => each())
      }, clockMs)
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0) {
          clearInterval(timer)
          timer = undefined
        }
      }
    }
  }
})()

/** Now, each second. */
export const useNow = (): number => useSyncExternalStore(clock.subscribe, clock.now)

const units: ReadonlyArray<readonly [number, string]> = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]]

/** A length of time in its two largest units, as `2 h 5 min`. */
export const inWords = (ms: number): string => {
  let seconds = Math.max(0, Math.round(ms / 1000))
  const parts: Array<string> = []
  for (const [size, name] of units) {
    const whole = Math.floor(seconds / size)
    if (whole === 0) {
      if (parts.length > 0) break
      continue
    }
    parts.push(`${whole} ${name}`)
    seconds -= whole * size
    if (parts.length === 2) break
  }
  return parts.length === 0 ? "0 s" : parts.join(" ")
}

/** In every zone a day begins at a quarter of an hour. */
const quarterMs = 900_000
const mostDays = 2_000
const days = new Map<string, string>()

/** The date there, kept: long lists have many moments of the same day, and to format one costs much of a line. */
const dayOf = (zone: Zone, at: number): string => {
  const quarter = Math.floor(at / quarterMs)
  const key = `${zone.timezone} ${quarter}`
  const known = days.get(key)
  if (known !== undefined) return known
  const made = zone.date.format(quarter * quarterMs)
  if (days.size >= mostDays) days.clear()
  days.set(key, made)
  return made
}

/** A moment: the time where it is today's, else with its date; the whole of it, with the zone, as a title. */
export const Time = ({ at }: { readonly at: string }) => {
  const zone = useZone()
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return <span>{visible(at)}</span>
  const whole = zone.moment.format(date)
  return (
    <time dateTime={at} title={`${whole}, ${zone.timezone}`}>
      {dayOf(zone, date.getTime()) === dayOf(zone, Date.now()) ? zone.time.format(date) : whole}
    </time>
  )
}

/** How long ago, or how long until, counting. What the clock has not come to since it ticked last is neither. */
export const Relative = ({ at }: { readonly at: string }) => {
  const zone = useZone()
  const now = useNow()
  const ms = new Date(at).getTime() - now
  if (Number.isNaN(ms)) return <span>{visible(at)}</span>
  return (
    <time dateTime={at} title={`${zone.moment.format(new Date(at))}, ${zone.timezone}`}>
      {ms >= 0 && ms < clockMs ? "now" : ms >= 0 ? `in ${inWords(ms)}` : `${inWords(-ms)} ago`}
    </time>
  )
}
