/**
 * A house with a model for the stories of it: tools that note what they did, a whole host, a scripted model, and what an
 * operator reads of a trace afterwards.
 */
import { definePlugin, defineTool, type LlmConfiguration, Schema, ToolRefused } from "syris"
import {
  type ModelRequest,
  type Script,
  type ScriptedAnswer,
  scriptedModel,
  type ScriptedModel,
  testHost,
  type TestHost,
  type TestHostOptions
} from "syris/testing"
import { until } from "../storms/Until.ts"

/** What the tools did, oldest first, and what they wait for. */
export interface House {
  readonly done: Array<string>
  /** Makes `oven.bake` wait; answers what lets it go on. */
  readonly hold: () => () => void
}

const house = (): { readonly house: House; readonly plugin: ReturnType<ReturnType<typeof definePlugin>> } => {
  const done: Array<string> = []
  let ticks = 0
  let held: Promise<void> | undefined
  const waiting = new Map<string, () => void>()

  /** Ends when somebody else has come to the same table: alone it would wait for ever. */
  const meet = (guest: string): Promise<void> =>
    new Promise((resolve) => {
      waiting.set(guest, resolve)
      if (waiting.size < 2) return
      for (const each of waiting.values()) each()
      waiting.clear()
    })

  const message = Schema.Struct({ message: Schema.String })
  const tools = [
    defineTool({
      name: "shelf.count",
      description: "Count the cups on the shelf.",
      input: Schema.Struct({}),
      output: message,
      effect: "read",
      risk: "low",
      scopes: ["kitchen"],
      run: () => {
        done.push("shelf.count")
        return { message: "3 cups" }
      }
    }),
    defineTool({
      name: "oven.look",
      description: "Look how warm the oven is.",
      input: Schema.Struct({}),
      output: message,
      effect: "read",
      risk: "low",
      scopes: ["kitchen"],
      run: () => ({ message: `${100 + ++ticks} degrees` })
    }),
    defineTool({
      name: "coffee.brew",
      description: "Brew a coffee.",
      input: Schema.Struct({ size: Schema.Literals(["small", "large"]), note: Schema.optionalKey(Schema.String) }),
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["kitchen"],
      run: ({ note, size }) => {
        done.push(`coffee.brew ${size}${note === undefined ? "" : ` ${note}`}`)
        return { message: `Brewed a ${size} coffee.` }
      }
    }),
    defineTool({
      name: "table.meet",
      description: "Sit down and wait for somebody else.",
      input: Schema.Struct({ guest: Schema.String }),
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["kitchen"],
      timeout: "5 seconds",
      run: async ({ guest }) => {
        await meet(guest)
        done.push(`table.meet ${guest}`)
        return { message: `${guest} met somebody.` }
      }
    }),
    defineTool({
      name: "milk.pour",
      description: "Pour milk.",
      input: Schema.Struct({}),
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["kitchen"],
      run: () => {
        throw new ToolRefused("There is no milk.")
      }
    }),
    defineTool({
      name: "oven.bake",
      description: "Bake.",
      input: Schema.Struct({}),
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["kitchen"],
      run: async () => {
        done.push("oven.bake")
        await held
        return { message: "Baked." }
      }
    }),
    defineTool({
      name: "errand.run",
      description: "Have something else done.",
      input: Schema.Struct({ text: Schema.String }),
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["kitchen"],
      run: ({ text }, ctx) => {
        ctx.emit({ channel: "chat", text })
        return { message: "It is on its way." }
      }
    }),
    defineTool({
      name: "door.unlock",
      description: "Unlock the front door.",
      input: Schema.Struct({}),
      output: message,
      effect: "write",
      risk: "medium",
      scopes: ["doors"],
      run: () => {
        done.push("door.unlock")
        return { message: "Unlocked." }
      }
    })
  ]
  return {
    house: {
      done,
      hold: () => {
        let letGo = () => {}
        held = new Promise((resolve) => {
          letGo = () => {
            held = undefined
            resolve()
          }
        })
        return letGo
      }
    },
    plugin: definePlugin({ name: "house", setup: () => ({ tools }) })()
  }
}

/** What an operator reads of a trace. */
export interface Told {
  readonly outcome: string | undefined
  readonly reply: string | undefined
  readonly types: ReadonlyArray<string>
  /** Without the tool calls' and the steps' own rows. */
  readonly rows: (...types: ReadonlyArray<string>) => ReadonlyArray<any>
  readonly task: any
  /** `name status`. */
  readonly steps: ReadonlyArray<string>
  readonly calls: ReadonlyArray<string>
  readonly trace: any
}

