/**
 * Channels, watchers, routes and sentences of a plugin in an isolate: what is asked of it, and what is made of its answers.
 *
 * - Its events are untrusted; where the operator vouches for it they are trusted at the most. They are never the operator's.
 * - What it serves over HTTP is a document of no origin: it runs no script, sets no cookie, and can't speak for the page of the host.
 */
import { Effect, type Schema } from "effect"
import type { Trust } from "../contract/Enums.ts"
import type { RawEvent } from "../contract/Event.ts"
import { NotUnderstood } from "../plugin/LiveTools.ts"
import {
  type Channel,
  type ChannelContext,
  type EmitOptions,
  type Intent,
  type Route,
  type Watcher,
  type WatcherContext,
  WebhookReply
} from "../plugin/Plugin.ts"
import { secret } from "../plugin/Secret.ts"
import { decodeBytes, encodeBytes } from "../../sandbox/protocol/Values.ts"
import { maximumBody } from "../../sandbox/protocol/Answers.ts"
import type { Described } from "../../sandbox/protocol/Described.ts"
import type { Access } from "./Access.ts"
import { secretAsk } from "./Broker.ts"
import { isAnswer, readWithinMs, sentenceOf } from "./InputProxy.ts"
import { toolProxy } from "./ToolProxy.ts"

type Json = Schema.Json
type One<K extends "channels" | "watchers" | "routes" | "intents"> = Described[K][number]

/** The best that its events can be. */
const trustOf = ({ trusted }: Access, said: Trust): Trust => !trusted || said === "untrusted" ? "untrusted" : "trusted"

const own = (given: unknown, key: string): unknown =>
  typeof given === "object" && given !== null && Object.hasOwn(given, key)
    ? (given as Readonly<Record<string, unknown>>)[key]
    : undefined

/** Events of a stranger's channel: so many a second, as those of a webhook, and so many at once. More have to wait. */
const eventsPerSecond = 20
const eventsAtOnce = 100

export const makePace = (now: () => number = () => performance.now()) => {
  let free = -Infinity
  return (): Promise<void> => {
    free = Math.max(free, now() - (eventsAtOnce * 1_000) / eventsPerSecond) + 1_000 / eventsPerSecond
    const wait = free - now()
    return wait <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, wait))
  }
}

export const channelProxy = (access: Access, said: One<"channels">): Channel => {
  const { connector_id = said.name, has, name, send } = said
  const pace = makePace()
  const asks = (ctx: ChannelContext) => ({
    secret: secretAsk(access, (whose, key) => ctx.secret(secret(whose, key))),
    emit: async (event: Json | undefined, besides: Json | undefined): Promise<Json> => {
      if (!access.trusted) await pace()
      return { ...await ctx.emit(event as unknown as RawEvent, besidesOf(besides)) }
    },
    connected: () => ctx.connected(),
    recall: async (): Promise<Json> => (await ctx.recall() ?? null) as Json,
    remember: async (state: Json | undefined): Promise<Json> => {
      await ctx.remember(state ?? null)
      return null
    },
    reject: async (refused: Json | undefined): Promise<Json> => {
      const { code, data, message } = (refused ?? {}) as Readonly<Record<string, Json | undefined>>
      if (typeof code !== "string" || typeof message !== "string") {
        throw new TypeError("What is refused has a code and a message.")
      }
      await ctx.reject({ code: code.slice(0, 100), message, data: flat(data) })
      return null
    }
  })
  const invoke = (member: string, args: ReadonlyArray<Json>, ctx: ChannelContext, withinMs?: number) =>
    access.invoke({
      part: "channel",
      name: connector_id,
      member,
      args,
      asks: asks(ctx),
      signal: ctx.signal,
      ...(withinMs === undefined ? {} : { withinMs })
    })
  return {
    name,
    ...(said.exclusive === undefined ? {} : { exclusive: said.exclusive }),
    ...(said.connector_id === undefined ? {} : { connector_id }),
    trust: trustOf(access, said.trust),
    ...(has.includes("receive") ? { receive: async (ctx) => void await invoke("receive", [], ctx) } : {}),
    ...(has.includes("webhook")
      ? {
        webhook: async ({ body, headers }, ctx) => {
          const args = { headers, body: encodeBytes(body) } as unknown as Json
          const answer = await invoke("webhook", [args], ctx, webhookWithinMs)
          const reply = own(answer, "reply")
          if (reply !== undefined) return replyOf(access, reply)
          return own(answer, "event") as RawEvent | undefined
        }
      }
      : {}),
    ...(has.includes("live")
      ? { live: async (reply, ctx) => void await invoke("live", [reply as unknown as Json], ctx, access.timeoutMs) }
      : {}),
    ...(send === undefined
      ? {}
      : { send: toolProxy(access, connector_id === name ? `${name}.send` : `${name}.${connector_id}.send`, send) })
  }
}

/** What came with an event, field by field: of its trust the channel alone decides. */
const besidesOf = (given: Json | undefined): EmitOptions => {
  const doubt = own(given, "doubt")
  const attachments = own(given, "attachments")
  return {
    ...(typeof doubt === "string" ? { doubt } : {}),
    attachments: (Array.isArray(attachments) ? attachments as ReadonlyArray<unknown> : []).flatMap((one) => {
      const [data, name, mediaType] = [own(one, "data"), own(one, "name"), own(one, "mediaType")]
      const kept = typeof data === "string" ? data : decodeBytes(data as Json)
      if (kept === undefined) return []
      return [{
        data: kept,
        ...(typeof name === "string" ? { name } : {}),
        ...(typeof mediaType === "string" ? { mediaType } : {})
      }]
    })
  }
}

