/** Schedules: what is due when, what became of it last, and the form to make one. */
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type { Schedule } from "syris/records"
import { useSchedules } from "../../api/queries.ts"
import { Button } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { StatusBadge } from "../../parts/Badge.tsx"
import { Nothing, Page } from "../../parts/Page.tsx"
import { columnsOf, More, Table } from "../../parts/Table.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { ScheduleForm } from "./ScheduleForm.tsx"
import { ScheduleSwitch } from "./ScheduleSwitch.tsx"
import { doesInWords } from "./scheduleWords.ts"
import { useLatest, useWords } from "./slots.ts"
import "./schedules.css"

const columns = columnsOf<Schedule>()((column) => [
  column.display({
    id: "name",
    header: "Schedule",
    cell: ({ row: { original: schedule } }) => (
      <div>
        <Link to="/schedules/$id" params={{ id: schedule.schedule_id }}>
          <bdi>{short(schedule.name)}</bdi>
        </Link>
        <div className="faint">
          <Words text={doesInWords(schedule)} most={100} />
        </div>
      </div>
    )
  }),
  column.display({ id: "when", header: "When", cell: ({ row }) => <When schedule={row.original} /> }),
  column.display({
    id: "next",
    header: "Next",
    cell: ({ row: { original: { enabled, next_run_at } } }) =>
      next_run_at === undefined
        ? <span className="faint">no more</span>
        : (
          <div>
            <Relative at={next_run_at} />
            <div className="faint">{enabled ? <Time at={next_run_at} /> : "held back: it is off"}</div>
          </div>
        )
  }),
  column.display({ id: "last", header: "Last", cell: ({ row }) => <Last schedule={row.original} /> }),
  column.display({ id: "enabled", header: "On", cell: ({ row }) => <ScheduleSwitch schedule={row.original} /> })
])

/** In words; until they are known as it is written. */
export const When = ({ schedule }: { readonly schedule: Schedule }) => {
  const { data } = useWords(schedule)
  return <Words text={data?.said ?? `${schedule.spec} ${schedule.timezone}`} most={160} />
}

const Last = ({ schedule }: { readonly schedule: Schedule }) => {
  const { data, isPending } = useLatest(schedule)
  const latest = data?.items[0]
  if (latest === undefined) return <span className="faint">{isPending ? "…" : "never"}</span>
  return (
    <div>
      <Link
        to="/trace/$traceId"
        params={{ traceId: latest.trace_id }}
      >
        <Relative at={latest.slot} />
        <span className="unseen">, of {short(schedule.name)}</span>
      </Link>
      <div>
        <StatusBadge status={latest.status} />
      </div>
      {latest.reason !== undefined && (
        <div className="faint">
          <Words text={latest.reason} most={100} />
        </div>
      )}
    </div>
  )
}

export const Schedules = () => {
  const [making, setMaking] = useState(false)
  const [all, setAll] = useState(false)
  const list = useSchedules(all ? { all: true } : {})
  return (
    <Page title="Schedules" actions={<Button tone="main" onClick={() => setMaking(true)}>Make a schedule</Button>}>
      {making && <ScheduleForm onClose={() => setMaking(false)} />}
      <p>
        <label>
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} />{" "}
          Also show those that were due once and are over
        </label>
      </p>
      <div className="stack">
        <Answered answer={list}>
          {(items) =>
            items.length > 0
              ? <Table caption="Schedules" columns={columns} rows={items} idOf={(schedule) => schedule.schedule_id} />
              : (
                <Nothing>
                  Nothing is to come. Make a schedule here, or say “remind me in 2 hours to call Sam” in the chat.
                </Nothing>
              )}
        </Answered>
        <More list={list} />
      </div>
    </Page>
  )
}
