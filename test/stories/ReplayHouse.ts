/**
 * A house in which something of every kind happens, and its traces decided again from the records: with the same
 * configuration, or with another.
 */
import {
  all,
  type Configuration,
  definePlugin,
  defineTask,
  defineTool,
  field,
  Schema,
  ToolRefused,
  ToolUnknown
} from "syris"
import {
  openLedger,
  type OutsideLedger,
  scriptedModel,
  type ScriptedModel,
  testHost,
  type TestHost
} from "syris/testing"
import { Cause, Effect, Layer, Logger, ManagedRuntime, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fromUrl } from "../../core/database/Database.ts"
import { Environment } from "../../core/database/Environment.ts"
import { Settings } from "../../core/plugin/Settings.ts"
import { layerReadOnly } from "../../core/replay/ReadOnly.ts"
import { Replay, type TraceReplayed } from "../../core/replay/Replay.ts"
import type { ModelRequest, ScriptedAnswer } from "../../core/testing/ScriptedModel.ts"
import noop from "../../plugins/noop/index.ts"
import timers from "../../plugins/timers/index.ts"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { until } from "../storms/Until.ts"

const Thing = Schema.Struct({ id: Schema.String })
const message = Schema.Struct({ message: Schema.String })

interface Calling {
  readonly call: (tool: string, input: object) => Promise<unknown>
}

/** `acting`: one whose tools act when they are only asked for their risk. */
const housePlugin = (
  outside: OutsideLedger,
  { acting = false, ring }: {
    readonly acting?: boolean
    /** What the bell does while it is read, with the task that reads it. */
    readonly ring?: (task_id: string) => Promise<void>
  } = {}
) => {
  const seen = new Set<string>()
  const tool = (name: string, risk: "low" | "medium" | "critical", more: object = {}) =>
    defineTool({
      name,
      description: `Does ${name}.`,
      input: Thing,
      output: message,
      effect: "write",
      risk: acting
        ? ({ id }: typeof Thing.Type) => {
          outside.note(`${name} ${id} by asking`)
          return risk
        }
        : risk,
      scopes: ["house"],
      run: ({ id }: typeof Thing.Type): { readonly message: string } => {
        outside.note(`${name} ${id}`)
        return { message: `${name} did ${id}.` }
      },
      ...more
    })
  const tools = [
    tool("lamp.set", "low"),
    tool("shelf.count", "low", { effect: "read" }),
    tool("bell.read", "low", {
      effect: "read",
      run: async (_: typeof Thing.Type, { taskId = "" }: { readonly taskId?: string }) => {
        await ring?.(taskId)
        return { message: "It rang." }
      }
    }),
    tool("door.unlock", "medium"),
    tool("safe.blow", "critical"),
    tool("blind.move", "low", { target: () => "blind" }),
    tool("milk.pour", "low", {
      run: () => {
        throw new ToolRefused("There is no milk.")
      }
    }),
    tool("post.send", "low", {
      run: () => {
        throw new ToolUnknown("The line went dead.")
      }
    }),
    tool("kettle.boil", "low", {
      run: ({ id }: typeof Thing.Type) => {
        if (!seen.has(id)) {
          seen.add(id)
          throw new ToolRefused("It is empty.")
        }
        outside.note(`kettle.boil ${id}`)
        return { message: "It boils." }
      }
    }),
    tool("scene.set", "low", {
      run: async ({ id }: typeof Thing.Type, ctx: Calling) => {
        await ctx.call("shelf.count", { id })
        await ctx.call("lamp.set", { id: `scene ${id}` })
        return { message: "It is as it should be." }
      }
    }),
    tool("guest.let", "low", {
      timeout: "1 minute",
      run: async ({ id }: typeof Thing.Type, ctx: Calling) => ctx.call("door.unlock", { id })
    }),
    tool("visitor.let", "low", {
      timeout: "1 second",
      run: async ({ id }: typeof Thing.Type, ctx: Calling) => ctx.call("door.unlock", { id })
    }),
    tool("errand.run", "low", {
      run: ({ id }: typeof Thing.Type, ctx: { readonly emit: (raw: object) => unknown }) => {
        ctx.emit({ channel: "sensor", text: `lamp ${id}` })
        return { message: "It is on its way." }
      }
    })
  ]
  return definePlugin({
    name: "house",
    setup: () => ({
      tools,
      channels: [{ name: "sensor", trust: "trusted" }],
      tasks: [
        defineTask({
          name: "breakfast",
          description: "Makes breakfast.",
          input: Thing,
          steps: ({ id }: typeof Thing.Type) => [
            { name: "count", tool: "shelf.count", input: { id } },
            [
              { name: "light", tool: "lamp.set", input: { id } },
              { name: "boil", tool: "kettle.boil", input: { id }, retry: { baseDelay: "10 millis" } }
            ],
            { name: "rest", wait: "20 millis" },
            { name: "light again", tool: "lamp.set", input: { id: `${id} again` } }
          ]
        }),
        defineTask({
          name: "routine",
          description: "Does what is to be done.",
          input: Thing,
          output: message,
          run: async ({ id }: typeof Thing.Type, ctx) => {
            const { message: counted } = await ctx.call("shelf.count", { id }) as { readonly message: string }
            await ctx.sleep("20 millis")
            await Promise.all([ctx.call("lamp.set", { id: counted }), ctx.call("door.unlock", { id })])
            return { message: `The routine of ${id} is over.` }
          }
        })
      ],
      intents: [
        ...tools.map(({ name }) => ({
          name,
          tool: name,
          patterns: [new RegExp(`${name.split(".")[0]} (?<id>[\\w -]+)`)]
        })),
        { name: "breakfast", task: "breakfast", patterns: [/breakfast (?<id>[\w -]+)/] },
        { name: "routine", task: "routine", patterns: [/routine (?<id>[\w -]+)/] }
      ]
    })
  })()
}

