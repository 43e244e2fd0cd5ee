/**
 * The tools of `/mcp` that do something: `submit_event`, and each tool of the host that is not the operator's alone, under
 * its own name. Both are events on the untrusted channel `mcp`: what follows is routed, gated and executed like all else,
 * and where a person is to be asked, the answer says so. Nothing here can say yes.
 */
import type { CallToolResult, Tool } from "@modelcontextprotocol/server"
import { Effect, Schema } from "effect"
import { clipped, visible } from "../../contract/Visible.ts"
import { type Accepted, EventNotAccepted, EventRejected, Pipeline, type Settled } from "../../pipeline/Pipeline.ts"
import type { Trace } from "../../pipeline/Traces.ts"
import { NotPlainJson, toPlainJson } from "../../plugin/PlainJson.ts"
import { Registry, type RegisteredTool } from "../../plugin/Registry.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import { answered, refuse, refusedWith, type ServeRefused } from "./Answers.ts"
import { AskedCalls, servedChannel } from "./AskedCalls.ts"
import { asData, ownTool, type ServedCall } from "./OwnTool.ts"
import { looked, type Stories } from "./ReadingTools.ts"
import { isServed } from "./Served.ts"

/** How long a client waits for the end of what it asked for. */
const longestWait = "30 seconds"

const taken = (error: EventRejected | EventNotAccepted): ServeRefused =>
  refuse(
    error instanceof EventRejected
      ? error.message
      : "SYRIS could not take it now. Nothing is known to be lost: call again, with the same syris/idempotency-key."
  )

export const makeActingTools = Effect.fnUntraced(function*(stories: Stories, stopping: Effect.Effect<void>) {
  const asked = yield* AskedCalls
  const pipeline = yield* Pipeline
  const redactor = yield* Redactor
  const registry = yield* Registry

  /** `undefined` where the time passed or the host stops. */
  const settled = (ids: Accepted): Effect.Effect<Settled | undefined> =>
    pipeline.settled(ids).pipe(
      Effect.timeoutOption(longestWait),
      Effect.map((end) => end._tag === "Some" ? end.value : undefined),
      Effect.raceFirst(Effect.as(stopping, undefined))
    )

  const submit = ownTool(
    {
      name: "submit_event",
      description:
        "Tells SYRIS something, as an event on the untrusted channel \"mcp\". It goes through filters, rules, intents and the " +
        "model, and every action through the operator's gates. Answers event_id and trace_id and, where all of it ended " +
        "within 30 s, the outcome and the reply; else look with syris_trace. With _meta \"syris/idempotency-key\" the same " +
        `event is taken once. ${asData}`,
      input: Schema.Struct({
        text: Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(65_536))),
        thread_id: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(200)))),
        structured: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
      }),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true }
    },
    Effect.fnUntraced(function*(event, { actor_id, key }) {
      const accepted = yield* pipeline.submit({
        ...event,
        channel: servedChannel,
        connector_id: servedChannel,
        actor_type: "integration",
        actor_id,
        ...(key === undefined ? {} : { message_id: `event:${key}` })
      }, "untrusted").pipe(Effect.mapError(taken))
      const end = yield* settled(accepted)
      return answered({ ...accepted, settled: end !== undefined, ...end }, redactor)
    })
  )

  const callOf = (tool: RegisteredTool, given: unknown, { actor_id, key }: ServedCall) =>
    Effect.gen(function*() {
      const input = yield* plain(given)
      // What can't be right leaves no event behind: the client mends it and calls again.
      yield* Effect.mapError(tool.decodeInput(input), refuse)
      const accepted = yield* asked.ask({ tool: tool.definition.name, input, actor_id, key }).pipe(
        Effect.mapError(taken)
      )
      if (accepted.conflict === true) {
        return refusedWith(
          `This syris/idempotency-key was used for another call (trace ${accepted.trace_id}). Nothing was done: use a new one.`
        )
      }
      const end = yield* settled(accepted)
      return yield* looked(Effect.map(stories.trace(accepted.trace_id), (trace) => ended(accepted, end, trace)))
    })

  /** How a call ended, or where it stands. */
  const ended = ({ event_id, trace_id }: Accepted, end: Settled | undefined, trace: Trace): CallToolResult => {
    const call = trace.tool_calls.find((one) => one.event_id === event_id)
    const approval = trace.approvals.findLast((one) => one.event_id === event_id && one.status === "pending")
    const ids = { event_id, trace_id, ...(call === undefined ? {} : { tool_call_id: call.tool_call_id }) }
    if (approval !== undefined) {
      const { expires_at, number, risk, why } = approval
      return answered(
        { ...ids, status: "waiting_for_approval", approval: { number, risk, why, expires_at } },
        redactor,
        `Not done yet: approval ${number} waits for the operator's yes until ${expires_at} (${
          clipped(why, 500)
        }). Only the ` +
          `operator can give it; you can't. See later with syris_trace ${trace_id}, or call again with the same ` +
          "syris/idempotency-key."
      )
    }
    if (call?.status === "succeeded") {
      const error = call.error === undefined ? {} : { error: call.error }
      return answered({ ...ids, status: "succeeded", output: call.output ?? null, ...error }, redactor)
    }
    if (end === undefined) {
      return answered(
        { ...ids, status: call?.status ?? "accepted" },
        redactor,
        `It is accepted and has not ended yet. See later with syris_trace ${trace_id}; calling again does it again, unless it ` +
          "has the same syris/idempotency-key."
      )
    }
    const status = end.outcome === "unknown" ? "unknown" : call?.status ?? end.outcome
    const words = end.outcome === "unknown"
      ? "Nobody knows whether it was done; the operator must settle it. Don't call it again."
      : call?.error?.message ?? end.reply ?? `It ended as ${end.outcome}.`
    return {
      ...answered(
        { ...ids, status, ...(call?.error === undefined ? {} : { error: call.error }) },
        redactor,
        visible(words)
      ),
      isError: true
    }
  }

  /** A tool of the registry that a client may call; `undefined` for the operator's own, and for names that are none. */
  const callable = (name: string): RegisteredTool | undefined => {
    const tool = registry.tool(name)
    return tool !== undefined && isServed(tool) ? tool : undefined
  }

  return { submit, callOf, callable, served: () => registry.tools().filter(isServed).map(listedTool) }
})

const plain = (given: unknown) =>
  Effect.try({
    try: () => toPlainJson(given ?? {}) as Schema.Json,
    catch: (error) => {
      if (error instanceof NotPlainJson) return refuse(`The arguments can't be taken: it ${error.message}.`)
      throw error
    }
  })

const listedBefore = new WeakMap<RegisteredTool, Tool>()

/** As `tools/list` shows it. No output schema: what is answered is where the call stands, with the output inside. */
const listedTool = (tool: RegisteredTool): Tool => {
  const known = listedBefore.get(tool)
  if (known !== undefined) return known
  const { definition: { description, effect, name, risk }, inputSchema } = tool
  const listed: Tool = {
    name,
    description: `${description} (A tool of SYRIS: effect ${effect}, risk ${
      typeof risk === "string" ? risk : "by its input"
    }. A call goes through the operator's gates and may wait for an approval. ${asData})`,
    inputSchema: { ...inputSchema, type: "object" },
    annotations: {
      readOnlyHint: effect === "read",
      destructiveHint: effect === "irreversible",
      idempotentHint: false,
      openWorldHint: true
    }
  }
  listedBefore.set(tool, listed)
  return listed
}

export type ActingTools = Effect.Success<ReturnType<typeof makeActingTools>>
