/**
 * What one host finds out about a server's tools counts in all of them; and a server that changes them without end is looked at
 * less and less often. Two hosts on one real PostgreSQL, each with its own connection.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import type { LiveSource } from "../plugin/LiveTools.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import { readConfiguration } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import type { McpConnection } from "./McpConnection.ts"
import { makeServerTools } from "./ServerTools.ts"
import { ToolPins } from "./ToolPins.ts"

const layerWorld = ToolPins.layer.pipe(
  Layer.provideMerge(Alarms.layer),
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

const silent: BoundLog = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent }

const connectionOf = (words: () => string): McpConnection => ({
  server: { name: "shop", version: "1.0.0", protocol: "2025-11-25" },
  tools: Effect.sync(() => ({
    tools: [{ name: "door", description: words(), inputSchema: { type: "object" } }],
    more: false
  })),
  call: () => Effect.never,
  ping: Effect.never,
  toolsChanged: Effect.never,
  closed: Effect.never,
  stderr: () => "",
  pid: undefined
})

/** One host's view of the server, whose tool says `words` when it is asked. */
const aHost = Effect.fnUntraced(function*(server: string, words: string) {
  const pins = yield* ToolPins
  const { mcp: [settings] } = yield* readConfiguration({ mcp: { [server]: { command: "x" } } }, "test")
  if (settings === undefined) return yield* Effect.die("no settings")
  let [says, now] = [words, 0]
  const slept: Array<number> = []
  let offered: LiveSource = { tools: [], match: () => undefined }
  const tools = makeServerTools({
    settings,
    overrides: new Map(),
    pins,
    live: {
      set: (_, brings) => void (offered = brings),
      remove: () => {},
      tool: () => undefined,
      tools: () => [],
      match: () => undefined
    },
    log: silent,
    isOff: () => false,
    use: () => () => Effect.never,
    time: {
      now: () => now,
      sleep: (ms) =>
        Effect.sync(() => {
          slept.push(ms)
          now += ms
        }),
      random: () => 0
    }
  })
  const connection = connectionOf(() => says)
  return {
    tools,
    look: tools.sync(connection),
    offers: () => offered.tools.map(({ definition }) => definition.name),
    say: (words: string) => void (says = words),
    pass: (ms: number) => void (now += ms),
    slept
  }
})

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("the tools of a server in two hosts", (it) => {
  it.effect("are out in both as soon as one has seen a change, and back where the server says what is trusted", () =>
    Effect.gen(function*() {
      const [pins, sql] = [yield* ToolPins, yield* SqlClient.SqlClient]
      const server = `s${newId().slice(-12)}`
      const name = `mcp.${server}.door`
      const [a, b] = [yield* aHost(server, "Opens the door."), yield* aHost(server, "Opens the door.")]
      yield* a.look
      yield* b.look
      assert.deepEqual([a.offers(), b.offers()], [[name], [name]])

      a.say("Opens the safe.")
      yield* a.look
      assert.deepEqual(b.offers(), [name], "the control: it has not looked yet")
      yield* b.tools.refresh
      assert.deepEqual([a.offers(), b.offers()], [[], []])
      assert.deepEqual(b.tools.known().quarantined, a.tools.known().quarantined)
      const audited = sql`select 1 from audit_events where data ->> 'server' = ${server}`
      const rows = (yield* audited).length
      yield* Effect.all([a.tools.refresh, b.tools.refresh, a.tools.refresh])
      assert.lengthOf(yield* audited, rows, "who only heeds writes nothing, so hosts do not answer each other")

      // What is trusted now is what the server of one of them says, and not what that of the other has said.
      yield* pins.trust(server, "door")
      yield* Effect.all([a.tools.refresh, b.tools.refresh])
      assert.deepEqual([a.offers(), b.offers()], [[name], []])
      assert.isTrue(yield* Effect.as(b.tools.changed(Effect.never), true), "it is to be asked again")
      b.say("Opens the safe.")
      yield* b.look
      assert.deepEqual([a.offers(), b.offers()], [[name], [name]])
      // One that is gone is gone in both.
      yield* pins.sync(server, { tools: [], more: false })
      yield* Effect.all([a.tools.refresh, b.tools.refresh])
      assert.deepEqual([a.offers(), b.offers()], [[], []])
    }))

  it.effect("are read less and less often while they change, and as ever after a minute of rest", () =>
    Effect.gen(function*() {
      const one = yield* aHost(`s${newId().slice(-12)}`, "0")
      const said = yield* Queue.unbounded<void>()
      const next = Effect.andThen(one.tools.changed(Queue.take(said)), one.look)
      yield* one.look
      for (let i = 1; i <= 9; i++) {
        one.say(String(i))
        yield* Queue.offer(said, undefined)
        yield* next
      }
      assert.deepEqual(one.slept, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
      one.pass(121_000)
      for (const words of ["a", "b"]) {
        one.say(words)
        yield* Queue.offer(said, undefined)
        yield* next
      }
      assert.deepEqual(one.slept.slice(8), [1_000])
    }))
})