export const rules: NonNullable<Configuration["rules"]> = [
  { name: "muted", when: field("content.text").startsWith("spam "), then: [{ notify: { text: "Spam." } }], stop: true },
  {
    name: "porch",
    when: all(field("source.channel").eq("sensor"), field("content.structured.at").eq("porch")),
    then: [
      { emit: { channel: "sensor", text: "lamp porch" } },
      { tool: "door.unlock", input: { id: "{{content.structured.at}}" } },
      { task: { steps: [{ name: "look", tool: "shelf.count", input: { id: "porch" } }] } }
    ]
  },
  {
    name: "ding",
    when: field("content.text").eq("ding"),
    then: [{ emit: { channel: "sensor", text: "lamp ding" } }],
    debounceMs: 600_000
  },
  {
    name: "parcel",
    when: field("content.text").startsWith("parcel"),
    then: [{ notify: { text: "A parcel." } }],
    dedupe: { key: "{{content.text}}", windowMs: 600_000 }
  }
]

export interface ReplayHouse {
  readonly host: TestHost
  readonly model: ScriptedModel
  readonly outside: OutsideLedger
  readonly database: OwnDatabase
  readonly configuration: Configuration
  /** Hands an event in, with what the model will answer to it, and waits until it is settled. */
  readonly say: (event: string | object, ...answers: ReadonlyArray<ScriptedAnswer>) => Promise<string>
  readonly request: (method: string, at: string, body?: object) => Promise<any>
  /** Gives a word to what a trace asks for first, and waits until nothing of the trace is under way. */
  readonly word: (trace: string, word: "approve" | "deny" | "edit" | "expire", body?: object) => Promise<void>
  readonly ended: (trace: string) => Promise<void>
  /** Decides traces again, all of them with one configuration. */
  readonly replay: (
    traces: ReadonlyArray<string>,
    configuration?: Configuration
  ) => Promise<ReadonlyArray<TraceReplayed>>
  /** The house, with tools that act when they are asked for a decision. */
  readonly acting: () => NonNullable<Configuration["plugins"]>[number]
  /** What the database says to a replay that writes. */
  readonly tryToWrite: () => Promise<string>
  readonly end: () => Promise<void>
}

/** A runtime of its own for replays: nothing in it can write. */
const replaying = (url: string, home: string, configuration: Configuration) =>
  ManagedRuntime.make(Layer.fresh(
    Replay.layer.pipe(
      Layer.provide([layerReadOnly(fromUrl(Redacted.make(url))), Settings.layerOf(configuration)]),
      Layer.provide(Layer.succeed(Environment, { home, host: "", port: 0, config: "", databaseUrl: undefined })),
      Layer.provide(Logger.layer([]))
    )
  ))

