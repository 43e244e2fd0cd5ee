import { assert, describe, it } from "@effect/vitest"
import { Cron } from "croner"
import * as fc from "fast-check"
import { readSlots, type Slots, type SlotSpec } from "./Slots.ts"
import { computedMs } from "../../test/Cpu.ts"

const anchor = new Date("2026-11-30T10:00:00Z")
const slotsOf = (spec: Partial<SlotSpec>): Slots => {
  const read = readSlots({ type: "cron", spec: "* * * * *", timezone: "Europe/London", anchor, ...spec })
  if (!read.ok) throw new Error(read.mistakes.join("; "))
  return read.value
}
const mistakesOf = (spec: Partial<SlotSpec>): ReadonlyArray<string> => {
  const read = readSlots({ type: "cron", spec: "* * * * *", timezone: "Europe/London", anchor, ...spec })
  return read.ok ? [] : read.mistakes
}
const take = (slots: Slots, after: string, count: number): ReadonlyArray<string> => {
  const found: Array<string> = []
  let at: Date | undefined = new Date(after)
  while (found.length < count && (at = slots.next(at)) !== undefined) {
    found.push(at.toISOString().replace(":00.000Z", "Z"))
  }
  return found
}
const cron = (spec: string, timezone = "Europe/Berlin") => slotsOf({ spec, timezone })

