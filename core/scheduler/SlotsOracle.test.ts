/**
 * The slots of cron patterns around the days on which a zone changes its clock, against two strangers: a naive walk that
 * looks at the wall clock of every minute, and systemd's calendar. `SYRIS_TEST_LONG=1` walks all zones and ten years.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { readSlots } from "./Slots.ts"

const long = process.env["SYRIS_TEST_LONG"] === "1"
const timeout = long ? 600_000 : 20_000
const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** Changes by half an hour and by two hours, at midnight, in the southern summer, around Ramadan, and before and after UTC. */
const sample = [
  "Africa/Cairo",
  "Africa/Casablanca",
  "America/Havana",
  "America/New_York",
  "America/Nuuk",
  "America/Santiago",
  "Antarctica/Troll",
  "Asia/Beirut",
  "Atlantic/Azores",
  "Australia/Lord_Howe",
  "Europe/Berlin",
  "Europe/London",
  "Pacific/Chatham"
]
const years = long ? [2026, 2035] as const : [2027, 2027] as const

/** A pattern, and the same for systemd. */
const patterns: ReadonlyArray<readonly [cron: string, calendar: string]> = [
  ["30 2 * * *", "02:30"],
  ["0 3 * * *", "03:00"],
  ["0 0 * * *", "00:00"],
  ["30 0 * * *", "00:30"],
  ["30 1 * * sun", "Sun 01:30"],
  ["30 7 * * 1-5", "Mon..Fri 07:30"],
  ["10 0,1,2,23 * * *", "00,01,02,23:10"],
  ["*/10 2 * * *", "02:0/10"],
  ["15 30 2 * * *", "02:30:15"],
  ["*/30 * * * *", "*:0/30"],
  ["0 * * * *", "*:00"],
  ["15,45 1-3 * * *", "01..03:15,45"],
  ["5 */2 * * *", "0/2:05"],
  ["*/20 * * * * *", "*:*:0/20"]
]

/** What the clock of a zone shows, as a number: its digits as if they were UTC. */
const wallClockOf = (timezone: string): (at: number) => number => {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit"
  })
  return (at) => {
    // 03/28/2027, 03:30
    const text = format.format(at)
    const part = (from: number, to: number) => Number(text.slice(from, to))
    return Date.UTC(part(6, 10), part(0, 2) - 1, part(3, 5), part(12, 14), part(15, 17))
  }
}

interface Change {
  readonly timezone: string
  /** The first moment with the new distance to UTC. */
  readonly at: number
  /** By how much the clock was put forward. */
  readonly forward: number
}

const changesOf = (timezone: string, from: number, until: number): ReadonlyArray<Change> => {
  const wall = wallClockOf(timezone)
  const offset = (at: number) => wall(at) - at
  const changes: Array<Change> = []
  for (let at = from; at < until; at += day) {
    if (offset(at) === offset(at + day)) continue
    let minutes = at
    while (offset(minutes) === offset(at)) minutes += minute
    changes.push({ timezone, at: minutes, forward: offset(minutes) - offset(at) })
  }
  return changes
}

const changes = (() => {
  const seen = new Set<string>()
  return (long ? Intl.supportedValuesOf("timeZone") : sample).flatMap((timezone) => {
    const found = changesOf(timezone, Date.UTC(years[0], 0, 1), Date.UTC(years[1] + 1, 0, 1))
    const same = found.map(({ at, forward }) => `${at} ${forward} ${wallClockOf(timezone)(at)}`).join()
    if (seen.has(same)) return []
    seen.add(same)
    return found
  })
})()

const span = (pattern: string): number =>
  pattern.split(" ").length === 6 && pattern.startsWith("*") ? 3 * hour : 2 * day

const names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

/** The numbers that a field of the patterns above means. */
const numbersOf = (field: string, low: number, high: number): ReadonlySet<number> =>
  new Set(
    field.split(",").flatMap((part) => {
      const [range = "", step = "1"] = part.split("/")
      const [from, to] = range === "*" ?
        [low, high] :
        range.split("-").map((one) => names.includes(one) ? names.indexOf(one) : Number(one))
      const all: Array<number> = []
      for (let value = from!; value <= (to ?? from!); value += Number(step)) all.push(value)
      return all
    })
  )

