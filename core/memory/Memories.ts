/**
 * What the host was told to remember, for its operator and for whoever puts a model's context together.
 *
 * - The operator reads all of it, and forgets any of it: the row is gone, and the audit says that it is.
 * - What is given out for a context is bounded, and says how much trust each piece of it deserves.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, sealCursor } from "../audit/Page.ts"
import type { Trust } from "../contract/Enums.ts"
import type { Memory } from "../contract/Memory.ts"
import { isUuid, newId } from "../database/Ids.ts"
import { tokensOf } from "../llm/Tokens.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { fitting, newest } from "./MemorySearch.ts"
import { erase } from "./MemoryStore.ts"

export class MemoryNotFound extends Schema.TaggedError<MemoryNotFound>()("MemoryNotFound", {
  memory_id: Schema.String
}) {
  override get message() {
    return `There is no memory ${this.memory_id}, or it was forgotten.`
  }
}

export interface MemoryFilter {
  /** Those that fit it, the best first; without it all, the newest first. */
  readonly query?: string | undefined
  readonly trust?: Trust | undefined
}

export interface RelevantBounds {
  /** At most so many: 1 to 100. */
  readonly limit: number
  /** At most so many tokens of text. */
  readonly tokens: number
  /** Of a text. Default: `tokensOf`. */
  readonly count?: (text: string) => number
}

export interface Relevant {
  /** What can be trusted first, then what fits best. */
  readonly memories: ReadonlyArray<Memory & { readonly tokens: number }>
  /** Fit, and there was no room for them. */
  readonly left_out: number
}

export class Memories extends Context.Service<Memories, {
  readonly page: (
    filter: MemoryFilter,
    page: PageRequest
  ) => Effect.Effect<Page<Memory>, CursorInvalid | SqlError.SqlError>
  readonly forget: (memory_id: string, by: string) => Effect.Effect<void, MemoryNotFound | SqlError.SqlError>
  /** What fits a text, whatever is in it. Known secrets are taken out. Changes nothing. */
  readonly relevant: (text: string, bounds: RelevantBounds) => Effect.Effect<Relevant, SqlError.SqlError>
}>()("syris/memory/Memories") {
  static readonly layer = Layer.effect(Memories, Effect.suspend(() => make))
}

/** Looked at for what there is room for: one too long does not keep a shorter one out. */
const spare = 20

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient
  const here = Effect.provideService(SqlClient.SqlClient, sql)

  const ranked = Effect.fnUntraced(
    function*(question: string, trust: Trust | undefined, { cursor, limit }: PageRequest) {
      const [from = ""] = cursor === undefined ? ["0"] : openCursor("memory-fitting", cursor) ?? []
      if (!/^\d{1,5}$/.test(from)) return yield* new CursorInvalid()
      const offset = Number(from)
      const found = yield* here(fitting({ question, trust, limit: limit + 1, offset }))
      return pageOf(found, limit, (one) => one, () => sealCursor("memory-fitting", String(offset + limit)))
    }
  )

  const page = Effect.fnUntraced(function*({ query, trust }: MemoryFilter, request: PageRequest) {
    if (query !== undefined) return yield* ranked(query, trust, request)
    const { cursor, limit } = request
    const [before] = cursor === undefined ? [] : openCursor("memory", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const found = yield* here(newest({ before, trust, limit: limit + 1 }))
    return pageOf(found, limit, (one) => one, (last) => sealCursor("memory", last.memory_id))
  })

  const forget = Effect.fnUntraced(function*(memory_id: string, by: string) {
    const at = new Date(yield* Clock.currentTimeMillis)
    const gone = yield* here(
      erase(memory_id, { trace_id: newId(), refs: {}, actor: by, at, tell: (fact) => audit.append(fact) })
    )
    if (!gone) return yield* new MemoryNotFound({ memory_id })
  }, (self) => sql.withTransaction(self))

  const relevant = Effect.fnUntraced(function*(text: string, { count = tokensOf, limit, tokens }: RelevantBounds) {
    const found = yield* here(fitting({ question: text, trustedFirst: true, limit: limit + spare }))
    let left = tokens
    const memories: Array<Memory & { readonly tokens: number }> = []
    for (const memory of found) {
      const shown = redactor.redactJson(memory)
      const size = count(shown.text)
      if (memories.length >= limit || size > left) continue
      left -= size
      memories.push({ ...shown, tokens: size })
    }
    return { memories, left_out: found.length - memories.length }
  })

  return Memories.of({ page, forget, relevant })
})
