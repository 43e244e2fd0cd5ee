import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { readSlots } from "./Slots.ts"
import { splitWhen, understand } from "./Words.ts"
import { computedMs } from "../../test/Cpu.ts"

/** A Monday, 10:00 on the wall. */
const at = { now: new Date("2026-11-30T10:00:00Z"), timezone: "Europe/London" }

const planOf = (words: string): string => {
  const understood = understand(words, at)
  if (!understood.ok) return understood.ask
  const { first, spec, start_at: start, type } = understood
  const short = (date: Date) => date.toISOString().replace(":00.000Z", "Z")
  const shown = type === "one_shot" ? short(new Date(spec)) : spec
  return `${shown}${start === undefined ? "" : ` from ${short(start)}`}${
    type === "one_shot" ? "" : `, first ${short(first)}`
  }`
}
const saidOf = (words: string): string => {
  const understood = understand(words, at)
  return understood.ok ? understood.said : understood.ask
}

describe("what comes again is a schedule", () => {
  it.each([
    ["every weekday at 7:30", "30 7 * * 1-5, first 2026-12-01T07:30Z"],
    ["Every weekday at 7:30, please.", "30 7 * * 1-5, first 2026-12-01T07:30Z"],
    ["at 17:00 every weekday", "0 17 * * 1-5, first 2026-11-30T17:00Z"],
    ["weekdays at 17:00", "0 17 * * 1-5, first 2026-11-30T17:00Z"],
    ["monday to friday at 9am", "0 9 * * 1-5, first 2026-12-01T09:00Z"],
    ["on weekends at 10:00", "0 10 * * 0,6, first 2026-12-05T10:00Z"],
    ["every day at 7am", "0 7 * * *, first 2026-12-01T07:00Z"],
    ["daily at 18:00", "0 18 * * *, first 2026-11-30T18:00Z"],
    ["every morning at 7", "0 7 * * *, first 2026-12-01T07:00Z"],
    ["every night at 11", "0 23 * * *, first 2026-11-30T23:00Z"],
    ["at 8 in the morning every day", "0 8 * * *, first 2026-12-01T08:00Z"],
    ["every evening", "0 19 * * *, first 2026-11-30T19:00Z"],
    ["every day at noon", "0 12 * * *, first 2026-11-30T12:00Z"],
    ["every day at 7am and 7pm", "0 7,19 * * *, first 2026-11-30T19:00Z"],
    ["every monday and thursday at 9:15", "15 9 * * 1,4, first 2026-12-03T09:15Z"],
    ["on mondays at 9:15", "15 9 * * 1, first 2026-12-07T09:15Z"],
    ["every monday morning at eight", "0 8 * * 1, first 2026-12-07T08:00Z"],
    ["every second Tuesday", "P14D from 2026-12-01T09:00Z, first 2026-12-01T09:00Z"],
    ["every other tuesday at 18:00", "P14D from 2026-12-01T18:00Z, first 2026-12-01T18:00Z"],
    ["every two weeks on monday at 9:00", "P14D from 2026-12-07T09:00Z, first 2026-12-07T09:00Z"],
    ["every other day at 8am", "P2D from 2026-12-01T08:00Z, first 2026-12-01T08:00Z"],
    ["every 3 days at 18:00", "P3D from 2026-11-30T18:00Z, first 2026-11-30T18:00Z"],
    ["every week", "P7D from 2026-11-30T09:00Z, first 2026-12-07T09:00Z"],
    ["every month", "P1M from 2026-11-30T09:00Z, first 2026-12-30T09:00Z"],
    ["every month on the 1st at 9:00", "0 9 1 * *, first 2026-12-01T09:00Z"],
    ["on the 1st and 15th of every month at 9:00", "0 9 1,15 * *, first 2026-12-01T09:00Z"],
    ["every 3 months on the 31st at 9:00", "P3M from 2026-12-31T09:00Z, first 2026-12-31T09:00Z"],
    ["the last day of every month", "0 9 L * *, first 2026-12-31T09:00Z"],
    ["on the second tuesday of every month at 10:00", "0 10 * * 2#2, first 2026-12-08T10:00Z"],
    ["every last friday at 16:00", "0 16 * * 5L, first 2026-12-25T16:00Z"],
    ["every year on 24 december at 9:00", "0 9 24 12 *, first 2026-12-24T09:00Z"],
    ["every december 24th", "0 9 24 12 *, first 2026-12-24T09:00Z"],
    ["every second", "PT1S, first 2026-11-30T10:00:01.000Z"],
    ["every 5 minutes", "PT5M, first 2026-11-30T10:05Z"],
    ["every hour", "PT1H, first 2026-11-30T11:00Z"],
    ["hourly", "PT1H, first 2026-11-30T11:00Z"],
    ["every 2 hours", "PT2H, first 2026-11-30T12:00Z"],
    ["every other hour", "PT2H, first 2026-11-30T12:00Z"],
    ["every hour and a half", "PT1H30M, first 2026-11-30T11:30Z"],
    ["every half hour", "PT30M, first 2026-11-30T10:30Z"],
    ["every hour at 15 past", "15 * * * *, first 2026-11-30T10:15Z"],
    ["every weekday at 07:30 (Europe/Berlin)", "30 7 * * 1-5, first 2026-12-01T06:30Z"]
  ])("%s", (words, plan) => assert.strictEqual(planOf(words), plan))
})

