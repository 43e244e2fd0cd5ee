/**
 * What the operator has said beforehand: the policies of the configuration, and the standing rules that "always allow
 * this" made. In memory for the gates; the database is the truth, and its policy version goes with every intent.
 *
 * - A standing rule is over a tool and its arguments, never over a whole tool; it has an end, and can be revoked.
 * - It spares the question that the matrix would ask. It never lifts an override, and what the configuration says wins.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, sealCursor } from "../audit/Page.ts"
import type { Risk } from "../contract/Enums.ts"
import type { StandingRule } from "../contract/StandingRule.ts"
import { isUuid, newId } from "../database/Ids.ts"
import { keepFresh, Notifications } from "../database/Notifications.ts"
import type { Condition } from "../plugin/Configuration.ts"
import { withStop } from "../plugin/Explain.ts"
import { Settings } from "../plugin/Settings.ts"
import { controlChannel } from "./Control.ts"
import { compilePolicyCondition, makePolicy, policyHash, type PolicyRule } from "./Policy.ts"

/** The rule can't be made as it was asked for; `detail` says what to change. */
export class StandingRefused
  extends Schema.TaggedError<StandingRefused>()("StandingRefused", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

export class StandingNotFound
  extends Schema.TaggedError<StandingNotFound>()("StandingNotFound", { policy_id: Schema.String })
{
  override get message() {
    return `There is no standing rule ${this.policy_id}, or it has ended.`
  }
}

export interface NewStandingRule {
  readonly tool: string
  readonly when: Condition
  readonly risk: Exclude<Risk, "critical">
  /** From now, milliseconds: 1 second to 1 year. */
  readonly for_ms: number
  readonly reason?: string | undefined
  readonly approval_id?: string | undefined
  readonly by: string
  /** The trace that it belongs to; its own where there is none. */
  readonly trace_id?: string | undefined
}

const longestMs = 366 * 86_400_000

/** Whether a condition names a value of the input: without one it would be over the whole tool. */
const namesInput = (condition: Condition): boolean => {
  if ("path" in condition) {
    const { op, path, value } = condition
    // All of the input, as it was.
    if (path === "input") return op === "eq"
    if (!path.startsWith("input.")) return false
    return ["eq", "in", "starts_with", "ends_with"].includes(op) ||
      (op === "matches" && typeof value === "string" && /[^*?]/.test(value))
  }
  if ("all" in condition) return condition.all.some(namesInput)
  return "any" in condition && condition.any.length > 0 && condition.any.every(namesInput)
}

interface Row {
  readonly policy_id: string
  readonly tool: string
  readonly when: Condition
  readonly risk: Exclude<Risk, "critical">
  readonly reason: string | null
  readonly approval_id: string | null
  readonly created_by: string
  readonly created_at: Date
  readonly expires_at: Date
  readonly revoked_at: Date | null
}

const toRule = (row: Row): StandingRule => ({
  policy_id: row.policy_id,
  tool: row.tool,
  when: row.when,
  risk: row.risk,
  created_by: row.created_by,
  created_at: row.created_at.toISOString(),
  expires_at: row.expires_at.toISOString(),
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.approval_id === null ? {} : { approval_id: row.approval_id }),
  ...(row.revoked_at === null ? {} : { revoked_at: row.revoked_at.toISOString() })
})

/** One as JSON has it. */
export interface StandingJson {
  readonly policy_id: string
  readonly tool: string
  readonly when: unknown
  readonly risk: Risk
  readonly expires_at: string
  readonly reason?: string | null
}

/** As the gates have it; nothing where its condition can't be read any more. */
export const standingPolicy = (rule: StandingJson, timezone: string): ReadonlyArray<PolicyRule> => {
  const { expires_at, policy_id, reason, risk, tool } = rule
  const when = compilePolicyCondition(rule.when, "condition", { timezone })
  return when.ok
    ? [{
      id: policy_id,
      tool,
      when: when.value,
      risk,
      origin: "standing",
      expiresAt: Date.parse(expires_at),
      hash: policyHash({ tool, when: when.value, risk }),
      ...(reason === undefined || reason === null ? {} : { reason })
    }]
    : []
}

