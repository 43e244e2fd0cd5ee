/**
 * Runs one member of one part, with the context that its author knows. See `protocol/Answers.ts` for what goes in and out.
 */
import { WebhookReply } from "../../core/plugin/Plugin.ts"
import { answerOf } from "../../core/plugin/TaskCall.ts"
import type { ToolDefinition } from "../../core/plugin/Tool.ts"
import {
  maximumBody,
  type RouteAnswer,
  type RouteArgs,
  type WebhookAnswer,
  type WebhookArgs
} from "../protocol/Answers.ts"
import { code } from "../protocol/Messages.ts"
import { BadRequest } from "../protocol/Peer.ts"
import { decodeBytes, encodeBytes } from "../protocol/Values.ts"
import { awaited } from "./Awaited.ts"
import { decoded, encoded, plain, read } from "./Boundary.ts"
import { channelContext, jobContext, type Surroundings, taskContext, toolContext } from "./Contexts.ts"
import type { GuestParts, GuestTask, GuestTool } from "./Describe.ts"
import type { GuestInvocation } from "./Guest.ts"
import { tick } from "./Ticks.ts"

export const runPart = async (
  parts: GuestParts,
  invocation: GuestInvocation,
  around: Surroundings
): Promise<unknown> => {
  const { args, facts, member, name } = invocation
  const missing = (): never => {
    throw new BadRequest(`there is no ${invocation.part} ${name} with ${member}`, code.notFound)
  }
  const { signal } = around
  switch (invocation.part) {
    case "tool":
      return runTool(parts.tools.get(name) ?? missing(), invocation, around, missing)
    case "job": {
      const job = parts.jobs.get(name) ?? missing()
      const { definition, boundary } = job
      const { risk } = definition
      if (member === "read") return read(boundary, args[0], typeof risk === "function" ? { risk } : {})
      if (member !== "run") return missing()
      const input: unknown = decoded(boundary, args[0])
      return encoded(name, boundary, await awaited(() => definition.run(input, jobContext(facts, around)), signal))
    }
    case "task":
      return runTask(parts.tasks.get(name) ?? missing(), invocation, around, missing)
    case "channel": {
      const channel = parts.channels.get(name) ?? missing()
      const context = channelContext(around)
      switch (member) {
        case "receive":
          await awaited(() => (channel.receive ?? missing())(context), signal)
          // One that has returned listens in the background until it is told to end.
          await untilAborted(signal)
          return null
        case "webhook": {
          const { body, headers } = args[0] as unknown as WebhookArgs
          const request = { headers, body: decodeBytes(body) ?? new Uint8Array() }
          return webhookAnswer(await awaited<unknown>(() => (channel.webhook ?? missing())(request, context), signal))
        }
        case "live":
          await awaited(() => (channel.live ?? missing())(args[0] as never, context), signal)
          return null
        default:
          return missing()
      }
    }
    case "watcher": {
      const watcher = parts.watchers.get(name) ?? missing()
      if (member !== "tick") return missing()
      return tick(
        around,
        (context) => awaited(() => watcher.tick(new Date(args[0] as string), args[1] ?? null, context), signal)
      )
    }
    case "route": {
      const route = parts.routes.get(name) ?? missing()
      if (member !== "handle") return missing()
      const request = requestOf(args[0] as unknown as RouteArgs, signal)
      return routeAnswer(name, await awaited<unknown>(() => route.handle(request), signal))
    }
    case "intent": {
      const intent = parts.intents.get(name) ?? missing()
      const { input } = intent
      if (member !== "input" || input === undefined) return missing()
      return {
        input: plain("What the intent made of the words", await input({ ...args[0] as Record<string, string> }))
      }
    }
    default:
      return missing()
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })

const runTool = async (
  { boundary, definition }: GuestTool,
  { args, facts, member, name }: GuestInvocation,
  around: Surroundings,
  missing: () => never
): Promise<unknown> => {
  const { action, bind, blastRadius, compensate, preview, probe, risk, target } = definition
  if (member === "read") {
    return read(boundary, args[0], {
      ...(typeof risk === "function" ? { risk } : {}),
      ...(target === undefined ? {} : { target }),
      ...(action === undefined ? {} : { action }),
      ...(blastRadius === undefined ? {} : { blast_radius: blastRadius })
    })
  }
  const input: unknown = decoded(boundary, args[0])
  const context = toolContext(facts, around)
  const { signal } = around
  switch (member) {
    case "run":
      return encoded(name, boundary, await awaited(() => definition.run(input, context as never) as never, signal))
    case "bind":
      return plain("What it bound", await awaited<unknown>(() => (bind ?? missing())(input, context), signal))
    case "preview":
      return plain(
        "What the preview said",
        await awaited<unknown>(() => (preview ?? missing())(input, context), signal)
      )
    case "probe":
      return plain("What the probe said", await awaited<unknown>(() => (probe ?? missing())(input, context), signal))
    case "compensate":
      await awaited(() => (compensate ?? missing())(input, outputOf(definition, args[1]), context), signal)
      return null
    default:
      return missing()
  }
}

/** As `run` gave it, where the schema can read it back. */
const outputOf = (definition: ToolDefinition, recorded: unknown): unknown => answerOf(definition, recorded)

const runTask = async (
  { boundary, definition, stepsOf }: GuestTask,
  { args, facts, member, name }: GuestInvocation,
  around: Surroundings,
  missing: () => never
): Promise<unknown> => {
  if (member === "read") return read(boundary, args[0], stepsOf === undefined ? {} : { steps: stepsOf })
  const { run } = definition
  if (member !== "run" || run === undefined) return missing()
  const input: unknown = decoded(boundary, args[0])
  return encoded(name, boundary, await awaited(() => run(input, taskContext(facts, around)), around.signal))
}

const webhookAnswer = (given: unknown): WebhookAnswer => {
  if (given === undefined || given === null) return null
  if (given instanceof WebhookReply) {
    return { reply: { contentType: String(given.contentType), body: String(given.body) } }
  }
  return { event: plain("The event of a webhook", given) as never }
}

const requestOf = ({ body, headers, method, url }: RouteArgs, signal: AbortSignal): Request => {
  const bytes = decodeBytes(body)
  return new Request(url, {
    method,
    headers: headers.map(([key, value]): [string, string] => [key, value]),
    signal,
    ...(bytes === undefined || method === "GET" ? {} : { body: bytes as Uint8Array<ArrayBuffer> })
  })
}

const routeAnswer = async (name: string, given: unknown): Promise<RouteAnswer> => {
  if (!(given instanceof Response)) throw new Error(`The route ${name} gave back something else than a Response.`)
  const body = new Uint8Array(await given.arrayBuffer())
  if (body.length > maximumBody) throw new Error(`The answer of the route ${name} is longer than 256 KiB.`)
  return {
    status: given.status,
    headers: [...given.headers.entries()],
    ...(body.length === 0 ? {} : { body: encodeBytes(body) })
  }
}