describe("a single moment is one", () => {
  it.each([
    ["tomorrow at 5pm", "2026-12-01T17:00Z"],
    ["tomorrow", "2026-12-01T09:00Z"],
    ["tomorrow morning at 8", "2026-12-01T08:00Z"],
    ["the day after tomorrow at 10:30", "2026-12-02T10:30Z"],
    ["in 20 minutes", "2026-11-30T10:20Z"],
    ["in an hour and a half", "2026-11-30T11:30Z"],
    ["in half an hour", "2026-11-30T10:30Z"],
    ["in 2 and a half hours", "2026-11-30T12:30Z"],
    ["in 1 hour and 20 minutes", "2026-11-30T11:20Z"],
    ["in 2 days", "2026-12-02T10:00Z"],
    ["in a week at 18:00", "2026-12-07T18:00Z"],
    ["a month from now", "2026-12-30T10:00Z"],
    ["at 17:45", "2026-11-30T17:45Z"],
    ["at 9:30", "2026-12-01T09:30Z"],
    ["tonight at 9", "2026-11-30T21:00Z"],
    ["tonight at midnight", "2026-12-01T00:00Z"],
    ["this evening at 7:30", "2026-11-30T19:30Z"],
    ["noon", "2026-11-30T12:00Z"],
    ["midnight", "2026-12-01T00:00Z"],
    ["next friday at noon", "2026-12-11T12:00Z"],
    ["friday at noon", "2026-12-04T12:00Z"],
    ["monday at 9:00", "2026-12-07T09:00Z"],
    ["monday at 8 in the evening", "2026-11-30T20:00Z"],
    ["on 24 december at 18:00", "2026-12-24T18:00Z"],
    ["at 18:00 on december 24", "2026-12-24T18:00Z"],
    ["on 1 november at 18:00", "2027-11-01T18:00Z"],
    ["on 30 november at 9:00", "2027-11-30T09:00Z"],
    ["on the 24th at 9:00", "2026-12-24T09:00Z"],
    ["24/12/2026 at 9:00", "2026-12-24T09:00Z"],
    ["2026-12-24 18:00", "2026-12-24T18:00Z"],
    ["on 1 july 2027 at 9:00", "2027-07-01T08:00Z"]
  ])("%s", (words, plan) => assert.strictEqual(planOf(words), plan))

  it("elapses where the clock changes, and keeps the wall where days are counted", () => {
    const eve = { now: new Date("2027-03-27T12:00:00Z"), timezone: "Europe/Berlin" }
    const first = (words: string) => {
      const understood = understand(words, eve)
      return understood.ok ? understood.first.toISOString() : understood.ask
    }
    assert.strictEqual(first("in 24 hours"), "2027-03-28T12:00:00.000Z")
    assert.strictEqual(first("in a day"), "2027-03-28T11:00:00.000Z")
    assert.strictEqual(first("tomorrow at 2:30"), "2027-03-28T01:00:00.000Z")
  })
})

