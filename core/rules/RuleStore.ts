/**
 * The rules as their operator sees and changes them: those of the API are made, changed and removed, those of the
 * configuration and of plugins are only switched off and on.
 *
 * - A change is one transaction with its audit row; every host reads it then.
 * - A rule is graded when it is made or changed, at the worst that it can do (`RuleGrade.ts`).
 */
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit, type Fact } from "../audit/Audit.ts"
import type { Trust } from "../contract/Enums.ts"
import type { Rule, RuleDefinition } from "../contract/Rule.ts"
import { newId } from "../database/Ids.ts"
import { asSentences } from "../plugin/Explain.ts"
import { Registry } from "../plugin/Registry.ts"
import { type ReadRule, readRule } from "../plugin/RuleReading.ts"
import { Settings } from "../plugin/Settings.ts"
import { QuietHours, unknownQuietHours } from "../safety/QuietHours.ts"
import type { LiveRule } from "./LiveRule.ts"
import { RuleDesk } from "./RuleDesk.ts"
import { ruleMistakes } from "./RuleActions.ts"
import { type Grade, gradeOf } from "./RuleGrade.ts"
import { rulesChannel, RuleSet } from "./RuleSet.ts"

export class RuleNotFound extends Schema.TaggedError<RuleNotFound>()("RuleNotFound", { rule_id: Schema.String }) {
  override get message() {
    return `There is no rule ${this.rule_id}.`
  }
}

