/**
 * For tests: task engines over one database that a test leads step by step.
 *
 * Each engine is the real one with the real statements; what it would send stops at a gate in front of the statement and
 * at another behind its commit, and goes on when the test says so, or never: then the engine has vanished there. Tools
 * end when the test says so. Notifications are heard when the test says so.
 */
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Exit, Layer, Logger, ManagedRuntime, Schema, Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { Guarantee } from "../contract/Enums.ts"
import { fromUrl, layerPool, migrate } from "../database/Database.ts"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import { Alarms } from "../health/Alarms.ts"
import { Health } from "../health/Health.ts"
import { HostLease } from "../health/HostLease.ts"
import { Intake } from "../pipeline/Intake.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { WorkQueue, type WorkRow, type WorkServer } from "../pipeline/WorkQueue.ts"
import { type ClaimedRow, claimStatement, release } from "../pipeline/WorkStatements.ts"
import * as PluginHost from "../plugin/PluginHost.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { defineTool, type ToolContext, ToolRefused, ToolUnknown, type TransactionalContext } from "../plugin/Tool.ts"
import { Admission } from "../safety/Admission.ts"
import { Control } from "../safety/Control.ts"
import { Gates } from "../safety/Gates.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { Standing } from "../safety/Standing.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { newDatabase } from "../testing/TestDatabase.ts"
import { Artifacts } from "../tools/Artifacts.ts"
import { Binding } from "../tools/Binding.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import { CallRecovery } from "../tools/CallRecovery.ts"
import { CallSettlement } from "../tools/CallSettlement.ts"
import { Previews } from "../tools/Previews.ts"
import { NestedCalls } from "../tools/NestedCalls.ts"
import { ToolExecutor } from "../tools/ToolExecutor.ts"
import { ToolLedger } from "../tools/ToolLedger.ts"
import { type Advanced, Checkpoints } from "./Checkpoints.ts"
import { LlmRunner } from "./LlmRunner.ts"
import { taskChannel, TaskCommands } from "./TaskCommands.ts"
import { TaskEngine } from "./TaskEngine.ts"
import { createdFact, startedFact, stepStartedFact } from "./TaskFacts.ts"
import { createdTask, firstSteps } from "./TaskRows.ts"
import { layerDecides } from "./TestDecisions.ts"
import { type HeldTimer, heldTimers, holdTimers } from "./TestTimers.ts"
import {
  eventRow,
  type Flying,
  type Op,
  type TestEngine,
  type ToolName,
  toolsOf,
  type World,
  type WorldOptions
} from "./TestWorld.ts"

export * from "./TestWorld.ts"

class Vanished extends Error {}

/** The one row of `control`, as the first start of a host makes it. */
const beginControl = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql.unsafe("insert into control default values on conflict do nothing")
)

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** How a call of a tool in the air ends; set by the engine in which it runs. */
type Launch = (tool: ToolName, ctx: ToolContext) => Promise<unknown>

