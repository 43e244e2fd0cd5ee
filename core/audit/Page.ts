/**
 * What every list of records shares: opaque cursors, and rows as they go over the wire.
 */
import { Schema } from "effect"

export class CursorInvalid extends Schema.TaggedError<CursorInvalid>()("CursorInvalid", {}) {
  override get message() {
    return "This cursor is not one that the server gave out. Start again without it."
  }
}

/** One page of a list. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next_cursor?: string
}

export interface PageRequest {
  /** 1 to 500. */
  readonly limit: number
  readonly cursor?: string | undefined
  /** No row begins behind so many bytes of others; one row there is always. Then a page may have fewer rows, and a cursor. */
  readonly bytes?: number | undefined
}

/** A status, or all that have not ended, or all that have. */
export type Asked<S extends string> = S | "open" | "ended"

/** The statuses that are asked for, each once, of all that there are. */
export const statusesOf = <S extends string>(
  asked: Asked<S> | ReadonlyArray<Asked<S>>,
  all: ReadonlyArray<S>,
  isEnded: (status: S) => boolean
): ReadonlyArray<S> => {
  const given: ReadonlyArray<string> = typeof asked === "string" ? [asked] : asked
  return all.filter((status) => given.includes(status) || given.includes(isEnded(status) ? "ended" : "open"))
}

/** Makes the opaque text of a position in the list `kind`. */
export const sealCursor = (kind: string, ...parts: ReadonlyArray<string>): string =>
  Buffer.from([kind, ...parts].join(":")).toString("base64url")

/** The parts of a cursor of the list `kind`; `undefined` for anything else. */
export const openCursor = (kind: string, cursor: string): ReadonlyArray<string> | undefined => {
  if (cursor.length > 200) return undefined
  const [given, ...parts] = Buffer.from(cursor, "base64url").toString().split(":")
  return given === kind && sealCursor(kind, ...parts) === cursor ? parts : undefined
}

/** Cuts one row too many off, which only says that there is a next page. */
export const pageOf = <Row, A>(
  rows: ReadonlyArray<Row>,
  limit: number,
  toRecord: (row: Row) => A,
  toCursor: (last: Row) => string
): Page<A> => {
  const shown = rows.length > limit ? rows.slice(0, limit) : rows
  const last = shown.at(-1)
  const items = shown.map(toRecord)
  return rows.length > limit && last !== undefined ? { items, next_cursor: toCursor(last) } : { items }
}

type Present<A> =
  & { readonly [K in keyof A as null extends A[K] ? never : K]: A[K] }
  & { readonly [K in keyof A as null extends A[K] ? K : never]?: NonNullable<A[K]> }

/** The record without its empty fields: what is null in the database is left out on the wire. */
export const present = <A extends object>(row: A): Present<A> => {
  const out: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(row)) if (value !== null && value !== undefined) out[key] = value
  return out as Present<A>
}
