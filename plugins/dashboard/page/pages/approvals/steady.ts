/**
 * Whether a card may be decided by a click or a key: it was seen for a second, and has stood where it is for a moment. What
 * has just slid under a finger is not what the finger meant. Pure; the clock is given.
 */
const seenMs = 1_000
const stillMs = 400

export interface Steady {
  /** Since when it is in sight. */
  readonly seenSince?: number
  /** Where it stands in its page, and since when. */
  readonly place?: number
  readonly placeSince?: number
}

export interface Look {
  readonly at: number
  readonly isSeen: boolean
  readonly place: number
}

/** After another look at it. */
export const looked = (steady: Steady, { at, isSeen, place }: Look): Steady => {
  const stayed = steady.place !== undefined && Math.abs(steady.place - place) < 2
  return {
    ...(isSeen ? { seenSince: steady.seenSince ?? at } : {}),
    place,
    placeSince: stayed ? steady.placeSince ?? at : at
  }
}

export const wasSeen = ({ seenSince }: Steady, at: number): boolean =>
  seenSince !== undefined && at - seenSince >= seenMs

export const isStill = ({ placeSince }: Steady, at: number): boolean =>
  placeSince !== undefined && at - placeSince >= stillMs
