/**
 * Fires rules: takes the work that events owe them (`kind` rule) and decides in one transaction what becomes of it.
 *
 * - A rule is fired once for an event, whatever dies in between: its children, what it remembers and its audit rows are
 *   one commit with the end of the work.
 * - Debounce, dedupe, holds and `changed` are decided under the lock of the rule's state, by the database's clock, so
 *   they hold across hosts and restarts.
 * - A rule never acts by itself: each action is a child event in the same trace, routed and gated like every other.
 */
import { Cause, Effect, Layer, Queue, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Audit, type Fact, type Told } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { EventRow, OwedRule } from "../contract/Rows.ts"
import { ruleChannel } from "../contract/RuleChannel.ts"
import { newId } from "../database/Ids.ts"
import { isTransient } from "../database/Transient.ts"
import { Alarms } from "../health/Alarms.ts"
import { HostLease } from "../health/HostLease.ts"
import { madeEvent } from "../pipeline/MadeEvents.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { WorkQueue, type WorkRow } from "../pipeline/WorkQueue.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { worst } from "../safety/Provenance.ts"
import type { CompiledCondition } from "../safety/Condition.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { childrenTold } from "../tools/LedgerStatements.ts"
import { dedupeKeyOf } from "./DedupeKey.ts"
import {
  answerOf,
  basisOf,
  isUrgent,
  markKey,
  maximumTraceEvents,
  nothingSeen,
  type Question,
  type Suppression
} from "./Firing.ts"
import {
  type Child,
  countTraces,
  type Emitted,
  type Hold,
  lockJobs,
  lockMarks,
  lockMemories,
  lockStates,
  type MarkRow,
  ownChildren,
  type RuleJob,
  stillToLook,
  writeDecided
} from "./FiringStatements.ts"
import { conditionOf } from "./LiveRule.ts"
import { madeOf } from "./RuleActions.ts"
import { RuleSet } from "./RuleSet.ts"
import { RuleStorm } from "./RuleStorm.ts"
import { thingOf } from "./Thing.ts"

/** Jobs decided in one transaction. */
const atOnce = 50

/** Before work that failed is tried again, milliseconds; after so many tries it is given up, and told. */
const againAfterMs = 2_000
const maximumTries = 5

/** So often a hold is left to another host that may know its rule; then it is given up. */
const strangeTries = 8

const soon = Schedule.exponential("50 millis").pipe(Schedule.upTo({ times: 5 }))

/** Serves the rules of the work queue for as long as the layer lives. */
export const layer = Layer.effectDiscard(Effect.suspend(() => make))

/** What is asked of one rule for one event. */
interface Prepared extends Omit<Question, "newHold" | "traceEvents"> {
  readonly job: RuleJob
  readonly basis: string
  readonly made: () => ReturnType<typeof madeOf>
}

/** What an attempt has made whose commit is in doubt. */
interface Earlier {
  children: ReadonlyArray<Child>
}

