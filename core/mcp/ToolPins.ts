/**
 * What each server's tools were when they were trusted: by the operator, or on first sight. A tool that is not that any more
 * is in quarantine until the operator trusts what it is now; a tool that is gone, or that can't be used as it is, is out.
 *
 * - What is used is the definition that was trusted, never one that a server has just said.
 * - A look at a list is one transaction with its audit rows, its alarms and the word to the other hosts. Hosts that look at
 *   the same server do so one after the other, and only what really changed is written and told.
 * - What has changed is compared line by line when it is shown, and at no other time.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit, type Fact } from "../audit/Audit.ts"
import type { QuarantinedTool, RefusedTool } from "../contract/Integration.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { integrationsChannel } from "../safety/IntegrationSwitches.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { candidatesOf } from "./Candidates.ts"
import { definitionOf, type PinnedTool } from "./Definition.ts"
import { prepare } from "./InputSchema.ts"
import type { ListedTool } from "./McpConnection.ts"
import { lookAt, type PinRow, type Written } from "./PinMoves.ts"
import { type ChangedRow, makeShownDiffs, reasonOf } from "./ShownDiffs.ts"

export type { PinnedTool } from "./Definition.ts"

/** A tool in quarantine, and the pin of what it is now. */
export interface ChangedTool {
  readonly tool: string
  readonly pin: string
}

/** A tool that the server had when it was looked at last, by whichever host. */
export interface StandingTool {
  readonly tool: string
  /** What is trusted. */
  readonly pin: string
  readonly changed_pin: string | null
}

export interface Synced {
  readonly usable: ReadonlyArray<PinnedTool>
  readonly quarantined: ReadonlyArray<ChangedTool>
  /** Pins of what was listed in a form that can be used. */
  readonly listed: ReadonlyMap<string, string>
  readonly refused: ReadonlyArray<RefusedTool>
  /** Whether anything is not as it was when the server was looked at last, by whichever host. */
  readonly changed: boolean
}

/** The server never had a tool of this name that could be used. */
export class McpToolNotFound extends Schema.TaggedError<McpToolNotFound>()("McpToolNotFound", {
  server: Schema.String,
  tool: Schema.String
}) {
  override get message() {
    return `The server ${this.server} has no tool ${JSON.stringify(this.tool)}: see \`syris integrations\`.`
  }
}

