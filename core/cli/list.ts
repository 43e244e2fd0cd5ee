/**
 * What the list commands share: reading as many pages as it takes, and the short form of an id.
 */
import { Effect } from "effect"
import { Client, type Request } from "./client.ts"
import { failed } from "./CommandFailed.ts"
import { visible } from "../contract/Visible.ts"

export interface Listed<A> {
  readonly items: ReadonlyArray<A>
  /** There are more than were asked for. */
  readonly more: boolean
}

/** The first `limit` records of a list, in the host's order. */
export const listed = Effect.fn("list.listed")(
  function*<A>(path: string, query: NonNullable<Request["query"]>, limit: number) {
    const client = yield* Client
    const items: Array<A> = []
    let cursor: string | undefined
    while (items.length < limit) {
      const { body } = yield* client.request(path, {
        query: { ...query, limit: Math.min(500, limit - items.length), cursor }
      })
      const page = body as { readonly items: ReadonlyArray<A>; readonly next_cursor?: string | null }
      items.push(...page.items)
      // A page without a row may have a cursor: what was looked through had none, and the next may have.
      cursor = page.next_cursor ?? undefined
      if (cursor === undefined) break
    }
    return { items, more: cursor !== undefined } satisfies Listed<A>
  }
)

/** The end of an id is its random part; the commands take it for the id. */
export const shortId = (id: string): string => visible(id.slice(-12))

export const isWholeId = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)

/** The id that is meant by its beginning or end, among those that are known; `what` is its plural. */
export const meantId = Effect.fn("list.meantId")(
  function*(part: string, known: ReadonlyArray<string>, what: string) {
    const wanted = part.toLowerCase()
    // Everything begins with nothing: an empty variable of a script must not mean the only one there is.
    if (wanted === "") return yield* failed("The id is empty: give an id, or its beginning or end.")
    const found = new Set(known.filter((id) => id.startsWith(wanted) || id.endsWith(wanted)))
    const [only, ...others] = found
    if (only === undefined) {
      return yield* failed(
        `None of the ${what} has an id that begins or ends with ${visible(part)}: give the whole id.`
      )
    }
    if (others.length > 0) {
      return yield* failed(
        `${visible(part)} is the beginning or end of ${found.size} ids: give more of it (${
          [...found].slice(0, 5).map(visible).join(", ")
        }).`
      )
    }
    return only
  }
)
