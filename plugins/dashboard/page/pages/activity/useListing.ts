/**
 * What Activity shows of a search: the pages that were asked for, and above them what came since. When so much came that not all
 * of it is kept, everything is asked for anew, and takes the place of the old when it is here.
 */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react"
import type { AuditEvent, MessageEvent } from "syris/records"
import { get } from "../../api/client.ts"
import { useFeed } from "../../live/Live.tsx"
import { useSlowly } from "../../live/useSlowly.ts"
import type { ActivitySearch } from "../../router.tsx"
import { matcherOf, queryOf } from "./filter.ts"
import { type Answered, makePages, type Pages, type Seen } from "./pages.ts"
import { makeTop, type Top } from "./top.ts"

const pageSize = 500
const near = 200
const mostHeld = 20 * pageSize
const tries = 6
const mostLive = 5_000
/** Live rows are drawn at most once in so long. */
const everyMs = 200

export type Item = AuditEvent | MessageEvent

interface Listing {
  readonly pages: Pages<Item>
  readonly top: Top
  /** What the first page had: what of it came live, too, is not shown twice. */
  readonly isOnPages: (row: AuditEvent) => boolean
}

const idOf = (item: Item): string => "audit_id" in item ? item.audit_id : item.event_id
const isEvents = ({ kind }: ActivitySearch): boolean => kind === "events"
const idIn = (row: AuditEvent, events: boolean): string => events ? row.refs.event_id ?? row.audit_id : row.audit_id

const makeListing = (search: ActivitySearch): Listing => {
  const events = isEvents(search)
  const query = queryOf(search)
  const onPages = new Set<string>()
  let oldest = Infinity
  const pages = makePages<Item>({
    ask: async (cursor, signal) => {
      const answer = await get<Answered<Item>>(events ? "/events" : "/audit", {
        ...query,
        limit: pageSize,
        ...(cursor === undefined ? {} : { cursor })
      }, signal)
      if (cursor === undefined) {
        for (const item of answer.items) {
          onPages.add(idOf(item))
          if ("seq" in item) oldest = Math.min(oldest, item.seq)
        }
      }
      return answer
    },
    pageSize,
    near,
    most: mostHeld,
    tries
  })
  return {
    pages,
    top: makeTop(matcherOf(search), mostLive),
    isOnPages: (row) => row.seq < oldest && !events && oldest !== Infinity || onPages.has(idIn(row, events))
  }
}

export interface Shown {
  readonly seen: Seen
  readonly pages: Pages<Item>
  readonly live: ReadonlyArray<AuditEvent>
  /** Rows that are kept back. */
  readonly waiting: number
  /** There are newer rows than those that are kept. */
  readonly isOver: boolean
  readonly setAtTop: (isAtTop: boolean) => void
  readonly show: () => void
}

export const useListing = (search: ActivitySearch, follow: boolean): Shown => {
  const feed = useFeed()
  const [listing, setListing] = useState(() => makeListing(search))
  const coming = useRef<Listing>(undefined)
  const isAtTop = useRef(true)
  const { pages, top } = listing

  const renew = useCallback((): void => {
    if (coming.current !== undefined) return
    const next = makeListing(search)
    coming.current = next
    const end = next.pages.onChange(() => {
      if (next.pages.seen().standing.is === "asking") return
      end()
      coming.current = undefined
      next.top.setAtTop(isAtTop.current)
      setListing(next)
    })
    next.pages.start()
  }, [search])

  useEffect(() => {
    pages.start()
    return pages.stop
  }, [pages])
  useEffect(() => () => {
    coming.current?.pages.stop()
    coming.current = undefined
  }, [])
  // Rows may have been missed. Who reads further down is told, and nothing moves.
  useEffect(() => feed.onAnew(top.miss), [feed, top])
  useEffect(() => {
    if (!follow) return
    return feed.onRows((rows) => {
      top.take(rows)
      coming.current?.top.take(rows)
    })
  }, [feed, follow, top])

  const seen = useSyncExternalStore(pages.onChange, pages.seen)
  const { isOver, shown, waiting } = useSlowly(top.onChange, top.rows, everyMs)
  useEffect(() => {
    if (isOver && isAtTop.current) renew()
  }, [isOver, renew])

  const live = useMemo(() => seen.count === 0 ? shown : shown.filter((row) => !listing.isOnPages(row)), [
    listing,
    seen.count,
    shown
  ])

  return {
    seen,
    pages,
    live,
    waiting,
    isOver,
    setAtTop: (now) => {
      isAtTop.current = now
      if (now && top.rows().isOver) renew()
      else top.setAtTop(now)
    },
    show: () => {
      isAtTop.current = true
      if (top.rows().isOver) renew()
      else top.setAtTop(true)
    }
  }
}
