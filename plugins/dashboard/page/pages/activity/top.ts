/**
 * The rows that come live, above those that were asked for: shown at once while the reader is at the top, else kept back, so that
 * nothing moves that is being read. Pure.
 */
import type { AuditEvent } from "syris/records"
import { listenersOf } from "../../live/listeners.ts"

type Rows = ReadonlyArray<AuditEvent>

export interface TopRows {
  /** Newest first. The same array until there are others. */
  readonly shown: Rows
  /** How many are kept back. */
  readonly waiting: number
  /** So many came that not all are here: what is shown is to be asked for anew. */
  readonly isOver: boolean
}

export interface Top {
  readonly rows: () => TopRows
  readonly onChange: (listener: () => void) => () => void
  /** Oldest first, as they come. */
  readonly take: (rows: Rows) => void
  readonly setAtTop: (isAtTop: boolean) => void
  /** Shows what was kept back. */
  readonly show: () => void
  /** Rows may have come that are not here. */
  readonly miss: () => void
}

export const makeTop = (matches: (row: AuditEvent) => boolean, most: number): Top => {
  const changes = listenersOf<[]>()
  let waiting: Rows = []
  let isAtTop = true
  let rows: TopRows = { shown: [], waiting: 0, isOver: false }

  const become = (shown: Rows, held: Rows, count: number, isOver: boolean): void => {
    waiting = held
    rows = { shown, waiting: count, isOver: isOver || shown.length + held.length > most }
    changes.tell()
  }
  const show = (): void => {
    if (rows.waiting > 0) become([...waiting, ...rows.shown], [], 0, rows.isOver)
  }
  return {
    rows: () => rows,
    onChange: changes.add,
    take: (fresh) => {
      // Each is looked at, also when there are too many: the next ones may hang on it.
      const found = fresh.filter(matches).reverse()
      if (found.length === 0) return
      if (rows.isOver) return isAtTop ? undefined : become(rows.shown, waiting, rows.waiting + found.length, true)
      if (isAtTop) become([...found, ...rows.shown], [], 0, false)
      else become(rows.shown, [...found, ...waiting], rows.waiting + found.length, false)
    },
    setAtTop: (now) => {
      isAtTop = now
      if (now) show()
    },
    show,
    miss: () => become(rows.shown, waiting, rows.waiting, true)
  }
}
