/**
 * A long list of the host's by its pages: asks for the next one when the end comes near, keeps the rows of some of them, and asks
 * again for one that comes back into view. Where a page begins is kept of all, so a row has one place for ever. Pure but for
 * what it is given to ask.
 *
 * The page of a search may have few rows, or none, and yet not be the last: it goes on by itself some times, then waits to be
 * told.
 */
import { listenersOf } from "../../live/listeners.ts"

export interface Answered<A> {
  readonly items: ReadonlyArray<A>
  readonly next_cursor?: string
  readonly searched_until?: string
}

export type Standing =
  | { readonly is: "asking" }
  /** There is more, which is asked for when the end comes near. */
  | { readonly is: "more" }
  | { readonly is: "end" }
  /** There is more to look through. `until`: how far back it has come. */
  | { readonly is: "paused"; readonly until: string | undefined }
  | { readonly is: "failed"; readonly error: unknown }

export interface Seen {
  /** Rows that are known so far. */
  readonly count: number
  readonly standing: Standing
}

export interface Pages<A> {
  readonly start: () => void
  readonly stop: () => void
  /** The same until there is something else. */
  readonly seen: () => Seen
  readonly onChange: (listener: () => void) => () => void
  /** Nothing for a row that is not here now. */
  readonly at: (index: number) => A | undefined
  readonly view: (first: number, last: number) => void
  /** After a pause or a failure. */
  readonly goOn: () => void
  /** Rows in memory. */
  readonly held: () => number
}

export interface PagesOptions<A> {
  readonly ask: (cursor: string | undefined, signal: AbortSignal) => Promise<Answered<A>>
  /** Rows of a page that is full. */
  readonly pageSize: number
  /** So many rows before the end the next page is asked for. */
  readonly near: number
  /** Rows in memory, at most. */
  readonly most: number
  /** Pages with few rows, in a row, until it waits. */
  readonly tries: number
}

interface Page<A> {
  readonly cursor: string | undefined
  readonly start: number
  readonly count: number
  items: ReadonlyArray<A | undefined> | undefined
}

export const makePages = <A>({ ask, most, near, pageSize, tries }: PagesOptions<A>): Pages<A> => {
  const pages: Array<Page<A>> = []
  const changes = listenersOf<[]>()
  const loading = new Set<Page<A>>()
  let control = new AbortController()
  let next: string | undefined
  let isBegun = false
  let isStopped = true
  let first = 0
  let last = 0
  let short = 0
  let seen: Seen = { count: 0, standing: { is: "asking" } }

  const become = (standing: Standing): void => {
    const end = pages.at(-1)
    seen = { count: end === undefined ? 0 : end.start + end.count, standing }
    changes.tell()
  }
  const isInView = ({ count, start }: Page<A>): boolean => start <= last && start + count > first
  const held = (): number => pages.reduce((sum, { count, items }) => sum + (items === undefined ? 0 : count), 0)

  /** What is farthest away goes first. */
  const forget = (): void => {
    const distance = ({ count, start }: Page<A>): number => start > last ? start - last : first - (start + count)
    const far = pages.filter((page) => page.items !== undefined && !isInView(page)).sort((a, b) =>
      distance(b) - distance(a)
    )
    let rows = held()
    for (const page of far) {
      if (rows <= most) return
      page.items = undefined
      rows -= page.count
    }
  }

  const isAsking = (): boolean => seen.standing.is === "asking" && isBegun

  const askNext = async (): Promise<void> => {
    const { signal } = control
    isBegun = true
    become({ is: "asking" })
    try {
      const cursor = next
      const { items, next_cursor, searched_until } = await ask(cursor, signal)
      if (signal.aborted) return
      if (items.length > 0) pages.push({ cursor, start: seen.count, count: items.length, items })
      next = next_cursor
      short = items.length >= Math.min(near, pageSize) ? 0 : short + 1
      forget()
      become(
        next === undefined
          ? { is: "end" }
          : short >= tries
          ? { is: "paused", until: searched_until }
          : { is: "more" }
      )
      go()
    } catch (error) {
      if (!signal.aborted) become({ is: "failed", error })
    }
  }

  /** The host may have answered fewer rows at once this time: their order is the same. */
  const load = async (page: Page<A>): Promise<void> => {
    const { signal } = control
    loading.add(page)
    try {
      const items: Array<A | undefined> = []
      let cursor = page.cursor
      do {
        const answer = await ask(cursor, signal)
        if (signal.aborted) return
        items.push(...answer.items)
        cursor = answer.next_cursor
      } while (items.length < page.count && cursor !== undefined)
      page.items = items.slice(0, page.count)
      loading.delete(page)
      forget()
      become(seen.standing)
      go()
    } catch (error) {
      loading.delete(page)
      if (!signal.aborted) become({ is: "failed", error })
    }
  }

  const go = (): void => {
    if (isStopped || seen.standing.is === "failed") return
    for (const page of pages) if (page.items === undefined && isInView(page) && !loading.has(page)) void load(page)
    if (isAsking() || seen.standing.is === "paused" || seen.standing.is === "end") return
    if (last + near >= seen.count) void askNext()
  }

  return {
    start: () => {
      if (!isStopped) return
      isStopped = false
      control = new AbortController()
      go()
    },
    stop: () => {
      isStopped = true
      control.abort()
      loading.clear()
      // What was asked for is asked again when it starts again.
      if (isAsking()) {
        isBegun = pages.length > 0
        become(isBegun ? { is: "more" } : { is: "asking" })
      }
    },
    seen: () => seen,
    onChange: changes.add,
    at: (index) => {
      let low = 0
      let high = pages.length - 1
      while (low <= high) {
        const middle = (low + high) >> 1
        const page = pages[middle]
        if (page === undefined) return undefined
        if (index < page.start) high = middle - 1
        else if (index >= page.start + page.count) low = middle + 1
        else return page.items?.[index - page.start]
      }
      return undefined
    },
    view: (from, to) => {
      first = from
      last = to
      go()
    },
    goOn: () => {
      short = 0
      become({ is: "more" })
      go()
    },
    held
  }
}
