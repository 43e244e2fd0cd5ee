/**
 * What is being written in a conversation, put together from the pieces that the host sends. Pure but for what it keeps; each
 * change answers whether something else is to be shown.
 */
export interface LiveTexts {
  /** An event of the stream that is no message. */
  readonly take: (type: string, data: string) => boolean
  /** The reply to an event is there. */
  readonly replaced: (event_id: string) => boolean
  /** The connection is lost: what is being written comes from its beginning again. */
  readonly clear: () => boolean
  /** The text that was added to last; nothing where nothing is being written. */
  readonly shown: () => string | undefined
}

interface Piece {
  readonly event_id: string
  readonly from?: number
  readonly text?: string
}

export const liveTexts = (): LiveTexts => {
  /** By event, the one that was added to last at the end. */
  const texts = new Map<string, string>()

  const take = (type: string, data: string): boolean => {
    if (type !== "delta" && type !== "delta_reset") return false
    const { event_id, from, text } = JSON.parse(data) as Piece
    const known = texts.get(event_id) ?? ""
    // After a gap it makes no sense any more, and the reply will come.
    if (type === "delta_reset" || from === undefined || text === undefined || from > known.length) {
      return texts.delete(event_id)
    }
    texts.delete(event_id)
    texts.set(event_id, known.slice(0, from) + text)
    return true
  }

  return {
    take,
    replaced: (event_id) => texts.delete(event_id),
    clear: () => {
      const had = texts.size > 0
      texts.clear()
      return had
    },
    shown: () => [...texts.values()].at(-1)
  }
}
