/**
 * A task of a plugin in an isolate. Its steps are asked for when it is made; its code runs over there, and each of its calls is a
 * recorded step here.
 *
 * - It calls the plugin's own tools and those that it was granted, gated like every other.
 * - Where the isolate ends under it, the code runs again from its beginning in the next one: the calls that it had made
 *   answer at once with what they gave.
 */
import { Schema } from "effect"
import { IsolateLost } from "../../sandbox/Isolate.ts"
import type { Described } from "../../sandbox/protocol/Described.ts"
import { decodedElsewhere } from "../plugin/InputOutput.ts"
import type { CallOptions, TaskContext, TaskDefinition } from "../plugin/TaskDefinition.ts"
import { type Access, PluginAway } from "./Access.ts"
import { requireTool } from "./Broker.ts"
import { inputProxy, InvalidOutput, readRun } from "./InputProxy.ts"

type Json = Schema.Json

/** Its own tools need no grant. */
export type Owns = (tool: string) => boolean

export const taskProxy = (access: Access, said: Described["tasks"][number], owns: Owns): TaskDefinition => {
  const { kind, labels, name, priority } = said
  const { boundary } = inputProxy(access, "task", name, { input: said.input_schema }, { lenient: kind === "code" })
  const base = {
    name,
    description: said.description,
    input: Schema.Any,
    ...(labels === undefined ? {} : { labels: labels as NonNullable<TaskDefinition["labels"]> }),
    ...(priority === undefined ? {} : { priority })
  }
  if (kind === "code") {
    return decodedElsewhere<TaskDefinition>(
      { ...base, run: (input, ctx) => runCode(access, name, input as Json, ctx, owns) },
      boundary
    )
  }
  const { apart } = boundary
  return decodedElsewhere<TaskDefinition>({ ...base, steps: () => [] }, {
    ...boundary,
    ...(apart === undefined ? {} : {
      apart: {
        ...apart,
        steps: (input) => {
          const steps = apart.steps?.(input) ?? []
          for (const step of steps.flat() as ReadonlyArray<unknown>) {
            const tool = typeof step === "object" && step !== null && "tool" in step ? step.tool : undefined
            if (typeof tool === "string" && !owns(tool)) requireTool(access, tool)
          }
          return steps
        }
      }
    })
  })
}

/** Its isolate may end so often under it without an answer in between. */
const maximumLosses = 5
/** It waits for one that is not running for as long as the task may. */
const patienceMs = 2_147_483_647

interface Made {
  readonly what: string
  readonly answer: Promise<Json>
}

const runCode = async (access: Access, name: string, input: Json, ctx: TaskContext, owns: Owns): Promise<unknown> => {
  const made: Array<Made> = []
  let losses = 0
  for (;;) {
    const before = made.length
    try {
      const answer = await access.invoke({
        part: "task",
        name,
        member: "run",
        args: [input],
        facts: { taskId: ctx.taskId, traceId: ctx.traceId, now: ctx.now().getTime() },
        asks: asksOf(access, ctx, made, owns),
        signal: ctx.signal,
        patienceMs
      })
      const output = readRun(access, name, answer)
      if (output instanceof InvalidOutput) throw new Error(output.mistake)
      return output
    } catch (error) {
      if (!(error instanceof IsolateLost || error instanceof PluginAway) || ctx.signal.aborted) throw error
      losses = made.length > before ? 1 : losses + 1
      if (losses >= maximumLosses) {
        throw new Error(`Plugin ${access.plugin} ended ${losses} times while ${name} ran.`, { cause: error })
      }
    }
  }
}

/** For one run of its code; what an earlier one has made is not made again. */
const asksOf = (access: Access, ctx: TaskContext, made: Array<Made>, owns: Owns) => {
  let ordinal = 0
  const once = (what: string, make: () => Promise<Json>): Promise<Json> => {
    const at = ordinal++
    const known = made[at]
    if (known !== undefined) {
      if (known.what === what) return known.answer
      return Promise.reject(new Error(`The code asked for ${what} where it had asked for ${known.what} before.`))
    }
    const answer = make()
    answer.catch(() => {})
    made.push({ what, answer })
    return answer
  }
  const now = () => ctx.now().getTime()
  return {
    call: (tool: Json | undefined, given: Json | undefined, options: Json | undefined) => {
      if (typeof tool !== "string") throw new TypeError("The name of a tool must be a string.")
      if (!owns(tool)) requireTool(access, tool)
      return once(`the tool ${tool}`, async () => {
        const output = await ctx.call<Json>(tool, given ?? {}, (options ?? {}) as CallOptions)
        return { output: output ?? null, now: now() }
      })
    },
    sleep: (ms: Json | undefined, label: Json | undefined) =>
      once("a wait", async () => {
        await ctx.sleep(Number(ms), ...(typeof label === "string" ? [label] : []))
        return { now: now() }
      }),
    sleepUntil: (at: Json | undefined, label: Json | undefined) =>
      once("a wait", async () => {
        await ctx.sleepUntil(
          new Date(typeof at === "string" ? at : Number.NaN),
          ...(typeof label === "string" ? [label] : [])
        )
        return { now: now() }
      })
  }
}
