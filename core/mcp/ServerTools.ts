/**
 * The tools of one server in the registry: those that were trusted, as they were trusted, and nothing that its server has
 * changed since.
 *
 * - One comparison at a time. The pins of what a server has said last are kept: what is used here is what is trusted and what
 *   this host's server says, whichever host has looked or was told meanwhile.
 * - A server that changes its tools again and again is looked at less and less often.
 */
import { Deferred, Effect, Exit, Semaphore } from "effect"
import type { SqlError } from "effect/sql"
import type { RefusedTool } from "../contract/Integration.ts"
import type { LiveTools } from "../plugin/LiveTools.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import type { ToolOverride } from "../plugin/ToolRegistration.ts"
import { maximumTools, type PinnedTool } from "./Definition.ts"
import { makeMatch } from "./FastPath.ts"
import { type McpConnection, McpFailed } from "./McpConnection.ts"
import { makeTool, registeredName } from "./McpTool.ts"
import type { Time } from "./RealTime.ts"
import type { ServerCalls } from "./ServerCalls.ts"
import type { ChangedTool, Synced, ToolPins } from "./ToolPins.ts"

/** After so many tools others have their turn: a thousand of them must not hold up the host. */
const atOnce = 25
/** After a look that found a change the next one waits so long, twice as long each time. */
const firstWaitMs = 1_000
const longestWaitMs = 60_000
/** Without a change for so long it is well again. */
const calmMs = 60_000

export interface ToolsKnown {
  /** Names in the registry. */
  readonly tools: ReadonlyArray<string>
  readonly quarantined: ReadonlyArray<ChangedTool>
  readonly refused: ReadonlyArray<RefusedTool>
}

export interface ServerToolsParts {
  readonly settings: McpServerSettings
  readonly overrides: ReadonlyMap<string, ToolOverride>
  readonly pins: ToolPins["Service"]
  readonly live: LiveTools["Service"]
  readonly log: BoundLog
  readonly isOff: () => boolean
  readonly use: ServerCalls["use"]
  readonly time: Time
}

export interface ServerTools {
  readonly known: () => ToolsKnown
  /** Those that were trusted before, without asking the server. */
  readonly register: Effect.Effect<void, SqlError.SqlError>
  /** Reads what the server has now, and compares. */
  readonly sync: (connection: McpConnection) => Effect.Effect<void, McpFailed>
  /** Heeds what any host has found or was told, without asking the server. Never fails. */
  readonly refresh: Effect.Effect<void>
  /** Waits until its tools should be read again: the server says so, or what is trusted now is not what it said last. */
  readonly changed: (said: Effect.Effect<void>) => Effect.Effect<void>
  readonly withdraw: () => void
}

const none: ToolsKnown = { tools: [], quarantined: [], refused: [] }

