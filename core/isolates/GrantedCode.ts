/**
 * The code that grants name, kept in the database for as long as one does, and what differs between two of it.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Diff } from "../contract/LineDiff.ts"
import { Redactor } from "../secrets/Redactor.ts"
import type { CodeFile, TakenCode } from "./CodeSnapshot.ts"
import { packTexts, readTexts, unpackTexts } from "./CodeTexts.ts"
import { diffOfCode } from "./GrantDiff.ts"
import type { GrantRow } from "./GrantRows.ts"

interface CodeRow {
  readonly hash: string
  readonly files: ReadonlyArray<CodeFile>
  readonly texts: Uint8Array
}

/** Kept of what was compared. */
const keptDiffs = 50

export const grantedCode = Effect.gen(function*() {
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient

  /** Its texts, packed; nothing where the database has them. */
  const pack = Effect.fnUntraced(function*(code: TakenCode) {
    const known = yield* sql`select 1 from plugin_code where hash = ${code.hash}`
    return known.length > 0 ? undefined : yield* Effect.promise(async () => packTexts(await readTexts(code)))
  })
  /** It is there before a row names it. `packed`: what `pack` gave. */
  const store = Effect.fnUntraced(function*(code: TakenCode, packed: Uint8Array | undefined) {
    // Another host may have swept it in between.
    const texts = packed ?? (yield* pack(code))
    if (texts === undefined) return
    yield* sql`
      insert into plugin_code (hash, files, texts, taken_at)
      values (${code.hash}, ${JSON.stringify(code.files)}::jsonb, ${Buffer.from(texts)}::bytea, clock_timestamp())
      on conflict (hash) do nothing`
  })
  /** What nobody names any more goes with the next move. */
  const sweep = sql`
    delete from plugin_code c
    where not exists (select 1 from plugin_grants g where g.hash = c.hash)
      and not exists (select 1 from plugin_grants g where g.held_hash = c.hash)`

  const codeOf = (hash: string) =>
    Effect.map(sql<CodeRow>`select hash, files, texts from plugin_code where hash = ${hash}`, ([row]) => row)

  const shown = ({ isCut, text }: Diff): Diff => ({ isCut, text: redactor.redactText(text) })
  const diffs = new Map<string, Diff>()
  /** What is held against what is granted; nothing where nothing is held. */
  const diff = Effect.fnUntraced(function*(row: GrantRow) {
    if (row.held_hash === null) return undefined
    const key = JSON.stringify([row.hash, row.held_hash, row.asks, row.held_asks])
    const known = diffs.get(key)
    if (known !== undefined) return shown(known)
    const [before, now] = [yield* codeOf(row.hash), yield* codeOf(row.held_hash)]
    if (before === undefined || now === undefined) return undefined
    const [was, is] = yield* Effect.promise(() => Promise.all([unpackTexts(before.texts), unpackTexts(now.texts)]))
    const found = diffOfCode(
      { files: before.files, texts: was, asks: row.asks ?? undefined },
      { files: now.files, texts: is, asks: row.held_asks ?? undefined }
    )
    diffs.set(key, found)
    for (const oldest of diffs.keys()) {
      if (diffs.size <= keptDiffs) break
      diffs.delete(oldest)
    }
    return shown(found)
  })

  return { pack, store, sweep, diff }
})

export type GrantedCode = Effect.Success<typeof grantedCode>