/** Children that this host holds, for whoever takes events up. */
const handedOf = (children: ReadonlyArray<Child>, emitted: ReadonlyArray<Emitted>): ReadonlyArray<WorkRow> => {
  const fences = new Map(emitted.flatMap(({ claimed, event_id, fence }) => claimed ? [[event_id, fence]] : []))
  return children.flatMap(({ event, plan }): ReadonlyArray<WorkRow> => {
    const { event_id, trace_id } = event
    const fence = fences.get(event_id)
    return fence === undefined ? [] : [{
      work_id: event_id,
      kind: "event",
      event_id,
      trace_id,
      fence: Number(fence),
      tries: 0,
      checkpoint: 0,
      wish: null,
      made: { event, action: plan ?? null }
    }]
  })
}

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const { hostId } = yield* HostLease
  const queue = yield* WorkQueue
  const quietHours = yield* QuietHours
  const registry = yield* Registry
  const set = yield* RuleSet
  const settings = yield* Settings
  const settlements = yield* Settlements
  const sql = yield* SqlClient.SqlClient
  const storm = yield* RuleStorm
  const wake = yield* AuditWake

  const jobs = yield* Queue.unbounded<WorkRow>()
  const active = new Set<string>()

  const compiled = ({ definition }: OwedRule) => conditionOf(definition, settings.timezone)

  /** A hold of a rule that is not there any more, or says something else now; or that another host has. */
  const isStrange = ({ basis, rule: { held, rule_id } }: Prepared): boolean => {
    const known = set.byId(rule_id)
    return held === true && (known === undefined || basisOf(known.owed.definition) !== basis)
  }

  const questionOf = (
    job: RuleJob,
    rule: OwedRule,
    condition: CompiledCondition,
    now: Date
  ): Prepared => {
    const { definition, rule_id } = rule
    const subject = set.subjectOf(job.event, rule.held === true ? now : undefined)
    const remembers = rule.stateful === true
    return {
      job,
      rule,
      condition,
      event: job.event,
      seq: job.seq,
      basis: remembers ? basisOf(definition) : "",
      subject,
      thing: remembers ? thingOf(subject, definition.per) : "",
      work_id: job.work_id,
      quiet: definition.quiet_hours === undefined || isUrgent(definition)
        ? undefined
        : quietHours.holding(definition.quiet_hours, now),
      made: () => madeOf(definition, rule_id, subject, registry)
    }
  }

  const decide = Effect.fnUntraced(
    function*(claims: ReadonlyArray<WorkRow>, earlier: Earlier) {
      const locked = yield* lockJobs(claims, hostId)
      if (locked.length === 0) {
        // Not ours any more; or all of it was written, and the answer was lost.
        const handed = handedOf(earlier.children, yield* ownChildren(earlier.children, hostId))
        return { traces: [], fired: [], cascades: [], handed, left: earlier.children.length > 0 }
      }
      const triesOf = (id: string): number => claims.find(({ work_id }) => work_id === id)?.tries ?? 0
      const rules = new Map(
        locked.flatMap((job) =>
          job.rules.map((rule) => [rule.rule_id, { rule_id: rule.rule_id, api: rule.origin === "api" }] as const)
        )
      )
      const { now, states } = yield* lockStates([...rules.values()])
      const owed = locked.flatMap((job) => job.rules.map((rule) => ({ job, rule, condition: compiled(rule) })))
      const unreadable = owed.filter(({ condition }) => condition === undefined)
      const asked = owed.flatMap(({ condition, job, rule }) =>
        condition === undefined ? [] : [questionOf(job, rule, condition, now)]
      )
      const strange = new Set(asked.filter(isStrange))
      const counts = yield* countTraces(
        [...new Set(locked.flatMap(({ event: { depth, trace_id } }) => depth > 0 ? [trace_id] : []))],
        maximumTraceEvents
      )
      const due = asked.filter(({ rule }) => rule.held === true)
      const busy = yield* stillToLook(
        [...new Set(due.map(({ rule }) => rule.rule_id))],
        locked.map((job) => job.work_id)
      )
      const mayBeEnded = ({ job: { at }, rule: { definition: { held_for_ms = 0 }, rule_id } }: Prepared): boolean =>
        (busy.get(rule_id)?.getTime() ?? Infinity) < at.getTime() + held_for_ms
      const postponed = due.flatMap((one) =>
        mayBeEnded(one) || (strange.has(one) && triesOf(one.work_id) < strangeTries) ? [one.work_id] : []
      )
      const wanted = asked.flatMap(({ rule, subject }): ReadonlyArray<MarkRow> => {
        const key = dedupeKeyOf(rule, subject)
        return key === undefined ? [] : [{ rule_id: rule.rule_id, key }]
      })
      const marked = yield* lockMarks(wanted)
      const marks = new Map(marked.map(({ fired_at, key, rule_id }) => [markKey(rule_id, key), fired_at]))
      const memories = yield* lockMemories(
        asked.flatMap(({ basis, rule, thing }) =>
          rule.stateful === true ? [{ rule_id: rule.rule_id, thing, basis }] : []
        )
      )
      const memoryById = new Map(memories.map(({ memory, rule_id, thing }) => [markKey(rule_id, thing), memory]))

      const children: Array<Child> = []
      const holds: Array<Hold> = []
      const ended: Array<string> = []
      const rows: Array<Told> = []
      const fired: Array<string> = []
      const cascades: Array<Prepared> = []
      const tell = (fact: Omit<Fact, "at">): void => void rows.push(audit.row({ ...fact, at: now }))
      for (const { job, rule: { definition: { name }, rule_id } } of unreadable) {
        tell({
          type: "rule.suppressed",
          trace_id: job.event.trace_id,
          summary: suppressedSentence(name, unreadableHere),
          refs: { event_id: job.event.event_id, rule_id },
          data: reasonOf({ reason: "failed", detail: unreadableHere })
        })
      }
      for (const question of asked) {
        if (postponed.includes(question.work_id)) continue
        const { job, rule } = question
        const { event } = job
        const { trace_id: trace } = job.event
        const traceEvents = counts.get(trace) ?? 0
        if (strange.has(question)) {
          const state = states.get(rule.rule_id)
          if (state !== undefined) state.enabled = false
        }
        const answer = answerOf({ ...question, traceEvents, newHold: newId }, {
          now,
          marks,
          stateOf: (id) => states.get(id) ?? { enabled: false, lastFiredAt: undefined, hits: 0, suppressed: 0 },
          memoryOf: (id, thing) => memoryById.get(markKey(id, thing)) ?? nothingSeen()
        })
        const refs = { event_id: event.event_id, rule_id: rule.rule_id }
        const { name } = rule.definition
        const about = { trace_id: job.event.trace_id, refs, actor: `rule ${name}` }
        switch (answer._tag) {
          case "NotMatched":
            if (answer.ended !== undefined) {
              ended.push(answer.ended)
              // One that this batch has just begun is not there yet.
              const begun = holds.findIndex(({ work_id }) => work_id === answer.ended)
              if (begun >= 0) holds.splice(begun, 1)
            }
            break
          case "Holding":
            if (answer.hold_id === undefined) break
            holds.push({
              work_id: answer.hold_id,
              event_id: event.event_id,
              trace_id: job.event.trace_id,
              rules: [{ ...rule, held: true }],
              wait_ms: rule.definition.held_for_ms ?? 0
            })
            break
          case "Suppressed":
            if (answer.reason === "cascade") cascades.push(question)
            tell({
              type: "rule.suppressed",
              ...about,
              summary: suppressedSentence(name, answer.detail),
              data: reasonOf(answer)
            })
            break
          case "Fires": {
            fired.push(rule.rule_id)
            const made: Array<string> = []
            const actions = question.made()
            counts.set(trace, traceEvents + actions.length)
            const maker = {
              name: `The rule ${name}`,
              at: now,
              rejected: about,
              storedRefs: { rule_id: rule.rule_id },
              againRefs: refs,
              data: ({ connector_id }: EventRow) => ({ connector_id, parent_event_id: event.event_id })
            }
            for (const { plan, raw } of actions) {
              const child = yield* madeEvent(audit, maker, raw, {
                parent: event,
                timezone: settings.timezone,
                // What a rule makes is as good as whoever made the rule, and no better than what led to it.
                trustOf: (channel) =>
                  channel === ruleChannel ? rule.trust : worst(rule.trust, registry.trustOf(channel))
              })
              if ("rejected" in child) {
                rows.push(child.rejected)
                continue
              }
              children.push({ ...child, plan })
              rows.push(...childrenTold([child]))
              made.push(child.event.event_id)
            }
            tell({
              type: "rule.triggered",
              ...about,
              summary: `The rule ${name} fired.`,
              data: {
                name,
                children: made,
                ...(rule.held === true ? { held_for_ms: rule.definition.held_for_ms } : {})
              }
            })
          }
        }
      }
      earlier.children = children
      const emitted = yield* writeDecided(
        {
          jobs: locked.map(({ work_id }) => work_id),
          postponed,
          children,
          states,
          marks: marked.flatMap(({ key, rule_id, fired_at }) => {
            const at = marks.get(markKey(rule_id, key))
            return at === undefined || at === fired_at ? [] : [{ rule_id, key, fired_at: at }]
          }),
          memories,
          holds,
          ended,
          rows
        },
        children.length > 0 && queue.hasRoom("event"),
        hostId
      )
      const handed = handedOf(children, emitted)
      return {
        traces: locked.map(({ event }) => event.trace_id),
        fired,
        cascades,
        handed,
        // The queue has to look: at what this host does not hold, and when a hold is due.
        left: emitted.length > handed.length || holds.length > 0 || postponed.length > 0
      }
    },
    sql.withTransaction,
    Effect.provideService(SqlClient.SqlClient, sql)
  )

  /** What follows from a batch, after its commit. */
  const follow = Effect.fnUntraced(function*(
    { cascades, fired, handed, left, traces }: Effect.Success<ReturnType<typeof decide>>
  ) {
    yield* queue.hand(handed)
    if (left) queue.wake()
    yield* wake.wake
    for (const trace of new Set(traces)) settlements.changed(trace)
    storm.fired(fired)
    for (const { job, rule } of cascades) {
      yield* alarms.open({
        type: "rule.cascade",
        severity: "error",
        dedupe_key: `rule.cascade:${rule.rule_id}`,
        message:
          `The rule ${rule.definition.name} leads to itself: the chain was stopped. Change its condition or what it ` +
          `does; see it with: syris trace ${job.event.trace_id}`,
        refs: { rule_id: rule.rule_id, event_id: job.event.event_id },
        trace_id: job.event.trace_id
      }).pipe(Effect.ignoreCause)
    }
  })

  /** Gives work back; what has failed too often is told and given up. */
  const failed = Effect.fnUntraced(function*({ fence, trace_id, event_id, tries, work_id }: WorkRow, error: unknown) {
    yield* Effect.logError(`The rules for the event ${event_id} could not be fired.`, error)
    if (tries + 1 < maximumTries) {
      yield* sql`
        update work
        set claimed_by = null, tries = tries + 1,
            due_at = clock_timestamp() + ${againAfterMs * 2 ** tries}::int * interval '1 millisecond'
        where work_id = ${work_id}::uuid and claimed_by = ${hostId}::uuid and fence = ${fence}`
      return
    }
    yield* sql.withTransaction(Effect.gen(function*() {
      const gone = yield* sql`
        delete from work where work_id = ${work_id}::uuid and claimed_by = ${hostId}::uuid and fence = ${fence}
        returning work_id`
      if (gone.length === 0) return
      const [left] = yield* sql<{ readonly rules: RuleJob["rules"] }>`
        delete from rule_work where work_id = ${work_id}::uuid returning rules`
      // A hold that is given up must not be waited for.
      yield* sql`delete from rule_memory where hold_id = ${work_id}::uuid`
      const why = error instanceof Error ? error.message : String(error)
      yield* audit.append(...(left?.rules ?? []).map(({ definition: { name }, rule_id }): Fact => ({
        type: "rule.suppressed",
        trace_id,
        at: new Date(),
        summary: `The rule ${name} could not be fired: ${why}`.slice(0, 300),
        refs: { event_id, rule_id },
        data: { reason: "failed" satisfies Suppression, detail: why.slice(0, 500) }
      })))
    }))
  })

  const run = (claims: ReadonlyArray<WorkRow>): Effect.Effect<void> =>
    decide(claims, { children: [] }).pipe(
      // One of two that wait for one another was chosen, or the connection is new: nothing was written, or all of it.
      Effect.retry({ schedule: soon, while: isTransient }),
      Effect.flatMap(follow),
      Effect.catchCause((cause) => {
        const error = Cause.squash(cause)
        // The claim stays, until it is found forgotten.
        if (isTransient(error)) return Effect.logWarning("Rules can't be fired: the database is away.")
        const [one, ...more] = claims
        if (one === undefined) return Effect.void
        return more.length === 0
          ? Effect.ignoreCause(failed(one, error))
          : Effect.forEach(claims, (claim) => run([claim]), { discard: true })
      })
    )

  yield* Queue.takeBetween(jobs, 1, atOnce).pipe(
    Effect.flatMap((claims) =>
      Effect.ensuring(
        Effect.uninterruptible(run(claims)),
        Effect.sync(() => claims.forEach(({ work_id }) => active.delete(work_id)))
      )
    ),
    Effect.forever,
    Effect.forkScoped
  )

  yield* queue.serve("rule", {
    resume: (rows) =>
      Effect.sync(() => {
        for (const row of rows) {
          active.add(row.work_id)
          Queue.offerUnsafe(jobs, row)
        }
      }),
    size: () => active.size,
    active: () => [...active]
  })
})

const unreadableHere = "this version of the host can't read it"

const suppressedSentence = (name: string, detail: string): string =>
  `The rule ${name} did nothing: ${detail}.`.slice(0, 300)

const reasonOf = ({ detail, reason }: { readonly reason: Suppression; readonly detail: string }) => ({ reason, detail })
