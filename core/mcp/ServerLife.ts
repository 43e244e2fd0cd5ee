/**
 * Keeps one server connected for as long as it runs: connects, reads its tools, looks whether it still answers, and comes
 * back after a loss, later each time.
 *
 * - Its tools are read and compared with what was trusted before a call can use a new connection.
 * - A loss is told once, however often it is tried again, and so is the way back.
 * - While a call is under way nobody asks for a sign of life: many servers answer nothing while they work. After a call that
 *   ran into its time-out they are asked all the same.
 * - One that was lost is named in the host's health until it has been there for a while again: who restarts for ever is not well.
 */
import { Cause, Clock, Deferred, Effect, Exit } from "effect"
import type { Scope } from "effect"
import { backOff, wellAfterMs } from "./BackOff.ts"
import { type McpConnection, McpFailed } from "./McpConnection.ts"
import type { Time } from "./RealTime.ts"
import type { ServerState } from "./ServerState.ts"

/** Between two signs of life, of a server that has nothing to do. */
const pingEveryMs = 4_000
const pingTimeoutMs = 5_000
/** After one that was not answered. */
const pingAgainMs = 250
/** The list of its tools is read at most so often. */
const syncEveryMs = 1_000
/** After a loss it counts as well again when it has been there for so long. */
const recoveredAfterMs = 5_000

export interface ServerParts {
  readonly server: string
  readonly state: ServerState
  readonly time: Time
  readonly connect: Effect.Effect<McpConnection, McpFailed, Scope.Scope>
  /** Reads its tools, compares, registers. */
  readonly sync: (connection: McpConnection) => Effect.Effect<void, McpFailed>
  /** Calls are under way, and it has answered the last one in time. */
  readonly isBusy: () => boolean
  /** It has given a sign of life. */
  readonly answered: () => void
  readonly isOff: () => boolean
  /** Its tools, as far as they were trusted, are there; before it is connected. */
  readonly register: Effect.Effect<void>
  /** Its tools are gone. */
  readonly withdraw: () => void
  /** Waits until it is worth to try again a server that asks the operator to sign in. */
  readonly signedIn: Effect.Effect<void>
  readonly degrade: (sentence: string) => Effect.Effect<void>
  readonly recover: Effect.Effect<void>
  readonly told: {
    readonly connected: (connection: McpConnection, latency_ms: number) => Effect.Effect<void>
    readonly disconnected: (reason: string) => Effect.Effect<void>
  }
}

export interface ServerLife {
  /** Never ends by itself. */
  readonly run: Effect.Effect<never>
  /** Heeds the switch; at once. */
  readonly look: () => void
  /** Tries again now, where it waits. */
  readonly nudge: () => void
}

const noAnswer = "It has not answered when it was asked for a sign of life, twice."