export class Standing extends Context.Service<Standing, {
  /** From memory. */
  readonly match: ReturnType<typeof makePolicy>["match"]
  /** The policy version that memory has. */
  readonly version: () => number
  readonly refresh: Effect.Effect<void, SqlError.SqlError>
  /** Those that have not ended, newest first. `limit` 1 to 500. */
  readonly page: (page: PageRequest) => Effect.Effect<Page<StandingRule>, CursorInvalid | SqlError.SqlError>
  readonly byId: (policy_id: string) => Effect.Effect<StandingRule | undefined, SqlError.SqlError>
  readonly create: (rule: NewStandingRule) => Effect.Effect<StandingRule, StandingRefused | SqlError.SqlError>
  readonly revoke: (
    policy_id: string,
    by: string
  ) => Effect.Effect<StandingRule, StandingNotFound | SqlError.SqlError>
}>()("syris/safety/Standing") {
  static readonly layer = Layer.effect(Standing, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const notifications = yield* Notifications
  const settings = yield* Settings
  const sql = yield* SqlClient.SqlClient
  let version = 0
  let policy = makePolicy(settings.policy)

  const columns = sql.literal(
    `policy_id, tool, "when", risk, reason, approval_id, created_by, created_at, expires_at, revoked_at`
  )

  const page = Effect.fnUntraced(function*({ cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("policy", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const rows = yield* sql<Row>`
      select ${columns}
      from policies
      where revoked_at is null and expires_at > clock_timestamp()
        and ${before === undefined ? sql`true` : sql`policy_id < ${before}::uuid`}
      order by policy_id desc
      limit ${limit + 1}`
    return pageOf(rows, limit, toRule, (last) => sealCursor("policy", last.policy_id))
  })

  const byId = (policy_id: string) =>
    Effect.map(
      sql<Row>`select ${columns} from policies where policy_id = ${policy_id}::uuid`,
      ([row]) => row === undefined ? undefined : toRule(row)
    )

  // One statement: the version that intents are checked against, and the rules that were there with it.
  const refresh = Effect.map(
    sql<{ readonly version: bigint; readonly rules: ReadonlyArray<StandingJson> | null }>`
      select (select policy_version from control) as version, (
               select jsonb_agg(to_jsonb(p)) from policies p
               where p.revoked_at is null and p.expires_at > clock_timestamp()) as rules`,
    ([row]) => {
      const known = Number(row?.version ?? 0)
      if (known === version) return
      const standing = (row?.rules ?? []).flatMap((rule) => standingPolicy(rule, settings.timezone))
      policy = makePolicy([...settings.policy, ...standing])
      version = known
    }
  )
  yield* keepFresh(controlChannel, refresh)
  yield* refresh

  /** In the caller's transaction: what was judged before is judged again. */
  const changed = Effect.gen(function*() {
    yield* sql`update control set policy_version = policy_version + 1`
    yield* notifications.notify(controlChannel, "")
  })

  const create = Effect.fnUntraced(function*(rule: NewStandingRule) {
    const when = compilePolicyCondition(rule.when, "condition", { timezone: settings.timezone })
    if (!when.ok) return yield* new StandingRefused({ detail: withStop(`The rule can't be used: ${when.mistakes[0]}`) })
    if (!namesInput(rule.when)) {
      return yield* new StandingRefused({
        detail: `A standing rule says for which input of ${rule.tool} it holds: name a value of input.… with eq, in, ` +
          "starts_with, ends_with or matches."
      })
    }
    if (!(rule.for_ms >= 1_000 && rule.for_ms <= longestMs)) {
      return yield* new StandingRefused({ detail: "A standing rule holds for 1 second to 366 days." })
    }
    const fixed = settings.policy.find((one) => one.tool === rule.tool && one.when === undefined)
    if (fixed !== undefined) {
      return yield* new StandingRefused({
        detail:
          `The configuration says what ${rule.tool} is: ${fixed.risk}. Change the policy there; a standing rule ` +
          "would never be asked."
      })
    }
    const policy_id = newId()
    const now = yield* Clock.currentTimeMillis
    const [row] = yield* Effect.gen(function*() {
      const made = yield* sql<Row>`
        insert into policies (policy_id, tool, "when", risk, reason, approval_id, created_by, created_at, expires_at)
        values (${policy_id}, ${rule.tool}, ${JSON.stringify(rule.when)}::jsonb, ${rule.risk}, ${rule.reason ?? null},
                ${rule.approval_id ?? null}::uuid, ${rule.by}, clock_timestamp(),
                clock_timestamp() + make_interval(secs => ${rule.for_ms / 1000}::float8))
        returning ${columns}`
      yield* audit.append({
        type: "operator.policy_created",
        trace_id: rule.trace_id ?? newId(),
        at: new Date(now),
        summary: `${rule.tool} runs without asking for what a standing rule says, up to risk ${rule.risk}, until ${
          made[0]?.expires_at.toISOString() ?? ""
        }.`,
        ...(rule.approval_id === undefined ? {} : { refs: { approval_id: rule.approval_id } }),
        actor: rule.by,
        tool: rule.tool,
        data: {
          policy_id,
          when: rule.when,
          risk: rule.risk,
          ...(rule.reason === undefined ? {} : { reason: rule.reason })
        }
      })
      yield* changed
      return made
    }).pipe(sql.withTransaction)
    yield* refresh
    return row === undefined ? yield* Effect.die(new Error("A standing rule was made and is not there.")) : toRule(row)
  })

  const revoke = Effect.fnUntraced(function*(policy_id: string, by: string) {
    const rule = yield* Effect.gen(function*() {
      const [row] = yield* sql<Row>`
        update policies set revoked_at = clock_timestamp()
        where policy_id = ${policy_id}::uuid and revoked_at is null and expires_at > clock_timestamp()
        returning ${columns}`
      if (row === undefined) return yield* new StandingNotFound({ policy_id })
      yield* audit.append({
        type: "operator.policy_revoked",
        trace_id: newId(),
        at: new Date(yield* Clock.currentTimeMillis),
        summary: `A standing rule over ${row.tool} was revoked.`,
        actor: by,
        tool: row.tool,
        data: { policy_id }
      })
      yield* changed
      return toRule(row)
    }).pipe(sql.withTransaction)
    yield* refresh
    return rule
  })

  return Standing.of({
    match: (tool, subject, now) => policy.match(tool, subject, now),
    version: () => version,
    refresh,
    page,
    byId,
    create,
    revoke
  })
})
