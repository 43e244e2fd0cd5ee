/**
 * `syris settle`: says what became of a tool call of which nobody knows, or lists those calls. The id may be its beginning
 * or end.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { ToolCall } from "../contract/ToolCall.ts"
import { Client } from "./client.ts"
import { misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { duration, paints, table } from "./layout.ts"
import { isWholeId, listed, meantId, shortId } from "./list.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

export const settle = Command.make(
  "settle",
  {
    call: Argument.String("call").pipe(
      Argument.withDescription("A tool call, or the beginning or end of its id (default: list those to settle)"),
      Argument.optional
    ),
    outcome: Argument.Literals("outcome", ["happened", "not_happened", "retry"]).pipe(
      Argument.withDescription(
        "happened: it was done; not_happened: it was not; retry: do it again, whatever became of it"
      ),
      Argument.optional
    ),
    note: Flag.String("note").pipe(Flag.withDescription("How you know; kept with the call"), Flag.optional),
    json
  },
  Effect.fn(function*({ call, json, note, outcome }) {
    if (Option.isNone(call)) return yield* list(json)
    if (Option.isNone(outcome)) {
      return yield* misused(`Say what became of ${visible(call.value)}: happened, not_happened or retry.`)
    }
    const client = yield* Client
    const id = isWholeId(call.value) ? call.value : yield* find(call.value)
    const { body } = yield* client.request(`/tool-calls/${id}/settle`, {
      method: "POST",
      body: { outcome: outcome.value, ...(Option.isSome(note) ? { note: note.value } : {}) }
    })
    const settled = body as ToolCall
    if (json) return yield* Console.log(visibleJson(settled, 2))
    yield* Console.log(`${clipped(settled.tool, 100)} (${shortId(settled.tool_call_id)}) ${meaning[outcome.value]}.`)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Say what became of a tool call of which nobody knows whether it was done; without arguments list those calls"
  ),
  Command.withShortDescription("Say what became of a call of which nobody knows"),
  Command.withExamples([
    { command: "syris settle", description: "List them" },
    { command: "syris settle 0c5b6f1d2e40 happened --note \"the bank shows it\"" }
  ])
)

const meaning = {
  happened: "counts as done",
  not_happened: "counts as not done",
  retry: "will be done again"
}

const unknown = (limit: number) => listed<ToolCall>("/tool-calls", { status: "unknown" }, limit)

const find = Effect.fn("settle.find")(function*(part: string) {
  const { items } = yield* unknown(10_000)
  return yield* meantId(part, items.map((one) => one.tool_call_id), "calls of which nobody knows")
})

const list = Effect.fn("settle.list")(function*(json: boolean) {
  const found = yield* unknown(200)
  if (json) return yield* Effect.forEach(found.items, (call) => Console.log(visibleJson(call)), { discard: true })
  if (found.items.length === 0) return yield* Console.log("There is no call of which nobody knows.")
  const say = yield* spell
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const now = yield* Clock.currentTimeMillis
  const rows = found.items.map((call) => [
    shortId(call.tool_call_id),
    clipped(call.tool, 40),
    duration(Math.max(0, now - Date.parse(call.created_at))),
    call.task_id === undefined ? "" : shortId(call.task_id),
    clipped(JSON.stringify(call.input) ?? "", 60),
    call.error === undefined ? "" : clipped(call.error.message, 120)
  ])
  const head = ["CALL", "TOOL", "AGE", "TASK", "INPUT", "WHAT IS KNOWN"].map(paint.dim)
  for (const line of table([head, ...rows])) yield* Console.log(line)
  if (found.more) yield* Console.log(paint.dim("There are more."))
  yield* Console.log(
    paint.dim(`Look there yourself, then say what happened: ${say("settle", "CALL", "happened|not_happened|retry")}`)
  )
})
