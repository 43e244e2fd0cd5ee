/**
 * `syris tasks`: the tasks that have not ended, newest first; others by their status or label.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Command, Flag, TerminalCapabilities } from "effect/cli"
import type { Task } from "../contract/Task.ts"
import { Client } from "./client.ts"
import { misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { coloured, duration, type Paints, paints, table } from "./layout.ts"
import { listed, shortId } from "./list.ts"
import { waitOf } from "./taskView.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

interface ListedTask extends Task {
  readonly progress: { readonly done: number; readonly steps: number; readonly step?: string }
}

export const tasks = Command.make(
  "tasks",
  {
    status: Flag.String("status").pipe(
      Flag.withDescription("Only these: pending, running, waiting, paused, succeeded, failed or canceled"),
      Flag.optional
    ),
    label: Flag.String("label").pipe(Flag.withDescription("Only with this label, or this value of one"), Flag.optional),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Also those that have ended"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    limit: Flag.Int("limit").pipe(Flag.withDescription("At most this many (default: 50)"), Flag.withDefault(50)),
    json
  },
  Effect.fn(function*(given) {
    if (given.limit < 1 || given.limit > 10_000) return yield* misused("--limit takes 1 to 10000.")
    const status = Option.getOrElse(given.status, () => given.all ? undefined : "open")
    const found = yield* listed<ListedTask>("/tasks", {
      status,
      label: Option.getOrUndefined(given.label)
    }, given.limit)
    if (given.json) {
      return yield* Effect.forEach(found.items, (task) => Console.log(visibleJson(task)), { discard: true })
    }
    const say = yield* spell
    if (found.items.length === 0) {
      return yield* Console.log(
        status === "open" && Option.isNone(given.label)
          ? `No task is open. See those that have ended: ${say("tasks", "--all")}`
          : "No task fits."
      )
    }
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const now = yield* Clock.currentTimeMillis
    const head = ["TASK", "STATUS", "NAME", "STEP", "AGE", "WAITS FOR"].map(paint.dim)
    for (const line of table([head, ...found.items.map((task) => row(task, now, paint))])) yield* Console.log(line)
    if (found.more) yield* Console.log(paint.dim(`There are more: ${say("tasks", "--limit", String(given.limit * 4))}`))
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("List the tasks that have not ended, newest first; with --json one object a line"),
  Command.withShortDescription("List the tasks"),
  Command.withExamples([
    { command: "syris tasks" },
    { command: "syris tasks --status failed --label nightly" }
  ])
)

const row = (task: ListedTask, now: number, paint: Paints): ReadonlyArray<string> => [
  shortId(task.task_id),
  coloured(visible(task.status), paint),
  clipped(task.name, 40),
  stepOf(task),
  duration(Math.max(0, now - Date.parse(task.created_at))),
  waitOf(task)
]

/** `2/5 fetch`: the step that is next, and how many there are so far. */
const stepOf = ({ progress: { done, step, steps } }: ListedTask): string =>
  step === undefined ? `${done}/${steps}` : `${done + 1}/${steps} ${clipped(step, 30)}`
