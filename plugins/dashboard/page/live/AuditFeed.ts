/**
 * The one stream of the page: every row of the audit as it is written (`GET /audit/stream`). How it is kept open is in
 * `EventStream.ts`. Rows are handed out once a frame, however many came.
 */
import type { AuditEvent } from "syris/records"
import { type Connection, makeEventStream } from "./EventStream.ts"
import { onceAFrame } from "./frames.ts"
import { listenersOf } from "./listeners.ts"

/** Rows that are kept for whoever looks at them, the newest. */
const kept = 1_000

type Rows = ReadonlyArray<AuditEvent>

export interface AuditFeed {
  readonly start: () => void
  readonly stop: () => void
  /** The newest rows since the page was opened, oldest first, with none missing between. The same array until there are others. */
  readonly rows: () => Rows
  readonly connection: () => Connection
  /** Called when `rows` or `connection` answer something else. */
  readonly onChange: (listener: () => void) => () => void
  /** Called with the rows that are new. */
  readonly onRows: (listener: (rows: Rows) => void) => () => void
  /** Called when rows may have been missed: whatever is shown is to be asked for again. */
  readonly onAnew: (listener: () => void) => () => void
}

export const makeAuditFeed = (): AuditFeed => {
  const changes = listenersOf<[]>()
  const arrivals = listenersOf<[Rows]>()
  const anews = listenersOf<[]>()
  let rows: Rows = []
  let waiting: Array<AuditEvent> = []

  const flush = onceAFrame(() => {
    const fresh = waiting
    waiting = []
    if (fresh.length === 0) return
    rows = [...rows, ...fresh].slice(-kept)
    arrivals.tell(fresh)
    changes.tell()
  })

  const stream = makeEventStream({
    path: "/audit/stream",
    onEvent: ({ data }) => {
      waiting.push(JSON.parse(data) as AuditEvent)
      flush()
    },
    onChange: changes.tell,
    onAnew: (missed) => {
      if (missed) {
        rows = []
        waiting = []
        changes.tell()
      }
      anews.tell()
    }
  })

  return {
    start: stream.start,
    stop: stream.stop,
    rows: () => rows,
    connection: stream.connection,
    onChange: changes.add,
    onRows: arrivals.add,
    onAnew: anews.add
  }
}