describe("a cron pattern", () => {
  it.each<[spec: string, words: string, slots: ReadonlyArray<string>]>([
    ["30 7 * * 1-5", "every weekday at 07:30 UTC", ["2026-12-01T07:30Z", "2026-12-02T07:30Z"]],
    ["30 7 * * MON-FRI", "every weekday at 07:30 UTC", ["2026-12-01T07:30Z", "2026-12-02T07:30Z"]],
    ["0 8,20 * * sat,sun", "every weekend day at 08:00 and 20:00 UTC", ["2026-12-05T08:00Z", "2026-12-05T20:00Z"]],
    ["0 9 * * 5-7", "every Friday, Saturday and Sunday at 09:00 UTC", ["2026-12-04T09:00Z", "2026-12-05T09:00Z"]],
    ["15 0 9 * * *", "every day at 09:00:15 UTC", ["2026-12-01T09:00:15.000Z"]],
    ["*/15 * * * *", "every 15 minutes UTC", ["2026-11-30T10:15Z", "2026-11-30T10:30Z"]],
    ["*/7 * * * *", "*/7 * * * * UTC", ["2026-11-30T10:07Z", "2026-11-30T10:14Z"]],
    ["*/20 * * * * *", "every 20 seconds UTC", ["2026-11-30T10:00:20.000Z", "2026-11-30T10:00:40.000Z"]],
    ["5 * * * *", "every hour at 05 past UTC", ["2026-11-30T10:05Z", "2026-11-30T11:05Z"]],
    ["@hourly", "every hour, on the hour UTC", ["2026-11-30T11:00Z"]],
    ["@daily", "every day at 00:00 UTC", ["2026-12-01T00:00Z"]],
    ["@midnight", "every day at 00:00 UTC", ["2026-12-01T00:00Z"]],
    ["@weekly", "every Sunday at 00:00 UTC", ["2026-12-06T00:00Z"]],
    ["@monthly", "on the 1st of every month at 00:00 UTC", ["2026-12-01T00:00Z", "2027-01-01T00:00Z"]],
    ["@yearly", "on the 1st of January every year at 00:00 UTC", ["2027-01-01T00:00Z", "2028-01-01T00:00Z"]],
    ["@Annually", "on the 1st of January every year at 00:00 UTC", ["2027-01-01T00:00Z"]],
    ["0 9 L * *", "on the last day of every month at 09:00 UTC", ["2026-12-31T09:00Z", "2027-01-31T09:00Z"]],
    ["0 9 LW * *", "0 9 LW * * UTC", ["2026-12-31T09:00Z", "2027-01-29T09:00Z"]],
    ["0 9 2W 1 *", "0 9 2W 1 * UTC", ["2027-01-01T09:00Z", "2028-01-03T09:00Z"]],
    ["0 10 * * tue#2", "on the second Tuesday of every month at 10:00 UTC", ["2026-12-08T10:00Z", "2027-01-12T10:00Z"]],
    ["0 10 * * friL", "on the last Friday of every month at 10:00 UTC", ["2026-12-25T10:00Z", "2027-01-29T10:00Z"]],
    ["0 9 29 feb *", "on the 29th of February every year at 09:00 UTC", ["2028-02-29T09:00Z", "2032-02-29T09:00Z"]]
  ])("%s", (spec, words, slots) => {
    const read = cron(` ${spec}\n`, "UTC")
    assert.strictEqual(read.spec, spec)
    assert.strictEqual(read.inWords, words)
    assert.deepEqual(take(read, "2026-11-30T10:00:00Z", slots.length), slots)
  })

  it("with a day of the month and a day of the week is due on either", () => {
    assert.deepEqual(take(cron("0 9 13 * fri", "UTC"), "2026-12-01T00:00:00Z", 4), [
      "2026-12-04T09:00Z",
      "2026-12-11T09:00Z",
      "2026-12-13T09:00Z",
      "2026-12-18T09:00Z"
    ])
  })

  it("with a + before the day of the week is due where both fit", () => {
    assert.deepEqual(take(cron("0 9 13 * +fri", "UTC"), "2026-12-01T00:00:00Z", 2), [
      "2027-08-13T09:00Z",
      "2028-10-13T09:00Z"
    ])
  })

  it("never comes strictly at the moment that was asked about, nor between milliseconds", () => {
    const slots = cron("0 9 * * *", "UTC")
    assert.deepEqual(take(slots, "2026-12-01T08:59:59.999Z", 1), ["2026-12-01T09:00Z"])
    assert.deepEqual(take(slots, "2026-12-01T09:00:00.000Z", 1), ["2026-12-02T09:00Z"])
  })

  it("ends with the year 2200, and begins with 1970", () => {
    const slots = cron("0 0 1 1 *")
    assert.deepEqual(take(slots, "2199-06-01T00:00:00Z", 5), ["2199-12-31T23:00Z"])
    assert.deepEqual(take(slots, "1900-06-01T00:00:00Z", 1), ["1970-12-31T23:00Z"])
    assert.isUndefined(slots.next(new Date(8.64e15)))
    assert.isUndefined(slots.next(new Date(Number.NaN)))
    assert.isDefined(slots.next(new Date(-8.64e15)))
  })
})

describe("where the clock is put forward", () => {
  // Berlin, 28 March 2027: 02:00 CET is 03:00 CEST, 01:00 UTC.
  const before = "2027-03-27T12:00:00Z"

  it("what names a time of day comes once, at the end of the gap", () => {
    assert.deepEqual(take(cron("30 2 * * *"), before, 2), ["2027-03-28T01:00Z", "2027-03-29T00:30Z"])
    assert.deepEqual(take(cron("*/10 2 * * *"), before, 2), ["2027-03-28T01:00Z", "2027-03-29T00:00Z"])
    assert.deepEqual(take(cron("0 2,3 * * *"), before, 2), ["2027-03-28T01:00Z", "2027-03-29T00:00Z"])
  })

  it("hours that run through leave the gap out", () => {
    assert.deepEqual(take(cron("30 1-3 * * *"), "2027-03-28T00:00:00Z", 3), [
      "2027-03-28T00:30Z",
      "2027-03-28T01:30Z",
      "2027-03-28T23:30Z"
    ])
    assert.deepEqual(take(cron("*/30 * * * *"), "2027-03-28T00:00:00Z", 3), [
      "2027-03-28T00:30Z",
      "2027-03-28T01:00Z",
      "2027-03-28T01:30Z"
    ])
  })

  it("a gap over midnight, and one of a whole day, end on another day", () => {
    assert.deepEqual(take(cron("30 23 * * *", "America/Nuuk"), "2027-03-27T12:00:00Z", 2), [
      "2027-03-28T01:00Z",
      "2027-03-29T00:30Z"
    ])
    assert.deepEqual(take(cron("0 12 * * *", "Pacific/Apia"), "2011-12-29T12:00:00Z", 3), [
      "2011-12-29T22:00Z",
      "2011-12-30T10:00Z",
      "2011-12-30T22:00Z"
    ])
  })
})