export const makeServerTools = (parts: ServerToolsParts): ServerTools => {
  const { isOff, live, overrides, pins, settings, time } = parts
  const { server } = settings
  const oneAtATime = Semaphore.makeUnsafe(1)
  let known = none
  let usable: ReadonlyMap<string, string> = new Map()
  let refusedByList: ReadonlyArray<RefusedTool> = []
  /** Pins of what the server said last. */
  let listed: ReadonlyMap<string, string> | undefined
  let readFrom: McpConnection | undefined
  let stale = Deferred.makeUnsafe<void>()
  let [waitMs, changedAt] = [0, -Infinity]

  const isUsable = ({ pin, tool }: PinnedTool): boolean => usable.get(tool) === pin

  const made = (pinned: PinnedTool): RegisteredTool | string => {
    const override = overrides.get(registeredName(server, pinned.tool))
    return makeTool(settings, pinned, parts.use(pinned, isUsable), { log: parts.log, override })
  }

  const take = Effect.fnUntraced(function*(
    { quarantined, refused, usable: pinned }: Pick<Synced, "quarantined" | "refused" | "usable">
  ) {
    const next = new Map(pinned.map(({ pin, tool }) => [tool, pin]))
    // What is not to be used any more is not, from here on.
    usable = new Map([...usable].filter(([tool, pin]) => next.get(tool) === pin))
    const tools: Array<RegisteredTool> = []
    const unfit: Array<RefusedTool> = []
    for (const [index, one] of pinned.entries()) {
      if (index % atOnce === atOnce - 1) yield* Effect.yieldNow
      const tool = made(one)
      if (typeof tool === "string") unfit.push({ tool: one.tool, reason: tool })
      else tools.push(tool)
    }
    usable = next
    refusedByList = refused
    known = {
      tools: tools.map(({ definition }) => definition.name),
      quarantined,
      refused: [...refused, ...unfit]
    }
    // Switched off meanwhile.
    if (isOff()) return withdraw()
    live.set(server, { tools, match: makeMatch(tools) })
  })

  const withdraw = (): void => {
    // Its place among the others stays.
    live.set(server, { tools: [], match: () => undefined })
    usable = new Map()
    known = none
    refusedByList = []
    listed = undefined
  }

  /** What is trusted, whichever host has looked; of that, what is not otherwise in what was listed here. */
  const heed = Effect.gen(function*() {
    if (isOff()) return
    const standing = yield* pins.standing(server)
    const quarantined = standing.flatMap(({ changed_pin, tool }) =>
      changed_pin === null ? [] : [{ tool, pin: changed_pin }]
    )
    const trusted = standing.filter(({ changed_pin, tool }) => changed_pin === null && settings.allows(tool))
    const fit = trusted.filter(({ pin, tool }) => listed === undefined || listed.get(tool) === pin).slice(
      0,
      maximumTools
    )
    if (trusted.some(({ pin, tool }) => (listed?.get(tool) ?? pin) !== pin)) Deferred.doneUnsafe(stale, Exit.void)
    const isSame = fit.length === usable.size && fit.every(({ pin, tool }) => usable.get(tool) === pin) &&
      sameTools(quarantined, known.quarantined)
    if (isSame) return
    const wanted = new Map(fit.map(({ pin, tool }) => [tool, pin]))
    const definitions = (yield* pins.known(server)).filter(({ pin, tool }) => wanted.get(tool) === pin)
    yield* take({ usable: definitions, quarantined, refused: refusedByList })
  })

  const register = oneAtATime.withPermit(heed)

  const sync = Effect.fnUntraced(
    function*(connection: McpConnection) {
      stale = Deferred.makeUnsafe()
      const list = yield* connection.tools
      yield* oneAtATime.withPermit(Effect.gen(function*() {
        const synced = yield* pins.sync(server, list, settings.allows)
        listed = synced.listed
        // What changed while nobody was connected says nothing of how often it changes.
        if (synced.changed && readFrom === connection) pace()
        readFrom = connection
        yield* take(synced)
      }))
    },
    Effect.catchTag(
      "SqlError",
      (cause) => Effect.fail(new McpFailed({ detail: "What its tools are could not be stored.", sent: false, cause }))
    )
  )

  const pace = (): void => {
    const now = time.now()
    waitMs = now - changedAt > waitMs + calmMs ? firstWaitMs : Math.min(longestWaitMs, waitMs * 2)
    changedAt = now
  }

  const changed = (said: Effect.Effect<void>) =>
    Effect.gen(function*() {
      yield* Effect.raceFirst(said, Effect.suspend(() => Deferred.await(stale)))
      const left = changedAt + waitMs - time.now()
      if (left > 0) yield* time.sleep(left)
    })

  return { known: () => known, register, sync, refresh: Effect.ignoreCause(register), changed, withdraw }
}

const sameTools = (some: ReadonlyArray<ChangedTool>, others: ReadonlyArray<ChangedTool>): boolean => {
  const pins = new Map(others.map(({ pin, tool }) => [tool, pin]))
  return some.length === pins.size && some.every(({ pin, tool }) => pins.get(tool) === pin)
}
