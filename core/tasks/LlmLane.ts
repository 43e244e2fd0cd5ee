/**
 * The end of the routing cascade: what nothing else understood becomes a task in which a model chooses the next step, or is
 * the answer to a question of such a task.
 */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { EventRow } from "../contract/Rows.ts"
import { type BudgetReached, sentenceOf } from "../llm/Budget.ts"
import { Completions } from "../llm/Completions.ts"
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
    const completions = yield* Completions
    if (llm === undefined) return undefined

    /** The budget of the day that leaves no room for a question. */
    const spent = completions.spent.pipe(
      // Where it can't be read, the question itself finds out.
      Effect.catch((error) =>
        Effect.as(Effect.logWarning(`What models have used today can't be read: ${error.message}`), undefined)
      )
    )
    const whyNot = (reached: BudgetReached): string =>
      `llm: it is not asked: ${sentenceOf(reached)} (${reached.budget}). The day ends at ${reached.until ?? ""}`

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
          chosen: { tool, input: { task_id: asking.task_id, step_id: asking.step_id, answer: event.text } }
        }
      }
      const intent = intentOf(event)
      if (intent === undefined) return { lane: "unhandled", notes: ["llm: there is nothing to ask it about"] }
      // The operator is asked by the task whether it may go on.
      const asks = llm.budget.atLimit === "ask" && event.trust === "operator"
      const reached = asks ? undefined : yield* spent
      if (reached !== undefined) return { lane: "unhandled", notes: [whyNot(reached)] }
      return { lane: "llm_plan", notes: [`llm: ${llm.model} plans it`], task: plannedTask(intent) }
    })
  })
)
