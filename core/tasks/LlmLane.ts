/**
 * The end of the routing cascade: what nothing else understood becomes a task in which a model chooses the next step, or is
 * the answer to a question of such a task.
 */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { EventRow } from "../contract/Rows.ts"
import { Model, type Routed } from "../pipeline/Router.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { decideAttempts } from "./LlmRunner.ts"
import { answerTool, askingTask } from "./TaskAnswer.ts"
import { defaultPriority, defaultRetry, type NewTask } from "./TaskPlan.ts"

/** Longest name that a task takes from what was said. */
const longestName = 60

/** A task that a model plans. */
export const plannedTask = (intent: string): NewTask => {
  const words = intent.trim().replaceAll(/\s+/g, " ")
  return {
    name: (words.length > longestName ? `${words.slice(0, longestName - 1)}…` : words).toWellFormed(),
    kind: "llm_plan",
    labels: [],
    priority: defaultPriority,
    steps: [{
      name: "decide",
      kind: "llm_decide",
      stage: 0,
      input: { intent },
      max_attempts: decideAttempts,
      retry: defaultRetry
    }]
  }
}

/**
 * What is wanted, in words: the text, or what stands for it. What the host itself made without words (a watcher, a rule)
 * is no question to a model.
 */
const intentOf = (event: EventRow): string | undefined => {
  const text = event.text?.trim() ?? ""
  if (text !== "") return text
  if (event.actor_type === "system") return undefined
  return Object.keys(event.structured).length === 0 ? undefined : JSON.stringify(event.structured)
}

/** `Model` by `Settings`: none where no model is configured. */
export const layer = Layer.effect(
  Model,
  Effect.gen(function*() {
    const { llm } = yield* Settings
    const registry = yield* Registry
    const sql = yield* SqlClient.SqlClient
    if (llm === undefined) return undefined
    return Effect.fnUntraced(function*(event: EventRow): Effect.fn.Return<Omit<Routed, "match">> {
      const asking = yield* askingTask(event).pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.catch((error) =>
          Effect.as(Effect.logWarning(`Whether a task waits for an answer can't be read: ${error.message}`), undefined)
        )
      )
      const tool = registry.tool(answerTool)
      if (asking !== undefined && tool !== undefined && event.text !== undefined) {
        return {
          lane: "fast",
          notes: [`llm: it answers the question of ${asking.name}`],
          chosen: { tool, input: { task_id: asking.task_id, answer: event.text } }
        }
      }
      const intent = intentOf(event)
      if (intent === undefined) return { lane: "unhandled", notes: ["llm: there is nothing to ask it about"] }
      return { lane: "llm_plan", notes: [`llm: ${llm.model} plans it`], task: plannedTask(intent) }
    })
  })
)
