/** The slots to come: of what is typed, and of a schedule as it is. */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { useEffect, useState } from "react"
import type { Occurrence, Schedule } from "syris/records"
import { get, post } from "../../api/client.ts"
import type { PageOf } from "../../api/queries.ts"
import { ownPreview, type PreviewBody } from "./scheduleFields.ts"

export interface Preview {
  readonly slots: ReadonlyArray<string>
  /** What was understood, in words. */
  readonly said: string
}

/** The value, once it has not changed for a moment. */
export const useSettled = <A>(value: A, ms = 350): A => {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}

/** The next slots of what `when` says. */
export const useWhenPreview = (when: string, timezone: string) =>
  useQuery({
    queryKey: ["schedule-preview", when, timezone],
    queryFn: () => post<Preview>("/schedules/preview", { when, count: 5, ...(timezone === "" ? {} : { timezone }) }),
    enabled: when !== "",
    placeholderData: keepPreviousData,
    // The same words mean another time later.
    staleTime: 10_000,
    gcTime: 30_000
  })

/** The next slots of a schedule. One that has none to come has nothing to ask for. */
export const useOwnSlots = (schedule: Schedule, count = 10) =>
  useQuery({
    queryKey: ["schedules", schedule.schedule_id, "slots", ownPreview(schedule), count],
    queryFn: () => post<Preview>("/schedules/preview", { ...ownPreview(schedule), count }),
    enabled: schedule.next_run_at !== undefined
  })

/** When it is due, in words: those of its spec for ever, but where an interval of days needs a slot to say its time of day. */
export const useWords = (schedule: Schedule) => {
  const { spec, timezone, type } = schedule
  const counts = type === "interval" && !spec.startsWith("PT")
  const body: PreviewBody & { readonly count: number } = {
    ...(counts ? ownPreview(schedule) : { type, spec, timezone }),
    count: 1
  }
  return useQuery({
    queryKey: ["schedule-words", body],
    queryFn: () => post<Preview>("/schedules/preview", body),
    staleTime: Infinity
  })
}

/** What became of the latest slot. It is another one when the next or the last run is. */
export const useLatest = ({ last_run_at, next_run_at, schedule_id }: Schedule) =>
  useQuery({
    queryKey: ["schedule-latest", schedule_id, last_run_at, next_run_at],
    queryFn: ({ signal }) =>
      get<PageOf<Occurrence>>(`/schedules/${encodeURIComponent(schedule_id)}/occurrences`, { limit: 1 }, signal),
    placeholderData: keepPreviousData
  })
