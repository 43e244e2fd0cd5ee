/**
 * A turn of a model that begins nothing but reads is one write, any other two; and wherever its host vanishes, whatever the
 * operator wishes meanwhile, it comes to what it would have come to with every decision written by itself.
 */
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "vitest"
import type { Decision } from "../llm/Decision.ts"
import { type ScriptedDecisions, scriptedDecisions } from "./TestDecisions.ts"
import { openWorld, type TestEngine, type ToolName, type World } from "./TestEngines.ts"
import { defaultRetry } from "./TaskPlan.ts"
import { writeTimers } from "./TestTimers.ts"

const call = (...tools: ReadonlyArray<ToolName>): Decision => ({
  action: "call",
  calls: tools.map((tool) => ({ tool, input: {} }))
})

const plan = {
  name: "a plan",
  kind: "llm_plan",
  labels: [],
  priority: 5,
  steps: [{
    name: "decide",
    kind: "llm_decide",
    stage: 0,
    input: { intent: "Do it." },
    max_attempts: 4,
    retry: defaultRetry
  }]
} as const

describe("a decision that begins nothing but reads", () => {
  let world: World
  let model: ReturnType<typeof scriptedDecisions>
  let writes = 0

  beforeAll(async () => {
    world = await openWorld({ decide: (run, position) => model.decide(run, position) })
  }, 60_000)
  afterAll(() => world.stop())
  beforeEach(() => writeTimers.clear())

  /** Lets the first statement go; answers whether there was one. */
  const pass = ({ ops }: TestEngine): boolean => {
    const [op] = ops
    if (op?.phase === "before" && (op.kind === "write" || op.kind === "writeHere")) writes++
    op?.pass()
    return op !== undefined
  }
  /** One thing more happens: a statement goes, or a tool ends where none is left. */
  const move = async (engine: TestEngine, ends = true): Promise<boolean> => {
    await world.quiet()
    if (pass(engine)) return true
    const [flying] = ends ? engine.air : []
    flying?.end("succeed")
    return flying !== undefined
  }
  const rest = async (engine: TestEngine, ends = true): Promise<void> => {
    while (await move(engine, ends));
  }

  /** An engine that goes on with a new task, as it is told. */
  const begin = async (given: ScriptedDecisions) => {
    model = scriptedDecisions(given)
    writes = 0
    const engine = await world.start()
    const { task } = await engine.create(plan, true)
    return { engine, task_id: task.task_id }
  }
  /** Until its tools run that the first decision has chosen, which is not written. */
  const reading = async (...tools: ReadonlyArray<ToolName>) => {
    const begun = await begin({ script: [call(...tools)] })
    await rest(begun.engine, false)
    assert.strictEqual(begun.engine.air.length, tools.length)
    assert.strictEqual(writes, 0)
    return begun
  }
  /** Another host takes over what ended ones have left. */
  const takeOver = async (): Promise<void> => {
    const engine = await world.start()
    await engine.release()
    await engine.claim()
    await rest(engine)
  }

  const told = async (task_id: string): Promise<ReadonlyArray<string>> =>
    (await world.query(
      `select type || coalesce(' ' || (data ->> 'position'), '') as what from audit_events
       where refs ->> 'task_id' = $1 order by seq`,
      task_id
    )).map(({ what }) => what)
  const isTold = async (task_id: string, ...types: ReadonlyArray<string>) => {
    const all = await told(task_id)
    assert.deepEqual(all.filter((one) => types.some((type) => one.startsWith(type))).toSorted(), types.toSorted())
  }
  const steps = async (task_id: string): Promise<ReadonlyArray<string>> =>
    (await world.query("select name, status from steps where task_id = $1 order by stage, position", task_id))
      .map(({ name, status }) => `${name} ${status}`)
  const state = async (task_id: string): Promise<string> =>
    (await world.query(
      `select t.status || case when w.work_id is null then '' when w.claimed_by is null then ', free' else ', held' end as state
       from tasks t left join work w on w.work_id = t.task_id where t.task_id = $1`,
      task_id
    ))[0]?.["state"]

  it.each<readonly [name: string, tools: ReadonlyArray<ToolName>, together: number, apart: number]>([
    ["a read", ["t.read"], 1, 2],
    ["two reads at once", ["t.read", "t.read"], 2, 3],
    ["a write", ["t.keyed"], 2, 2],
    ["a transactional write", ["t.transactional"], 2, 2],
    ["a read and a write", ["t.read", "t.keyed"], 3, 3]
  ])("takes a turn with %s, and writes no more than it must, and tells the same", async (_, tools, together, apart) => {
    const run = async (recorded: boolean) => {
      const { engine, task_id } = await begin({ script: [call(...tools)], recorded })
      await rest(engine)
      assert.strictEqual(await state(task_id), "succeeded")
      // The last turn, in which it is done, is one.
      return { writes: writes - 1, told: await told(task_id), steps: await steps(task_id) }
    }
    const one = await run(true)
    assert.strictEqual(one.writes, together)
    // What is not on record can't be decided again: it is written before anything begins.
    assert.deepEqual(await run(false), { ...one, writes: apart })
  }, 30_000)

  describe("whose host vanishes", () => {
    const script = [call("t.read"), call("t.read", "t.read"), call("t.keyed"), call("t.read")]
    const all = Array.from(script.keys()).concat(script.length)

    /** The host of a task vanishes after so many moves; answers whether it came so far. */
    const vanishAfter = async (moves: number, kept = true) => {
      const { engine, task_id } = await begin({ script, kept })
      for (let left = moves; left > 0; left--) if (!await move(engine)) return undefined
      await world.quiet()
      await engine.vanish(true)
      await takeOver()
      return task_id
    }

    it("anywhere, is decided by the same answer: none is asked for twice, and nothing is told twice", async () => {
      let walked = 0
      for (; walked < 40; walked++) {
        const task_id = await vanishAfter(walked)
        if (task_id === undefined) break
        assert.strictEqual(await state(task_id), "succeeded", `${walked}`)
        assert.deepEqual(model.asked, all, `${walked}`)
        const decided = [0, 2, 5, 7, 9]
        await isTold(
          task_id,
          ...decided.flatMap((position) => [`llm.step_decided ${position}`, `task.step_succeeded ${position}`]),
          ...[1, 3, 4, 6, 8].map((position) => `task.step_succeeded ${position}`),
          "task.succeeded"
        )
      }
      assert.isAbove(walked, 12)
    }, 60_000)

    it("the control: an answer that was not on record is asked for again, and that is seen", async () => {
      assert.isString(await vanishAfter(0, false))
      assert.deepEqual(model.asked, [0, ...all])
    })
  })

  it("is written by whoever claimed it next, and not by a host that wakes late", async () => {
    const { engine, task_id } = await reading("t.read")
    await world.query(
      "update hosts set ended_at = clock_timestamp(), end_proof = 'pid_gone' where host_id = $1",
      engine.hostId
    )
    await takeOver()
    const after = await told(task_id)
    await rest(engine)
    assert.strictEqual(await state(task_id), "succeeded")
    assert.deepEqual(await told(task_id), after)
    assert.deepEqual(model.asked, [0, 1])
  })

  const hearing = {
    "and that is heard": ({ hear }: TestEngine, message: string) => hear(message),
    "and nobody hears it": () => {},
    "and its note finds that": ({ notes }: TestEngine) => notes()[0]?.()
  }
  for (const tools of [["t.read"], ["t.read", "t.read"]] as const) {
    for (const [how, hear] of Object.entries(hearing)) {
      const when = `${tools.length === 1 ? "its read runs" : "its reads run"}, ${how}`
      const read = tools.map((_, i) => `task.step_succeeded ${i + 1}`)

      it(`is kept by a task that is paused while ${when}: it goes on from there`, async () => {
        const { engine, task_id } = await reading(...tools)
        await world.command("pause", task_id)
        hear(engine, `pause ${task_id}`)
        await rest(engine)
        assert.strictEqual(await state(task_id), "paused, free")
        assert.deepEqual(await steps(task_id), [
          "decide succeeded",
          ...tools.map((tool) => `${tool} succeeded`),
          "decide pending"
        ])
        await isTold(task_id, "llm.step_decided 0", "task.step_succeeded 0", ...read, "task.paused")
        await world.command("resume", task_id)
        await engine.claim()
        await rest(engine)
        assert.strictEqual(await state(task_id), "succeeded")
        assert.deepEqual(model.asked, [0, 1])
      })

      it(`is told of a task that is canceled while ${when}: nothing follows it`, async () => {
        const { engine, task_id } = await reading(...tools)
        await world.command("cancel", task_id)
        hear(engine, `cancel ${task_id}`)
        await rest(engine)
        assert.strictEqual(await state(task_id), "canceled")
        const end = how === "and that is heard" ? "failed" : "succeeded"
        assert.deepEqual(await steps(task_id), ["decide succeeded", ...tools.map((tool) => `${tool} ${end}`)])
        const all = await told(task_id)
        assert.includeMembers([...all], ["llm.step_decided 0", "task.step_started 1", "tool_call.attempted"])
        assert.strictEqual(all.filter((type) => type === "llm.step_decided 0").length, 1)
        assert.deepEqual(model.asked, [0])
      })
    }
  }

  it("is written by itself where its reads take long, with their beginning, and once", async () => {
    const { engine, task_id } = await reading("t.read", "t.read")
    const [first, second] = engine.notes()
    first?.()
    await rest(engine, false)
    assert.deepEqual(await steps(task_id), ["decide succeeded", "t.read running", "t.read running", "decide pending"])
    await isTold(task_id, "llm.step_decided 0", "task.step_succeeded 0", "tool_call.attempted")
    for (const timer of writeTimers) timer.fire()
    await rest(engine, false)
    assert.strictEqual(writes, 1)
    second?.()
    await rest(engine)
    assert.strictEqual(await state(task_id), "succeeded")
    assert.deepEqual(model.asked, [0, 1])
  })

  it("is written by itself where its reads have not begun for long", async () => {
    const { engine, task_id } = await reading("t.read")
    assert.deepEqual(await steps(task_id), ["decide running"])
    for (const timer of writeTimers) timer.fire()
    await rest(engine, false)
    assert.deepEqual(await steps(task_id), ["decide succeeded", "t.read running", "decide pending"])
    await rest(engine)
    assert.strictEqual(await state(task_id), "succeeded")
    // The decision, the read, the end.
    assert.strictEqual(writes, 3)
  })
})
