/**
 * The operator's hand on the whole system: autonomy, pause, resume.
 *
 * - The change and its audit row are one transaction; what is so already changes nothing and leaves no row.
 * - `pause` returns when no new effect can begin: every host that lives has heeded it. Those that did not within 10 s are
 *   named; such a host is frozen, or an effect of it has been about to begin for so long.
 */
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { Autonomy } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import { Control, type ControlState } from "./Control.ts"
import { type Moved, moveAutonomy, pauseAll, resumeAll, type Word } from "./ControlMoves.ts"

export interface Given {
  /** Whose word it is. */
  readonly by: string
  readonly reason?: string | undefined
  /** Default: a trace of its own. */
  readonly trace_id?: string
}

export interface Paused extends ControlState {
  /** Hosts that live and have not heeded it: an effect may still begin there. */
  readonly unheeded: ReadonlyArray<string>
}

export class ControlCommands extends Context.Service<ControlCommands, {
  readonly setAutonomy: (level: Autonomy, given: Given) => Effect.Effect<ControlState, SqlError.SqlError>
  readonly pause: (given: Given) => Effect.Effect<Paused, SqlError.SqlError>
  readonly resume: (given: Given) => Effect.Effect<ControlState, SqlError.SqlError>
}>()("syris/safety/ControlCommands") {
  /** `patience`: how long a pause waits for the hosts. */
  static readonly layerWith = (patience: Duration.Input) =>
    Layer.effect(ControlCommands, Effect.suspend(() => make(patience)))
  static readonly layer = ControlCommands.layerWith("10 seconds")
}

/** Between two looks at the hosts, milliseconds. */
const lookEvery = 20

const make = Effect.fnUntraced(function*(patience: Duration.Input) {
  const sql = yield* SqlClient.SqlClient
  const audit = yield* Audit
  const control = yield* Control
  const patienceMs = Duration.toMillis(Duration.fromInputUnsafe(patience))

  const moved = Effect.fnUntraced(function*(
    { by, reason, trace_id = newId() }: Given,
    move: (word: Word) => Effect.Effect<Moved, SqlError.SqlError, SqlClient.SqlClient>
  ) {
    const at = new Date(yield* Clock.currentTimeMillis)
    const { state } = yield* sql.withTransaction(
      Effect.provideService(move({ by, reason, trace_id, at, tell: audit.append }), SqlClient.SqlClient, sql)
    )
    // Word of it comes to this host, too; but whoever asks next shall see it. Where it fails, that word does it.
    yield* Effect.ignore(control.refresh)
    return state
  })

  const unheeding = sql<{ readonly host_id: string }>`
    select h.host_id
    from hosts h, control c
    where h.ended_at is null and h.lease_until > clock_timestamp()
      and c.paused and h.heeded_pause < c.pause_number
    order by h.host_id`

  const heeded = Effect.gen(function*() {
    const end = (yield* Clock.currentTimeMillis) + patienceMs
    while (true) {
      const hosts = yield* unheeding
      if (hosts.length === 0 || (yield* Clock.currentTimeMillis) >= end) return hosts.map(({ host_id }) => host_id)
      yield* Effect.sleep(lookEvery)
    }
  })

  return ControlCommands.of({
    setAutonomy: (level, given) => moved(given, (word) => moveAutonomy(level, word)),
    pause: Effect.fnUntraced(function*(given) {
      const state = yield* moved(given, pauseAll)
      return { ...state, unheeded: yield* heeded }
    }),
    resume: (given) => moved(given, resumeAll)
  })
})
