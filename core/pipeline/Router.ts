/**
 * Decides where an event goes: filters, rules, fastpath, model, in this order. In memory and without waiting up to the
 * fastpath. Every part that was asked or skipped is in the decision's notes, so a decision explains itself.
 */
import { Context, Effect, Layer } from "effect"
import type { Lane } from "../contract/Enums.ts"
import type { DecisionRow, EventRow } from "../contract/Rows.ts"
import { type RegisteredIntent, type RegisteredTool, Registry } from "../plugin/Registry.ts"
import type { NewTask } from "../tasks/TaskPlan.ts"
import { definedTask } from "../tasks/TaskRequest.ts"

/** A tool to call, with the input as it was taken from the words. */
export interface Chosen {
  readonly tool: RegisteredTool
  readonly input: unknown
}

export interface Routed {
  readonly lane: Lane
  readonly match: DecisionRow["match"]
  readonly notes: ReadonlyArray<string>
  readonly intent?: RegisteredIntent | undefined
  readonly chosen?: Chosen | undefined
  /** The task to start. */
  readonly task?: NewTask | undefined
  /** Why the task that was asked for can't be started: a sentence. */
  readonly refused?: string | undefined
}

/** Drops what should go no further (spam, a muted connector). Answers the reason, or nothing. */
export interface Filter {
  readonly name: string
  readonly drops: (event: EventRow) => string | undefined
}

/** What the filters of this host are. Empty until something provides them. */
export const Filters = Context.Reference<ReadonlyArray<Filter>>("syris/pipeline/Filters", { defaultValue: () => [] })

/** What rules make of an event: who fired, and whether one of them claimed it. */
export interface RulesAnswer {
  readonly rule_ids: ReadonlyArray<string>
  readonly claimed: boolean
  readonly note: string
}

/** The rules of this host; none until a rules engine provides them. */
export const Rules = Context.Reference<((event: EventRow) => Effect.Effect<RulesAnswer>) | undefined>(
  "syris/pipeline/Rules",
  { defaultValue: () => undefined }
)

/** The model at the end of the cascade; none until one is configured. */
export const Model = Context.Reference<((event: EventRow) => Effect.Effect<Omit<Routed, "match">>) | undefined>(
  "syris/pipeline/Model",
  { defaultValue: () => undefined }
)

export class Router extends Context.Service<Router, {
  readonly route: (event: EventRow) => Effect.Effect<Routed>
}>()("syris/pipeline/Router") {
  static readonly layer = Layer.effect(
    Router,
    Effect.gen(function*() {
      const registry = yield* Registry
      const filters = yield* Filters
      const rules = yield* Rules
      const model = yield* Model

      /** An intent by its words, or by its name where the channel may name one. */
      const fastpath = (event: EventRow, notes: Array<string>) => {
        const named = event.structured["intent"]
        if (typeof named === "string") {
          if (event.trust === "untrusted") {
            notes.push("fastpath: an untrusted channel can't name an intent")
          } else {
            const intent = registry.intents().find((candidate) => candidate.name === named)
            if (intent !== undefined) return { intent, input: event.structured["input"] ?? {} }
            notes.push(`fastpath: there is no intent named ${named}`)
          }
        }
        if (event.text === undefined) return undefined
        const found = registry.matchIntent(event.text)
        if (found === undefined) return undefined
        const input = found.intent.input === undefined ? found.groups : found.intent.input(found.groups)
        return { intent: found.intent, input }
      }

      const route = Effect.fnUntraced(function*(event: EventRow): Effect.fn.Return<Routed> {
        const notes: Array<string> = []
        const match = { rule_ids: [] as ReadonlyArray<string>, used_llm: false }
        for (const filter of filters) {
          const reason = filter.drops(event)
          if (reason !== undefined) {
            return {
              lane: "dropped",
              match: { ...match, filter: filter.name },
              notes: [`filters: ${filter.name}: ${reason}`]
            }
          }
        }
        notes.push(filters.length === 0 ? "filters: none are set" : "filters: passed")
        if (rules === undefined) {
          notes.push("rules: none are set")
        } else {
          const answer = yield* rules(event)
          match.rule_ids = answer.rule_ids
          notes.push(`rules: ${answer.note}`)
          if (answer.claimed) return { lane: "dropped", match, notes }
        }
        let found: ReturnType<typeof fastpath>
        try {
          found = fastpath(event, notes)
        } catch (error) {
          notes.push(
            `fastpath: an intent failed on this text: ${error instanceof Error ? error.message : String(error)}`
          )
        }
        if (found !== undefined) {
          const { input, intent } = found
          notes.push(`fastpath: ${intent.name}`)
          const matched = { match: { ...match, fastpath: intent.name }, notes, intent }
          const task = intent.task === undefined ? undefined : registry.task(intent.task)
          if (task !== undefined) {
            const planned = yield* Effect.result(definedTask(task, input, registry))
            return planned._tag === "Success"
              ? { ...matched, lane: "task", task: planned.success }
              : { ...matched, lane: "task", refused: planned.failure.message }
          }
          const tool = intent.tool === undefined ? undefined : registry.tool(intent.tool)
          if (tool !== undefined) return { ...matched, lane: "fast", chosen: { tool, input } }
          notes.push(`fastpath: ${intent.tool ?? intent.task} is not there`)
        } else {
          notes.push("fastpath: nothing matched")
        }
        if (model === undefined) {
          notes.push("llm: no model is configured")
          return { lane: "unhandled", match, notes }
        }
        const answer = yield* model(event)
        return {
          ...answer,
          match: { ...match, used_llm: answer.lane === "llm_plan" },
          notes: [...notes, ...answer.notes]
        }
      })
      return Router.of({ route })
    })
  )
}
