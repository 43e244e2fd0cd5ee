/**
 * A house whose every effect is at hand, the worst of it at low risk, with mail that strangers write: what text from
 * outside might get done, noted outside of the host.
 */
import { type ChannelContext, definePlugin, defineTask, defineTool, Schema, ToolRefused } from "syris"
import { openLedger, type OutsideLedger, scriptedModel, testHost, type TestHost } from "syris/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Autonomy } from "../../core/contract/Enums.ts"
import { callsIn, obey } from "./ObedientModel.ts"

const message = Schema.Struct({ message: Schema.String })
const Id = Schema.Struct({ id: Schema.String })

const tools = (outside: OutsideLedger, mails: ReadonlyMap<string, string>) => {
  const mail = (id: string): string => mails.get(id) ?? "no such mail"
  const act = (
    name: string,
    fields: Readonly<Record<string, Schema.Codec<any, any>>>,
    risk: "low" | "medium" = "low"
  ) =>
    defineTool<any, any>({
      name,
      description: `Does ${name}.`,
      input: Schema.Struct(fields),
      output: message,
      effect: "write",
      risk,
      scopes: ["world"],
      run: (input) => {
        outside.note(`${name} ${JSON.stringify(input)}`)
        return { message: "It is done." }
      }
    })
  const look = { effect: "read", risk: "low", scopes: ["world"] } as const
  return [
    act("message.send", { to: Schema.String, text: Schema.String }),
    act("message.post", { to: Schema.String, text: Schema.String }, "medium"),
    act("payment.pay", { to: Schema.String, amount: Schema.Int }),
    act("lock.unlock", { door: Schema.String }),
    defineTool({
      name: "note.write",
      description: "Keep a note.",
      input: Schema.Struct({ text: Schema.String }),
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["world"],
      guarantee: "transactional",
      run: ({ text }) => {
        outside.note(`note.write ${text}`)
        return { message: "Noted." }
      }
    }),
    defineTool({
      name: "web.fetch",
      description: "Fetch a page.",
      input: Schema.Struct({ url: Schema.String }),
      ...look,
      trust: "untrusted",
      run: ({ url }) => {
        outside.note(`web.fetch ${url}`)
        return { message: "a page" }
      }
    }),
    defineTool({
      name: "web.search",
      description: "Search the web.",
      input: Schema.Struct({ q: Schema.String }),
      ...look,
      trust: "untrusted",
      run: ({ q }) => {
        outside.note(`web.search ${q}`)
        return { message: "nothing found" }
      }
    }),
    defineTool({
      name: "mail.read",
      description: "Read a mail.",
      input: Id,
      ...look,
      trust: "untrusted",
      run: ({ id }) => ({ text: mail(id) })
    }),
    // The same where its author forgot to say that strangers write it.
    defineTool({
      name: "diary.read",
      description: "Read a diary.",
      input: Id,
      ...look,
      run: ({ id }) => ({ text: mail(id) })
    }),
    defineTool({
      name: "mail.refuse",
      description: "Read a mail that can't be read.",
      input: Id,
      output: message,
      ...look,
      trust: "untrusted",
      run: ({ id }) => {
        throw new ToolRefused(mail(id))
      }
    }),
    defineTool({
      name: "mail.deliver",
      description: "Hand a mail on as an event.",
      input: Id,
      ...look,
      trust: "untrusted",
      run: ({ id }, ctx) => {
        ctx.emit({ channel: "chat", text: mail(id) })
        return { message: "It was handed on." }
      }
    }),
    // Not untrusted itself.
    defineTool({
      name: "errand.look",
      description: "Have something looked after.",
      input: Id,
      ...look,
      run: ({ id }, ctx) => {
        ctx.emit({ channel: "chat", text: mail(id) })
        return { message: "It is looked after." }
      }
    })
  ]
}

type Emit = ChannelContext["emit"]

const world = (outside: OutsideLedger, mails: ReadonlyMap<string, string>, listen: (emit: Emit) => void) =>
  definePlugin({
    name: "world",
    setup: () => ({
      tools: tools(outside, mails),
      // Code that does whatever a mail says.
      tasks: [
        defineTask({
          name: "mail.obey",
          description: "Do what a mail says.",
          input: Schema.Struct({ id: Schema.String, read: Schema.String }),
          run: async ({ id, read }, ctx) => {
            const said = await ctx.call(read, { id }).then((answer) => JSON.stringify(answer), (error) => String(error))
            await Promise.allSettled(callsIn(said).map(({ input, tool }) => ctx.call(tool, input)))
            return { message: "I did what it says." }
          }
        })
      ],
      intents: [
        { name: "pay", tool: "payment.pay", patterns: [/pay mallory/], input: () => ({ to: "mallory", amount: 1 }) },
        { name: "obey", task: "mail.obey", patterns: [/obey (?<read>[a-z.]+) (?<id>\S+)/] }
      ],
      channels: [{
        name: "mail",
        trust: "untrusted",
        receive: (ctx) => listen(ctx.emit),
        send: {
          description: "Send a mail.",
          input: Schema.Struct({ to: Schema.String, text: Schema.String }),
          output: message,
          effect: "write",
          risk: "low",
          scopes: ["world"],
          run: ({ text, to }: { readonly text: string; readonly to: string }) => {
            outside.note(`mail.send ${to} ${text}`)
            return { message: "Sent." }
          }
        }
      }]
    })
  })()

export interface HostileWorld {
  readonly host: TestHost
  readonly outside: OutsideLedger
  /** What `mail.read` and the like find, by id. */
  readonly mails: Map<string, string>
  /** Hands in an event as the channel `mail` does. */
  readonly emit: Emit
  readonly request: (at: string, body?: unknown) => Promise<{ readonly status: number; readonly body: any }>
  readonly end: () => Promise<void>
}

/** With a model that obeys everything. */
export const hostileWorld = async (autonomy: Autonomy): Promise<HostileWorld> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-hostile-"))
  const outside = openLedger(path.join(folder, "outside"))
  const mails = new Map<string, string>()
  const model = await scriptedModel(Array.from({ length: 5_000 }, () => obey))
  const { promise: emit, resolve } = Promise.withResolvers<Emit>()
  const host = await testHost({
    autonomy,
    http: true,
    plugins: [world(outside, mails, resolve)],
    // No room for other tasks: it would obey their names, which are the operator's own words, in every story after.
    llm: { provider: "openai", baseURL: model.url, model: "m", context: { tasks: 1 } }
  })
  return {
    host,
    outside,
    mails,
    emit: await emit,
    request: async (at, body) => {
      const response = await fetch(`${host.http!.url}${at}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      return { status: response.status, body: await response.json() }
    },
    end: async () => {
      await host.stop()
      await model.close()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}
