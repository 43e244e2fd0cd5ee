/**
 * A time window as a person writes it, in the configuration and in a condition: `{ start: "22:00", end: "07:00" }`.
 */
import { Schema } from "effect"

/** Whether a name is a time zone of the IANA database; an offset such as `+02:00` is not. */
export const isTimezone = (name: string): boolean => {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== ""
  } catch {
    return false
  }
}

/** The zone of this machine; `UTC` where it has none by name. */
export const systemTimezone = (): string => {
  const name = new Intl.DateTimeFormat().resolvedOptions().timeZone
  return isTimezone(name) ? name : "UTC"
}

export const Timezone = Schema.String.check(
  Schema.makeFilter(isTimezone, { expected: "an IANA time zone, such as \"Europe/London\"" })
)

const TimeOfDay = Schema.String.check(
  Schema.isPattern(/^([01]\d|2[0-3]):[0-5]\d$/, { expected: "a time such as \"22:00\"" })
)

export const TimeWindowSetting = Schema.Struct({
  start: TimeOfDay,
  end: TimeOfDay,
  timezone: Schema.optional(Timezone),
  days: Schema.optional(Schema.Array(Schema.Literals(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])))
})
