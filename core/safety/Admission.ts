/**
 * The two limits that hold across hosts and restarts, taken in the database before a call's intent: the same thing is not
 * done to the same target again within the cooldown, and no more notifications go out in an hour than are allowed, nor
 * more answers to others.
 *
 * - Each limit is one atomic statement: of calls that race, on any host, as many pass as the limit has room for.
 * - What a call has taken is its own: its retries, and whoever takes it up after a crash, pass again.
 * - What was taken by a call that is known not to have been done is free again. A call that was never begun, or of which
 *   nobody knows, keeps it until its time is over.
 * - All times are the database's. A clock that was far ahead and is put right holds nothing up for longer than the limit.
 */
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { digest } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"

export interface AdmissionLimits {
  /** Between two calls that do the same to the same target, milliseconds. 0: no cooldown. */
  readonly cooldownMs: number
  /** At least 1. */
  readonly notificationsPerHour: number
}

export interface CallToAdmit {
  readonly tool_call_id: string
  readonly tool: string
  readonly action: string
  /** None: the cooldown does not concern the call. */
  readonly target: string | undefined
  readonly notification: boolean
  /** An answer to somebody else than the operator: counted apart. */
  readonly answer?: boolean
  readonly trace_id: string
}

export type Admitted = { readonly admitted: true } | {
  readonly admitted: false
  readonly by: "antiflap" | "storm"
  /** Sentences that say when it may be done. */
  readonly reason: string
}

export class Admission extends Context.Service<Admission, {
  /** Whether a call needs something of a limit. */
  readonly limits: (call: Pick<CallToAdmit, "target" | "notification">) => boolean
  /** Takes what the call needs of both limits, or nothing. */
  readonly admit: (call: CallToAdmit) => Effect.Effect<Admitted, SqlError.SqlError>
  /** Whether this host admitted such a call within the cooldown. From memory: a hint for a decision that asks nobody. */
  readonly recent: (tool: string, action: string, target: string) => boolean
  /** The call turned out not done: it is not `recent` any more. */
  readonly forget: (tool_call_id: string) => void
  /** Resolves the alarms of notification limits that have room again, also where nothing more is to be sent. */
  readonly relieve: Effect.Effect<void, SqlError.SqlError>
}>()("syris/safety/Admission") {
  static readonly layer = (limits: AdmissionLimits) => Layer.effect(Admission, make(limits))
}

export const stormAlarm = "notifications.storm"
export const flapAlarm = "antiflap.blocked"

/** One call more than the limit allows. */
class Blocked extends Schema.TaggedError<Blocked>()("Blocked", {
  by: Schema.Literals(["antiflap", "storm"]),
  /** Of its alarm. */
  key: Schema.String,
  reason: Schema.String
}) {}

/** Where the slots of a limit begin. What strangers ask for does not use up what the operator is told with. */
const noticePool = { from: 0, alarm: stormAlarm, what: "notifications" }
const answerPool = { from: 1_000_000, alarm: `${stormAlarm}:answers`, what: "answers" }

/** The alarm of one tool, action and target. */
const flapKey = (key: string): string => `${flapAlarm}:${key}`

const admitted: Admitted = { admitted: true }

// The clock is read after the row was locked: whoever had to wait for it sees how long ago the other was.
const takeCooldown = `
  insert into cooldowns as c (cooldown_key, tool_call_id, at)
  values ($1, $2::uuid, clock_timestamp())
  on conflict (cooldown_key) do update
  set tool_call_id = excluded.tool_call_id, at = clock_timestamp()
  where c.tool_call_id = excluded.tool_call_id
     or c.at not between clock_timestamp() - make_interval(secs => $3::float8)
                     and clock_timestamp() + make_interval(secs => $3::float8)
     -- It is known not to have been done.
     or exists (select 1 from tool_calls t where t.tool_call_id = c.tool_call_id and t.status in ('failed', 'canceled'))
  returning exists (select 1 from alarms a where a.dedupe_key = $4 and a.status <> 'resolved') as alarmed`