const naive = (pattern: string, { at: change, timezone }: Change): ReadonlyArray<number> => {
  const fields = pattern.split(" ")
  const [seconds, minutes, hours, , , weekdays] = (fields.length === 5 ? ["0", ...fields] : fields) as [
    string,
    string,
    string,
    string,
    string,
    string
  ]
  const every = {
    second: [...numbersOf(seconds, 0, 59)],
    minute: numbersOf(minutes, 0, 59),
    hour: numbersOf(hours, 0, 23),
    weekday: numbersOf(weekdays, 0, 6)
  }
  const isDue = (wall: number): boolean => {
    const date = new Date(wall)
    return every.minute.has(date.getUTCMinutes()) && every.hour.has(date.getUTCHours()) &&
      every.weekday.has(date.getUTCDay())
  }
  const slots = new Set<number>()
  const runsThrough = /[*/-]/.test(hours)
  const clock = readings(timezone, change)
  let shown = clock[0]!.wall - minute
  for (const { at, wall } of clock) {
    if (Math.abs(at - change) > span(pattern)) {
      shown = Math.max(shown, wall)
      continue
    }
    if (runsThrough) {
      if (isDue(wall)) { for (const second of every.second) slots.add(at + second * 1_000) }
      continue
    }
    // Each reading that is later than all before, and those that were left out, now.
    for (let next = shown + minute; next <= wall; next += minute) {
      if (isDue(next)) { for (const second of every.second) slots.add(next === wall ? at + second * 1_000 : at) }
    }
    shown = Math.max(shown, wall)
  }
  return [...slots].toSorted((a, b) => a - b)
}

let read: { of: string; clock: ReadonlyArray<{ at: number; wall: number }> } = { of: "", clock: [] }

/** Every minute around a change, and what the clock shows in it. */
const readings = (timezone: string, change: number): typeof read.clock => {
  const of = `${timezone} ${change}`
  if (read.of !== of) {
    const wall = wallClockOf(timezone)
    const clock: Array<{ at: number; wall: number }> = []
    for (let at = change - 2 * day - hour; at <= change + 2 * day; at += minute) clock.push({ at, wall: wall(at) })
    read = { of, clock }
  }
  return read.clock
}

const ours = (pattern: string, { at: change, timezone }: Change): ReadonlyArray<number> => {
  const slots = readSlots({ type: "cron", spec: pattern, timezone, anchor: new Date(change) })
  if (!slots.ok) throw new Error(slots.mistakes.join())
  const found: Array<number> = []
  let at = slots.value.next(new Date(change - span(pattern) - 1))
  while (at !== undefined && at.getTime() < change + span(pattern) + minute) {
    found.push(at.getTime())
    at = slots.value.next(at)
  }
  return found
}

const show = (slots: ReadonlyArray<number>) => slots.map((at) => new Date(at).toISOString().replace(".000Z", "Z"))

describe("around a change of the clock", () => {
  it("is as a naive walk over the minutes finds it", { timeout }, () => {
    assert.isAbove(changes.length, long ? 500 : 20)
    for (const change of changes) {
      for (const [pattern] of patterns) {
        const title = `${pattern} ${change.timezone} ${show([change.at]).join()}`
        assert.deepEqual(show(ours(pattern, change)), show(naive(pattern, change)), title)
      }
    }
  })
})

interface Difference {
  /** Only we have it. */
  readonly slot: number
  readonly change: Change
  /** The hour field of the pattern means the clock as it goes by. */
  readonly runsThrough: boolean
  readonly gaveUp: boolean
}

/** Where systemd and we differ, always by a slot that only we have; `docs/schedules.md` lists them, too. */
const decided: ReadonlyArray<{ readonly why: string; readonly holds: (difference: Difference) => boolean }> = [
  {
    why: "What names a time of day comes once at the end of a gap; systemd leaves that day out.",
    holds: ({ change: { at, forward }, runsThrough, slot }) => forward > 0 && slot === at && !runsThrough
  },
  {
    why: "Hours that run through come in both passes of an hour that is repeated; systemd has the first only.",
    holds: ({ change: { at, forward }, runsThrough, slot }) =>
      forward < 0 && slot >= at && slot < at - forward && runsThrough
  },
  {
    why:
      "Slots after a gap are due; systemd can step over them, up to the end of the day, where it tried a time in the gap.",
    holds: ({ change: { at, forward }, gaveUp, runsThrough, slot }) =>
      forward > 0 && slot >= at && slot < at + day && runsThrough && !gaveUp
  },
  {
    why: "Steps of hours go on over a gap that begins at midnight; systemd gives up with \"Infinite loop\".",
    holds: ({ change: { forward }, gaveUp, runsThrough }) => forward > 0 && gaveUp && runsThrough
  }
]

const systemd = "/usr/bin/systemd-analyze"
const hasSystemd = fs.existsSync(systemd)
const loudly = hasSystemd ? "" : `: NOT COMPARED, there is no ${systemd}`

