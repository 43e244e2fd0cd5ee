/**
 * Plugins that are as careless with a secret as can be: whatever they are asked to do, they write it, in all its forms, into
 * everything that the host gives them. What they say is in `say.json`, beside a copy of this file.
 */
import { definePlugin, defineTask, defineTool, type Log, Schema, ToolRefused, ToolUnknown, WebhookRefused } from "syris"
import * as fs from "node:fs"

const say = JSON.parse(fs.readFileSync(new URL("say.json", import.meta.url), "utf8")) as {
  readonly wicked: string
  readonly plain: string
  readonly odd: string
  readonly pem: string
}
const { odd, pem, plain, wicked } = say

const chatter = (log: Log): void => {
  for (const level of ["debug", "info", "warn", "error"] as const) {
    log[level](wicked, {
      [plain]: odd,
      deep: [{ pem }],
      error: new Error(wicked, { cause: new Error(odd) }),
      bytes: wicked
    })
  }
}
const everything = { [plain]: odd, wicked, list: [pem, { [odd]: plain }] }
const failure = (): Error => new Error(wicked, { cause: Object.assign(new Error(odd), { detail: pem, code: plain }) })

const Input = Schema.Struct({ how: Schema.String, text: Schema.optionalKey(Schema.String) })
const shared = { input: Input, scopes: [], timeout: "5 seconds" } as const
const event = {
  channel: "careless",
  text: wicked,
  structured: everything,
  thread_id: plain,
  actor_id: odd,
  links: [odd, plain]
}

export const careless = definePlugin({
  name: "careless",
  setup: ({ log }) => {
    chatter(log)
    return {
      tools: [
        defineTool({
          ...shared,
          name: "careless.do",
          description: "Does it carelessly.",
          effect: "write",
          risk: "low",
          bind: ({ how, text = "" }) => {
            if (how === "bind") throw failure()
            return { how, text: how === "bound" ? wicked : text }
          },
          preview: ({ how }, ctx) => {
            chatter(ctx.log)
            if (how === "preview") throw failure()
            return wicked
          },
          run: async ({ how }, ctx) => {
            chatter(ctx.log)
            ctx.progress({ message: wicked })
            ctx.emit(event)
            await ctx.artifact(wicked, { name: plain })
            await ctx.artifact(new TextEncoder().encode(wicked), { name: odd.slice(0, 30), mediaType: `text/${plain}` })
            if (how === "throw") throw failure()
            if (how === "refuse") throw new ToolRefused(wicked, { cause: failure() })
            if (how === "unknown") throw new ToolUnknown(wicked)
            if (how === "stray") setTimeout(() => void Promise.reject(failure()), 1)
            if (how === "call") await ctx.call("careless.look", { how: wicked }).catch(() => {})
            return { message: wicked, ...everything }
          }
        }),
        defineTool({
          ...shared,
          name: "careless.look",
          description: "Looks.",
          effect: "read",
          risk: "low",
          run: () => ({ message: wicked })
        }),
        defineTool({
          ...shared,
          name: "careless.probed",
          description: "Does it, and looks afterwards.",
          effect: "write",
          risk: "low",
          guarantee: "probe",
          probe: () => {
            throw failure()
          },
          run: (): object => {
            throw new ToolUnknown(wicked)
          }
        }),
        defineTool({
          ...shared,
          name: "careless.later",
          description: "Does it later.",
          effect: "write",
          risk: "low",
          guarantee: "transactional",
          run: (_, ctx) => {
            ctx.schedules.create({ name: plain, at: new Date(Date.now() + 100), payload: event, notify: wicked })
            ctx.schedules.create({ name: odd, at: new Date(Date.now() + 86_400_000), payload: event, notify: wicked })
            return { message: wicked }
          }
        })
      ],
      intents: ["do", "later"].map((name) => ({
        name: `careless.${name}`,
        tool: `careless.${name}`,
        patterns: [new RegExp(`careless ${name} (?<how>[a-z]+) (?<text>.*)`)]
      })),
      tasks: [
        defineTask({
          name: "careless.code",
          description: "Goes on carelessly.",
          input: Schema.Struct({ text: Schema.String }),
          run: async (_, ctx) => {
            chatter(ctx.log)
            await ctx.call("careless.look", { how: wicked, text: odd }, { name: plain })
            return { message: wicked, ...everything }
          }
        }),
        defineTask({
          name: "careless.broken",
          description: "Breaks.",
          input: Schema.Struct({ text: Schema.String }),
          run: (): object => {
            throw failure()
          }
        })
      ],
      watchers: [{
        name: "watch",
        interval: "1 second",
        tick: (_, state, ctx) => {
          chatter(ctx.log)
          ctx.emit({ text: wicked, structured: everything, message_id: plain })
          if (state !== null) throw failure()
          return { seen: everything }
        }
      }],
      jobs: [{
        name: "careless.job",
        input: Schema.Struct({ how: Schema.String, text: Schema.String }),
        limits: { timeoutMs: 20_000 },
        run: async ({ how }, ctx) => {
          chatter(ctx.log)
          ctx.progress({ percent: 50, message: wicked })
          await ctx.artifact(wicked, { name: plain })
          await ctx.emit(event)
          if (how === "throw") throw failure()
          return { message: wicked, ...everything }
        }
      }],
      routes: [{ method: "POST", path: "/break", handle: () => Promise.reject(failure()) }]
    }
  }
})

export const drip = definePlugin({
  name: "drip",
  setup: () => ({
    channels: [{
      name: "careless",
      trust: "trusted",
      check: () => {
        throw failure()
      },
      receive: async (ctx) => {
        chatter(ctx.log)
        await ctx.emit({ ...event, message_id: pem }, { attachments: [{ data: wicked, name: odd }] })
        await ctx.emit({ ...event, message_id: pem, text: `${wicked} again` })
        await ctx.emit({ ...event, channel: "careless", timezone: odd }).catch(() => {})
        await ctx.emit({ channel: "careless", [odd]: wicked } as never).catch(() => {})
        await ctx.remember(everything)
        await ctx.reject({ code: "careless.no", message: wicked, data: { [plain]: odd, pem } })
        throw failure()
      },
      webhook: ({ body }) => {
        throw new TextDecoder().decode(body) === "refuse" ? new WebhookRefused(wicked) : failure()
      },
      send: {
        description: "Sends.",
        input: Schema.Struct({ text: Schema.String }),
        effect: "write",
        risk: "low",
        scopes: [],
        run: () => ({ message: wicked })
      }
    }]
  })
})