describe("where the clock is put back", () => {
  // Berlin, 31 October 2027: 03:00 CEST is 02:00 CET, 01:00 UTC.
  it("what names a time of day comes once, in the first pass", () => {
    assert.deepEqual(take(cron("30 2 * * *"), "2027-10-30T12:00:00Z", 2), ["2027-10-31T00:30Z", "2027-11-01T01:30Z"])
    assert.deepEqual(take(cron("30 2 * * *"), "2027-10-31T01:10:00Z", 1), ["2027-11-01T01:30Z"])
  })

  it("hours that run through come in both", () => {
    assert.deepEqual(take(cron("30 1-2 * * *"), "2027-10-30T12:00:00Z", 4), [
      "2027-10-30T23:30Z",
      "2027-10-31T00:30Z",
      "2027-10-31T01:30Z",
      "2027-11-01T00:30Z"
    ])
  })
})

describe("an interval", () => {
  const every = (spec: string, from: string, timezone = "Europe/Berlin") =>
    slotsOf({ type: "interval", spec, anchor: new Date(from), timezone })

  it("counts elapsed time from its anchor, which is its first slot", () => {
    const slots = every("PT1H30M", "2027-03-28T00:00:00.250Z")
    assert.deepEqual(take(slots, "2027-03-01T00:00:00Z", 3), [
      "2027-03-28T00:00:00.250Z",
      "2027-03-28T01:30:00.250Z",
      "2027-03-28T03:00:00.250Z"
    ])
    assert.strictEqual(slots.inWords, "every 1 hour and 30 minutes")
    assert.deepEqual(take(slots, "2035-01-01T00:00:00Z", 1), ["2035-01-01T00:00:00.250Z"])
  })

  it("of days keeps the time on the wall", () => {
    const slots = every("P1D", "2027-03-27T01:30:00Z")
    assert.deepEqual(take(slots, "2027-03-27T01:30:00Z", 2), ["2027-03-28T01:00Z", "2027-03-29T00:30Z"])
    assert.strictEqual(slots.inWords, "every day at 02:30 Europe/Berlin, counted from Sat 27 Mar 2027")
    assert.deepEqual(take(every("P1W", "2027-10-24T00:30:00Z"), "2027-10-24T00:30:00Z", 2), [
      "2027-10-31T00:30Z",
      "2027-11-07T01:30Z"
    ])
  })

  it("of months takes the last day where a month has no such day, and the right one after it", () => {
    assert.deepEqual(take(every("P1M", "2027-01-31T09:00:00Z", "UTC"), "2027-01-31T09:00:00Z", 3), [
      "2027-02-28T09:00Z",
      "2027-03-31T09:00Z",
      "2027-04-30T09:00Z"
    ])
    assert.deepEqual(take(every("P1Y", "2028-02-29T09:00:00Z", "UTC"), "2028-03-01T00:00:00Z", 4), [
      "2029-02-28T09:00Z",
      "2030-02-28T09:00Z",
      "2031-02-28T09:00Z",
      "2032-02-29T09:00Z"
    ])
  })

  it("that begins in a second pass does so", () => {
    assert.deepEqual(take(every("P1D", "2027-10-31T01:30:00Z"), "2027-10-31T00:00:00Z", 2), [
      "2027-10-31T01:30Z",
      "2027-11-01T01:30Z"
    ])
  })

  it("loses no day to a day that was left out: two slots that meet are one", () => {
    assert.deepEqual(take(every("P1D", "2011-12-29T10:00:00Z", "Pacific/Apia"), "2011-12-29T00:00:00Z", 3), [
      "2011-12-29T10:00Z",
      "2011-12-30T10:00Z",
      "2011-12-31T10:00Z"
    ])
  })
})

