/**
 * The tools of one server in the registry: those that were trusted, as they were trusted, and nothing that its server has
 * changed since.
 *
 * One comparison at a time. What a server has said last is kept, so that the operator's word is heeded without asking it again.
 */
import { Effect, Semaphore } from "effect"
import type { SqlError } from "effect/sql"
import type { QuarantinedTool, RefusedTool } from "../contract/Integration.ts"
import type { LiveTools } from "../plugin/LiveTools.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import type { ToolOverride } from "../plugin/ToolRegistration.ts"
import type { PinnedTool } from "./Definition.ts"
import { makeMatch } from "./FastPath.ts"
import { type McpConnection, McpFailed } from "./McpConnection.ts"
import { makeTool, registeredName } from "./McpTool.ts"
import type { ServerCalls } from "./ServerCalls.ts"
import type { Synced, ToolPins } from "./ToolPins.ts"

/** After so many tools others have their turn: a thousand of them must not hold up the host. */
const atOnce = 25

export interface ToolsKnown {
  /** Names in the registry. */
  readonly tools: ReadonlyArray<string>
  readonly quarantined: ReadonlyArray<QuarantinedTool>
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
}

export interface ServerTools {
  readonly known: () => ToolsKnown
  /** Those that were trusted before, without asking the server. */
  readonly register: Effect.Effect<void, SqlError.SqlError>
  /** Reads what the server has now, and compares. */
  readonly sync: (connection: McpConnection) => Effect.Effect<void, McpFailed>
  /** Compares again with what the server said last. */
  readonly resync: Effect.Effect<void, SqlError.SqlError>
  /** Heeds what another host has been told of tools that are in quarantine here. Never fails. */
  readonly refresh: Effect.Effect<void>
  readonly withdraw: () => void
}

type Listed = Effect.Success<McpConnection["tools"]>

const none: ToolsKnown = { tools: [], quarantined: [], refused: [] }

export const makeServerTools = (parts: ServerToolsParts): ServerTools => {
  const { isOff, live, overrides, pins, settings } = parts
  const { server } = settings
  const oneAtATime = Semaphore.makeUnsafe(1)
  let known = none
  let usable: ReadonlyMap<string, string> = new Map()
  let last: Listed | undefined

  const isUsable = ({ pin, tool }: PinnedTool): boolean => usable.get(tool) === pin

  const made = (pinned: PinnedTool): RegisteredTool | string => {
    const override = overrides.get(registeredName(server, pinned.tool))
    return makeTool(settings, pinned, parts.use(pinned, isUsable), { log: parts.log, override })
  }

  const take = Effect.fnUntraced(function*({ quarantined, refused, usable: pinned }: Omit<Synced, "changed">) {
    const tools: Array<RegisteredTool> = []
    const unfit: Array<RefusedTool> = []
    for (const [index, one] of pinned.entries()) {
      if (index % atOnce === atOnce - 1) yield* Effect.yieldNow
      const tool = made(one)
      if (typeof tool === "string") unfit.push({ tool: one.tool, reason: tool })
      else tools.push(tool)
    }
    usable = new Map(pinned.map(({ pin, tool }) => [tool, pin]))
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
    last = undefined
  }

  const register = oneAtATime.withPermit(Effect.gen(function*() {
    if (isOff()) return
    const trusted = (yield* pins.known(server)).filter(({ tool }) => settings.allows(tool))
    const quarantined = yield* pins.quarantined(server)
    yield* take({ usable: trusted, quarantined, refused: [] })
  }))

  const compare = Effect.fnUntraced(function*(listed: Listed) {
    yield* take(yield* pins.sync(server, listed, settings.allows))
    last = listed
  })

  const sync = (connection: McpConnection) =>
    oneAtATime.withPermit(Effect.gen(function*() {
      yield* compare(yield* connection.tools)
    })).pipe(
      Effect.catchTag("SqlError", (cause) =>
        Effect.fail(new McpFailed({ detail: "What its tools are could not be stored.", sent: false, cause })))
    )

  const resync = Effect.suspend(() => last === undefined ? register : oneAtATime.withPermit(compare(last)))

  const refresh = Effect.gen(function*() {
    if (known.quarantined.length === 0) return
    const now = yield* pins.quarantined(server)
    const same = now.length === known.quarantined.length &&
      now.every(({ pin, tool }) => known.quarantined.some((one) => one.tool === tool && one.pin === pin))
    if (!same) yield* resync
  }).pipe(Effect.ignoreCause)

  return { known: () => known, register, sync, resync, refresh, withdraw }
}