const flat = (given: Json | undefined): Readonly<Record<string, string | number | boolean>> =>
  typeof given !== "object" || given === null ? {} : Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string | number | boolean] =>
      ["string", "number", "boolean"].includes(typeof entry[1])
    )
  )

const webhookWithinMs = 10_000

const replyOf = ({ plugin }: Access, given: unknown): WebhookReply => {
  const contentType = own(given, "contentType")
  const body = own(given, "body")
  if (
    typeof contentType !== "string" || typeof body !== "string" ||
    !/^[\w.+-]+\/[\w.+-]+(;[ \w=."-]*)?$/.test(contentType)
  ) {
    throw new Error(`Plugin ${plugin} answered a webhook with what can't be sent.`)
  }
  // Read by a machine; a browser that is led there shows its text.
  return new WebhookReply(/^(text\/plain|application\/json)\b/.test(contentType) ? contentType : "text/plain", body)
}

export const watcherProxy = (access: Access, said: One<"watchers">): Watcher => ({
  name: said.name,
  interval: said.interval_ms,
  ...(said.timeout_ms === undefined ? {} : { timeout: said.timeout_ms }),
  trust: trustOf(access, said.trust ?? "trusted"),
  ...(said.throttle === undefined ? {} : { throttle: { events: said.throttle.events, per: said.throttle.per_ms } }),
  ...(said.alarm_after === undefined ? {} : { alarmAfter: said.alarm_after }),
  tick: async (now, state, ctx) => {
    const answer = await access.invoke({
      part: "watcher",
      name: said.name,
      member: "tick",
      args: [now.toISOString(), (state ?? null) as Json],
      asks: { secret: secretAsk(access, (name, key) => ctx.secret(name, key)) },
      signal: ctx.signal
    })
    const emitted = own(answer, "emitted")
    for (const event of Array.isArray(emitted) ? emitted : []) ctx.emit(event as Parameters<WatcherContext["emit"]>[0])
    return own(answer, "state")
  }
})

/** Of an answer to a browser: what says what it is and how long it may be kept, and nothing that acts. */
const harmlessHeaders = new Set([
  "cache-control",
  "content-disposition",
  "content-language",
  "content-type",
  "etag",
  "last-modified",
  "retry-after",
  "vary"
])
const withoutBody = new Set([204, 205, 304])

export const routeProxy = (access: Access, said: One<"routes">): Route => ({
  method: said.method,
  path: said.path as Route["path"],
  handle: async (request) => {
    const body = new Uint8Array(await request.arrayBuffer())
    if (body.length > maximumBody) {
      return new Response("This address takes at most 256 KiB.\n", { status: 413 })
    }
    const answer = await access.invoke({
      part: "route",
      name: `${said.method} ${said.path}`,
      member: "handle",
      args: [{
        method: request.method,
        url: request.url,
        headers: [...request.headers],
        ...(body.length === 0 ? {} : { body: encodeBytes(body) })
      } as unknown as Json],
      signal: request.signal,
      withinMs: access.timeoutMs
    })
    return responseOf(access, answer)
  }
})

const responseOf = (access: Access, answer: unknown): Response => {
  const status = own(answer, "status")
  const given = own(answer, "headers")
  if (typeof status !== "number" || !Number.isSafeInteger(status) || status < 200 || status > 599) {
    throw new Error(`Plugin ${access.plugin} answered a request with what is no response.`)
  }
  const headers = new Headers()
  for (const pair of Array.isArray(given) ? given as ReadonlyArray<unknown> : []) {
    const [name, value] = Array.isArray(pair) ? pair as ReadonlyArray<unknown> : []
    if (typeof name !== "string" || typeof value !== "string") continue
    if (access.trusted || harmlessHeaders.has(name.toLowerCase())) headers.append(name, value)
  }
  if (!access.trusted) {
    headers.set("content-security-policy", "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    headers.set("x-content-type-options", "nosniff")
  }
  const body = decodeBytes(own(answer, "body"))
  return new Response(body === undefined || withoutBody.has(status) ? null : new Uint8Array(body), { status, headers })
}

/** The input is an effect: whoever takes the sentence waits for it. */
export const intentProxy = (access: Access, said: One<"intents">): Intent => ({
  name: said.name,
  patterns: said.patterns.map(({ flags, source }) => new RegExp(source, flags)),
  ...(said.task === undefined ? { tool: said.tool ?? "" } : { task: said.task }),
  ...(said.reads
    ? {
      input: (groups) =>
        Effect.tryPromise({
          try: (signal) =>
            access.invoke({
              part: "intent",
              name: said.name,
              member: "input",
              args: [Object.fromEntries(Object.entries(groups).filter(([, text]) => text !== undefined)) as Json],
              signal,
              withinMs: readWithinMs
            }),
          // What its function threw is its answer: the words are somebody else's, as with a plugin in the host.
          catch: (error) => isAnswer(error) ? error : new NotUnderstood(sentenceOf(access, said.name, error))
        }).pipe(Effect.map((answer) => own(answer, "input")))
    }
    : {})
})