describe("one moment", () => {
  it.each([
    ["2026-12-24T18:00", "2026-12-24T17:00:00.000Z"],
    ["2026-12-24 18:00:05", "2026-12-24T17:00:05.000Z"],
    ["2026-12-24T18:00:00.1239Z", "2026-12-24T18:00:00.123Z"],
    ["2026-12-24T18:00+05:30", "2026-12-24T12:30:00.000Z"],
    ["2026-12-24T18:00-03", "2026-12-24T21:00:00.000Z"],
    ["2027-03-28T02:30", "2027-03-28T01:00:00.000Z"],
    ["2027-10-31T02:30", "2027-10-31T00:30:00.000Z"]
  ])("%s", (spec, instant) => {
    const slots = slotsOf({ type: "one_shot", spec, timezone: "Europe/Berlin" })
    assert.strictEqual(slots.spec, instant)
    const at = new Date(instant)
    assert.strictEqual(slots.next(new Date(at.getTime() - 1))?.toISOString(), instant)
    assert.isUndefined(slots.next(at))
  })

  it("says when", () => {
    const slots = slotsOf({ type: "one_shot", spec: "2026-12-24T17:00:00Z", timezone: "Europe/Berlin" })
    assert.strictEqual(slots.inWords, "once on Thu 24 Dec 2026 at 18:00 Europe/Berlin")
  })
})

describe("a mistake", () => {
  it.each<[spec: Partial<SlotSpec>, mistake: RegExp]>([
    [{ timezone: "Mars/Olympus" }, /^the field "timezone" must be an IANA time zone, such as "Europe\/London"$/],
    [{ timezone: "+02:00" }, /"timezone"/],
    [{ spec: "  " }, /^the field "spec" must be a string of 1 to 200 characters$/],
    [{ spec: `${"1,".repeat(150)}1 * * * *` }, /1 to 200 characters/],
    [{ spec: "* * * *" }, /five fields, or six with seconds first, such as "30 7 \* \* 1-5"/],
    [{ spec: "* * * * * * 2027" }, /five fields/],
    [{ spec: "61 * * * *" }, /^the field "spec" has "61" as its minute: write 0 to 59/],
    [{ spec: "0 24 * * *" }, /"24" as its hour/],
    [{ spec: "0 9 0 * *" }, /"0" as its day of the month/],
    [{ spec: "0 9 * * noday" }, /"noday" as its day of the week/],
    [{ spec: "0 9 * foo *" }, /"foo" as its month/],
    [{ spec: "5/5 * * * *" }, /"5\/5" as its minute/],
    [{ spec: "@reboot" }, /one of @yearly/],
    [{ spec: "constructor" }, /five fields/],
    [{ spec: "0 0 30 2 *" }, /a day that never comes/],
    [{ spec: "0 0 31 4,6,9,11 *" }, /a day that never comes/],
    [{ spec: "0 0 31 4 +mon" }, /a day that never comes/],
    [{ type: "interval", spec: "1 hour" }, /must be an ISO 8601 duration, such as "PT30S"/],
    [{ type: "interval", spec: "P" }, /ISO 8601 duration/],
    [{ type: "interval", spec: "PT" }, /ISO 8601 duration/],
    [{ type: "interval", spec: "-P1D" }, /ISO 8601 duration/],
    [{ type: "interval", spec: "PT0.999S" }, /at least one second/],
    [{ type: "interval", spec: "P0D" }, /at least one second/],
    [{ type: "interval", spec: "P11Y" }, /at most ten years/],
    [{ type: "interval", spec: "P1D", anchor: new Date(Number.NaN) }, /the start of an interval/],
    [{ type: "one_shot", spec: "2026-12-24" }, /ISO 8601 instant/],
    [{ type: "one_shot", spec: "2026-02-30T10:00" }, /a day and a time that exist/],
    [{ type: "one_shot", spec: "2026-12-24T24:00" }, /a day and a time that exist/],
    [{ type: "one_shot", spec: "0099-01-01T00:00Z" }, /years 1970 to 2200/],
    [{ type: "one_shot", spec: "2201-01-01T00:00Z" }, /years 1970 to 2200/],
    [{ type: "constructor" as "cron" }, /^the field "type" must be one of cron, interval, one_shot$/]
  ])("%j", (spec, mistake) => {
    assert.match(mistakesOf(spec).join("; "), mistake)
  })

  it("names all fields of a pattern that are wrong", () => {
    assert.lengthOf(mistakesOf({ spec: "61 25 0 13 8" }), 5)
  })
})

