/** One schedule: what it does, the slots to come, and what became of those that came. */
import { useQueryClient } from "@tanstack/react-query"
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import type { Occurrence, Schedule } from "syris/records"
import { visible } from "syris/visible"
import { remove } from "../../api/client.ts"
import { useAnswer, useList } from "../../api/queries.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { StatusBadge } from "../../parts/Badge.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { Card, Facts, Nothing, Page } from "../../parts/Page.tsx"
import { columnsOf, More, Table } from "../../parts/Table.tsx"
import { Relative, Time } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { ScheduleForm } from "./ScheduleForm.tsx"
import { isRough } from "./scheduleFields.ts"
import { When } from "./Schedules.tsx"
import { ScheduleSwitch } from "./ScheduleSwitch.tsx"
import { became, catchUps, doesInWords, overruns, quietInWords } from "./scheduleWords.ts"
import { SlotList } from "./SlotList.tsx"
import { useOwnSlots } from "./slots.ts"
import "./schedules.css"

const route = getRouteApi("/schedules/$id")

export const OneSchedule = () => {
  const { id } = route.useParams()
  const schedule = useAnswer<Schedule>(["schedules", id], `/schedules/${encodeURIComponent(id)}`)
  return (
    <Page title={schedule.data === undefined ? "Schedule" : `Schedule ${short(schedule.data.name)}`}>
      <p>
        <Link to="/schedules">All schedules</Link>
      </p>
      <div className="stack">
        <Answered answer={schedule}>{(data) => <Shown schedule={data} />}</Answered>
        <Past id={id} />
      </div>
    </Page>
  )
}

const Shown = ({ schedule }: { readonly schedule: Schedule }) => {
  const [asks, setAsks] = useState<"edit" | "delete">()
  const close = () => setAsks(undefined)
  return (
    <>
      {asks === "edit" && <ScheduleForm before={schedule} onClose={close} />}
      {asks === "delete" && <Delete schedule={schedule} onClose={close} />}
      <Card
        title="What it does"
        actions={
          <>
            <ScheduleSwitch schedule={schedule} />
            <Button onClick={() => setAsks("edit")}>Change</Button>
            <Button tone="bad" onClick={() => setAsks("delete")}>Delete</Button>
          </>
        }
      >
        <Facts
          of={[
            ["When", <When key="when" schedule={schedule} />],
            [
              "Written",
              <code key="spec">{visible(schedule.spec)} ({schedule.type.replace("_", " ")}, {schedule.timezone})</code>
            ],
            ["It", <Words key="does" text={doesInWords(schedule)} />],
            [
              "Next",
              schedule.next_run_at === undefined
                ? "It is over: no slot is to come."
                : (
                  <span key="next">
                    <Time at={schedule.next_run_at} /> (<Relative at={schedule.next_run_at} />)
                  </span>
                )
            ],
            [
              "Last run",
              schedule.last_run_at === undefined ? "never" : (
                <span key="last">
                  <Time at={schedule.last_run_at} /> (<Relative at={schedule.last_run_at} />)
                </span>
              )
            ],
            ["Quiet hours", <Words key="quiet" text={quietInWords(schedule.quiet_hours)} />],
            [
              "After a time without a host",
              schedule.catch_up === "run_all_capped"
                ? `${catchUps.run_all_capped} ${schedule.catch_up_cap}.`
                : `${catchUps[schedule.catch_up]}.`
            ],
            ["While the run before is not over", `${overruns[schedule.overrun]}.`],
            ["Made", <Time key="made" at={schedule.created_at} />]
          ]}
        />
        <OpenedJson label="The event that a slot becomes" value={schedule.payload} />
      </Card>
      <ToCome schedule={schedule} />
    </>
  )
}

const ToCome = ({ schedule }: { readonly schedule: Schedule }) => {
  const slots = useOwnSlots(schedule)
  return (
    <Card title="To come">
      {schedule.next_run_at === undefined
        ? <Nothing>Nothing: it was due once, and that is over. “Change” gives it another time.</Nothing>
        : (
          <Answered answer={slots}>
            {(data) => (
              <>
                {!schedule.enabled && <p>It is off: while it is, each of these is held back.</p>}
                {isRough(schedule) && (
                  <p className="faint">Near the end of a month the later ones can be some days off.</p>
                )}
                {data.slots.length === 0
                  ? <Nothing>No slot is to come.</Nothing>
                  : <SlotList slots={data.slots} timezone={schedule.timezone} />}
              </>
            )}
          </Answered>
        )}
    </Card>
  )
}

const columns = columnsOf<Occurrence>()((column) => [
  column.display({ id: "slot", header: "Due", cell: ({ row }) => <Time at={row.original.slot} /> }),
  column.display({
    id: "status",
    header: "What became of it",
    cell: ({ row: { original: { reason, status } } }) => (
      <div>
        <StatusBadge status={status} /> {reason === undefined
          ? `${became[status].replace(/\.$/, "")}.`
          : <Words text={`${became[status].replace(/\.$/, "")}: ${reason}`} most={200} />}
      </div>
    )
  }),
  column.display({ id: "recorded", header: "Decided", cell: ({ row }) => <Time at={row.original.recorded_at} /> }),
  column.display({
    id: "trace",
    header: "Trace",
    cell: ({ row }) => <Link to="/trace/$traceId" params={{ traceId: row.original.trace_id }}>Trace</Link>
  })
])

const Past = ({ id }: { readonly id: string }) => {
  const list = useList<Occurrence>(["schedules", id, "occurrences"], `/schedules/${encodeURIComponent(id)}/occurrences`)
  return (
    <Card title="What became of past ones">
      <div className="stack">
        <Answered answer={list}>
          {(items) =>
            items.length === 0 ? <Nothing>None has come yet.</Nothing> : (
              <Table
                caption="Slots that came, the newest first"
                columns={columns}
                rows={items}
                idOf={({ slot }) => slot}
              />
            )}
        </Answered>
        <More list={list} />
      </div>
    </Card>
  )
}

const Delete = ({ onClose, schedule }: { readonly schedule: Schedule; readonly onClose: () => void }) => {
  const client = useQueryClient()
  const navigate = useNavigate()
  const gone = useAction({
    run: () => remove(`/schedules/${encodeURIComponent(schedule.schedule_id)}`),
    touches: ["state"],
    done: `The schedule ${short(schedule.name)} is deleted.`,
    // Gone from this screen first: it would ask for what is not there any more.
    onDone: () => void navigate({ to: "/schedules" }).then(() => client.invalidateQueries({ queryKey: ["schedules"] })),
    tellsRefusal: false
  })
  return (
    <Confirm
      title="Delete this schedule?"
      tone="bad"
      yes="Delete it"
      no="Keep it"
      act={gone}
      onYes={() => gone.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        <strong>
          <bdi>{short(schedule.name)}</bdi>
        </strong>{" "}
        is never due again, and a slot that waits for its turn is left out. What has begun goes on. This can't be taken
        back; to hold it back for a while, switch it off.
      </p>
    </Confirm>
  )
}
