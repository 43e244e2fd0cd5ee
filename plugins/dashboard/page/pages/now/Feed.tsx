/**
 * The audit as it is written, the newest on top. It stands still while the pointer or the focus is on it, or by the button;
 * the rows in view are drawn at most a few times a second, however many come.
 */
import { useCallback, useMemo, useState } from "react"
import type { AuditEvent } from "syris/records"
import { type PageOf, useAnswer } from "../../api/queries.ts"
import { useFeed } from "../../live/Live.tsx"
import { useSlowly } from "../../live/useSlowly.ts"
import { Button } from "../../parts/Action.tsx"
import { AuditLine } from "../../parts/AuditLine.tsx"
import { Refusal } from "../../parts/Answer.tsx"
import { LongList } from "../../parts/LongList.tsx"
import { Card, Nothing } from "../../parts/Page.tsx"
import { isIdleTick, merged } from "./feed.ts"
import { useNarrow } from "../../parts/useNarrow.ts"

const everyMs = 250
const most = 1_000
const rowsInView = 12

export const Feed = () => {
  const [isStopped, setIsStopped] = useState(false)
  const [isOver, setIsOver] = useState(false)
  const [isFocused, setIsFocused] = useState(false)
  const [withTicks, setWithTicks] = useState(false)
  const held = isStopped || isOver || isFocused
  const feed = useFeed()
  const newest = useSlowly(feed.onChange, feed.rows, everyMs)
  const [live, setLive] = useState(newest)
  if (!held && live !== newest) setLive(newest)
  const stored = useAnswer<PageOf<AuditEvent>>(["audit", "latest"], "/audit", { limit: 200 })
  const before = stored.data?.items
  const rows = useMemo(() => {
    const keep = (one: AuditEvent) => withTicks || !isIdleTick(one)
    return merged(live.filter(keep), (before ?? []).filter(keep), most)
  }, [live, before, withTicks])
  const row = useCallback((index: number) => {
    const one = rows[index]
    return one === undefined ? null : <AuditLine row={one} />
  }, [rows])
  const last = live.at(-1)?.seq ?? 0
  const since = held ? newest.filter((one) => one.seq > last && (withTicks || !isIdleTick(one))).length : 0
  const height = useNarrow() ? 56 : 36
  return (
    <Card
      title="Live feed"
      actions={
        <>
          <label className="now-check">
            <input type="checkbox" checked={withTicks} onChange={(event) => setWithTicks(event.target.checked)} />
            with idle ticks of watchers
          </label>
          <Button label={isStopped ? "Go on with the feed" : "Hold the feed"} onClick={() => setIsStopped(!isStopped)}>
            {isStopped ? "Go on" : "Hold"}
          </Button>
        </>
      }
    >
      {rows.length === 0
        ? <Refusal error={stored.error} />
        : null}
      {rows.length === 0 && stored.error === null
        ? (
          <Nothing>
            {stored.isPending
              ? "Asking the host …"
              : "Nothing has happened lately. Whatever the host does shows here as it is done."}
          </Nothing>
        )
        : (
          <div
            className="now-feed"
            style={{ height: Math.min(rowsInView, rows.length) * height + 2 }}
            onPointerEnter={(event) => setIsOver(event.pointerType === "mouse")}
            onPointerLeave={() => setIsOver(false)}
            onFocus={() => setIsFocused(true)}
            onBlur={(event) => setIsFocused(event.currentTarget.contains(event.relatedTarget))}
          >
            <LongList
              label="Live feed of the audit, newest first"
              count={rows.length}
              height={height}
              overscan={3}
              idOf={(index) => rows[index]?.audit_id ?? index}
              row={row}
            />
          </div>
        )}
      <p className="faint now-note">
        {held
          ? `Held still${since === 0 ? "." : `: ${since >= most ? `more than ${most}` : since} newer.`}`
          : "Live. It holds still while you point at it."}
      </p>
    </Card>
  )
}
