/**
 * A list of any length: only the rows in view exist. All have one height, so that where a row stands is never measured.
 */
import { useVirtualizer } from "@tanstack/react-virtual"
import { type ReactNode, useEffect, useLayoutEffect, useRef } from "react"

export interface LongListProps {
  readonly label: string
  readonly count: number
  /** Of a row, pixels. */
  readonly height: number
  readonly row: (index: number) => ReactNode
  /** Stays the same for a row when others come before it. */
  readonly idOf: (index: number) => string | number
  /** Rows beyond the view that exist, too. Default 12; fewer where rows come fast. */
  readonly overscan?: number
  /** Called with the rows in view, when they change. */
  readonly onView?: (first: number, last: number) => void
  /** Called when the reader leaves the top, or comes back to it. */
  readonly onTop?: (isAtTop: boolean) => void
  /** When this becomes another number, the list goes to its top. */
  readonly toTop?: number
}

/** So near to the top is at the top, pixels. */
const nearTop = 4

export const LongList = (
  { count, height, idOf, label, onTop, onView, overscan = 12, row, toTop = 0 }: LongListProps
) => {
  const frame = useRef<HTMLDivElement>(null)
  const isAtTop = useRef(true)
  // Without keys of its own: by place, so that a row that comes before others costs nothing.
  const list = useVirtualizer({
    count,
    getScrollElement: () => frame.current,
    estimateSize: () => height,
    overscan
  })
  // A phone that is turned, a window that is made narrow: rows have another height from then on.
  useLayoutEffect(() => list.measure(), [list, height])
  const items = list.getVirtualItems()
  const first = items[0]?.index ?? 0
  const last = items.at(-1)?.index ?? 0
  useEffect(() => onView?.(first, last), [first, last, count, onView])
  useEffect(() => {
    if (toTop !== 0) frame.current?.scrollTo({ top: 0 })
  }, [toTop])
  const onScroll = (): void => {
    const now = (frame.current?.scrollTop ?? 0) <= nearTop
    if (now === isAtTop.current) return
    isAtTop.current = now
    onTop?.(now)
  }
  return (
    <div ref={frame} className="long-list" tabIndex={0} role="region" aria-label={label} onScroll={onScroll}>
      <div role="list" style={{ height: list.getTotalSize(), position: "relative" }}>
        {items.map((item) => (
          <div
            key={idOf(item.index)}
            role="listitem"
            aria-setsize={count}
            aria-posinset={item.index + 1}
            className="long-list-row"
            style={{ height, transform: `translateY(${item.start}px)` }}
          >
            {row(item.index)}
          </div>
        ))}
      </div>
    </div>
  )
}