interface Calendar {
  readonly slots: ReadonlyArray<number>
  readonly gaveUp: boolean
}

/** Slots from a moment on, by expression. It has to be asked in the zone itself: with one in the expression it forks for each. */
const calendarsOf = (
  expressions: ReadonlyArray<string>,
  from: number,
  timezone: string,
  iterations: number
): ReadonlyMap<string, Calendar> => {
  const { stderr, stdout } = spawnSync(
    systemd,
    ["calendar", `--iterations=${iterations}`, `--base-time=@${from / 1_000 - 1}`, ...expressions],
    { encoding: "utf8", env: { TZ: timezone, LC_ALL: "C" } }
  )
  // One that gave up has no answer between those of the others.
  const answers = stdout.split(/\n\n/).filter((answer) => answer.includes("Next elapse"))
  return new Map(expressions.map((expression): [string, Calendar] => {
    const gaveUp = stderr.includes(`Failed to determine next elapse for '${expression}'`)
    const answer = gaveUp ? "" : answers.shift() ?? ""
    const zoned = answer.matchAll(/(?:\(in UTC\)|elapse|#\d+): \w+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/g)
    return [expression, { gaveUp, slots: Array.from(zoned, ([, date, time]) => Date.parse(`${date}T${time}Z`)) }]
  }))
}

describe.skipIf(!hasSystemd)(`beside systemd${loudly}`, () => {
  // The machine's tz data may be older than Node's, and Morocco's rules are new: systemd can't be asked about it.
  const zones = long
    ? sample.filter((zone) => zone !== "Africa/Casablanca")
    : ["America/Havana", "America/New_York", "Antarctica/Troll", "Australia/Lord_Howe", "Pacific/Chatham"]
  const compared = changes.filter(({ timezone }) => zones.includes(timezone))
  const ofDays = patterns.filter(([pattern]) => span(pattern) === 2 * day)

  it("differs where that is decided, and nowhere else", { timeout }, () => {
    const used = new Set<string>()
    for (const change of compared) {
      const calendars = calendarsOf(ofDays.map(([, calendar]) => calendar), change.at - 2 * day, change.timezone, 210)
      for (const [pattern, expression] of ofDays) {
        const title = `${pattern} ${change.timezone} ${show([change.at]).join()}`
        const { gaveUp, slots } = calendars.get(expression)!
        const theirs = slots.filter((slot) => slot <= change.at + 2 * day)
        const mine = ours(pattern, change).filter((slot) => slot <= change.at + 2 * day)
        assert.deepEqual(show(theirs.filter((slot) => !mine.includes(slot))), [], `only systemd has, ${title}`)
        const runsThrough = /[*-]/.test(pattern.split(" ").at(-4)!)
        for (const slot of mine.filter((one) => !theirs.includes(one))) {
          const decision = decided.find(({ holds }) => holds({ slot, change, runsThrough, gaveUp }))
          assert.isDefined(decision, `only we have ${show([slot]).join()}, ${title}`)
          used.add(decision.why)
        }
      }
    }
    // The others are bugs that another version may not have.
    assert.includeMembers([...used], decided.slice(0, 2).map(({ why }) => why))
  })

  it("agrees over a year on weekdays, days of the month and months", () => {
    const from = Date.UTC(2027, 0, 1)
    const pairs = [
      ["30 7 * * 1-5", "Mon..Fri 07:30"],
      ["0 12 * * mon,thu", "Mon,Thu 12:00"],
      ["0 12 1,15 * *", "*-*-01,15 12:00"],
      ["0 12 31 * *", "*-*-31 12:00"],
      ["0 12 l * *", "*-*~01 12:00"],
      ["0 12 29 2 *", "*-02-29 12:00"],
      ["0 12 */10 6-8 *", "*-06..08-01/10 12:00"]
    ] as const
    for (const timezone of ["Europe/Berlin", "America/St_Johns"]) {
      const calendars = calendarsOf(pairs.map(([, calendar]) => calendar), from, timezone, 200)
      for (const [pattern, calendar] of pairs) {
        const slots = readSlots({ type: "cron", spec: pattern, timezone, anchor: new Date(from) })
        assert.isTrue(slots.ok, pattern)
        let at: Date | undefined = new Date(from - 1)
        for (const theirs of calendars.get(calendar)!.slots) {
          at = slots.value.next(at!)
          // It knows no years after 2199.
          assert.strictEqual(at?.toISOString(), new Date(theirs).toISOString(), `${pattern} ${timezone}`)
        }
      }
    }
  })
})