/** The rule can't be made or changed like this; `detail` is a sentence that says what to change. */
export class RuleRefused extends Schema.TaggedError<RuleRefused>()("RuleRefused", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** It can't be changed from here, or its name is taken; `detail` is a sentence that says what to do. */
export class RuleConflict extends Schema.TaggedError<RuleConflict>()("RuleConflict", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** A definition that was checked, and how bad it can be. */
export interface GradedRule extends ReadRule, Grade {}

/** Who makes or changes a rule, and in which trace. */
export interface RuleAuthor {
  readonly trace_id: string
  readonly trust: Trust
  /** The tool call that does it. */
  readonly made_by?: string
  readonly by: string
}

export class RuleStore extends Context.Service<RuleStore, {
  /** All rules, in the order in which they are looked at. */
  readonly list: Effect.Effect<ReadonlyArray<Rule>, SqlError.SqlError>
  readonly byId: (rule_id: string) => Effect.Effect<Rule, RuleNotFound | SqlError.SqlError>
  /** Checks a body in the shape of HTTP, or in that of code. */
  readonly read: (body: unknown) => Effect.Effect<GradedRule, RuleRefused>
  readonly create: (body: unknown) => Effect.Effect<Rule, RuleRefused | RuleConflict | SqlError.SqlError>
  /** Only what is given changes; `null` takes a field away. */
  readonly patch: (
    rule_id: string,
    changes: Readonly<Record<string, unknown>>
  ) => Effect.Effect<Rule, RuleNotFound | RuleRefused | RuleConflict | SqlError.SqlError>
  readonly remove: (rule_id: string) => Effect.Effect<void, RuleNotFound | RuleConflict | SqlError.SqlError>
}>()("syris/rules/RuleStore") {
  static readonly layer = Layer.effect(RuleStore, Effect.suspend(() => make))
}

/** Stores a rule of the API in the caller's transaction. Answers nothing where its name is taken. */
export const insertRule = Effect.fnUntraced(function*(
  rule: GradedRule,
  { by, made_by, trace_id, trust }: RuleAuthor,
  at: Date,
  tell: (fact: Fact) => Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient>
) {
  const sql = yield* SqlClient.SqlClient
  yield* changed
  const rule_id = newId()
  const { definition, reasons, risk } = rule
  const rows = yield* sql`
    insert into rules (rule_id, name, definition, trust, risk, made_by, trace_id)
    values (${rule_id}, ${definition.name}, ${JSON.stringify(definition)}::jsonb, ${trust}, ${risk},
            ${made_by ?? null}, ${trace_id}::uuid)
    on conflict (lower(name)) do nothing
    returning rule_id`
  if (rows.length === 0) return undefined
  yield* tell({
    type: "operator.rule_created",
    trace_id,
    at,
    summary: `The rule ${definition.name} was made; at its worst it is of risk ${risk}.`,
    refs: { rule_id },
    actor: by,
    data: { name: definition.name, risk, reasons }
  })
  return rule_id
})

/** Switches a rule off or on, in the caller's transaction; `null` takes that word away, and it is as it was written. */
export const switchRule = Effect.fnUntraced(function*(
  { definition: { enabled: written = true, name }, rule_id }: Pick<LiveRule["owed"], "definition" | "rule_id">,
  enabled: boolean | null,
  { by, trace_id }: Pick<RuleAuthor, "by" | "trace_id">,
  at: Date,
  tell: (fact: Fact) => Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient>
) {
  yield* changed
  yield* setEnabled(rule_id, enabled)
  yield* tell({
    type: "operator.rule_changed",
    trace_id,
    at,
    summary: `The rule ${name} was switched ${enabled ?? written ? "on" : "off"}${
      enabled === null ? ", as it was written" : ""
    }.`,
    refs: { rule_id },
    actor: by,
    data: { name, enabled }
  })
})

const setEnabled = Effect.fnUntraced(function*(rule_id: string, enabled: boolean | null) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into rule_states (rule_id, enabled) values (${rule_id}, ${enabled})
    on conflict (rule_id) do update set enabled = excluded.enabled`
  // While it is off it sees nothing: what it remembers would be from before.
  yield* sql`delete from rule_memory where rule_id = ${rule_id}`
})

/** Every host reads the rules again, with the commit. Comes first in a transaction: whoever changes rules is alone then. */
const changed = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`update control set rules_version = rules_version + 1`
  yield* sql`select pg_notify(${rulesChannel}, '')`
})

interface StateRow {
  readonly rule_id: string
  readonly hit_count: bigint
  readonly suppressed_count: bigint
  readonly last_fired_at: Date | null
}

const toRule = (
  { enabled, owed: { definition, origin, rule_id }, risk }: LiveRule,
  state: StateRow | undefined
): Rule => {
  const fired = state?.last_fired_at?.toISOString()
  return {
    ...definition,
    rule_id,
    enabled,
    priority: definition.priority ?? 0,
    stop: definition.stop ?? false,
    debounce_ms: definition.debounce_ms ?? 0,
    origin,
    risk,
    ...(fired === undefined ? {} : { last_fired_at: fired }),
    hit_count: Number(state?.hit_count ?? 0),
    suppressed_count: Number(state?.suppressed_count ?? 0)
  }
}

export const takenName = (name: string): string =>
  `There is a rule named ${JSON.stringify(name)} already: choose another name, or change that one.`

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const desk = yield* RuleDesk
  const quietHours = yield* QuietHours
  const registry = yield* Registry
  const set = yield* RuleSet
  const { file, llm, timezone } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const append = (fact: Fact) => audit.append(fact)

  const statesOf = (ids: ReadonlyArray<string>) =>
    Effect.map(
      sql<StateRow>`
        select rule_id, hit_count, suppressed_count, last_fired_at from rule_states where rule_id = any(${ids}::text[])`,
      (rows) => new Map(rows.map((row) => [row.rule_id, row]))
    )

  const list = Effect.gen(function*() {
    const rules = set.all()
    const states = yield* statesOf(rules.map(({ owed }) => owed.rule_id))
    return rules.map((rule) => toRule(rule, states.get(rule.owed.rule_id)))
  })

  const find = Effect.fnUntraced(function*(rule_id: string) {
    // One that another host has just made.
    if (set.byId(rule_id) === undefined) yield* set.refresh
    return set.byId(rule_id) ?? (yield* new RuleNotFound({ rule_id }))
  })

  const byId = Effect.fnUntraced(function*(rule_id: string) {
    const rule = yield* find(rule_id)
    return toRule(rule, (yield* statesOf([rule_id])).get(rule_id))
  })

  const read = Effect.fnUntraced(function*(body: unknown) {
    const checked = readRule(body, { style: "wire", timezone })
    if (!checked.ok) return yield* new RuleRefused({ detail: asSentences(checked.mistakes) })
    const mistakes = yield* ruleMistakes(checked.value.definition, { quietHours, registry }, "quiet_hours")
    if (mistakes.length > 0) return yield* new RuleRefused({ detail: asSentences(mistakes) })
    return {
      ...checked.value,
      ...(yield* gradeOf(checked.value, { registry, hasModel: llm !== undefined }))
    }
  })

  /** The quiet hours that it names may be so new that this host has not heard of them. */
  const readFresh = Effect.fnUntraced(function*(body: unknown) {
    const named = typeof body === "object" && body !== null && "quiet_hours" in body ? body.quiet_hours : undefined
    if (typeof named === "string") yield* unknownQuietHours(named)
    return yield* read(body)
  }, Effect.provideService(QuietHours, quietHours))

  const create = Effect.fnUntraced(function*(body: unknown) {
    const rule = yield* readFresh(body)
    const author: RuleAuthor = { trace_id: newId(), trust: "operator", by: "operator" }
    const rule_id = yield* sql.withTransaction(insertRule(rule, author, new Date(), append))
    if (rule_id === undefined) return yield* new RuleConflict({ detail: takenName(rule.definition.name) })
    yield* set.refresh
    return yield* Effect.catchTag(byId(rule_id), "RuleNotFound", Effect.die)
  }, Effect.provideService(SqlClient.SqlClient, sql))

  /** Its own words; as they are in the database, where it is one of the API. */
  const definitionNow = Effect.fnUntraced(function*({ definition, origin, rule_id }: LiveRule["owed"]) {
    if (origin !== "api") return definition
    const [row] = yield* sql<{ readonly definition: RuleDefinition }>`
      select definition from rules where rule_id = ${rule_id}`
    return row === undefined ? yield* new RuleNotFound({ rule_id }) : row.definition
  })

  const change = Effect.fnUntraced(function*(owed: LiveRule["owed"], changes: Readonly<Record<string, unknown>>) {
    const { rule_id } = owed
    const { enabled, ...more } = changes
    if (enabled !== undefined && enabled !== null && typeof enabled !== "boolean") {
      return yield* new RuleRefused({ detail: "The field \"enabled\" must be true or false, or null to take it away." })
    }
    if (Object.keys(more).length > 0 && owed.origin !== "api") {
      return yield* new RuleConflict({
        detail: owed.origin === "config"
          ? `The rule ${owed.definition.name} is written in ${file}: change it there. From here it is only switched off and on.`
          : `The rule ${rule_id} belongs to a plugin: it is only switched off and on.`
      })
    }
    const author = { trace_id: newId(), by: "operator" }
    const at = new Date()
    yield* changed
    const known = yield* definitionNow(owed)
    if (Object.keys(more).length === 0) {
      if (enabled !== undefined) yield* switchRule({ rule_id, definition: known }, enabled, author, at, append)
      return
    }
    const rule = yield* readFresh(
      Object.fromEntries(Object.entries({ ...known, ...more }).filter(([, value]) => value !== null))
    )
    const { definition, reasons, risk } = rule
    const clash = yield* sql`
      select 1 from rules where lower(name) = lower(${definition.name}) and rule_id <> ${rule_id}`
    if (clash.length > 0) return yield* new RuleConflict({ detail: takenName(definition.name) })
    yield* sql`
      update rules
      set name = ${definition.name}, definition = ${JSON.stringify(definition)}::jsonb, risk = ${risk},
          updated_at = clock_timestamp()
      where rule_id = ${rule_id}`
    if (enabled !== undefined) yield* setEnabled(rule_id, enabled)
    // What it remembers was seen by another condition; a hold of it ends nowhere.
    yield* sql`delete from rule_memory where rule_id = ${rule_id}`
    yield* append({
      type: "operator.rule_changed",
      trace_id: author.trace_id,
      at,
      summary: `The rule ${definition.name} was changed; at its worst it is of risk ${risk}.`,
      refs: { rule_id },
      actor: author.by,
      data: {
        name: definition.name,
        changed: Object.keys(changes),
        risk,
        reasons,
        ...(enabled === undefined ? {} : { enabled })
      }
    })
  }, Effect.provideService(SqlClient.SqlClient, sql))

  const patch = Effect.fnUntraced(function*(rule_id: string, changes: Readonly<Record<string, unknown>>) {
    const { owed } = yield* find(rule_id)
    yield* sql.withTransaction(change(owed, changes))
    yield* set.refresh
    return yield* byId(rule_id)
  })

  const remove = Effect.fnUntraced(function*(rule_id: string) {
    const { owed } = yield* find(rule_id)
    if (owed.origin !== "api") {
      return yield* new RuleConflict({
        detail: owed.origin === "config"
          ? `The rule ${owed.definition.name} is written in ${file}: remove it there, or switch it off.`
          : `The rule ${rule_id} belongs to a plugin: remove the plugin, or switch the rule off.`
      })
    }
    yield* sql.withTransaction(Effect.gen(function*() {
      yield* changed
      const rows = yield* sql`delete from rules where rule_id = ${rule_id} returning rule_id`
      if (rows.length === 0) return yield* new RuleNotFound({ rule_id })
      for (const table of ["rule_states", "rule_marks", "rule_memory"]) {
        yield* sql`delete from ${sql(table)} where rule_id = ${rule_id}`
      }
      yield* append({
        type: "operator.rule_deleted",
        trace_id: newId(),
        at: new Date(),
        summary: `The rule ${owed.definition.name} was removed.`,
        refs: { rule_id },
        actor: "operator",
        data: { definition: owed.definition }
      })
    }))
    yield* set.refresh
  }, Effect.provideService(SqlClient.SqlClient, sql))

  desk.open({ rules: set.all, read, row: audit.row })
  return RuleStore.of({ list, byId, read, create, patch, remove })
})