export const openWorld = async ({ decide, tasks = [], weaken }: WorldOptions = {}): Promise<World> => {
  const restoreTimers = holdTimers()
  const scope = Scope.makeUnsafe()
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-engines-"))
  const url = await Effect.runPromise(Scope.provide(newDatabase, scope))
  // Planning over all partitions takes longer than all else; a plan that is kept does.
  const eyes = ManagedRuntime.make(Layer.fresh(PgClient.layer({
    ...fromUrl(url),
    maxConnections: 2,
    startupParameters: { plan_cache_mode: "force_generic_plan" }
  })))
  const query: World["query"] = (text, ...values) =>
    eyes.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<any>(text, values)))
  // No test takes the power from the server.
  await query(
    "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$"
  )
  const outside = new Map<string, number>()
  let activity = 0
  let moving = 0
  const move = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      moving++
      return Effect.ensuring(effect, Effect.sync(() => void moving--))
    })

  const common = { input: Schema.Struct({}), description: "Do it.", risk: "low", scopes: [] } as const
  const unbound = () => Promise.reject(new Error("It runs in no engine."))
  const tools = Object.entries(toolsOf).map(([name, { effect, guarantee }]) =>
    defineTool<{}, unknown, Guarantee>({
      ...common,
      name,
      effect,
      guarantee,
      run: unbound,
      ...(guarantee === "probe"
        ? {
          probe: (_: {}, ctx: ToolContext) => outside.has(ctx.idempotencyKey) ? "done" as const : "not_done" as const
        }
        : {})
    })
  )
  const plugin = definePlugin({ name: "t", setup: () => ({ tools, tasks: [...tasks] }) })

  const layerSql = weaken === undefined ? layerPool(fromUrl(url)) : Layer.effect(
    SqlClient.SqlClient,
    Effect.map(SqlClient.SqlClient, (sql) =>
      new Proxy(sql, {
        get: (target, key) =>
          key !== "unsafe" ?
            Reflect.get(target, key) :
            (text: string, values?: ReadonlyArray<unknown>) => target.unsafe(weaken(text), values)
      }))
  ).pipe(Layer.provide(layerPool(fromUrl(url))))

  const control = { autonomy: "A2", paused: false, policy_version: 1 } as const
  const shared = ManagedRuntime.make(
    Layer.mergeAll(
      PluginHost.layer,
      TaskCommands.layer,
      CallSettlement.layer,
      Intake.layer,
      Gates.layer,
      Previews.layer
    )
      .pipe(
        Layer.provideMerge([Admission.layer({ cooldownMs: 30_000, notificationsPerHour: 20 }), Standing.layer]),
        Layer.provideMerge([Alarms.layer, QuietHours.layer([])]),
        Layer.provideMerge(Audit.layer),
        Layer.provideMerge([
          AuditWake.layer,
          Health.layer,
          SecretsStore.layer,
          Redactor.layerEmpty,
          Settings.layerOf({ plugins: [plugin()], timezone: "UTC" }),
          Layer.succeed(Notifications, { listen: () => Effect.void, notify: () => Effect.void }),
          Layer.succeed(HostLease, { hostId: newId(), restartReason: undefined, lost: Effect.never }),
          Layer.succeed(Control, { current: () => control, enter: () => () => {}, refresh: Effect.succeed(control) })
        ]),
        Layer.provideMerge([
          Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined }),
          Layer.effectDiscard(Effect.andThen(migrate, beginControl)).pipe(Layer.provideMerge(layerSql))
        ]),
        Layer.provideMerge(process.env["SYRIS_TEST_VERBOSE"] === undefined ? Logger.layer([]) : Layer.empty)
      )
  )
  const context = await shared.runPromise(Effect.context<ManagedRuntime.ManagedRuntime.Services<typeof shared>>())
  const registry = Context.get(context, Registry)

  await query("create table effects (key text)")

  const quiet = async () => {
    const end = performance.now() + 30_000
    for (let calm = 0; calm < 16;) {
      const before = activity
      await turn()
      calm = before === activity && moving === 0 ? calm + 1 : 0
      if (performance.now() > end) throw new Error("It does not come to rest.")
    }
  }

  const start = async (): Promise<TestEngine> => {
    const hostId = newId()
    await query(
      `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
       values ($1, $1, 'm', 1, '1', '0', clock_timestamp() + interval '1 hour')`,
      hostId
    )
    let gone = false
    let server: WorkServer | undefined
    let listener: ((message: string) => void) | undefined
    const ops: Array<Op> = []
    const air: Array<Flying> = []
    let timers: Array<HeldTimer> = []
    const resent: Array<readonly [Advanced | undefined, Advanced | undefined]> = []
    const waiting = new Set<() => void>()
    /** Transactions of tools that are being committed or rolled back: until the engine is heard of again. */
    let committing = 0

    const committed = () => {
      activity++
      moving -= committing
      committing = 0
    }

    /** Stops until the test lets it pass. Answers whether it is to be sent twice. */
    const gate = (op: Omit<Op, "pass">): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        committed()
        if (gone) return Effect.die(new Vanished())
        return Effect.callback<boolean>((resume) => {
          const leave = () => {
            ops.splice(ops.indexOf(standing), 1)
            waiting.delete(vanish)
            activity++
          }
          const vanish = () => {
            leave()
            resume(Effect.die(new Vanished()))
          }
          const standing: Op = {
            ...op,
            pass: (twice = false) => {
              leave()
              resume(Effect.succeed(twice))
            }
          }
          ops.push(standing)
          waiting.add(vanish)
        })
      })

    /** A statement between its two gates. */
    const gated = <A, E>(op: Omit<Op, "pass" | "phase">, send: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.gen(function*() {
        const twice = yield* gate({ ...op, phase: "before" })
        const answer = yield* move(send)
        if (twice) {
          const second = yield* move(send)
          if (op.advance !== undefined) resent.push([answer as Advanced | undefined, second as Advanced | undefined])
        }
        yield* gate({ ...op, phase: "after", answer: answer as Advanced | undefined })
        return answer
      })

    const launch: Launch = (tool, ctx) => {
      const { idempotencyKey: key, stepId: step_id = "" } = ctx
      const fly = () =>
        new Promise<unknown>((resolve, reject) => {
          activity++
          const land = () => {
            if (tool === "t.transactional" || (tool === "t.keyed" && outside.has(key))) return
            outside.set(key, (outside.get(key) ?? 0) + 1)
          }
          const flying: Flying = {
            tool,
            key,
            step_id,
            end: (fate, landed = false) => {
              air.splice(air.indexOf(flying), 1)
              activity++
              if (fate === "succeed" || (fate === "unknown" && landed)) land()
              if (fate === "succeed") resolve({ message: "done" })
              else reject(fate === "refuse" ? new ToolRefused("No.") : new ToolUnknown("Who knows?"))
            }
          }
          ctx.signal.addEventListener("abort", () => void (air.includes(flying) && air.splice(air.indexOf(flying), 1)))
          air.push(flying)
        })
      if (tool !== "t.transactional") return fly()
      moving++
      const { sql } = ctx as TransactionalContext
      return sql`insert into effects values (${key})`.finally(() => void moving--).then(fly)
    }

    const ownRegistry: Registry["Service"] = {
      ...registry,
      tool: (name) => {
        const found = registry.tool(name)
        if (found === undefined || !(name in toolsOf)) return found
        const run = (_: {}, ctx: ToolContext) => launch(name as ToolName, ctx)
        return { ...found, definition: { ...found.definition, run } }
      }
    }

    const layerLedger = Layer.effect(
      ToolLedger,
      Effect.map(ToolLedger, (real) => ({
        ...real,
        lose: (held, fact) => gated({ kind: "lose", held }, real.lose(held, fact)),
        replan: (held) => gated({ kind: "replan", held }, real.replan(held)),
        keepEvidence: (held, evidence) => gated({ kind: "evidence", held }, real.keepEvidence(held, evidence))
      } satisfies ToolLedger["Service"]))
    ).pipe(Layer.provide(ToolLedger.layer))

    const layerCheckpoints = Layer.effect(
      Checkpoints,
      Effect.map(Checkpoints, (real) => ({
        write: (advance) => gated({ kind: "write", advance }, real.write(advance)),
        // In the transaction of the tool: nobody sees it, nor waits for it, before that commits.
        writeHere: (advance) =>
          Effect.flatMap(gate({ kind: "writeHere", phase: "before", advance }), () => {
            moving++
            committing++
            return real.writeHere(advance)
          })
      } satisfies Checkpoints["Service"]))
    ).pipe(Layer.provide(Checkpoints.layer))

    const layerExecutor = Layer.effect(
      ToolExecutor,
      Effect.map(ToolExecutor, (real) => ({
        ...real,
        run: (work, lane) => {
          const timer = [...heldTimers].at(-1)
          if (timer !== undefined) {
            heldTimers.delete(timer)
            timers.push(timer)
          }
          const conclude: typeof lane.conclude = (...given) =>
            Effect.tap(lane.conclude(...given), () =>
              Effect.sync(() => {
                if (work.tool.definition.guarantee !== "transactional") return
                moving++
                committing++
              }))
          return Effect.ensuring(real.run(work, { ...lane, conclude }), Effect.sync(committed))
        }
      } satisfies ToolExecutor["Service"]))
    ).pipe(Layer.provide(ToolExecutor.layer.pipe(Layer.provide([Artifacts.layer, NestedCalls.layer]))))

    const gates = Context.get(context, Gates)
    // Whoever has vanished sends nothing, be it to give its claims back.
    const ownSql = new Proxy(Context.get(context, SqlClient.SqlClient), {
      get: (sql, name) => name === "unsafe" && gone ? () => Effect.die(new Vanished()) : Reflect.get(sql, name)
    })

    const layer = Layer.mergeAll(TaskEngine.layer, Intake.layer).pipe(
      Layer.provideMerge(CallRecovery.layer),
      Layer.provideMerge(CallPlanner.layer),
      Layer.provideMerge(Binding.layer),
      Layer.provideMerge([layerExecutor, layerCheckpoints]),
      Layer.provideMerge(layerLedger),
      Layer.provideMerge([
        Settlements.layer,
        decide === undefined ? Layer.mock(LlmRunner)({ apply: () => {} }) : layerDecides(decide),
        Layer.succeed(Registry, ownRegistry),
        Layer.succeed(HostLease, { hostId, restartReason: undefined, lost: Effect.never }),
        Layer.succeed(Notifications, {
          listen: (channel, onMessage) =>
            Effect.sync(() => {
              if (channel === taskChannel) listener = onMessage
            }),
          notify: () => Effect.void
        }),
        Layer.succeed(WorkQueue, {
          wake: () => {},
          wakeAll: Effect.void,
          hasRoom: () => false,
          hand: () => Effect.void,
          serve: (_, given) =>
            Effect.sync(() => {
              server = given
            })
        })
      ]),
      Layer.provide([
        Layer.succeed(SqlClient.SqlClient, ownSql),
        Layer.succeed(Gates, { ...gates, refresh: move(gates.refresh) })
      ]),
      Layer.provide(Layer.succeedContext(context))
    )
    const life = Scope.makeUnsafe()
    const services = await shared.runPromise(Layer.buildWithScope(Layer.fresh(layer), life))
    const engine = Context.get(services, TaskEngine)
    const served = (): WorkServer => {
      if (server === undefined) throw new Error("The engine serves no queue.")
      return server
    }
    const withSql = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) => shared.runPromise(effect)

    return {
      hostId,
      ops,
      air,
      notes: () => {
        timers = timers.filter((timer) => !timer.cleared)
        return timers.map((timer) => () => {
          timers.splice(timers.indexOf(timer), 1)
          activity++
          timer.fire()
        })
      },
      resent,
      claim: () =>
        withSql(Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const [found] = yield* sql.unsafe<ClaimedRow>(claimStatement, [hostId, [100], ["task"], []])
          const rows = found?.rows ?? []
          if (rows.length > 0) {
            yield* Effect.forkDetach(
              Effect.andThen(gate({ kind: "load", phase: "before", rows }), move(served().resume(rows)))
            )
          }
          return rows
        })),
      release: async () => {
        const tell = (rows: ReadonlyArray<WorkRow>) => served().interrupted?.(rows) ?? Effect.void
        return (await withSql(release(hostId, ["task"], tell))).released
      },
      hear: (message) => {
        activity++
        listener?.(message)
      },
      create: (plan, claim) =>
        withSql(Effect.gen(function*() {
          const event = eventRow()
          const created = createdTask(event, plan, "A2", new Date(event.ingested_at))
          const begins = firstSteps(created.steps)
          const audit = Context.get(context, Audit)
          const at = new Date()
          const told = (told_when: "stored" | "started", fact: Parameters<typeof audit.row>[0]) => ({
            told_when,
            row: audit.row(fact)
          })
          const stored = yield* Context.get(services, Intake).store({
            event,
            body_hash: "",
            decision: undefined,
            task: { ...created, begins },
            attempt: false,
            claim,
            policy_version: 1,
            tellings: [
              told("stored", createdFact(created.task, created.steps, at)),
              told("started", startedFact(created.task, at)),
              ...created.steps.flatMap((step) =>
                begins.includes(step.position) ? [told("started", stepStartedFact(created.task, step, at))] : []
              )
            ]
          })
          if (stored.claimed) yield* engine.begin(created, event, stored.fence, begins)
          return { ...created, fence: stored.fence }
        })),
      run: (effect) => shared.runPromise(Effect.provideContext(effect, Context.merge(context, services) as any)),
      vanish: async (landed) => {
        await query("update hosts set ended_at = clock_timestamp(), end_proof = 'pid_gone' where host_id = $1", hostId)
        gone = true
        for (const leave of Array.from(waiting)) leave()
        for (const flying of Array.from(air)) flying.end("unknown", landed)
        timers = []
        await shared.runPromise(Scope.close(life, Exit.void))
      }
    }
  }

  return {
    query,
    start,
    quiet,
    outside,
    command: (name, task_id) =>
      shared.runPromise(
        Effect.flatMap(TaskCommands, (commands) => commands[name](task_id)).pipe(
          Effect.as("done"),
          Effect.catchTags({
            TaskNotFound: (error) => Effect.succeed(error.message),
            TaskMoveRefused: (error) => Effect.succeed(error.message)
          })
        )
      ),
    settle: (tool_call_id, outcome) =>
      shared.runPromise(
        Effect.flatMap(CallSettlement, (calls) => calls.settle(tool_call_id, { outcome })).pipe(
          Effect.as("done"),
          Effect.catchTag(["CallNotFound", "CallNotUnknown", "CallBusy"], (error) => Effect.succeed(error.message))
        )
      ),
    stop: async () => {
      await shared.dispose()
      await eyes.dispose()
      await Effect.runPromise(Scope.close(scope, Exit.void))
      fs.rmSync(home, { recursive: true, force: true })
      restoreTimers()
    }
  }
}
