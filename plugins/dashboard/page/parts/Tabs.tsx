/** Views of the same thing, one at a time: the arrow keys go between their names, Tab goes into what is shown. */
import { type KeyboardEvent, type ReactNode, useId, useRef } from "react"

export interface TabsProps<V extends string> {
  /** Of what they are views. Read out by a screen reader. */
  readonly label: string
  readonly views: ReadonlyArray<readonly [view: V, name: string]>
  readonly chosen: V
  readonly onChoose: (view: V) => void
  readonly children: ReactNode
}

const moves: Readonly<Record<string, (index: number, count: number) => number>> = {
  ArrowRight: (index, count) => (index + 1) % count,
  ArrowLeft: (index, count) => (index + count - 1) % count,
  Home: () => 0,
  End: (_, count) => count - 1
}

export const Tabs = <V extends string>({ children, chosen, label, onChoose, views }: TabsProps<V>) => {
  const id = useId()
  const list = useRef<HTMLDivElement>(null)
  const onKeyDown = (event: KeyboardEvent) => {
    const index = views.findIndex(([view]) => view === chosen)
    const next = moves[event.key]?.(index, views.length)
    const view = next === undefined ? undefined : views[next]
    if (next === undefined || view === undefined) return
    event.preventDefault()
    onChoose(view[0])
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus()
  }
  return (
    <div className="tabs">
      <div ref={list} role="tablist" aria-label={label} className="tab-list" onKeyDown={onKeyDown}>
        {views.map(([view, name]) => (
          <button
            key={view}
            type="button"
            role="tab"
            id={`${id}-${view}`}
            className="tab"
            aria-selected={view === chosen}
            aria-controls={view === chosen ? `${id}-panel` : undefined}
            tabIndex={view === chosen ? 0 : -1}
            onClick={() => onChoose(view)}
          >
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} tabIndex={0} className="tab-panel">
        {children}
      </div>
    </div>
  )
}
