/**
 * Hands what happens to the host: several at once, one after the other for each entity, and bounded.
 *
 * - What waits beyond the bound is taken together: of an entity, the states between the oldest that waits and the newest are
 *   lost. What is no state is left out beyond twice the bound. Both are counted and told.
 * - What the host does not take ends the feed; nothing after it counts as handed over.
 */

export interface Item<A> {
  /** In order among those that have the same. */
  readonly lane: string
  /** In microseconds. */
  readonly at: number
  readonly value: A
}

export interface FeedOptions<A> {
  readonly hand: (value: A) => Promise<void>
  /** The two as one, where that can be: the older one waits, the newer one has come. */
  readonly merge: (older: A, newer: A) => A | undefined
  /** How it stands: told when it begins to fall behind, every so often while it does, and when it is over. */
  readonly tell: (pressure: Pressure) => void
  readonly atOnce?: number
  readonly most?: number
}

export interface Pressure {
  readonly waiting: number
  /** Since it was told last. */
  readonly merged: number
  readonly left: number
  readonly over: boolean
}

export interface Feed<A> {
  readonly push: (item: Item<A>) => void
  /** The oldest that is not handed over. */
  readonly oldest: () => number | undefined
  readonly waiting: () => number
  /** Whether something of a lane is not handed over. */
  readonly has: (lane: string) => boolean
  /** Why it ended. */
  readonly failed: Promise<unknown>
  /** When all that waits is handed over, or it failed. Nothing may be pushed any more. */
  readonly drain: () => Promise<void>
  /** When nothing is under way any more; nothing new is begun. */
  readonly end: () => Promise<void>
}

interface Lane<A> {
  readonly items: Array<Item<A>>
  busy: Item<A> | undefined
}

const tellEveryMs = 10_000

export const makeFeed = <A>({ atOnce = 64, hand, merge, most = 10_000, tell }: FeedOptions<A>): Feed<A> => {
  const lanes = new Map<string, Lane<A>>()
  let ready: Array<Lane<A>> = []
  let head = 0
  let [waiting, underWay, merged, left, toldAt] = [0, 0, 0, 0, -Infinity]
  let [behind, ended] = [false, false]
  let tellFailed: (why: unknown) => void = () => {}
  let tellIdle: () => void = () => {}
  const failed = new Promise<unknown>((resolve) => tellFailed = resolve)

  const report = (over: boolean): void => {
    toldAt = performance.now()
    tell({ waiting, merged, left, over })
    ;[merged, left] = [0, 0]
  }
  const squeeze = ({ items }: Lane<A>, item: Item<A>): boolean => {
    if (!behind || performance.now() - toldAt > tellEveryMs) {
      behind = true
      report(false)
    }
    const last = items.at(-1)
    const both = last === undefined ? undefined : merge(last.value, item.value)
    if (both !== undefined) {
      merged++
      // The older of the two moments: until it is handed over, the older one is not.
      items[items.length - 1] = { ...item, at: Math.min(last!.at, item.at), value: both }
      return true
    }
    if (last === undefined || waiting < 2 * most) return false
    left++
    return true
  }

  const next = (): Lane<A> | undefined => {
    const lane = ready[head++]
    if (head > 1_024 && head * 2 > ready.length) [ready, head] = [ready.slice(head), 0]
    if (lane === undefined) head = ready.length
    return lane
  }
  const pump = (): void => {
    while (!ended && underWay < atOnce) {
      const lane = next()
      if (lane === undefined) return
      const item = lane.items.shift()!
      lane.busy = item
      waiting--
      underWay++
      hand(item.value).then(
        () => settle(lane, item.lane),
        (error: unknown) => {
          ended = true
          tellFailed(error)
          settle(lane, item.lane, true)
        }
      )
    }
  }
  const settle = (lane: Lane<A>, name: string, stuck = false): void => {
    underWay--
    if (!stuck) {
      lane.busy = undefined
      if (lane.items.length === 0) lanes.delete(name)
      else ready.push(lane)
    }
    if (behind && waiting < most / 2) {
      behind = false
      report(true)
    }
    pump()
    if (underWay === 0) tellIdle()
  }

  const idle = (): Promise<void> =>
    new Promise((resolve) => {
      const before = tellIdle
      tellIdle = () => {
        before()
        resolve()
      }
      if (underWay === 0) resolve()
    })

  return {
    push: (item) => {
      if (ended) return
      let lane = lanes.get(item.lane)
      if (lane === undefined) lanes.set(item.lane, lane = { items: [], busy: undefined })
      if (waiting >= most && squeeze(lane, item)) return
      lane.items.push(item)
      waiting++
      if (lane.busy === undefined && lane.items.length === 1) ready.push(lane)
      pump()
    },
    oldest: () => {
      let found: number | undefined
      for (const { busy, items } of lanes.values()) {
        const at = busy?.at ?? items[0]?.at
        if (at !== undefined && (found === undefined || at < found)) found = at
      }
      return found
    },
    waiting: () => waiting,
    has: (lane) => lanes.has(lane),
    failed,
    drain: () => idle(),
    end: () => {
      ended = true
      return idle()
    }
  }
}
