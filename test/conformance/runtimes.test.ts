/** The same plugin gives the same answers wherever it runs: in the host, in a thread, in a process, in Deno. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as syris from "syris"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import {
  comparable,
  openHouse,
  openRemote,
  type Place,
  places,
  type Remote,
  type RuntimeHouse
} from "./RuntimeHouse.ts"
import * as acts from "./SameActs.ts"
import { until } from "../storms/Until.ts"

let remote: Remote
let houses: ReadonlyArray<RuntimeHouse> = []

beforeAll(async () => {
  remote = await openRemote()
  houses = await Promise.all(places.map((place) => openHouse(place, remote)))
}, 120_000)
afterAll(async () => {
  await Promise.all(houses.map((house) => house.end()))
  remote.close()
})

/** What is not the same: for each part of an act the first place where two differ. */
const differences = (expected: Readonly<Record<string, unknown>>, given: Readonly<Record<string, unknown>>) =>
  Object.keys({ ...expected, ...given }).flatMap((key) => {
    const found = differ(comparable(expected[key]), comparable(given[key]), key)
    return found === undefined ? [] : [found]
  })

const differ = (expected: unknown, given: unknown, at: string): string | undefined => {
  if (Object.is(expected, given)) return undefined
  if (typeof expected !== "object" || typeof given !== "object" || expected === null || given === null) {
    return `${at}: ${JSON.stringify(expected)} became ${JSON.stringify(given)}`
  }
  for (const key of new Set([...Object.keys(expected), ...Object.keys(given)])) {
    const found = differ(
      (expected as Readonly<Record<string, unknown>>)[key],
      (given as Readonly<Record<string, unknown>>)[key],
      `${at}.${key}`
    )
    if (found !== undefined) return found
  }
  return undefined
}

/** Has it done everywhere, and answers what came of it in the first place: in the host itself. */
const everywhere = async (
  act: acts.Act,
  among: ReadonlyArray<Place> = places
): Promise<Readonly<Record<string, any>>> => {
  const asked = houses.filter(({ place }) => among.includes(place))
  const [first, ...others] = await Promise.all(asked.map((house) => act(house, remote)))
  const found = others.flatMap((other, index) =>
    differences(first!, other).map((difference) => `${asked[index + 1]!.place}: ${difference}`)
  )
  assert.deepEqual(found, [])
  return first!
}

const callsOf = (trace: any): ReadonlyArray<readonly [string, string | undefined]> =>
  trace.tool_calls.map(({ error, status }: any) => [status, error?.code])

