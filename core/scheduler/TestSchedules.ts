/** Schedules for tests: put into the database as they are, and what became of their slots. */
import type { TestHost } from "../testing/TestHost.ts"
import { newId } from "../database/Ids.ts"

export interface PutSchedule {
  readonly name?: string
  readonly type?: "cron" | "interval" | "one_shot"
  readonly spec?: string
  /** Its next slot lies so many milliseconds from now, and intervals count from it; a one-shot's spec is it. */
  readonly nextInMs: number
  readonly catch_up?: string
  readonly catch_up_cap?: number
  readonly overrun?: string
  readonly quiet_hours?: unknown
  readonly enabled?: boolean
  readonly payload?: unknown
  readonly notify?: string
  readonly trust?: string
  readonly parent_event_id?: string
  readonly trace_id?: string
  readonly depth?: number
}

export const putSchedule = async (host: TestHost, given: PutSchedule): Promise<string> => {
  const id = newId()
  const type = given.type ?? "interval"
  await host.sql`
    insert into schedules (schedule_id, name, enabled, type, spec, timezone, catch_up, catch_up_cap, overrun, quiet_hours,
                           payload, notify, trust, trace_id, parent_event_id, depth, anchor, next_run_at, created_at, updated_at)
    select ${id}::uuid, ${given.name ?? id}, ${given.enabled ?? true}, ${type},
           case when ${type} = 'one_shot' then to_char(n.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                else ${given.spec ?? "PT1S"} end,
           'UTC', ${given.catch_up ?? "run_once"}, ${given.catch_up_cap ?? 10}, ${given.overrun ?? "skip"},
           ${given.quiet_hours === undefined ? null : JSON.stringify(given.quiet_hours)}::jsonb,
           ${
    JSON.stringify(given.payload === undefined ? { channel: "scheduler", text: "tick" } : given.payload)
  }::jsonb,
           ${given.notify ?? null}, ${given.trust ?? "operator"}, ${given.trace_id ?? newId()}::uuid,
           ${given.parent_event_id ?? null}::uuid, ${given.depth ?? 0}, n.at, n.at, clock_timestamp(), clock_timestamp()
    from (select (clock_timestamp() + ${given.nextInMs}::float8 * interval '1 millisecond')::timestamptz(3) as at) n`
  return id
}

export interface Became {
  readonly slot: Date
  readonly status: string
  readonly reason: string | null
  readonly event_id: string | null
  readonly trace_id: string
  readonly revision: number
  readonly late_ms: number
}

/** Oldest first. */
export const occurrencesOf = (host: TestHost, id: string) =>
  host.sql<Became>`
    select slot, status, reason, event_id, trace_id, revision,
           (extract(epoch from recorded_at - slot) * 1000)::float8 as late_ms
    from occurrences where schedule_id = ${id}::uuid order by slot`

/** `fired`, `missed (no host ran)`, …, oldest first. */
export const became = async (host: TestHost, id: string) =>
  (await occurrencesOf(host, id)).map(({ reason, status }) => reason === null ? status : `${status} (${reason})`)
