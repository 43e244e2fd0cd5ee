/**
 * The calls of one decision: they run at the same time where their tools allow it, and one after the other where they don't.
 * A call that a person has to allow holds the loop, also over another life of the host, and its yes or no is what the model
 * hears.
 */
import { definePlugin, defineTool, Schema } from "syris"
import * as fs from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type ModelStory, modelStory } from "./ModelStory.ts"

/** Tools that begin and then wait until the test lets them go. */
const gates = () => {
  const begun: Array<string> = []
  const open = new Map<string, () => void>()
  const tool = (name: string, concurrency: number) =>
    defineTool({
      name,
      description: "Go through a gate.",
      input: Schema.Struct({ who: Schema.String }),
      effect: "write",
      risk: "low",
      scopes: ["kitchen"],
      concurrency,
      run: ({ who }) => {
        begun.push(who)
        return new Promise<void>((resolve) => open.set(who, resolve))
      }
    })
  return {
    begun,
    letGo: (who: string) => open.get(who)?.(),
    plugin: definePlugin({ name: "gates", setup: () => ({ tools: [tool("gate.wide", 2), tool("gate.narrow", 1)] }) })()
  }
}

describe("calls of one decision", () => {
  const { begun, letGo, plugin } = gates()
  let story: ModelStory
  beforeAll(async () => {
    story = await modelStory({ plugins: [plugin] })
  })
  afterAll(() => story.end())

  const go = (gate: string, ...all: ReadonlyArray<string>) =>
    all.map((who) => ({ tool: `gate.${gate}`, input: { who } }))

  it("run together where the tool takes several, and one by one where it takes one", async () => {
    const slim = ["Ann", "Bob", "Cid"]
    const stout = ["Dan", "Eve", "Fay"]
    const calls = [...go("narrow", ...slim), ...go("wide", ...stout)]
    const ids = await story.begin("let them in", { calls }, { text: "All are in." })
    const through = (all: ReadonlyArray<string>) => begun.filter((who) => all.includes(who))
    const began = (all: ReadonlyArray<string>, count: number) =>
      until(`${count} of ${all.join(", ")} to begin`, () => through(all).length === count)
    const leave = async (who = "") => {
      letGo(who)
      await until(
        `${who} to be through`,
        async () =>
          (await story.read(ids)).task.steps.some((step: any) => step.input.who === who && step.status === "succeeded")
      )
    }
    // Nobody was let go: two are in the wide gate at the same time, and one in the narrow one.
    await began(slim, 1)
    await began(stout, 2)
    // Whoever can begin does so before a call that comes later has come and gone.
    await leave(through(stout)[0])
    await began(stout, 3)
    await leave(through(stout)[2])
    assert.strictEqual(through(slim).length, 1)
    await leave(through(slim)[0])
    await began(slim, 2)
    await leave(through(stout)[1])
    assert.strictEqual(through(slim).length, 2)
    await leave(through(slim)[1])
    await began(slim, 3)
    await leave(through(slim)[2])
    const told = await story.reached(ids, "succeeded")
    assert.strictEqual(told.reply, "All are in.")
    const results = story.model.requests.at(-1)?.body.messages?.filter(({ role }) => role === "tool") ?? []
    assert.strictEqual(results.length, calls.length)
    assert.strictEqual(story.model.requests.length, 2)
  })
})

describe("a call that a person has to allow, in the middle of a loop", () => {
  const home = folder("loopcalls")
  let database: OwnDatabase
  let story: ModelStory
  const start = async () => {
    story = await modelStory({ home, databaseUrl: database.url })
  }
  beforeAll(async () => {
    database = await makeDatabase()
    await start()
  })
  afterAll(async () => {
    await story.end()
    await database.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const count = { call: { tool: "shelf.count", input: {} } }
  const unlock = { call: { tool: "door.unlock", input: {} } }

  const words = [["approve", "It is open."], ["deny", "Then it stays shut."]] as const
  for (const [word, end] of words) {
    it(`holds it over another life of the host; after "${word}" it goes on and ends in plain words`, async () => {
      const asked = await story.say(`count, then open: ${word}`, count, unlock)
      assert.strictEqual(asked.task.waits_for, "approval")
      const steps = ["decide succeeded", "shelf.count succeeded", "decide succeeded"]
      assert.deepEqual(asked.steps, [...steps, "door.unlock waiting", "decide pending"])
      const [held] = await database.query("select claimed_by from work where work_id = $1", [asked.task.task_id])
      assert.isNull(held?.["claimed_by"])
      await story.end()
      await start()
      story.model.add({ text: end })
      await story.decide(asked.trace, word)
      const told = await story.reached(asked.trace, "succeeded")
      const opened = word === "approve"
      assert.deepEqual(told.steps, [...steps, `door.unlock ${opened ? "succeeded" : "failed"}`, "decide succeeded"])
      assert.strictEqual(told.reply, end)
      assert.deepEqual(story.house.done, opened ? ["door.unlock"] : [])
      // Nothing that was decided before is asked again, and what became of it is told.
      assert.strictEqual(story.model.requests.length, 1)
      assert.match(story.question(), opened ? /3 cups.*Unlocked\./ : /3 cups.*was denied by operator/)
    })
  }
})