describe("a raw spec is taken as it is", () => {
  it.each([
    ["30 7 * * 1-5", "30 7 * * 1-5, first 2026-12-01T07:30Z"],
    ["@daily", "@daily, first 2026-12-01T00:00Z"],
    ["PT30S", "PT30S, first 2026-11-30T10:00:30.000Z"],
    ["P2W", "P2W, first 2026-12-14T10:00Z"],
    ["2026-12-24T18:00:00+01:00", "2026-12-24T17:00Z"],
    ["61 * * * *", "The time has \"61\" as its minute: write 0 to 59, such as \"30\", \"0,30\" or \"*/15\"."]
  ])("%s", (words, plan) => assert.strictEqual(planOf(words), plan))
})

describe("what was understood is said back", () => {
  it.each([
    ["every weekday at 7:30", "every weekday at 07:30 (Europe/London), next on Tue 1 Dec 2026"],
    [
      "every second Tuesday",
      "every 2 weeks on Tuesday at 09:00, since no time was given (Europe/London), next on Tue 1 Dec 2026"
    ],
    ["every day at 7am and 7pm", "every day at 07:00 and 19:00 (Europe/London), next on Mon 30 Nov 2026 at 19:00"],
    ["every 5 minutes", "every 5 minutes, first on Mon 30 Nov 2026 at 10:05 (Europe/London)"],
    ["15,45 1-3 * * *", "15,45 1-3 * * * (Europe/London), next on Tue 1 Dec 2026 at 01:15"],
    ["tomorrow at 5pm", "once on Tue 1 Dec 2026 at 17:00 (Europe/London)"],
    ["tomorrow", "once on Tue 1 Dec 2026 at 09:00, since no time was given (Europe/London)"]
  ])("%s", (words, said) => assert.strictEqual(saidOf(words), said))

  it("and what is said of a schedule is understood", () => {
    for (const spec of ["30 7 * * 1-5", "0 8,20 * * *", "15 9 * * 1,4", "0 9 1 * *", "0 10 * * 2#2", "0 9 24 12 *"]) {
      const slots = readSlots({ type: "cron", spec, timezone: "Europe/Berlin", anchor: at.now })
      const again = slots.ok ? understand(slots.value.inWords, at) : undefined
      assert.deepEqual(again?.ok === true ? [again.spec, again.timezone] : again, [spec, "Europe/Berlin"])
    }
  })
})