export interface ModelStory {
  readonly house: House
  readonly host: TestHost
  readonly model: ScriptedModel
  readonly get: (path: string) => Promise<any>
  readonly post: (path: string, body?: object) => Promise<{ readonly status: number; readonly body: any }>
  /** Gives the model its next answers, says something and reads the trace once it is settled. */
  readonly say: (text: string | object, ...script: ReadonlyArray<Script>) => Promise<Told>
  /** The same without waiting; answers the ids. */
  readonly begin: (
    text: string | object,
    ...script: ReadonlyArray<Script>
  ) => Promise<{ event_id: string; trace_id: string; deduped: boolean }>
  readonly read: (ids: { readonly trace_id: string }) => Promise<Told>
  /** Reads until the task has this status; `waiting` means for something. */
  readonly reached: (ids: { readonly trace_id: string }, status: string) => Promise<Told>
  /** Gives the operator's word to what a trace asks for, and answers the approval as it was then asked. */
  readonly decide: (ids: { readonly trace_id: string }, word: "approve" | "deny", body?: object) => Promise<any>
  /** What the model was told in its last question, and in those before it. */
  readonly question: (fromLast?: number) => string
  /** Names of the tools that it was offered last. */
  readonly offered: () => ReadonlyArray<string>
  readonly end: () => Promise<void>
}

const telling = (trace: any): Told => ({
  outcome: trace.outcome,
  reply: trace.replies[0]?.text,
  types: trace.audit.map((row: any) => row.type),
  rows: (...types) => trace.audit.filter((row: any) => types.includes(row.type)),
  task: trace.tasks[0],
  steps: (trace.tasks[0]?.steps ?? []).map((step: any) => `${step.name} ${step.status}`),
  calls: trace.tool_calls.map((call: any) => `${call.tool} ${call.status}`),
  trace
})

export interface StoryOptions extends Omit<TestHostOptions, "llm" | "http"> {
  /** `null`: no model is configured. */
  readonly llm?: Partial<LlmConfiguration> | null
}

export const modelStory = async ({ llm = {}, plugins = [], ...options }: StoryOptions = {}): Promise<ModelStory> => {
  const { house: things, plugin } = house()
  const model = await scriptedModel()
  const host = await testHost({
    timezone: "UTC",
    http: true,
    ...options,
    plugins: [plugin, ...plugins],
    ...(llm === null
      ? {}
      : { llm: { provider: "openai" as const, baseURL: model.url, model: "m", ...llm } })
  })
  const { token, url } = host.http!
  const request = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }
    })
    return { status: response.status, body: await response.json() as any }
  }
  const get: ModelStory["get"] = async (path) => (await request(path)).body
  const read: ModelStory["read"] = async ({ trace_id }) => telling(await get(`/traces/${trace_id}`))
  const begin: ModelStory["begin"] = (text, ...script) => {
    model.add(...script)
    return host.submit(typeof text === "string" ? { channel: "chat", text } : text as any)
  }
  return {
    house: things,
    host,
    model,
    get,
    post: (path, body) =>
      request(path, { method: "POST", ...(body === undefined ? {} : { body: JSON.stringify(body) }) }),
    begin,
    say: async (text, ...script) => {
      const accepted = await begin(text, ...script)
      await host.settled(accepted)
      return read(accepted)
    },
    read,
    reached: (ids, status) =>
      until(`the task to be ${status}`, async () => {
        const told = await read(ids)
        if (status === "waiting" && told.task?.waits_for === undefined) return false
        return told.task?.status === status && told
      }),
    decide: async ({ trace_id }, word, body) => {
      const [asked] = await until("the operator to be asked", async () => {
        const { items } = await get(`/approvals?status=pending&trace_id=${trace_id}`)
        return items.length > 0 && items
      })
      const { body: answer, status } = await request(`/approvals/${asked.approval_id}/${word}`, {
        method: "POST",
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      if (status !== 200) throw new Error(`${word}: ${status} ${JSON.stringify(answer)}`)
      return asked
    },
    question: (fromLast = 0) => JSON.stringify(model.requests.at(-1 - fromLast)?.body.messages ?? []),
    offered: () => (model.requests.at(-1)?.body.tools ?? []).map((tool) => tool.function.name),
    end: async () => {
      await host.stop()
      await model.close()
    }
  }
}

/** Several stories with one model at the same time: each has its own answers, by what was said. */
export interface ManyStories {
  readonly tell: (text: string, answers: ReadonlyArray<ScriptedAnswer>) => void
  readonly told: (text: string) => Promise<Told>
  /** What the model was asked on these words. */
  readonly asked: (text: string) => ReadonlyArray<ModelRequest>
  readonly all: () => Promise<unknown>
}

/** Whether the model is asked what to do about these words. */
export const isAbout = ({ body }: ModelRequest, text: string): boolean =>
  (body.messages ?? []).some(({ content, role }) => role === "user" && content === text)

export const manyStories = (story: ModelStory): ManyStories => {
  const left = new Map<string, Array<ScriptedAnswer>>()
  const stories = new Map<string, Promise<Told>>()
  const dispatch = (request: ModelRequest): ScriptedAnswer => {
    const text = [...left.keys()].find((one) => isAbout(request, one)) ?? ""
    return left.get(text)?.shift() ?? { status: 500 }
  }
  story.model.add(...Array.from({ length: 1_000 }, () => dispatch))
  return {
    tell: (text, answers) => {
      left.set(text, [...answers])
      stories.set(text, story.say(text))
    },
    told: (text) => stories.get(text) ?? Promise.reject(new Error(`Nobody told "${text}".`)),
    asked: (text) => story.model.requests.filter((request) => isAbout(request, text)),
    all: () => Promise.all(stories.values())
  }
}