export const makeServerLife = (parts: ServerParts): ServerLife => {
  const { state, time } = parts
  let isOff = parts.isOff()
  let turned = Deferred.makeUnsafe<void>()
  let nudged = Deferred.makeUnsafe<void>()
  if (isOff) state.off()

  /** Losses and failures since it was last well. */
  let failures = 0
  /** Whether the loss was told. */
  let told = false
  /** Whether the host's health names it. */
  let ailing = false
  /** It was not there because it wanted a sign-in, and for nothing else. */
  let unsigned = false
  /** When the connection of now was made. */
  let since: number | undefined

  const recover = Effect.suspend(() => {
    ailing = false
    return parts.recover
  })

  const ping = (connection: McpConnection) =>
    Effect.raceFirst(
      Effect.match(connection.ping, {
        onSuccess: (ms): number | undefined => ms,
        // An error of the protocol is an answer, too.
        onFailure: (error) => error.refused === true ? 0 : undefined
      }),
      Effect.as(time.sleep(pingTimeoutMs), undefined)
    )

  /** Fails when it does not answer any more. */
  const watch = Effect.fnUntraced(function*(connection: McpConnection) {
    let missed = 0
    while (missed < 2) {
      if (parts.isBusy()) {
        missed = 0
      } else {
        const latency = yield* ping(connection)
        missed = latency === undefined ? missed + 1 : 0
        if (latency !== undefined) {
          parts.answered()
          state.alive(Math.round(latency * 1_000) / 1_000)
        }
      }
      yield* time.sleep(missed === 0 ? pingEveryMs : pingAgainMs)
    }
    return yield* new McpFailed({ detail: noAnswer, sent: false })
  })

  const followTools = (connection: McpConnection) =>
    Effect.forever(Effect.gen(function*() {
      yield* connection.toolsChanged
      yield* parts.sync(connection)
      // What changes meanwhile is read with the next turn.
      yield* time.sleep(syncEveryMs)
    }))

  const proveWell = Effect.gen(function*() {
    if (failures > 0 || ailing) {
      yield* time.sleep(recoveredAfterMs)
      state.well()
      yield* recover
    }
    return yield* Effect.never
  })

  const stay = Effect.fnUntraced(function*(connection: McpConnection, latency_ms: number) {
    yield* parts.sync(connection)
    // Switched off meanwhile: this is about to be cut short.
    if (isOff) return yield* Effect.never
    since = time.now()
    told = false
    state.connected(connection, new Date(yield* Clock.currentTimeMillis))
    state.alive(latency_ms)
    // The operator has done what it waited for: nothing has to be proved.
    if (unsigned) {
      failures = 0
      state.well()
      yield* recover
    }
    unsigned = false
    yield* parts.told.connected(connection, latency_ms)
    return yield* Effect.raceAllFirst([watch(connection), followTools(connection), proveWell])
  })

  const connected = Effect.gen(function*() {
    const began = time.now()
    const connection = yield* parts.connect
    const latency_ms = Math.round(time.now() - began)
    return yield* Effect.raceFirst(
      Effect.flatMap(connection.closed, (detail) => Effect.fail(new McpFailed({ detail, sent: false }))),
      stay(connection, latency_ms)
    )
  })

  /** What follows from a loss or a failure: how long it is waited until the next attempt. */
  const fallen = Effect.fnUntraced(function*({ detail, sign_in }: McpFailed) {
    const wasWell = since !== undefined && time.now() - since >= wellAfterMs
    since = undefined
    unsigned = sign_in === true && (wasWell || failures === 0 || unsigned)
    failures = wasWell ? 1 : failures + 1
    const delay = backOff(failures, time.random())
    if (sign_in === true) state.signIn(detail)
    else state.lost(detail, new Date((yield* Clock.currentTimeMillis) + delay))
    ailing = true
    yield* parts.degrade(detail)
    if (!told) yield* parts.told.disconnected(detail)
    told = true
    return sign_in === true ? parts.signedIn : time.sleep(delay)
  })

  /** One connection from its beginning to its end. What is said of the end does not wait until everything is closed. */
  const once = Effect.scoped(
    connected.pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause as Cause.Cause<never>)
          : fallen(asFailure(Cause.squash(cause)))
      )
    )
  )

  const on = Effect.gen(function*() {
    failures = 0
    told = false
    yield* parts.register
    state.connecting()
    return yield* Effect.forever(Effect.gen(function*() {
      const wait = yield* once
      nudged = Deferred.makeUnsafe()
      yield* Effect.raceFirst(wait, Deferred.await(nudged))
    }))
  })

  const run = Effect.forever(Effect.gen(function*() {
    const turn = Deferred.await(turned)
    if (isOff) return yield* turn
    yield* Effect.raceFirst(on, turn)
    // Also where it is on again by now: what was wrong with it before the operator's hand counts no more.
    if (ailing) yield* recover
    if (since !== undefined) yield* parts.told.disconnected("The operator switched it off.")
    since = undefined
  }))

  return {
    run,
    look: () => {
      if (parts.isOff() === isOff) return
      isOff = !isOff
      if (isOff) {
        state.off()
        parts.withdraw()
      } else {
        state.connecting()
      }
      const before = turned
      turned = Deferred.makeUnsafe()
      Deferred.doneUnsafe(before, Exit.void)
    },
    nudge: () => void Deferred.doneUnsafe(nudged, Exit.void)
  }
}

const asFailure = (error: unknown): McpFailed =>
  error instanceof McpFailed
    ? error
    : new McpFailed({
      detail: `The connection failed: ${error instanceof Error ? error.message : String(error)}`.slice(0, 500),
      sent: false,
      cause: error
    })
