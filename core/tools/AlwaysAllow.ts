/**
 * "Always allow this": from an approval to a standing rule over exactly its arguments. Where no fields are named all are
 * pinned as they were, and what was not there must stay away: a rule never grows over what was shown, nor over its risk.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { StandingRule } from "../contract/StandingRule.ts"
import type { Risk, Trust } from "../contract/Enums.ts"
import type { Condition } from "../plugin/Configuration.ts"
import { asSentences, unknownKey } from "../plugin/Explain.ts"
import { closedFieldsOf } from "../plugin/InputFields.ts"
import { Registry } from "../plugin/Registry.ts"
import { Standing, StandingRefused } from "../safety/Standing.ts"
import { isUuid } from "../database/Ids.ts"

export class AlwaysAllowRefused
  extends Schema.TaggedError<AlwaysAllowRefused>()("AlwaysAllowRefused", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

export interface FromApproval {
  readonly approval_id: string
  /** The fields of the input that the rule is about, the others may be anything. Default: all, as they were shown. */
  readonly fields?: ReadonlyArray<string> | undefined
  /** Milliseconds. Default 30 days. */
  readonly for_ms?: number | undefined
  readonly reason?: string | undefined
  readonly by: string
}

/** How long a standing rule holds where nobody says it: 30 days, milliseconds. */
export const defaultRuleMs = 30 * 86_400_000

export class AlwaysAllow extends Context.Service<AlwaysAllow, {
  readonly fromApproval: (
    given: FromApproval
  ) => Effect.Effect<StandingRule, AlwaysAllowRefused | StandingRefused | SqlError.SqlError>
}>()("syris/tools/AlwaysAllow") {
  static readonly layer = Layer.effect(AlwaysAllow, Effect.suspend(() => make))
}

/** A key as a part of a path. */
const escaped = (key: string): string => key.replaceAll("\\", "\\\\").replaceAll(".", "\\.")

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The condition that an input has to fulfil. `known` are the fields that the tool takes, where that can be told. */
export const conditionOf = (
  what: unknown,
  known: ReadonlyArray<string> | undefined,
  fields: ReadonlyArray<string> | undefined
): Condition => {
  const input = isRecord(what) ? what : {}
  // What else may come nobody knows: then nothing else may.
  if (fields === undefined && known === undefined) return { path: "input", op: "eq", value: input }
  const pinned = fields ?? Object.keys(input)
  const absent = fields === undefined ? (known ?? []).filter((key) => !(key in input)) : []
  return {
    all: [
      ...pinned.map((key) => ({ path: `input.${escaped(key)}`, op: "eq" as const, value: input[key] })),
      ...absent.map((key) => ({ path: `input.${escaped(key)}`, op: "exists" as const, value: false }))
    ]
  }
}

const make = Effect.gen(function*() {
  const registry = yield* Registry
  const sql = yield* SqlClient.SqlClient
  const standing = yield* Standing

  const fromApproval = Effect.fnUntraced(function*({ approval_id, by, fields, for_ms, reason }: FromApproval) {
    const refuse = (detail: string) => new AlwaysAllowRefused({ detail })
    const [row] = isUuid(approval_id)
      ? yield* sql<{
        readonly tool: string
        readonly what: unknown
        readonly risk: Risk
        readonly trust: Trust | null
        readonly trace_id: string
        readonly status: string
      }>`
        select tool, what, risk, labels ->> 'trust' as trust, trace_id, status from approvals where approval_id = ${approval_id}::uuid`
      : []
    if (row === undefined) return yield* refuse(`There is no approval ${approval_id}.`)
    if (row.status !== "pending" && row.status !== "approved" && row.status !== "consumed") {
      return yield* refuse(
        `This approval is ${row.status}: only what was approved, or waits for it, can be allowed always.`
      )
    }
    const tool = registry.tool(row.tool)
    if (tool === undefined) return yield* refuse(`There is no tool ${row.tool} any more.`)
    if (tool.operatorOnly) return yield* refuse(`${row.tool} is the operator's own: it is asked about each time.`)
    if (tool.actsLater?.(row.what, { trust: row.trust ?? "untrusted" }) === true) {
      return yield* refuse(`${row.tool} makes something that acts later: it is asked about each time.`)
    }
    const input = isRecord(row.what) ? row.what : {}
    const keys = Object.keys(input)
    const strange = fields?.find((field) => !keys.includes(field))
    if (strange !== undefined) {
      return yield* refuse(asSentences([`in what was shown ${unknownKey(strange, keys, "field")}`]))
    }
    if (fields?.length === 0 || keys.length === 0) {
      return yield* refuse(
        `${row.tool} was asked for without input, so a rule would be over the whole tool. Write it in \`policy\` in the ` +
          "configuration if that is what you want."
      )
    }
    const { risk } = row
    if (risk === "critical") {
      return yield* refuse(`A call of critical risk is asked about each time: ${row.tool} can't be allowed always.`)
    }
    return yield* standing.create({
      tool: row.tool,
      when: conditionOf(row.what, closedFieldsOf(tool.inputSchema), fields),
      risk,
      for_ms: for_ms ?? defaultRuleMs,
      reason,
      approval_id,
      by,
      trace_id: row.trace_id
    })
  })

  return AlwaysAllow.of({ fromApproval })
})