// A slot that somebody else is taking right now is passed over: it is not free. A join, and no null: PostgreSQL 18.4 crashed
// where a subquery over a null was looked at again after a lock.
const takeSlot = `
  with free as materialized (
    select n.slot
    from notification_slots n
         left join tool_calls t on t.tool_call_id = n.tool_call_id and t.status in ('failed', 'canceled')
    where n.slot > $4 and n.slot <= $4 + $2
      and (n.tool_call_id = $1::uuid
           or n.at not between clock_timestamp() - interval '1 hour' and clock_timestamp() + interval '1 hour'
           or t.tool_call_id is not null)
    order by n.tool_call_id <> $1::uuid, n.at
    limit 1
    for update of n skip locked)
  update notification_slots s
  set tool_call_id = $1::uuid, at = clock_timestamp()
  from free
  where s.slot = free.slot
  returning exists (select 1 from alarms a where a.dedupe_key = $3 and a.status <> 'resolved') as alarmed`

const hasRoom = `
  select exists (select 1 from alarms a where a.dedupe_key = $1 and a.status <> 'resolved')
         and exists (
           select 1
           from notification_slots n
                left join tool_calls t on t.tool_call_id = n.tool_call_id and t.status in ('failed', 'canceled')
           where n.slot > $3 and n.slot <= $3 + $2
             and (n.at not between clock_timestamp() - interval '1 hour' and clock_timestamp() + interval '1 hour'
                  or t.tool_call_id is not null)) as over`

const secondsUntil = (since: string, span: string): string =>
  `greatest(1, ceil(extract(epoch from ${since} + ${span} - clock_timestamp())))::int`

const cooldownLeft = `
  select greatest(0, floor(extract(epoch from clock_timestamp() - at)))::int   as ago,
         ${secondsUntil("at", "make_interval(secs => $2::float8)")}            as left
  from cooldowns
  where cooldown_key = $1`

const slotLeft = `
  select ${secondsUntil("min(nullif(at, '-infinity'))", "interval '1 hour'")} as left
  from notification_slots
  where slot > $2 and slot <= $2 + $1`

