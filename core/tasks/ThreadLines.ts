/**
 * What was said in a thread, as it is told to a model: without known secrets, bounded, and with the trust that it deserves.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Trust } from "../contract/Enums.ts"
import type { ContextFacts, ThreadLine } from "../llm/ContextFacts.ts"
import { isTrustedByOutput, outputTrust } from "../plugin/OutputTrust.ts"
import { Registry } from "../plugin/Registry.ts"
import { worst, worstOf } from "../safety/Provenance.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { type LineRow, outputsOf, type SummaryRow } from "./ContextRows.ts"

/** Of one thing that was said, characters. */
const longestLine = 2_000

/** An event of a thread: what came in, and what was answered. */
export interface ThreadEvent {
  readonly event_id: string
  readonly lines: ReadonlyArray<ThreadLine>
}

export const iso = (at: string): string => new Date(at).toISOString()

export const makeThreadLines = Effect.gen(function*() {
  const redactor = yield* Redactor
  const registry = yield* Registry
  const sql = yield* SqlClient.SqlClient

  /** Without secrets, then no longer than so. */
  const bounded = (text: string, most: number): string => {
    const shown = redactor.redactText(text)
    return shown.length <= most ? shown : `${shown.slice(0, most - 1).toWellFormed()}…`
  }

  /** How far the answers can be trusted that a tool gave: by its output, where the tool says so of each. */
  const trustOfTools = Effect.fnUntraced(function*(rows: ReadonlyArray<LineRow>) {
    const definitionOf = (name: string | null) => name === null ? undefined : registry.tool(name)?.definition
    const judged = rows.filter(({ tool }) => isTrustedByOutput(definitionOf(tool) ?? {}))
    const outputs = judged.length === 0 ? [] : yield* outputsOf(judged)
    return (row: LineRow): Trust => {
      if (row.untrusted) return "untrusted"
      const definition = definitionOf(row.tool)
      // Of a tool that is not there any more nobody knows.
      if (definition === undefined) return row.tool === null ? row.trust : "untrusted"
      if (!judged.includes(row)) return worst(row.trust, definition.trust ?? "operator")
      const own = outputs.filter(({ tool, trace_id }) => trace_id === row.trace_id && tool === row.tool)
      return worstOf([row.trust, ...own.map(({ output }) => outputTrust(definition, output) ?? "untrusted")])
    }
  }, Effect.provideService(SqlClient.SqlClient, sql))

  const linesOf = (row: LineRow, trustOfAnswer: (row: LineRow) => Trust): ReadonlyArray<ThreadLine> => {
    const { answered_at, at, event_id, reply, text, trust } = row
    const said = text === null || text.trim() === "" ? [] : [
      { at: iso(at), by: "person" as const, text: bounded(text, longestLine), trust, event_id }
    ]
    return reply === null || reply.trim() === "" ? said : [...said, {
      at: iso(answered_at ?? at),
      by: "syris" as const,
      text: bounded(reply, longestLine),
      trust: trustOfAnswer(row),
      event_id
    }]
  }

  /** In the order of the rows. */
  const eventsOf = Effect.fnUntraced(function*(rows: ReadonlyArray<LineRow>) {
    const trustOfAnswer = yield* trustOfTools(rows)
    return rows.map((row): ThreadEvent => ({ event_id: row.event_id, lines: linesOf(row, trustOfAnswer) }))
  })

  const summaryOf = ({ events, text, trust }: SummaryRow): NonNullable<ContextFacts["thread"]["summary"]> => ({
    text: redactor.redactText(text),
    trust,
    events
  })

  return { bounded, eventsOf, summaryOf }
})