const zones = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
const moments = fc.date({ min: new Date("2026-01-01"), max: new Date("2036-01-01"), noInvalidDate: true })

const field = (low: number, high: number, names: ReadonlyArray<string> = []) => {
  const value = names.length === 0 ? fc.integer({ min: low, max: high }).map(String) : fc.constantFrom(...names)
  const part = fc.oneof(
    { weight: 3, arbitrary: value },
    fc.tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
      .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.tuple(fc.integer({ min: low, max: high }), fc.integer({ min: 1, max: high }))
      .map(([a, step]) => `${a}-${high}/${step}`),
    fc.integer({ min: 1, max: high }).map((step) => `*/${step}`)
  )
  return fc.oneof(fc.constant("*"), fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(",")))
}
const patterns = fc.tuple(
  fc.oneof(fc.constant("0"), field(0, 59)),
  field(0, 59),
  field(0, 23),
  fc.oneof(field(1, 31), fc.constantFrom("L", "LW", "15W", "1W", "31W", "1,L")),
  fc.oneof({ weight: 3, arbitrary: fc.constant("*") }, field(1, 12)),
  fc.oneof(field(0, 7), field(0, 7, ["mon", "tue#2", "friL", "sun#5", "1-5", "+mon", "+3-5"]))
).map((parts) => parts.join(" "))