describe("what is unclear is asked", () => {
  it.each<[words: string, ask: RegExp]>([
    ["at 5", /^Do you mean 05:00 or 17:00\? Write "at 05:00" or "at 17:00"\.$/],
    ["at seven", /^Do you mean 07:00 or 19:00\?/],
    ["tomorrow at 5", /^Do you mean 05:00 or 17:00\?/],
    ["every other day at 8", /^Do you mean 08:00 or 20:00\?/],
    ["on weekends at 10", /^Do you mean 10:00 or 22:00\?/],
    ["every month on the 1st at 9", /^Do you mean 09:00 or 21:00\?/],
    ["every third tuesday", /every 3 weeks, or once a month\?/],
    ["biweekly", /two meanings/],
    ["every 2 hours at 7:30", /not both/],
    ["every day at 7:00 and 19:30", /differ in their minutes/],
    ["03/04/2027 at 9:00", /can be two days/],
    ["in march", /^On which day\?/],
    ["at 25:00", /no time of day/],
    ["every 31 february", /no day 31/],
    ["yesterday at 5pm", /is past/],
    ["today at 8:00", /^Mon 30 Nov 2026 at 08:00 \(Europe\/London\) is past/],
    ["5 december 2019 at 10:00", /is past/],
    ["last friday", /is past/],
    ["in 999999999 years", /too far away/],
    ["every 9999 days", /at most ten years/],
    ["sometime", /^I don't understand "sometime" as a time: write for example/],
    ["tomorrow at 17:00 unless it rains", /^I don't understand/],
    ["every", /^I don't understand/],
    ["constructor", /^I don't understand/],
    ["every constructor", /^I don't understand/],
    ["", /1 to 200 characters/],
    ["x".repeat(201), /1 to 200 characters/]
  ])("%s", (words, ask) => {
    const understood = understand(words, at)
    assert.match(understood.ok ? understood.said : understood.ask, ask)
  })
})

describe("a time in a sentence is found", () => {
  it.each<[sentence: string, when: string | undefined, rest?: string]>([
    ["tomorrow at 5pm to call Sam", "tomorrow at 5pm", "to call Sam"],
    ["to call Sam tomorrow at 5pm", "tomorrow at 5pm", "to call Sam"],
    ["to call Sam tomorrow at 5pm.", "tomorrow at 5pm", "to call Sam"],
    ["every weekday at 7:30 say good morning", "every weekday at 7:30", "say good morning"],
    ["every morning at 7:00 say good morning", "every morning at 7:00", "say good morning"],
    ["say good night every day at 22:00", "every day at 22:00", "say good night"],
    ["on friday at noon, that the bins go out", "on friday at noon", "that the bins go out"],
    ["to water the plants every second day", "every second day", "to water the plants"],
    ["in an hour and a half to turn the oven off", "in an hour and a half", "to turn the oven off"],
    ["to call Sam at 5", "at 5", "to call Sam"],
    ["tomorrow to call Sam at 5pm", "tomorrow", "to call Sam at 5pm"],
    ["24 december at 18:00 to light the tree", "24 december at 18:00", "to light the tree"],
    ["2026-12-24 18:00 to light the tree", "2026-12-24 18:00", "to light the tree"],
    ["tomorrow at 5pm", "tomorrow at 5pm", ""],
    ["to take the 5pm train", undefined],
    ["to sit in the sun", undefined],
    ["to call May", undefined],
    ["to read 1984", undefined],
    ["to buy 2 eggs", undefined],
    ["", undefined],
    ["tomorrow ".repeat(1_000), undefined]
  ])("%s", (sentence, when, rest) => {
    assert.deepEqual(splitWhen(sentence), when === undefined ? undefined : { when, rest: rest ?? "" })
  })
})

describe("whatever is said", () => {
  const words = fc.array(
    fc.constantFrom(
      ...("every each other second on the in at next this and a an half hour day days week month monday tue weekdays " +
        "morning evening tonight tomorrow noon midnight 5 7:30 5pm 17:45 1st 24 december 2026-12-24 24/12 last of from now " +
        "minutes PT30S * */5 , - ( ) utc Europe/Berlin o'clock between to").split(" ")
    ),
    { minLength: 1, maxLength: 12 }
  ).map((all) => all.join(" "))

  it("there is an answer, soon, and what is understood is a schedule that is still to come", () => {
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: words }, fc.string({ maxLength: 220, unit: "binary" })), (said) => {
        const begun = computedMs()
        const understood = understand(said, at)
        assert.isBelow(computedMs() - begun, 300, said)
        if (!understood.ok) return assert.match(understood.ask, /^[^a-z].*[.?]$/su)
        const { first, spec, start_at: anchor = at.now, timezone, type } = understood
        assert.isAbove(first.getTime(), at.now.getTime())
        const slots = readSlots({ type, spec, timezone, anchor })
        assert.strictEqual(slots.ok ? slots.value.next(at.now)?.getTime() : slots.mistakes, first.getTime())
      }),
      { numRuns: 800 }
    )
  })

  it("a split gives the sentence in two, and its time is about time", () => {
    fc.assert(
      fc.property(words, words, (before, after) => {
        const split = splitWhen(`${before} ${after}`)
        if (split === undefined) return
        assert.include(`${before} ${after}`, split.when)
        const understood = understand(split.when, at)
        assert.isFalse(!understood.ok && understood.ask.startsWith("I don't understand"), split.when)
      }),
      { numRuns: 200 }
    )
  })

  it.each([
    "1".repeat(200),
    "in 1 hour ".repeat(20),
    "monday and ".repeat(18),
    "at 7 and ".repeat(22),
    "every ".repeat(33)
  ])(
    "%s takes no time",
    (said) => {
      const begun = computedMs()
      understand(said, at)
      assert.isBelow(computedMs() - begun, 300)
    }
  )
})
