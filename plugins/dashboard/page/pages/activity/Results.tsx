/** The rows that were found, newest first, with those that come live on top. */
import { useCallback, useState } from "react"
import { Button } from "../../parts/Action.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { AuditLine } from "../../parts/AuditLine.tsx"
import { LongList } from "../../parts/LongList.tsx"
import { Nothing } from "../../parts/Page.tsx"
import { Time } from "../../parts/Time.tsx"
import type { ActivitySearch } from "../../router.tsx"
import { useNarrow } from "../../parts/useNarrow.ts"
import { counted } from "../../parts/counted.ts"
import { EventLine } from "./EventLine.tsx"
import { eventOfRow, isFiltered, shownEvent } from "./filter.ts"
import type { Seen } from "./pages.ts"
import { type Item, useListing } from "./useListing.ts"

const Line = ({ events, item }: { readonly item: Item | undefined; readonly events: boolean }) => {
  if (item === undefined) {
    return (
      <div className="audit-line activity-grey">
        <span aria-hidden="true" />
        <span className="unseen">This row is being asked for.</span>
      </div>
    )
  }
  if (!("audit_id" in item)) return <EventLine event={shownEvent(item)} />
  return events ? <EventLine event={eventOfRow(item)} /> : <AuditLine row={item} />
}

const Foot = (
  { onGoOn, search, seen: { count, standing } }: {
    readonly seen: Seen
    readonly search: ActivitySearch
    readonly onGoOn: () => void
  }
) => {
  switch (standing.is) {
    case "asking":
      return <p className="faint" aria-busy="true">{count === 0 ? "Searching …" : "Asking for more …"}</p>
    case "more":
      return <p className="faint">{counted(count, "row")} so far; more come as you scroll.</p>
    case "end":
      return count === 0
        ? (
          <Nothing>
            {isFiltered(search)
              ? "Nothing fits. Look for less, or for a longer time."
              : "Nothing has happened yet. Write something in Chat, and what comes of it is here."}
          </Nothing>
        )
        : <p className="faint">That is all: {counted(count, "row")}.</p>
    case "paused":
      return (
        <p className="row" role="status">
          <span>
            Searched back to {standing.until === undefined ? "some time ago" : <Time at={standing.until} />},{" "}
            {count === 0 ? "nothing so far" : "nothing more so far"}.
          </span>
          <Button onClick={onGoOn}>Search on</Button>
        </p>
      )
    case "failed":
      return (
        <>
          <Refusal error={standing.error} />
          <Button onClick={onGoOn}>Try again</Button>
        </>
      )
  }
}

export const Results = ({ follow, search }: { readonly search: ActivitySearch; readonly follow: boolean }) => {
  const { isOver, live, pages, seen, setAtTop, show, waiting } = useListing(search, follow)
  const [toTop, setToTop] = useState(0)
  const height = useNarrow() ? 56 : 36
  const events = search.kind === "events"
  const above = live.length
  const onView = useCallback(
    (first: number, last: number) => pages.view(Math.max(0, first - above), Math.max(0, last - above)),
    [pages, above]
  )
  const count = above + seen.count
  return (
    <div className="activity-found">
      {(waiting > 0 || isOver) && (
        <div className="activity-new">
          <Button
            tone="main"
            onClick={() => {
              show()
              setToTop(toTop + 1)
            }}
          >
            {waiting > 0
              ? counted(waiting, "new row")
              : "Show the newest rows"}
          </Button>
        </div>
      )}
      {count > 0 && (
        <LongList
          label={events ? "Events, newest first" : "Rows of the audit, newest first"}
          count={count}
          height={height}
          idOf={(index) => live[index]?.audit_id ?? index - above}
          row={(index) => <Line item={index < above ? live[index] : pages.at(index - above)} events={events} />}
          onView={onView}
          onTop={setAtTop}
          toTop={toTop}
        />
      )}
      <Foot seen={seen} search={search} onGoOn={pages.goOn} />
    </div>
  )
}
