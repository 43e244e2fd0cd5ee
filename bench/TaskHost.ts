/**
 * The host's side of the benches about tasks: the layers of a host on a database of the bench, in a process of its own, with
 * the real clock and without HTTP, driven directly. Everything that these benches know of the task engine stands here.
 */
import { Effect, Layer, Logger, ManagedRuntime, Redacted } from "effect"
import { definePlugin, defineTool, Schema } from "syris"
import { fromUrl, layerPool } from "../core/database/Database.ts"
import { Environment } from "../core/database/Environment.ts"
import { layerCore } from "../core/main.ts"
import { Pipeline } from "../core/pipeline/Pipeline.ts"
import { Settings } from "../core/plugin/Settings.ts"
import { defaultMaxAttempts, defaultPriority, defaultRetry, type NewTask } from "../core/tasks/TaskPlan.ts"
import noop from "../plugins/noop/index.ts"
import { keepUnderWay, type Run, sharedClock, takeOrders, timed } from "./Subject.ts"

/** A task of steps that are done one after the other. */
const sequence = (tool: string, inputs: ReadonlyArray<unknown>): NewTask => ({
  name: "bench",
  kind: "steps",
  labels: [],
  priority: defaultPriority,
  steps: inputs.map((input, stage) => ({
    name: `step ${stage + 1}`,
    kind: "tool",
    stage,
    tool,
    input,
    max_attempts: defaultMaxAttempts,
    retry: defaultRetry
  }))
})

const { HOME: home = "", URL: url = "" } = process.env
const starts = new Map<string, (at: number) => void>()
const held: Array<() => void> = []
const common = { risk: "low", scopes: [], guarantee: "transactional", concurrency: 10_000 } as const
const tools = [
  defineTool({
    ...common,
    name: "bench.started",
    description: "Note the moment.",
    effect: "write",
    input: Schema.Struct({ id: Schema.String }),
    run: ({ id }) => {
      starts.get(id)?.(sharedClock())
      starts.delete(id)
      return {}
    }
  }),
  defineTool({
    ...common,
    name: "bench.hold",
    description: "Wait until the bench says so.",
    effect: "write",
    timeout: "1 hour",
    input: Schema.Struct({}),
    run: () => new Promise<object>((resolve) => held.push(() => resolve({})))
  })
]
const runtime = ManagedRuntime.make(layerCore.pipe(
  Layer.provideMerge([
    Settings.layerOf({
      plugins: [noop(), definePlugin({ name: "bench", version: "0.0.0", setup: () => ({ tools }) })()]
    }),
    layerPool(fromUrl(Redacted.make(url)))
  ]),
  Layer.provide(Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined })),
  Layer.provide(Logger.layer([]))
))
const pipeline = await runtime.runPromise(Pipeline)
const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => runtime.runPromise(effect)

const orders = {
  /** Tasks of no-op steps. Each counts when its end is committed. */
  run: ({ atOnce, count, steps }: {
    readonly atOnce: number
    readonly count: number
    readonly steps: number
  }): Promise<Run> => {
    const task = sequence("noop.run", Array.from({ length: steps }, () => ({})))
    const one = Effect.flatMap(pipeline.startTask(task), pipeline.settled)
    return timed(() => keepUnderWay(count, atOnce, () => run(one)))
  },
  /** When it was about to be handed in, on the clock that processes share. */
  enqueue: async ({ id }: { readonly id: string }): Promise<number> => {
    const at = sharedClock()
    await run(pipeline.startTask(sequence("bench.started", [{ id }])))
    return at
  },
  /** To be asked before it is handed in: when its call began. */
  started: ({ id }: { readonly id: string }): Promise<number> => new Promise((resolve) => starts.set(id, resolve)),
  /** Takes tasks that do not end, until this host has room for no other: what it is handed then, another starts. */
  fill: async ({ count }: { readonly count: number }): Promise<void> => {
    await Promise.all(Array.from({ length: count }, () => run(pipeline.startTask(sequence("bench.hold", [{}])))))
  },
  empty: async (): Promise<void> => {
    for (const release of held.splice(0)) release()
  }
}
export type TaskHostOrders = typeof orders
takeOrders(orders)