export const replayHouse = async (): Promise<ReplayHouse> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-replay-"))
  const outside = openLedger(path.join(folder, "outside"))
  const home = path.join(folder, "home")
  const database = await makeDatabase()
  const model = await scriptedModel()
  const left = new Map<string, Array<ScriptedAnswer>>()
  /** What may stand around a message, characters. */
  const marks = 400
  const given = new Map<string, ScriptedAnswer>()
  const answer = ({ body: { messages = [] } }: ModelRequest): ScriptedAnswer => {
    // A question that is put again, since its answer was lost, has the same answer.
    const question = JSON.stringify(messages)
    const known = given.get(question)
    if (known !== undefined) return known
    const chosen = choose(messages)
    given.set(question, chosen)
    return chosen
  }
  const choose = (messages: NonNullable<ModelRequest["body"]["messages"]>): ScriptedAnswer => {
    // The message itself stands after all that the host tells, and between marks where nobody vouches for it; a list of tasks
    // may hold the words of others.
    const keyOf = (content: unknown) => {
      const text = String(content)
      return [...left.keys()].find((key) => text.includes(key) && text.length <= key.length + marks)
    }
    const asked = messages.findLast(({ content, role }) => role === "user" && keyOf(content) !== undefined)
    return left.get(keyOf(asked?.["content"]) ?? "")?.shift() ?? { text: "I have nothing to say." }
  }
  model.add(...Array.from({ length: 1_000 }, () => answer))
  const configuration: Configuration = {
    timezone: "UTC",
    plugins: [housePlugin(outside, { ring: (task_id) => ring(task_id) }), noop(), timers()],
    rules,
    safety: { antiflapCooldown: "10 minutes", notificationsPerHour: 3 },
    llm: { provider: "openai", baseURL: model.url, model: "m" }
  }
  const host = await testHost({ ...configuration, http: true, home, databaseUrl: database.url })
  const { token, url } = host.http!
  const request: ReplayHouse["request"] = async (method, at, body) => {
    const response = await fetch(`${url}${at}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (response.status >= 300) throw new Error(`${method} ${at}: ${response.status} ${text}`)
    return text === "" ? undefined : JSON.parse(text)
  }
  /** Pauses the task that reads the bell, and resumes it when it rests. */
  const ring = async (task_id: string): Promise<void> => {
    await request("POST", `/tasks/${task_id}/pause`, {})
    void until(
      "the task to rest",
      async () =>
        (await database.query("select 1 from work where work_id = $1::uuid and claimed_by is null", [task_id])).length >
          0,
      90_000
    ).then(() => request("POST", `/tasks/${task_id}/resume`, {}))
  }
  const ended = async (trace: string): Promise<void> => {
    await until(
      `the end of ${trace}`,
      async () =>
        (await database.query(
          "select 1 from work where trace_id = $1::uuid and (claimed_by is not null or not parked) " +
            "and (waits_for is null or waits_for <> 'approval') limit 1",
          [trace]
        )).length === 0,
      90_000
    )
  }
  return {
    host,
    model,
    outside,
    database,
    configuration,
    request,
    ended,
    say: async (event, ...answers) => {
      const raw = typeof event === "string"
        ? { channel: "chat", text: event }
        : event as { channel: string; text?: string }
      if (answers.length > 0) left.set(String(raw.text), [...answers])
      const { trace_id } = await host.send(raw)
      return trace_id
    },
    word: async (trace, word, body) => {
      const asked = await until(
        "a question",
        async () =>
          (await request("GET", `/approvals?status=pending&trace_id=${trace}`)).items[0] as
            | { readonly approval_id: string }
            | undefined,
        90_000
      )
      if (word === "expire") {
        await database.query(
          "with o as materialized (select set_config('session_replication_role', 'replica', true)) " +
            "update approvals set expires_at = clock_timestamp() - interval '1 second' from o where approval_id = $1::uuid",
          [asked.approval_id]
        )
        await database.query("update work set due_at = clock_timestamp() where trace_id = $1::uuid", [trace])
        await until(
          "its end",
          async () => (await database.query("select 1 from work where trace_id = $1::uuid", [trace])).length === 0,
          90_000
        )
        return
      }
      await request("POST", `/approvals/${asked.approval_id}/${word}`, body ?? {})
      if (word !== "edit") await ended(trace)
    },
    replay: async (traces, other = configuration) => {
      const runtime = replaying(database.url, home, other)
      try {
        return await runtime.runPromise(Effect.gen(function*() {
          const replay = yield* Replay
          return yield* Effect.forEach(
            traces,
            (trace) =>
              Effect.flatMap(
                replay.trace(trace),
                (found) =>
                  found === undefined ? Effect.die(new Error(`There is no trace ${trace}.`)) : Effect.succeed(found)
              )
          )
        }))
      } finally {
        await runtime.dispose()
      }
    },
    acting: () => housePlugin(outside, { acting: true }),
    tryToWrite: () =>
      Effect.runPromise(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from work`).pipe(
          Effect.as("It was written."),
          Effect.catchCause((cause) => Effect.succeed(Cause.pretty(cause))),
          Effect.provide(Layer.fresh(layerReadOnly(fromUrl(Redacted.make(database.url)))))
        )
      ),
    end: async () => {
      await host.stop()
      await model.close()
      await database.close()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}
