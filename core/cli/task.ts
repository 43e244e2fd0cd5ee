/**
 * `syris task`: one task with its steps and what can be done with it, or one of these things done. The id may be its
 * beginning or end, among the open tasks and the newest 500.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { Task } from "../contract/Task.ts"
import type { ToolCall } from "../contract/ToolCall.ts"
import { withStop } from "../plugin/Explain.ts"
import { Client } from "./client.ts"
import { misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { paints } from "./layout.ts"
import { isWholeId, listed, meantId, shortId } from "./list.ts"
import { drawTask, statusInWords, type TaskWithSteps } from "./taskView.ts"
import { clipped, visibleJson } from "../contract/Visible.ts"

export const task = Command.make(
  "task",
  {
    id: Argument.String("id").pipe(Argument.withDescription("A task, or the beginning or end of its id")),
    action: Argument.Literals("action", ["cancel", "pause", "resume", "retry"]).pipe(
      Argument.withDescription("What to do with it: cancel, pause, resume or retry (default: show it)"),
      Argument.optional
    ),
    reason: Flag.String("reason").pipe(
      Flag.withDescription("Why it is canceled; kept with the task"),
      Flag.optional
    ),
    json
  },
  Effect.fn(function*({ action, id, json, reason }) {
    if (Option.isSome(reason) && Option.getOrUndefined(action) !== "cancel") {
      return yield* misused("--reason goes with cancel only.")
    }
    const client = yield* Client
    const task_id = isWholeId(id) ? id : yield* find(id)
    const { body } = yield* Option.match(action, {
      onNone: () => client.request(`/tasks/${task_id}`),
      onSome: (verb) =>
        client.request(`/tasks/${task_id}/${verb}`, {
          method: "POST",
          ...(Option.isSome(reason) ? { body: { reason: reason.value } } : {})
        })
    })
    const record = body as TaskWithSteps
    if (json) return yield* Console.log(visibleJson(record, 2))
    if (Option.isSome(action)) {
      return yield* Console.log(
        withStop(`The task "${clipped(record.name, 200)}" (${shortId(record.task_id)}) is ${statusInWords(record)}`)
      )
    }
    const unknown = record.status === "succeeded"
      ? []
      : (yield* listed<ToolCall>("/tool-calls", { task_id: record.task_id, status: "unknown" }, 500)).items
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const now = yield* Clock.currentTimeMillis
    for (const line of drawTask(record, unknown, { now, paint: paints(canColor), say: yield* spell })) {
      yield* Console.log(line)
    }
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Show a task with its steps and what can be done with it; or cancel, pause, resume, retry it"
  ),
  Command.withShortDescription("Show a task, or cancel, pause, resume, retry it"),
  Command.withExamples([
    { command: "syris task 0c5b6f1d2e40", description: "The end of an id is enough" },
    { command: "syris task 0c5b6f1d2e40 cancel --reason \"not today\"" },
    { command: "syris task 0c5b6f1d2e40 retry", description: "Go on with the step that failed" }
  ])
)

const find = Effect.fn("task.find")(function*(part: string) {
  const open = yield* listed<Task>("/tasks", { status: "open" }, 500)
  const newest = yield* listed<Task>("/tasks", {}, 500)
  return yield* meantId(part, [...open.items, ...newest.items].map((one) => one.task_id), "open and newest tasks")
})