describe("the same plugin in the host, in a thread, in a process and in Deno", () => {
  it("brings the same parts", async () => {
    const { tools, watchers } = await everywhere(acts.parts)
    assert.isAbove(tools.length, 20)
    assert.lengthOf(watchers, 4)
  }, 90_000)

  it("finds every export of syris, and each works", async () => {
    const { entry: [{ output }] } = await everywhere(acts.entry)
    assert.deepEqual(Object.keys(output).toSorted(), Object.keys(syris).toSorted())
    assert.notInclude(Object.values(output), "missing")
  }, 90_000)

  it("is trusted less in an isolate", async () => {
    const trust = await Promise.all(houses.map(async ({ call, request }) => {
      const { body: { items } } = await request("/tools")
      const { tool_calls: [{ output }] } = await call("same.trusting")
      return [items.find(({ name, tool = name }: any) => tool === "same.trusting").trust, output]
    }))
    const apart = ["untrusted", "trust me"]
    assert.deepEqual(trust, [["trusted", "trust me"], apart, apart, apart])
  }, 90_000)

  it("a transaction, a way to a model and the operator's page can't leave the host, which says so", async () => {
    const { request } = houses[places.indexOf("thread")]!
    const why = await until("the word on the plugin", async () => {
      const { body: { items } } = await request("/plugins")
      return items.find(({ last_error, name }: any) => name !== "same" && last_error !== undefined)?.last_error
    })
    assert.include(why, "its tool bound.note is transactional, and a transaction can't leave the host")
    assert.include(why, "it brings a way to a language model, which works in the host only")
    assert.include(why, "its route / answers without token or session, which only a plugin in the host may")
    assert.include(why, "it brings the operator's page, which only a plugin in the host may")
  }, 90_000)

  it("ends in the same ways", async () => {
    const ended = await everywhere(acts.endings)
    const endOf = ({ calls: [{ error, status }] }: any) => [status, error?.code]
    assert.deepEqual(endOf(ended["refused"]), ["failed", "tool.refused"])
    assert.deepEqual(endOf(ended["a lost connection below"]), ["unknown", "tool.connection_lost"])
    assert.deepEqual(endOf(ended["read: a date"]), ["failed", "tool.output_invalid"])
  }, 90_000)

  it("reads inputs and sentences alike", async () => {
    const read = await everywhere(acts.readings)
    assert.deepEqual(callsOf(read["a date"]), [["succeeded", undefined]])
    assert.deepEqual(callsOf(read["several"]), [["failed", "tool.input_invalid"]])
    const said = await everywhere(acts.sentences)
    assert.deepEqual(callsOf(said["brew 3 cups for anna"]), [["succeeded", undefined]])
  }, 90_000)

  it("is gated alike: risk, target, action, reach, preview", async () => {
    const gated = await everywhere(acts.gates)
    assert.equal(gated["asked"].outcome, "waiting")
    assert.deepEqual(callsOf(gated["approved"]), [["succeeded", undefined]])
  }, 90_000)

  it("is given the same, and keeps to the same bounds", async () => {
    const ran = await everywhere(acts.runs)
    assert.deepInclude(ran["found"].tool_calls[0].output, { status: 200, header: "same", text: "POST hello" })
    const bound = await everywhere(acts.bounds)
    assert.deepEqual(callsOf(bound["slow.write"]), [["unknown", "tool.timeout"]])
  }, 90_000)

  it("works step by step alike: tasks", async () => {
    const { steps } = await everywhere(acts.tasks)
    assert.equal(steps.tasks[0].status, "succeeded")
  }, 90_000)

  // A job of the host's own plugin runs in a thread, too.
  it("does jobs alike", async () => {
    const { count, refused } = await everywhere(acts.working, ["thread", "process", "deno"])
    assert.equal(count.job.status, "succeeded")
    assert.deepInclude(count.job.output, { sum: 55 })
    assert.deepInclude(refused.job.error, { message: "There is no paper." })
  }, 90_000)

  // The clocks of the hosts go on as that of the database until here; what follows moves them.

  it("is asked alike whether something happened", async () => {
    const probed = await everywhere(acts.probes)
    assert.deepEqual(callsOf(probed["done"]), [["succeeded", undefined]])
  }, 90_000)

  it("hears, answers and is asked over HTTP alike", async () => {
    const doors = await everywhere(acts.doors)
    assert.deepEqual([doors["ping"].status, doors["ping"].body], [200, { pong: true }])
  }, 90_000)

  it("watches alike", async () => {
    await everywhere(acts.watching)
  }, 90_000)

  // It is the host's part that is tried: with the plugin in it, and with one in an isolate that ends with it.
  it("is taken up alike by another host", async () => {
    const taken = await everywhere(acts.crash, ["inline", "process"])
    assert.deepEqual(callsOf(taken["done"]), [["succeeded", undefined]])
  }, 90_000)

  it("a plugin that says one word differently is seen (control)", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-other-"))
    fs.cpSync(path.join(import.meta.dirname, "plugin"), folder, { recursive: true })
    const file = path.join(folder, "tools.ts")
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("looked at ${words}", "saw ${words}"))
    const other = await openHouse("thread", remote, folder)
    try {
      const [inline] = houses
      const [expected, given] = await Promise.all([inline!, other].map((house) => acts.sentences(house, remote)))
      const found = differences(expected!, given!)
      assert.isNotEmpty(found)
      assert.include(found[0], "saw")
    } finally {
      await other.end()
      fs.rmSync(folder, { recursive: true })
    }
  }, 90_000)
})
