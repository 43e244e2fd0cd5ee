/** What comes in and goes out beside tools: channels, watchers, rules and routes. */
import {
  all,
  type Channel,
  defineRule,
  field,
  type Route,
  type RuleConfiguration,
  Schema,
  type Watcher,
  WebhookRefused,
  WebhookReply
} from "syris"

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

export const channels: ReadonlyArray<Channel> = [
  {
    name: "street",
    trust: "trusted",
    receive: async (ctx) => {
      const first = await ctx.emit({
        channel: "street",
        text: "look at the street",
        message_id: "m-1",
        thread_id: "t-1"
      })
      const again = await ctx.emit({
        channel: "street",
        text: "look at the street",
        message_id: "m-1",
        thread_id: "t-1"
      })
      const wrong = async (event: object): Promise<string> => {
        try {
          await ctx.emit(event as never)
          return "taken"
        } catch (error) {
          return error instanceof Error ? error.message : String(error)
        }
      }
      await ctx.emit({
        channel: "street",
        structured: {
          told: "heard",
          deduped: [first.deduped, again.deduped],
          same: first.event_id === again.event_id,
          secret: (await ctx.secret("plain words")).length,
          has: Object.keys(ctx).toSorted(),
          wrong: [
            await wrong({ channel: "Not A Channel" }),
            await wrong({ channel: "street", colour: "red" })
          ]
        }
      })
    },
    webhook: ({ body, headers }, ctx) => {
      if (headers["x-sign"] !== "right") return undefined
      switch (text(body)) {
        case "ping":
          return new WebhookReply("application/json", JSON.stringify({ pong: true }))
        case "bad":
          throw new WebhookRefused("It says nothing.")
        case "broken":
          throw new Error("It broke.")
        case "nonsense":
          return { channel: "street", colour: "red" } as never
        default:
          ctx.log.info("came in")
          return Promise.resolve({
            channel: "street",
            text: text(body),
            actor_id: "somebody",
            thread_id: "t-2",
            structured: { size: body.length, bytes: [...body].slice(0, 4) }
          })
      }
    },
    send: {
      description: "Says something in the street.",
      input: Schema.Struct({ text: Schema.String, to: Schema.String, thread_id: Schema.optionalKey(Schema.String) }),
      effect: "irreversible",
      risk: "low",
      scopes: [],
      trust: "untrusted",
      guarantee: "native_key",
      run: ({ text, thread_id, to }, ctx) => ({ said: text, to, thread_id, key: ctx.idempotencyKey })
    }
  },
  { name: "alley", trust: "untrusted" }
]

export const watchers: ReadonlyArray<Watcher> = [
  {
    name: "lamp",
    interval: "1 day",
    timeout: "5 seconds",
    alarmAfter: 2,
    throttle: { events: 2, per: "1 hour" },
    tick: async (now, state, ctx) => {
      const { ticks = 0 } = (state ?? {}) as { readonly ticks?: number }
      if (ticks === 1) ctx.emit({ text: "the lamp is on", structured: { date: now instanceof Date, was: ticks } })
      if (ticks === 2) {
        for (const text of ["one", "two", "three"]) ctx.emit({ channel: "street", connector_id: "lamp", text })
      }
      if (ticks === 3) {
        ctx.emit({ text: "never told" })
        await wait()
        throw new Error("The lamp is gone.")
      }
      return { ticks: ticks + 1, secret: (await ctx.secret("same", "key")).length, has: Object.keys(ctx).toSorted() }
    }
  },
  { name: "odd", interval: "1 day", tick: () => ({ when: new Date(0) }) },
  { name: "keeps", interval: "1 day", tick: (_, state) => state === null ? 7 : undefined },
  { name: "speaks", interval: "1 day", tick: (_, __, ctx) => ctx.emit({ colour: "red" } as never) }
]

const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

export const rules: ReadonlyArray<RuleConfiguration> = [
  defineRule({
    name: "ring",
    when: all(field("source.channel").eq("alley"), field("content.text").startsWith("ring")),
    then: [{ tool: "same.look", input: { words: "who {{content.text}}" } }, { notify: { text: "Somebody rings." } }]
  })
]

/** `told`: what the set-up was given. */
export const routes = (told: object): ReadonlyArray<Route> => [
  { method: "GET", path: "/told", handle: () => Response.json(told) },
  {
    method: "POST",
    path: "/echo/:name",
    handle: async (request) => {
      const bytes = new Uint8Array(await request.arrayBuffer())
      const { pathname, search } = new URL(request.url)
      return new Response(bytes.map((byte) => 255 - byte), {
        status: 201,
        headers: {
          "content-type": "application/octet-stream",
          "x-seen": `${request.method} ${pathname}${search} ${
            request.headers.get("x-asked") ?? "nothing"
          } ${bytes.length}`
        }
      })
    }
  },
  { method: "DELETE", path: "/nothing", handle: () => new Response(null, { status: 204 }) },
  {
    method: "GET",
    path: "/moved",
    handle: () => new Response(null, { status: 302, headers: { location: "/elsewhere" } })
  },
  {
    method: "GET",
    path: "/broken",
    handle: () => {
      throw new Error("It broke.")
    }
  },
  { method: "GET", path: "/odd", handle: () => "no response" as never }
]
