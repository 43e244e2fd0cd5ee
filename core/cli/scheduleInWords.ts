/** When a schedule is due, as a person reads it. */
import type { Schedule } from "../contract/Schedule.ts"
import { readSlots } from "../scheduler/Slots.ts"

/** Where an interval of days counts from is the host's: its next slot says as much. */
export const whenInWords = ({ created_at, next_run_at, spec, timezone, type }: Schedule): string => {
  const read = readSlots({ type, spec, timezone, anchor: new Date(next_run_at ?? created_at) })
  if (!read.ok) return `${spec} ${timezone}`
  return type === "interval" ? read.value.inWords.replace(/, counted from .*$/, "") : read.value.inWords
}