/** It is not in quarantine, or not with what was shown; `detail` is a sentence that says what to do. */
export class McpTrustRefused
  extends Schema.TaggedError<McpTrustRefused>()("McpTrustRefused", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

export class ToolPins extends Context.Service<ToolPins, {
  /** What was trusted and was not seen to be otherwise, in the order of names. */
  readonly known: (server: string) => Effect.Effect<ReadonlyArray<PinnedTool>, SqlError.SqlError>
  /** Names and pins alone. */
  readonly standing: (server: string) => Effect.Effect<ReadonlyArray<StandingTool>, SqlError.SqlError>
  /** Holds a list against the pins. `allows`: which of them the operator lets it have; the others are passed over. */
  readonly sync: (
    server: string,
    listed: { readonly tools: ReadonlyArray<ListedTool>; readonly more: boolean },
    allows?: (tool: string) => boolean
  ) => Effect.Effect<Synced, SqlError.SqlError>
  /** What a tool in quarantine is now is trusted from now on. `pin`: of what the operator was shown; needed where that was cut. */
  readonly trust: (
    server: string,
    tool: string,
    pin?: string
  ) => Effect.Effect<PinnedTool, McpToolNotFound | McpTrustRefused | SqlError.SqlError>
  /** With what a person needs to decide. */
  readonly quarantined: (server: string) => Effect.Effect<ReadonlyArray<QuarantinedTool>, SqlError.SqlError>
}>()("syris/mcp/ToolPins") {
  static readonly layer = Layer.effect(ToolPins, Effect.suspend(() => make))
}

/** Alarms of one look; above that one more stands for the rest. */
const maximumAlarms = 25
/** Names in one audit row. */
const maximumNames = 50
/** Audit rows of one look for tools in quarantine; above that one more stands for the rest. */
const maximumRows = 50
/** Characters of all the diffs of a server. */
const maximumDiffs = 524_288
/** What may be spent on diffs that were not shown before, of one server at once, milliseconds. */
const maximumMs = 500
/** Definitions that are read at once. */
const readAtOnce = 25
const tooMuch = "Too much has changed to be shown at once: ask again, or decide about the others first."

const alarmType = "mcp.tool_quarantined"
/** One alarm for all that have none of their own. */
const restKey = (server: string): string => `mcp.${server}`
const alarmKey = (server: string, tool: string): string => `mcp.${server}.${tool}`

const pinned = ({ definition, pin, tool, trusted_by }: PinRow): PinnedTool => ({
  tool,
  pin,
  definition: definitionOf(definition),
  vouched: trusted_by === "operator"
})

const inOrder = (a: { readonly tool: string }, b: { readonly tool: string }): number =>
  a.tool < b.tool ? -1 : a.tool > b.tool ? 1 : 0

/** What was trusted of a server last, whether it is still so or not: for who looks back. */
export const everTrusted = Effect.fnUntraced(function*(server: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<PinRow>`
    select tool, pin, definition, trusted_by, changed_pin, changed, present from mcp_tools where server = ${server} order by tool`
  return rows.map(pinned)
})

const bounded = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.length <= maximumNames
    ? names
    : [...names.slice(0, maximumNames), `… ${names.length - maximumNames} more`]

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient

  const columns = sql.literal("tool, pin, definition, trusted_by, changed_pin, changed, present")
  const rowsOf = (server: string) =>
    sql<PinRow>`select ${columns} from mcp_tools where server = ${server} order by tool`

  const diffs = makeShownDiffs()
  /** With the commit, every host holds what it uses against the pins. */
  const tellHosts = sql`select pg_notify(${integrationsChannel}, '')`

  /** Until the end of the transaction nobody else looks at the server, or trusts a tool of it. */
  const lock = (server: string) => sql`select pg_advisory_xact_lock(hashtextextended(${`mcp.tools.${server}`}, 0))`

  const write = (server: string, written: ReadonlyArray<Written>) =>
    sql.unsafe(
      `insert into mcp_tools as t
         (server, tool, pin, definition, trusted_at, trusted_by, changed_pin, changed, changed_at, present)
       select $1, r.tool, r.pin, r.definition, clock_timestamp(), 'first sight', r.changed_pin, r.changed,
              case when r.changed_pin is not null then clock_timestamp() end, r.present
       from json_to_recordset($2::json)
         as r(tool text, pin text, definition json, changed_pin text, changed json, present boolean)
       order by r.tool
       on conflict (server, tool) do update
       set changed_pin = excluded.changed_pin, changed = excluded.changed, changed_at = excluded.changed_at,
           present = excluded.present`,
      [server, JSON.stringify(written)]
    )

  const alarm = Effect.fnUntraced(function*(server: string, tools: ReadonlyArray<string>, trace_id: string) {
    const [own, rest] = [tools.slice(0, maximumAlarms), tools.slice(maximumAlarms)]
    for (const tool of own) {
      yield* alarms.open({
        type: alarmType,
        severity: "warning",
        dedupe_key: alarmKey(server, tool),
        message:
          `The tool ${tool} of the server ${server} is not what you trusted, so it is not called. Look at it with ` +
          `\`syris mcp diff ${server} ${tool}\`, then \`syris mcp trust ${server} ${tool}\`.`,
        trace_id
      })
    }
    if (rest.length === 0) return
    yield* alarms.open({
      type: alarmType,
      severity: "warning",
      dedupe_key: restKey(server),
      message:
        `${rest.length} more tools of the server ${server} are not what you trusted, so they are not called. Look at ` +
        `them with \`syris mcp diff ${server}\`.`,
      trace_id
    })
  })

  const silence = Effect.fnUntraced(function*(server: string, tools: ReadonlyArray<string>, isLast: boolean) {
    if (tools.length === 0) return
    const keys = [...tools.map((tool) => alarmKey(server, tool)), ...(isLast ? [restKey(server)] : [])]
    const open = yield* sql<{ readonly dedupe_key: string }>`
      select dedupe_key from alarms
      where status <> 'resolved' and ${sql.in("dedupe_key", keys)}
      order by dedupe_key`
    for (const { dedupe_key } of open) yield* alarms.resolveKey(dedupe_key)
  })

  const sync: ToolPins["Service"]["sync"] = Effect.fnUntraced(function*(server, listed, allows = () => true) {
    yield* Effect.promise(prepare)
    const before = yield* sql<StandingTool>`select tool, pin, changed_pin from mcp_tools where server = ${server}`
    const seen = new Set(before.flatMap(({ changed_pin, pin }) => changed_pin === null ? [pin] : [pin, changed_pin]))
    const found = yield* candidatesOf(listed, allows, (pin) => seen.has(pin)).pipe(
      Effect.provideService(Redactor, redactor)
    )
    return yield* sql.withTransaction(Effect.gen(function*() {
      yield* lock(server)
      const { added, gone, quarantined, returned, rows, silent, written } = lookAt(
        yield* rowsOf(server),
        found.usable,
        allows
      )
      const changed = written.length > 0
      const inQuarantine = [...rows.values()].flatMap(({ changed_pin, tool }) =>
        changed_pin === null ? [] : [{ tool, pin: changed_pin }]
      ).toSorted(inOrder)
      if (changed) {
        const trace_id = newId()
        const at = new Date(yield* Clock.currentTimeMillis)
        yield* write(server, written)
        const counts = [
          ...(added.length === 0 ? [] : [`${added.length} new`]),
          ...(quarantined.length === 0 ? [] : [`${quarantined.length} not as trusted`]),
          ...(returned.length === 0 ? [] : [`${returned.length} back as trusted`]),
          ...(gone.length === 0 ? [] : [`${gone.length} gone`])
        ]
        const told: ReadonlyArray<Fact> = [
          {
            type: "mcp.tools_synced",
            trace_id,
            at,
            summary: `The tools of the server ${server} are not what they were: ${counts.join(", ")}.`,
            data: {
              server,
              added: bounded(added),
              quarantined: bounded(quarantined),
              returned: bounded(returned),
              gone: bounded(gone),
              refused: found.refused.length
            }
          },
          ...quarantined.slice(0, maximumRows).flatMap((tool): ReadonlyArray<Fact> => {
            const row = rows.get(tool)
            if (row === undefined || row.changed === null) return []
            return [{
              type: "mcp.tool_quarantined",
              trace_id,
              at,
              tool: `mcp.${server}.${tool}`,
              summary: `mcp.${server}.${tool} is in quarantine. ${reasonOf(row.definition, row.changed)}`,
              data: { server, tool, pin: row.changed_pin, trusted: row.pin }
            }]
          }),
          ...(quarantined.length <= maximumRows ? [] : [
            {
              type: "mcp.tool_quarantined",
              trace_id,
              at,
              summary:
                `${quarantined.length - maximumRows} more tools of the server ${server} are in quarantine: see ` +
                `\`syris mcp diff ${server}\`.`,
              data: { server, more: quarantined.length - maximumRows }
            } satisfies Fact
          ])
        ]
        yield* audit.append(...told)
        yield* silence(server, silent, inQuarantine.length === 0)
        yield* alarm(server, quarantined, trace_id)
        yield* tellHosts
      }
      return {
        usable: [...rows.values()].filter(({ changed_pin, present, tool }) =>
          present && changed_pin === null && found.usable.has(tool)
        ).map(pinned).toSorted(inOrder),
        quarantined: inQuarantine,
        listed: new Map([...found.usable.values()].map(({ pin, tool }) => [tool, pin])),
        refused: found.refused,
        changed
      } satisfies Synced
    }))
  })

  const trust: ToolPins["Service"]["trust"] = Effect.fnUntraced(function*(server, tool, pin) {
    yield* lock(server)
    const rows = yield* rowsOf(server)
    const row = rows.find((one) => one.tool === tool)
    if (row === undefined) return yield* new McpToolNotFound({ server, tool: tool.slice(0, 200) })
    const name = `mcp.${server}.${tool}`
    if (row.changed_pin === null || row.changed === null) {
      return yield* new McpTrustRefused({
        detail: row.present
          ? `${name} is what you trusted: there is nothing to decide.`
          : `The server ${server} does not have ${name} now, or not in a form that can be used.`
      })
    }
    if (pin !== undefined && pin !== row.changed_pin) {
      return yield* new McpTrustRefused({
        detail:
          `${name} is not what you were shown any more: look at it again with \`syris mcp diff ${server} ${tool}\`.`
      })
    }
    if (pin === undefined && diffs.make(row as ChangedRow).isCut) {
      return yield* new McpTrustRefused({
        detail:
          `What has changed of ${name} is too long to be shown whole, so it is trusted by its pin alone: look at it ` +
          `with \`syris mcp diff ${server} ${tool}\`, and give the pin that is shown there as \`pin\`.`
      })
    }
    yield* sql`
      update mcp_tools
      set pin = changed_pin, definition = changed, trusted_at = clock_timestamp(), trusted_by = 'operator',
          changed_pin = null, changed = null, changed_at = null
      where server = ${server} and tool = ${tool}`
    yield* audit.append({
      type: "operator.mcp_tool_trusted",
      trace_id: newId(),
      at: new Date(yield* Clock.currentTimeMillis),
      actor: "operator",
      tool: name,
      summary: `You trust ${name} as it is now.`,
      data: { server, tool, pin: row.changed_pin, before: row.pin }
    })
    yield* silence(server, [tool], rows.every((one) => one.tool === tool || one.changed_pin === null))
    yield* tellHosts
    return { tool, pin: row.changed_pin, definition: definitionOf(row.changed), vouched: true }
  }, sql.withTransaction)

  const quarantined = Effect.fnUntraced(function*(server: string) {
    const rows = (yield* sql<StandingTool>`
      select tool, pin, changed_pin from mcp_tools where server = ${server} and changed_pin is not null`).toSorted(
      inOrder
    )
    const shown: Array<QuarantinedTool> = []
    let [left, leftMs] = [maximumDiffs, maximumMs]
    for (let i = 0; i < rows.length; i += readAtOnce) {
      const some = rows.slice(i, i + readAtOnce)
      const unseen = some.filter(({ changed_pin, pin }) => diffs.kept(pin, changed_pin ?? "") === undefined)
      if (left > 0 && leftMs > 0 && unseen.length > 0) {
        const read = yield* sql<ChangedRow>`
          select pin, definition, changed_pin, changed from mcp_tools
          where server = ${server} and changed_pin is not null and ${sql.in("tool", unseen.map(({ tool }) => tool))}
          order by tool`
        for (const row of read) {
          yield* Effect.yieldNow
          if (leftMs <= 0) break
          const began = performance.now()
          diffs.make(row)
          leftMs -= performance.now() - began
        }
      }
      for (const { changed_pin, pin, tool } of some) {
        if (changed_pin === null) continue
        const made = left > 0 ? diffs.kept(pin, changed_pin) : undefined
        left -= made?.text.length ?? 0
        const { reason, text: diff } = made ?? { reason: "It is not what was trusted.", text: tooMuch }
        shown.push({ tool, reason, diff, pin: changed_pin })
      }
    }
    return shown
  })

  return ToolPins.of({
    known: (server) =>
      Effect.map(
        rowsOf(server),
        (rows) =>
          rows.filter(({ changed_pin, present }) => present && changed_pin === null).map(pinned)
            .toSorted(inOrder)
      ),
    sync,
    trust,
    standing: (server) =>
      sql<StandingTool>`select tool, pin, changed_pin from mcp_tools where server = ${server} and present`,
    quarantined
  })
})
