/** Schedules in the operator's words. Pure. */
import type { CatchUp, OccurrenceStatus, Overrun, Schedule } from "syris/records"
import { windowInWords } from "../../parts/quietHours.ts"

export const catchUps: Readonly<Record<CatchUp, string>> = {
  skip: "Leave them out",
  run_once: "Make up the latest one",
  run_all_capped: "Make up each of the latest"
}

export const overruns: Readonly<Record<Overrun, string>> = {
  skip: "Leave it out",
  queue_one: "Let one wait until it is over",
  allow: "Run beside it"
}

export const became: Readonly<Record<OccurrenceStatus, string>> = {
  fired: "It ran.",
  skipped: "It was held back",
  missed: "It was missed"
}

/** What a slot of it does, on one line. */
export const doesInWords = ({ notify, payload }: Pick<Schedule, "notify" | "payload">): string =>
  notify !== undefined
    ? `tells you: ${notify}`
    : typeof payload.text === "string"
    ? `says to SYRIS: ${payload.text}`
    : `makes an event on the channel ${payload.channel ?? "scheduler"}`

/** Which quiet hours it keeps, as a sentence. From outside. */
export const quietInWords = (quiet: Schedule["quiet_hours"]): string => {
  if (quiet === undefined || quiet === false) return "It keeps no quiet hours."
  if (quiet === true) return "Held back in any quiet hours."
  if (typeof quiet === "string") return `Held back in the quiet hours ${quiet}.`
  return `Held back from ${windowInWords(quiet)}.`
}

/** A moment in a zone that is not the operator's, as `Tue 1 Dec, 12:00`. */
export const wallClock = (at: string, timezone: string): string | undefined => {
  try {
    return new Intl.DateTimeFormat("en-GB", {
      timeZone: timezone,
      weekday: "short",
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit"
    }).format(new Date(at))
  } catch {
    // a zone that this browser does not know
    return undefined
  }
}
