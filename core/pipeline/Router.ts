/**
 * Decides where an event goes: filters, rules, fastpath, model, in this order; only what steers the host, by the operator's
 * own word, goes before a rule that claims it. In memory and without waiting up to the
 * fastpath. Every part that was asked or skipped is in the decision's notes, so a decision explains itself.
 */
import { Context, Effect, Layer } from "effect"
import type { Lane, Trust } from "../contract/Enums.ts"
import type { DecisionRow, EventRow, OwedRules, PlannedAction } from "../contract/Rows.ts"
import { laneOf } from "../plugin/JobTool.ts"
import { absentTool, isLive, NotUnderstood } from "../plugin/LiveTools.ts"
import { type RegisteredIntent, type RegisteredTool, Registry } from "../plugin/Registry.ts"
import type { NewTask } from "../tasks/TaskPlan.ts"
import { definedTask, readTaskRequest } from "../tasks/TaskRequest.ts"

/** A tool to call, with the input as it was taken from the words. */
export interface Chosen {
  readonly tool: RegisteredTool
  readonly input: unknown
  /** No better than the event: where nobody vouches for whoever chose the call. */
  readonly trust?: Trust
}

export interface Routed {
  readonly lane: Lane
  readonly match: DecisionRow["match"]
  readonly notes: ReadonlyArray<string>
  readonly intent?: RegisteredIntent | undefined
  readonly chosen?: Chosen | undefined
  /** The task to start. */
  readonly task?: NewTask | undefined
  /** Why what was asked for can't be done: a sentence. */
  readonly refused?: string | undefined
  /** What the operator is told; nothing else is done. */
  readonly say?: string | undefined
  /** The rules that are for this event, for whoever fires them. */
  readonly rules?: OwedRules | undefined
}

/** Drops what should go no further (spam, a muted connector). Answers the reason, or nothing. */
export interface Filter {
  readonly name: string
  readonly drops: (event: EventRow) => string | undefined
}

/** What the filters of this host are. Empty until something provides them. */
export const Filters = Context.Reference<ReadonlyArray<Filter>>("syris/pipeline/Filters", { defaultValue: () => [] })

/** What rules make of an event: which are for it, and which of them claims it. */
export interface RulesAnswer {
  /** Those whose condition holds. */
  readonly rule_ids: ReadonlyArray<string>
  /** The rule that claims the event: nothing else understands it. */
  readonly claimed_by?: string
  readonly note: string
  /** What is stored with the event, so that these rules are fired once: also those that look at more than the event. */
  readonly owed: OwedRules
}

/** The rules of this host; none until a rules engine provides them. */
export const Rules = Context.Reference<(event: EventRow) => Effect.Effect<RulesAnswer>>(
  "syris/pipeline/Rules",
  { defaultValue: () => () => Effect.succeed({ rule_ids: [], note: "none are set", owed: [] }) }
)

/** The model at the end of the cascade; none until one is configured. */
export const Model = Context.Reference<((event: EventRow) => Effect.Effect<Omit<Routed, "match">>) | undefined>(
  "syris/pipeline/Model",
  { defaultValue: () => undefined }
)

export class Router extends Context.Service<Router, {
  /** `planned`: what a rule or a schedule made the event for. */
  readonly route: (event: EventRow, planned?: PlannedAction) => Effect.Effect<Routed>
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
            const intent = registry.intents().find((candidate) => candidate.name === named) ??
              (isLive(named) ? registry.matchIntent(named)?.intent : undefined)
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

      /** The operator steers the host: no rule stands between. */
      const isSwitch = (event: EventRow): boolean => {
        if (event.trust !== "operator") return false
        try {
          const tool = fastpath(event, [])?.intent.tool
          return tool !== undefined && registry.tool(tool)?.steering !== undefined
        } catch {
          return false
        }
      }

      /** Where an event goes that was made to do one thing. */
      const asPlanned = Effect.fnUntraced(function*(action: PlannedAction): Effect.fn.Return<
        Pick<Routed, "lane" | "chosen" | "task" | "refused" | "say">
      > {
        if ("say" in action) return { lane: "fast", say: action.say }
        if ("tool" in action) {
          const tool = registry.tool(action.tool)
          return tool === undefined
            ? {
              lane: "fast",
              refused: isLive(action.tool)
                ? absentTool(action.tool)
                : `There is no tool ${action.tool} any more: change the ${action.by}.`
            }
            : { lane: laneOf(action.tool), chosen: { tool, input: action.input } }
        }
        const asked = yield* Effect.result(readTaskRequest(action.task, registry))
        return asked._tag === "Success"
          ? { lane: "task", task: asked.success }
          : { lane: "task", refused: asked.failure.message }
      })

      const route = Effect.fnUntraced(function*(event: EventRow, planned?: PlannedAction): Effect.fn.Return<Routed> {
        const routed = yield* cascade(event, planned)
        const owed = routed.rules ?? []
        return owed.length === 0 ? { ...routed, rules: undefined } : routed
      })

      const cascade = Effect.fnUntraced(function*(event: EventRow, planned?: PlannedAction): Effect.fn.Return<Routed> {
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
        const ruled = yield* rules(event)
        match.rule_ids = ruled.rule_ids
        notes.push(`rules: ${ruled.note}`)
        if (planned !== undefined) {
          notes.push(`it was made by the ${planned.by}`)
          return { ...(yield* asPlanned(planned)), match, notes, rules: ruled.owed }
        }
        if (ruled.claimed_by !== undefined) {
          if (!isSwitch(event)) return { lane: "dropped", match, notes, rules: ruled.owed }
          notes.push(
            `rules: ${ruled.claimed_by} claims the event, but the operator's hand on the switch goes before`
          )
        }
        return { ...(yield* understand(event, match, notes)), rules: ruled.owed }
      })

      /** Fastpath, then the model. */
      const understand = Effect.fnUntraced(function*(
        event: EventRow,
        match: DecisionRow["match"],
        notes: Array<string>
      ): Effect.fn.Return<Routed> {
        let found: ReturnType<typeof fastpath>
        try {
          found = fastpath(event, notes)
          // That of a plugin which runs apart from the host, and is asked.
          if (found !== undefined && Effect.isEffect(found.input)) {
            const asked = yield* Effect.result(found.input as Effect.Effect<unknown, Error>)
            if (asked._tag === "Failure") throw asked.failure
            found = { ...found, input: asked.success }
          }
        } catch (error) {
          found = undefined
          if (error instanceof NotUnderstood) {
            return { lane: "fast", match, notes: [...notes, "fastpath: not understood"], refused: error.message }
          }
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
          if (tool !== undefined) {
            // A stranger who has its own tool called wins nothing by it; with the tool of another the choice is the danger.
            const strange = intent.strange === true && tool.plugin !== intent.plugin
            const chosen: Chosen = { tool, input, ...(strange ? { trust: "untrusted" } : {}) }
            return { ...matched, lane: laneOf(intent.tool), chosen }
          }
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
