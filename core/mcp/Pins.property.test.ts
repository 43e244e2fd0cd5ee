/**
 * Whatever a server lists, in whichever order: a definition is used only if it is the one that was seen first under its name,
 * or one that the operator has trusted. The control: a host that took over what a server says now would be seen.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import type { ListedTool } from "./McpConnection.ts"
import { type PinnedTool, ToolPins } from "./ToolPins.ts"

const layerWorld = ToolPins.layer.pipe(
  Layer.provideMerge(Alarms.layer),
  Layer.provideMerge(Audit.layer),
  Layer.provideMerge([AuditWake.layer, Redactor.layerEmpty]),
  Layer.provideMerge(layerTestDatabase)
)

const definition = (name: string, version: number): ListedTool => ({
  name,
  description: version % 2 === 0 ? "Reads." : "Reads well.",
  inputSchema: { type: "object", properties: version < 2 ? {} : { more: { type: "string" } } }
})

type Step =
  | { readonly list: ReadonlyArray<readonly [name: string, version: number]> }
  | { readonly trust: string }
  | { readonly restart: true }

const name = fc.constantFrom("a", "b", "c")
const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ list: fc.array(fc.tuple(name, fc.nat(3)), { maxLength: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ trust: name }) },
    { weight: 1, arbitrary: fc.constant({ restart: true } as const) }
  ),
  { minLength: 2, maxLength: 8 }
)

const same = (one: ListedTool, other: ListedTool): boolean =>
  one.description === other.description && JSON.stringify(one.inputSchema) === JSON.stringify(other.inputSchema)

/** What may be used, by what the operator has seen and said alone. */
const makeJudge = () => {
  const trusted = new Map<string, ListedTool>()
  const quarantined = new Map<string, ListedTool>()
  return {
    listed: (list: ReadonlyArray<ListedTool>): void => {
      quarantined.clear()
      for (const one of list) {
        if (list.filter((other) => other.name === one.name).length > 1) continue
        const was = trusted.get(one.name)
        if (was === undefined) trusted.set(one.name, one)
        else if (!same(was, one)) quarantined.set(one.name, one)
      }
    },
    trust: (tool: string): void => {
      const now = quarantined.get(tool)
      if (now === undefined) return
      trusted.set(tool, now)
      quarantined.delete(tool)
    },
    /** What is used and must not be. */
    wrong: (usable: ReadonlyArray<PinnedTool>): ReadonlyArray<string> =>
      usable.filter(({ definition, tool }) => {
        const was = trusted.get(tool)
        return was === undefined || !same(was, definition) || quarantined.has(tool)
      }).map(({ tool }) => tool)
  }
}

/** Plays the steps against pins; answers what was used wrongly. */
const play = Effect.fnUntraced(function*(pins: ToolPins["Service"], given: ReadonlyArray<Step>) {
  const judge = makeJudge()
  const server = newId()
  const wrong: Array<string> = []
  for (const step of given) {
    if ("list" in step) {
      const tools = step.list.map(([tool, version]) => definition(tool, version))
      judge.listed(tools)
      wrong.push(...judge.wrong((yield* pins.sync(server, { tools, more: false })).usable))
    } else if ("trust" in step) {
      judge.trust(step.trust)
      yield* Effect.ignore(pins.trust(server, step.trust))
    }
    wrong.push(...judge.wrong(yield* pins.known(server)))
  }
  return wrong
})

/** The control: it takes over what the server says now. */
const credulous = (pins: ToolPins["Service"]): ToolPins["Service"] => ({
  ...pins,
  sync: (server, listed, allows) =>
    Effect.gen(function*() {
      const synced = yield* pins.sync(server, listed, allows)
      for (const { tool } of synced.quarantined) yield* Effect.ignore(pins.trust(server, tool))
      return { ...synced, usable: yield* pins.known(server) }
    })
})

const sequences = fc.sample(steps, { numRuns: 15, seed: 7 })

layer(layerWorld, { excludeTestServices: true, timeout: "60 seconds" })("whatever a server lists", (it) => {
  it.effect("only what was trusted is used", () =>
    Effect.gen(function*() {
      const pins = yield* ToolPins
      for (const one of [...sequences, ...fc.sample(steps, 8)]) {
        assert.deepEqual(yield* play(pins, one), [], JSON.stringify(one))
      }
    }))

  it.effect("the control: a host that takes over what is said now is found", () =>
    Effect.gen(function*() {
      const pins = credulous(yield* ToolPins)
      const found = yield* Effect.forEach(sequences, (one) => play(pins, one))
      assert.isAbove(found.filter((wrong) => wrong.length > 0).length, 2)
    }))
})
