/**
 * What is written of memories, in the caller's transaction. Hosts that remember at the same time do so one after the other, so
 * the bounds hold and nothing is kept twice.
 */
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { type Fact } from "../audit/Audit.ts"
import type { Memory } from "../contract/Memory.ts"
import type { AuditRefs } from "../contract/AuditEvent.ts"
import { newId } from "../database/Ids.ts"
import type { Origin } from "../plugin/CallOrigin.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import { confidentialityOf, worst } from "../safety/Provenance.ts"
import { vectorOf } from "./Words.ts"

/** Characters of one. */
export const longestText = 4_000
export const mostMemories = 10_000
/** Of them, of words that nobody vouches for: strangers can't take the room of the operator. */
export const mostUntrusted = 1_000

export interface NewMemory {
  readonly text: string
  readonly tags: ReadonlyArray<string>
  readonly origin: Origin
  readonly at: Date
}

const full = (many: number, whose: string): ToolRefused =>
  new ToolRefused(
    `There are ${
      many.toLocaleString("en")
    } memories${whose}, and no more fit: forget some that are not needed any more, ` +
      "with \"forget …\" or: syris memory forget ID"
  )

/**
 * Keeps it; answers its id, and whether exactly that was known already from somebody who is trusted as much. Where there is
 * no more room for strangers, they are told so also of what is known: they could find out what is.
 */
export const keep = Effect.fnUntraced(function*({ at, origin, tags, text }: NewMemory) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`select pg_advisory_xact_lock(hashtext('syris.memory'))`
  const known = yield* sql<{ readonly memory_id: string; readonly trust: Origin["trust"] }>`
    select memory_id, labels ->> 'trust' as trust
    from memories
    where text = ${text} and tags @> ${tags}::text[]
    order by memory_id desc`
  const [there] = yield* sql<{ readonly all: number; readonly untrusted: number; readonly discreet: boolean }>`
    select (select count(*)::int from memories) as all,
           (select count(*)::int from memories where labels ->> 'trust' = 'untrusted') as untrusted,
           (select coalesce(bool_or(sensitivity <> 'low'), true)
            from events where trace_id = ${origin.trace_id}::uuid) as discreet`
  const isFull = (there?.all ?? 0) >= mostMemories
  const same = known.find(({ trust }) => worst(trust, origin.trust) === origin.trust)
  const isStranger = origin.trust === "untrusted"
  if (same !== undefined && !isStranger) return { memory_id: same.memory_id, known: true }
  if (isFull) return yield* Effect.fail(full(mostMemories, ""))
  if (isStranger && (there?.untrusted ?? 0) >= mostUntrusted) {
    return yield* Effect.fail(full(mostUntrusted, " from outside"))
  }
  if (same !== undefined) return { memory_id: same.memory_id, known: true }
  const memory_id = newId()
  const labels = { trust: origin.trust, confidentiality: confidentialityOf(there?.discreet === false ? "low" : "med") }
  yield* sql`
    insert into memories (memory_id, text, words, labels, event_id, trace_id, task_id, tool_call_id, channel, actor_id,
                          thread_id, tags, created_at)
    values (${memory_id}::uuid, ${text}, ${vectorOf(text, ...tags)}::tsvector, ${JSON.stringify(labels)}::jsonb,
            ${origin.event_id}::uuid, ${origin.trace_id}::uuid, ${origin.task_id ?? null}::uuid,
            ${origin.tool_call_id}::uuid, ${origin.channel}, ${origin.actor_id}, ${origin.thread_id ?? null},
            ${tags}::text[], ${at})`
  return { memory_id, known: false }
})

/** Notes that they were recalled; one that somebody else notes right now is left to them. */
export const noteRecall = Effect.fnUntraced(function*(memories: ReadonlyArray<Memory>, at: Date) {
  if (memories.length === 0) return
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    with found as (
      select memory_id from memories
      where memory_id = any(${memories.map(({ memory_id }) => memory_id)}::uuid[])
      for update skip locked
    )
    update memories m set recalled = recalled + 1, last_recalled_at = ${at}
    from found f where f.memory_id = m.memory_id`
})

/** Who forgets, and how it is told. */
export interface Forgetting {
  readonly trace_id: string
  readonly refs: AuditRefs
  readonly actor: string
  readonly at: Date
  readonly tell: (fact: Fact) => Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient>
}

/** Deletes the row. What is told of it says whence it came, and nothing of what it said. Answers whether it was there. */
export const erase = Effect.fnUntraced(function*(memory_id: string, { actor, at, refs, tell, trace_id }: Forgetting) {
  const sql = yield* SqlClient.SqlClient
  const [gone] = yield* sql<{
    readonly labels: Memory["labels"]
    readonly channel: string
    readonly trace_id: string
    readonly created_at: Date
    readonly recalled: number
  }>`
    delete from memories where memory_id = ${memory_id}::uuid
    returning labels, channel, trace_id, created_at, recalled`
  if (gone === undefined) return false
  yield* tell({
    type: "memory.forgotten",
    trace_id,
    at,
    summary: `A memory was forgotten; it came from ${gone.channel}.`,
    refs,
    actor,
    data: {
      memory_id,
      trust: gone.labels.trust,
      channel: gone.channel,
      made_in: gone.trace_id,
      made_at: gone.created_at.toISOString(),
      recalled: gone.recalled
    }
  })
  return true
})
