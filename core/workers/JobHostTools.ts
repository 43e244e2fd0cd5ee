/**
 * The host's own tools for jobs: which there are, and an end to one. They are there whatever the operator configures.
 *
 * Both act only in the host's database, in the transaction of their outcome. Only the operator may cancel, and a pause does
 * not hold it: a job that is under way goes on through one.
 */
import { Effect, Schema } from "effect"
import { version } from "../health/Version.ts"
import { forOperatorOnly } from "../plugin/OperatorOnly.ts"
import { definePlugin } from "../plugin/Plugin.ts"
import { defineTool, ToolRefused } from "../plugin/Tool.ts"
import type { Here } from "../tasks/TaskWords.ts"
import { cancelJob } from "./JobMoves.ts"
import { type FoundJob, openJobs } from "./JobSearch.ts"
import { jobSentences } from "./JobSentences.ts"
import { answerInWords, listed } from "./JobWords.ts"

/** Jobs in one answer; the message counts the rest. */
const most = 50

/** What a person calls it: a kind, words of one, or the end of its id. */
const Which = Schema.String.check(Schema.isMaxLength(200))

const Summary = Schema.Struct({
  job_id: Schema.String,
  kind: Schema.String,
  status: Schema.String,
  percent: Schema.optionalKey(Schema.Finite),
  doing: Schema.optionalKey(Schema.String)
})

const summaryOf = ({ job_id, kind, progress: { message, percent }, status }: FoundJob): typeof Summary.Type => ({
  job_id,
  kind,
  status,
  ...(percent === undefined ? {} : { percent }),
  ...(message === undefined ? {} : { doing: message })
})

const list = (timeZone: string) =>
  defineTool({
    name: "job.list",
    description: "Say what jobs are running or waiting, or how one of them stands.",
    input: Schema.Struct({ which: Schema.optionalKey(Which) }),
    output: Schema.Struct({ message: Schema.String, jobs: Schema.Array(Summary) }),
    effect: "read",
    risk: "low",
    scopes: ["jobs.read"],
    guarantee: "transactional",
    // How far a job is, is said by its own code.
    trust: "untrusted",
    run: ({ which = "" }, ctx) =>
      Effect.map(openJobs(which), (open) => ({
        message: answerInWords(which, open, { now: ctx.now(), timeZone }),
        jobs: open.slice(0, most).map(summaryOf)
      }))
  })

/** The one open job that is meant; refused with a sentence when there is none, or more than one. */
const theOne = Effect.fnUntraced(function*(which: string, here: Here) {
  const open = yield* openJobs(which)
  const [job] = open
  if (open.length === 1 && job !== undefined) return job
  return yield* Effect.fail(
    new ToolRefused(
      job === undefined
        ? answerInWords(which, open, here)
        : `Which one? ${listed(open, here)} Name it, or give the end of its id.`
    )
  )
})

const cancel = (timeZone: string) =>
  forOperatorOnly(
    defineTool({
      name: "job.cancel",
      description: "Cancel a job that is running or waiting. Only the operator may.",
      input: Schema.Struct({ which: Which }),
      output: Schema.Struct({ message: Schema.String, job_id: Schema.String }),
      effect: "write",
      risk: "low",
      scopes: ["jobs.write"],
      guarantee: "transactional",
      preview: ({ which }) => which === "" ? "would cancel the job" : `would cancel the job ${which}`,
      run: ({ which }, ctx) =>
        Effect.gen(function*() {
          const { job_id, kind } = yield* theOne(which, { now: ctx.now(), timeZone })
          // Between the two it may have ended, or somebody else was quicker.
          const how = yield* cancelJob(job_id, undefined).pipe(
            Effect.catchTags({
              JobNotFound: (error) => Effect.fail(new ToolRefused(error.message)),
              JobMoveRefused: (error) => Effect.fail(new ToolRefused(error.message))
            })
          )
          return { message: how === "canceled" ? `${kind} is canceled.` : `${kind} is being ended.`, job_id }
        })
    }),
    {}
  )

/** Part of the host; see `HostPlugins`. */
export const jobTools = definePlugin({
  name: "jobs",
  version,
  setup: ({ timezone }) => ({ tools: [list(timezone), cancel(timezone)], intents: jobSentences })
})()