describe("whatever is asked", () => {
  it("in UTC is as croner walks it", () => {
    fc.assert(
      fc.property(patterns, moments, (spec, after) => {
        const read = readSlots({ type: "cron", spec, timezone: "UTC", anchor })
        const croner = (() => {
          try {
            return new Cron(spec, { utcOffset: 0, mode: "6-part" })
          } catch {
            return undefined
          }
        })()
        if (!read.ok) {
          // It looks further than the year 2200.
          assert.isTrue((croner?.nextRun(after)?.getUTCFullYear() ?? 9_999) > 2_200, spec)
          return
        }
        let mine: Date | undefined = after
        let theirs: Date | null = after
        for (let count = 0; count < 5 && mine !== undefined && theirs !== null; count++) {
          mine = read.value.next(mine)
          theirs = croner!.nextRun(theirs)
          assert.strictEqual(
            mine?.getTime(),
            (theirs?.getUTCFullYear() ?? 9_999) > 2_200 ? undefined : theirs?.getTime()
          )
        }
      }),
      { numRuns: 400 }
    )
  })

  it("goes strictly forward, in whole milliseconds, and says the same from wherever it is asked", () => {
    const specs = fc.oneof(
      patterns.map((spec) => ({ type: "cron", spec }) as const),
      fc.constantFrom("PT1S", "PT7M", "PT26H", "P1D", "P1DT1H", "P1M", "P1M1DT1M", "P3W", "P1Y")
        .map((spec) => ({ type: "interval", spec }) as const)
    )
    fc.assert(
      fc.property(
        specs,
        zones,
        moments,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (spec, timezone, after, part) => {
          const read = readSlots({ ...spec, timezone, anchor: new Date("2026-01-31T02:30:00.007Z") })
          if (!read.ok) return
          const { next } = read.value
          let last = after
          for (let count = 0; count < 20; count++) {
            const slot = next(last)
            if (slot === undefined) return
            assert.isAbove(slot.getTime(), last.getTime())
            assert.isTrue(Number.isInteger(slot.getTime()))
            const between = last.getTime() + Math.floor((slot.getTime() - last.getTime()) * part)
            assert.strictEqual(next(new Date(between))?.getTime(), slot.getTime())
            last = slot
          }
        }
      ),
      { numRuns: 300 }
    )
  })

  it("of an interval is as adding on the calendar finds it", () => {
    const durations = fc.record({
      months: fc.integer({ min: 0, max: 14 }),
      days: fc.integer({ min: 0, max: 40 }),
      minutes: fc.integer({ min: 0, max: 3_000 })
    }).filter(({ days, minutes, months }) => days + minutes + months > 0)
    fc.assert(
      fc.property(durations, zones, moments, fc.integer({ min: 1, max: 40 }), (duration, timezone, start, count) => {
        const { days, minutes, months } = duration
        const spec = `P${months}M${days}DT${minutes}M`
        const begin = new Date(Math.floor(start.getTime() / 60_000) * 60_000)
        const wall = wallOf(timezone, begin.getTime())
        const [year, month, date] = [wall.getUTCFullYear(), wall.getUTCMonth() + months * count, wall.getUTCDate()]
        const most = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
        const time = wall.getTime() % 86_400_000
        const wanted = Date.UTC(year, month, Math.min(date, most) + days * count) + time
        let slot = months + days === 0 ? begin.getTime() : wanted - 15 * 3_600_000
        while (months + days > 0 && wallOf(timezone, slot).getTime() < wanted) slot += 60_000
        slot += minutes * count * 60_000
        const { next } = slotsOf({ type: "interval", spec, timezone, anchor: begin })
        assert.strictEqual(next(new Date(slot - 1))?.toISOString(), new Date(slot).toISOString(), `${spec} ${timezone}`)
      }),
      { numRuns: 40 }
    )
  })

  it("answers for garbage, and soon", () => {
    const texts = fc.oneof(
      fc.string({ maxLength: 220 }),
      fc.string({ unit: fc.constantFrom(..."0123456789*/-,#LW?+ PTYMDHS:.Z@ajn".split("")), maxLength: 60 }),
      fc.array(fc.string({ unit: fc.constantFrom(..."0123456789*/-,#LW?+".split("")), maxLength: 6 }), {
        minLength: 5,
        maxLength: 6
      })
        .map((parts) => parts.join(" "))
    )
    const types = fc.constantFrom("cron", "interval", "one_shot")
    fc.assert(
      fc.property(texts, types, fc.oneof(zones, fc.string()), (spec, type, timezone) => {
        const begun = computedMs()
        const read = readSlots({ type: type as SlotSpec["type"], spec, timezone, anchor })
        if (read.ok) {
          assert.isTrue(readSlots({ type: type as SlotSpec["type"], spec: read.value.spec, timezone, anchor }).ok)
          const first = read.value.next(new Date(0))
          assert.isTrue(first === undefined || first.getTime() > 0)
        } else assert.isNotEmpty(read.mistakes)
        assert.isBelow(computedMs() - begun, 500)
      }),
      { numRuns: 1_500 }
    )
  })
})

const wallClocks = new Map<string, Intl.DateTimeFormat>()
const wallOf = (timezone: string, at: number): Date => {
  let format = wallClocks.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, dateStyle: "short", timeStyle: "medium" })
    wallClocks.set(timezone, format)
  }
  return new Date(`${format.format(at).replace(" ", "T")}Z`)
}
