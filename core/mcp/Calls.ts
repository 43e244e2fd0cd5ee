/**
 * The calls of one connection. Each is sent at most once, ends at its time-out or when it is given up, and what comes after
 * that is not heard.
 */
import type { CallToolResult, ContentBlock, Progress, Tool } from "@modelcontextprotocol/client"
import { Effect } from "effect"
import { clipped } from "../contract/Visible.ts"
import type { Way } from "./Handshake.ts"
import { type CallContext, McpFailed } from "./McpConnection.ts"
import { failureOf, nameOf, seconds, type Speaker } from "./McpFailures.ts"
import { rawResult } from "./MessageFlow.ts"
import type { CurrentCall } from "./ServerRequests.ts"

/** Of a word of progress, characters. */
const maximumProgressWords = 300
/** Between two of one call, milliseconds. */
const progressEveryMs = 100
/** Longest time that a timer takes. */
const maximumTimeoutMs = 2_147_483_647

export interface Calls {
  readonly call: (
    tool: string,
    input: Readonly<Record<string, unknown>>,
    context: CallContext
  ) => Effect.Effect<CallToolResult, McpFailed>
  /** The call that is under way; nothing where there is none, or where there are several of different traces. */
  readonly current: () => CurrentCall | undefined
}

/** `schemaOf`: the input schema of a tool as it was listed; some arguments are sent as headers, too, by what it says. */
export const makeCalls = (
  speaker: Speaker,
  wayOf: () => Way,
  schemaOf: (tool: string) => unknown
): Calls => {
  const underWay = new Set<CurrentCall>()

  const current = (): CurrentCall | undefined => {
    const [first, ...others] = underWay
    return first !== undefined && others.every((other) => other.trace_id === first.trace_id) ? first : undefined
  }

  const call: Calls["call"] = (tool, input, context) =>
    Effect.callback((resume) => {
      const { client, flow } = wayOf()
      const timeoutMs = Math.min(context.timeoutMs, maximumTimeoutMs)
      // An object of its own: by it the way knows whether this call was sent.
      const given = { ...input }
      const ending = new AbortController()
      const over = new AbortController()
      const under: CurrentCall = { ...context, tool, over: over.signal }
      const askedBefore = flow.asked
      let canceled = false
      let late = false
      const cancel = (): void => {
        canceled = true
        ending.abort("It was given up.")
      }
      // A real clock: the server lives in real time, whatever the host's clock is.
      const timer = setTimeout(() => {
        late = true
        ending.abort("It took too long.")
      }, timeoutMs)
      context.signal.addEventListener("abort", cancel, { once: true })
      if (context.signal.aborted) cancel()
      underWay.add(under)
      void client.callTool(
        {
          name: tool,
          arguments: given,
          _meta: { "syris/idempotency-key": context.idempotency_key }
        },
        {
          signal: ending.signal,
          timeout: timeoutMs,
          maxTotalTimeout: timeoutMs,
          onprogress: progressOf(speaker, context),
          // Without an output schema: what the answer is worth is judged by the host, after it is known to be done.
          toolDefinition: { name: tool, inputSchema: asSchema(schemaOf(tool)) }
        }
      ).then((result) => Effect.succeed(resultOf(speaker, rawResult(result)))).catch((error: unknown) => {
        const sent = flow.wasSent(given)
        return Effect.fail(
          late && !canceled
            ? tooLate(speaker, sent, timeoutMs, error)
            : failureOf(speaker, error, { sent, timeoutMs, canceled, wasAsked: flow.asked > askedBefore })
        )
      }).then((exit: Effect.Effect<CallToolResult, McpFailed>) => {
        clearTimeout(timer)
        context.signal.removeEventListener("abort", cancel)
        underWay.delete(under)
        over.abort()
        resume(exit)
      })
      return Effect.sync(cancel)
    })

  return { call, current }
}

const tooLate = ({ settings }: Speaker, sent: boolean, timeoutMs: number, cause: unknown): McpFailed =>
  new McpFailed({ detail: `${nameOf(settings)} did not answer within ${seconds(timeoutMs)}.`, sent, cause })

const asSchema = (schema: unknown): Tool["inputSchema"] =>
  typeof schema === "object" && schema !== null ? schema as Tool["inputSchema"] : { type: "object" }

/** What the server says of its progress, made plain, and not more often than anybody reads it. */
const progressOf = ({ redaction }: Speaker, context: CallContext) => {
  let last = Number.NEGATIVE_INFINITY
  return ({ message, progress, total }: Progress): void => {
    const now = performance.now()
    if (now - last < progressEveryMs && progress !== total) return
    last = now
    const percent = total !== undefined && total > 0 ? progress / total * 100 : Number.NaN
    context.progress({
      ...(Number.isFinite(percent) ? { percent: Math.min(Math.max(percent, 0), 100) } : {}),
      ...(message === undefined ? {} : { message: clipped(redaction.redactText(message), maximumProgressWords) })
    })
  }
}

/** The answer in the protocol's shape. A piece that is none of its pieces is handed on as text: the call is done. */
const resultOf = ({ sdk }: Speaker, raw: Readonly<Record<string, unknown>>): CallToolResult => {
  const { content, isError, structuredContent } = raw
  return {
    content: (Array.isArray(content) ? content as ReadonlyArray<unknown> : []).map((piece): ContentBlock =>
      sdk.isSpecType.ContentBlock(piece) ? piece : { type: "text", text: written(piece) }
    ),
    ...(structuredContent === undefined
      ? {}
      : { structuredContent: structuredContent as NonNullable<CallToolResult["structuredContent"]> }),
    ...(isError === true ? { isError: true } : {})
  }
}

const written = (piece: unknown): string => {
  if (typeof piece === "string") return piece
  try {
    return JSON.stringify(piece)
  } catch {
    return "[too deep]"
  }
}