const inWords = (seconds: number): string => seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`

/** A target may be long: what is said of it is not. */
const shown = (target: string): string => target.length > 100 ? `${target.slice(0, 100)}…` : target

/** What one host remembers, at most; the oldest is forgotten first. */
const maximumRemembered = 10_000

const make = Effect.fnUntraced(function*({ cooldownMs, notificationsPerHour }: AdmissionLimits) {
  const alarms = yield* Alarms
  const sql = yield* SqlClient.SqlClient
  const cooldown = cooldownMs / 1000

  const remembered = new Map<string, { readonly tool_call_id: string; readonly at: number }>()
  const keyOf = new Map<string, string>()

  const forgetKey = (key: string): void => {
    const known = remembered.get(key)
    if (known === undefined) return
    remembered.delete(key)
    keyOf.delete(known.tool_call_id)
  }
  const remember = (key: string, tool_call_id: string): void => {
    forgetKey(key)
    remembered.set(key, { tool_call_id, at: performance.now() })
    keyOf.set(tool_call_id, key)
    const [oldest] = remembered.keys()
    if (remembered.size > maximumRemembered && oldest !== undefined) forgetKey(oldest)
  }

  /** Whether an alarm says that something flaps. */
  const cool = Effect.fnUntraced(function*(key: string, { target, tool, tool_call_id }: CallToAdmit) {
    const [taken] = yield* sql.unsafe<{ readonly alarmed: boolean }>(takeCooldown, [
      key,
      tool_call_id,
      cooldown,
      flapKey(key)
    ])
    if (taken !== undefined) return taken.alarmed
    const [{ ago, left } = { ago: 0, left: 1 }] = yield* sql.unsafe<{ readonly ago: number; readonly left: number }>(
      cooldownLeft,
      [key, cooldown]
    )
    return yield* new Blocked({
      by: "antiflap",
      key: flapKey(key),
      reason: `${tool} did this to ${shown(target ?? "")} ${inWords(ago)} ago; again in ${inWords(left)}.`
    })
  })

  /** Whether an alarm says that no notification gets through. */
  const notify = Effect.fnUntraced(function*({ answer, tool_call_id }: CallToAdmit) {
    const pool = answer === true ? answerPool : noticePool
    const [taken] = yield* sql.unsafe<{ readonly alarmed: boolean }>(takeSlot, [
      tool_call_id,
      notificationsPerHour,
      pool.alarm,
      pool.from
    ])
    if (taken !== undefined) return taken.alarmed
    const [{ left } = { left: 1 }] = yield* sql.unsafe<{ readonly left: number }>(slotLeft, [
      notificationsPerHour,
      pool.from
    ])
    return yield* new Blocked({
      by: "storm",
      key: pool.alarm,
      reason:
        `${notificationsPerHour} ${pool.what} were sent in the last hour, and no more are allowed; the next one in ${
          inWords(left)
        }.`
    })
  })

  const admit = Effect.fnUntraced(function*(call: CallToAdmit) {
    const key = call.target === undefined || cooldownMs <= 0
      ? undefined
      : digest(call.tool, call.action, call.target)
    const take = Effect.gen(function*() {
      const flaps = key !== undefined && (yield* cool(key, call))
      return { flaps, storms: call.notification && (yield* notify(call)) }
    })
    const both = key !== undefined && call.notification
    const { flaps, storms } = yield* both ? sql.withTransaction(take) : take
    if (key !== undefined) remember(key, call.tool_call_id)
    if (key !== undefined && flaps) yield* alarms.resolveKey(flapKey(key))
    if (storms) yield* alarms.resolveKey((call.answer === true ? answerPool : noticePool).alarm)
    return admitted
  }, (admitting, { target, tool, tool_call_id, trace_id }) =>
    Effect.catchTag(
      admitting,
      "Blocked",
      Effect.fnUntraced(function*({ by, key, reason }): Effect.fn.Return<Admitted, SqlError.SqlError> {
        yield* alarms.open({
          severity: "warning",
          refs: { tool_call_id },
          trace_id,
          dedupe_key: key,
          ...by === "storm"
            ? {
              type: stormAlarm,
              message: `Notifications are held back. ${reason} Look at what sends so many, or allow more with ` +
                "safety.notificationsPerHour."
            }
            : {
              type: flapAlarm,
              message: `${tool} on ${shown(target ?? "")} is held back. ${reason} Look at what asks for it again and ` +
                "again, or shorten safety.antiflapCooldown."
            }
        })
        return { admitted: false, by, reason }
      })
    ))

  const limited: Admission["Service"]["limits"] = ({ notification, target }) =>
    notification || (target !== undefined && cooldownMs > 0)

  const recent: Admission["Service"]["recent"] = (tool, action, target) => {
    if (remembered.size === 0) return false
    const known = remembered.get(digest(tool, action, target))
    return known !== undefined && performance.now() - known.at < cooldownMs
  }

  const forget = (tool_call_id: string): void => {
    const key = keyOf.get(tool_call_id)
    if (key !== undefined) forgetKey(key)
  }

  yield* sql`
    insert into notification_slots (slot)
    select pool + n
    from generate_series(1, ${notificationsPerHour}::int) n, unnest(array[${noticePool.from}::int, ${answerPool.from}::int]) pool
    on conflict do nothing`
  // Hosts of one database may have cooldowns that differ: what is a day old concerns none of them.
  yield* sql`
    delete from cooldowns where at < clock_timestamp() - greatest(interval '1 day', make_interval(secs => ${cooldown}::float8))`
    .pipe(Effect.ignore, Effect.schedule(Schedule.spaced("1 hour")), Effect.forkScoped)

  const relieve = Effect.forEach(
    [noticePool, answerPool],
    Effect.fnUntraced(function*({ alarm, from }) {
      const [row] = yield* sql.unsafe<{ readonly over: boolean }>(hasRoom, [alarm, notificationsPerHour, from])
      if (row?.over === true) yield* alarms.resolveKey(alarm)
    }),
    { discard: true }
  )

  return Admission.of({ limits: limited, admit, recent, forget, relieve })
})
