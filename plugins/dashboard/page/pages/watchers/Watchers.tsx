/** Watchers: what looks at something from time to time, and how its last look went. Those that fail stand first. */
import { Link } from "@tanstack/react-router"
import { createContext, useContext, useMemo } from "react"
import type { AuditEvent, WatcherState } from "syris/records"
import { patch } from "../../api/client.ts"
import { type PageOf, useAnswer, useWatchers } from "../../api/queries.ts"
import { useAction } from "../../parts/Action.tsx"
import { Answered } from "../../parts/Answer.tsx"
import { Badge } from "../../parts/Badge.tsx"
import { OpenedJson } from "../../parts/Opened.tsx"
import { Nothing, Page } from "../../parts/Page.tsx"
import { Switch } from "../../parts/Switch.tsx"
import { columnsOf, More, Table } from "../../parts/Table.tsx"
import { Relative } from "../../parts/Time.tsx"
import { short, Words } from "../../parts/Words.tsx"
import { inOrder, intervalInWords, isFailing, type LeftOut, leftOutOf, outcomeInWords } from "./watcherWords.ts"

const Left = createContext<ReadonlyMap<string, LeftOut>>(new Map())

const columns = columnsOf<WatcherState>()((column) => [
  column.display({ id: "id", header: "Watcher", cell: ({ row }) => <Name watcher={row.original} /> }),
  column.display({ id: "interval", header: "Looks", cell: ({ row }) => intervalInWords(row.original.interval_ms) }),
  column.display({ id: "last", header: "Last look", cell: ({ row }) => <LastTick watcher={row.original} /> }),
  column.display({
    id: "next",
    header: "Next look",
    cell: ({ row: { original: { enabled, next_tick_at } } }) =>
      !enabled
        ? <span className="faint">none: it is off</span>
        : next_tick_at === undefined
        ? <span className="faint">none: no host has it</span>
        : <Relative at={next_tick_at} />
  }),
  column.display({ id: "on", header: "On", cell: ({ row }) => <WatcherSwitch watcher={row.original} /> })
])

const Name = ({ watcher }: { readonly watcher: WatcherState }) => {
  const id = watcher.watcher_id
  return (
    <div>
      <bdi>{short(id, 120)}</bdi>
      <div>
        <Link
          to="/activity"
          search={{ stage: "watcher", text: id }}
          aria-label={`What it did: ${short(id)}, in the activity`}
        >
          What it did
        </Link>
      </div>
      <OpenedJson label="State: what it remembers" value={watcher.state} />
    </div>
  )
}

const LastTick = ({ watcher }: { readonly watcher: WatcherState }) => {
  const left = useContext(Left).get(watcher.watcher_id)
  return (
    <div>
      {watcher.last_outcome !== undefined && (
        <Badge tone={watcher.last_outcome === "success" ? "good" : "bad"}>{watcher.last_outcome}</Badge>
      )} {watcher.last_tick_at !== undefined && <Relative at={watcher.last_tick_at} />}
      {watcher.last_outcome !== "success" && <div>{outcomeInWords(watcher)}</div>}
      {watcher.last_error !== undefined && (
        <div className={isFailing(watcher) ? "error-words" : "faint"}>
          <Words text={watcher.last_error} lines />
        </div>
      )}
      {left !== undefined && (
        <div>
          It made more events than it may: {left.count.toLocaleString("en")} were left out, the last{" "}
          <Relative at={left.at} />.
        </div>
      )}
    </div>
  )
}

const WatcherSwitch = ({ watcher }: { readonly watcher: WatcherState }) => {
  const change = useAction({
    run: (enabled: boolean) => patch<WatcherState>(`/watchers/${encodeURIComponent(watcher.watcher_id)}`, { enabled }),
    touches: ["watchers", "state", "alarms"],
    done: ({ enabled, watcher_id }) =>
      `${short(watcher_id)} is ${enabled ? "on, and looks at once" : "off: it looks no more"}.`
  })
  return (
    <Switch
      on={watcher.enabled}
      label={`The watcher ${short(watcher.watcher_id)}`}
      busy={change.isPending}
      onChange={(enabled) => change.mutate(enabled)}
    />
  )
}

export const Watchers = () => {
  const list = useWatchers()
  const rows = useAnswer<PageOf<AuditEvent>>(["watchers", "left-out"], "/audit", {
    type: "watcher.suppressed",
    limit: 200
  })
  const left = useMemo(() => leftOutOf(rows.data?.items ?? []), [rows.data])
  const watchers = inOrder(list.items)
  const failing = watchers.filter(isFailing).length
  return (
    <Page title="Watchers">
      <p className={failing === 0 ? "faint" : undefined}>
        {failing > 0
          ? `${failing} of the watchers that are on ${
            failing === 1 ? "fails" : "fail"
          }. What is wrong is said beside it; it goes on by itself once that is mended.`
          : "A watcher looks at something from time to time, and tells SYRIS when there is something to say."}
      </p>
      <div className="stack">
        <Answered answer={list}>
          {() =>
            watchers.length === 0
              ? <Nothing>There is no watcher. A plugin brings them: docs/watchers.md says how.</Nothing>
              : (
                <Left value={left}>
                  <Table caption="Watchers" columns={columns} rows={watchers} idOf={({ watcher_id }) => watcher_id} />
                </Left>
              )}
        </Answered>
        <More list={list} />
      </div>
    </Page>
  )
}
