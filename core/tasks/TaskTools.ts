/**
 * The host's own tools for tasks: what is being done, and an end to it. They are there whatever the operator configures.
 *
 * Both act only in the host's database, in the transaction of their outcome. Only the operator may cancel.
 */
import { Effect, Schema } from "effect"
import { version } from "../health/Version.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, ToolRefused } from "../plugin/Tool.ts"
import { answer } from "./TaskAnswer.ts"
import { cancelTask } from "./TaskCommands.ts"
import { type FoundTask, lastEnded, openTasks, statesOf } from "./TaskSearch.ts"
import { taskSentences } from "./TaskSentences.ts"
import { answerInWords, type Here, listed } from "./TaskWords.ts"

/** Tasks in one answer; the message counts the rest. */
const most = 50

/** What a person calls it: a name, a label, a definition, or the end of its id. */
const Which = Schema.String.check(Schema.isMaxLength(200))

const Summary = Schema.Struct({
  task_id: Schema.String,
  name: Schema.String,
  status: Schema.String,
  labels: Schema.Unknown,
  /** What it does now, or did not get past. */
  step: Schema.optionalKey(Schema.String),
  waits_until: Schema.optionalKey(Schema.String)
})

const summaryOf = (task: FoundTask, step: string | undefined): typeof Summary.Type => ({
  task_id: task.task_id,
  name: task.name,
  status: task.status,
  labels: task.labels,
  ...(step === undefined ? {} : { step }),
  ...(task.next_wake_at === null ? {} : { waits_until: task.next_wake_at.toISOString() })
})

const statesOfFirst = (tasks: ReadonlyArray<FoundTask>) => statesOf(tasks.slice(0, most).map((task) => task.task_id))

const status = (timeZone: string) =>
  defineTool({
    name: "task.status",
    description: "Say what tasks are running or waiting, or how one of them stands.",
    input: Schema.Struct({ which: Schema.optionalKey(Which) }),
    output: Schema.Struct({ message: Schema.String, tasks: Schema.Array(Summary) }),
    effect: "read",
    risk: "low",
    scopes: ["tasks.read"],
    guarantee: "transactional",
    // Tasks are called by the words that they came from, whoever wrote them.
    trust: "untrusted",
    run: ({ which = "" }, ctx) =>
      Effect.gen(function*() {
        const open = yield* openTasks(which)
        const states = yield* statesOfFirst(open)
        const ended = open.length > 0 || which === "" ? undefined : yield* lastEnded(which)
        return {
          message: answerInWords(which, open, states, ended, { now: ctx.now(), timeZone }),
          tasks: ended === undefined
            ? open.slice(0, most).map((task) => summaryOf(task, states.get(task.task_id)?.open[0]?.name))
            : [summaryOf(ended, undefined)]
        }
      })
  })

/** The one open task that is meant; refused with a sentence when there is none, or more than one. */
const theOne = Effect.fnUntraced(function*(which: string, here: Here) {
  const open = yield* openTasks(which)
  const [task] = open
  if (open.length === 1 && task !== undefined) return task
  if (task === undefined) {
    return yield* Effect.fail(
      new ToolRefused(which === "" ? "Nothing is running." : `No task called "${which}" is running or waiting.`)
    )
  }
  const states = yield* statesOfFirst(open)
  const list = listed(open, states, here)
  return yield* Effect.fail(new ToolRefused(`Which one? ${list} Name it, or give the end of its id.`))
})

const cancel = (timeZone: string) =>
  forOperatorOnly(defineTool({
    name: "task.cancel",
    description: "Cancel a task that is running, waiting or paused. Only the operator may.",
    input: Schema.Struct({ which: Which }),
    output: Schema.Struct({ message: Schema.String, task_id: Schema.String }),
    effect: "write",
    risk: "low",
    scopes: ["tasks.write"],
    guarantee: "transactional",
    preview: ({ which }) => which === "" ? "would cancel the task" : `would cancel the task ${which}`,
    run: ({ which }, ctx) =>
      Effect.gen(function*() {
        const task = yield* theOne(which, { now: ctx.now(), timeZone })
        // Between the two it may have ended, or somebody else was quicker.
        yield* cancelTask(task.task_id, undefined).pipe(
          Effect.catchTags({
            TaskNotFound: (error) => Effect.fail(new ToolRefused(error.message)),
            TaskMoveRefused: (error) => Effect.fail(new ToolRefused(error.message))
          })
        )
        return { message: `${task.name} is canceled.`, task_id: task.task_id }
      })
  }))

/** Part of the host; see `HostPlugins`. */
export const taskTools = definePlugin({
  name: "syris",
  version,
  setup: ({ timezone }) => ({ tools: [status(timezone), cancel(timezone), answer], intents: taskSentences })
})()
