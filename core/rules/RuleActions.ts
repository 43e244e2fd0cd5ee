/**
 * The actions of a rule, from its definition to what an event makes of them. An action that is no event of its own becomes
 * one all the same: a child on the channel `rule_engine` that was made for a call, a task or a message (`PlannedAction`), so
 * that it is routed, gated, executed once and audited like everything else.
 */
import { Effect, type Schema } from "effect"
import { maximumTextLength, RawEvent } from "../contract/Event.ts"
import type { RuleAction, RuleDefinition } from "../contract/Rule.ts"
import { ruleChannel } from "../contract/RuleChannel.ts"
import type { PlannedAction } from "../contract/Rows.ts"
import { check, unknownKey } from "../plugin/Explain.ts"
import { isLive } from "../plugin/LiveTools.ts"
import type { RegisteredTool, Registry } from "../plugin/Registry.ts"
import type { QuietHours } from "../safety/QuietHours.ts"
import { readTaskRequest } from "../tasks/TaskRequest.ts"
import { dedupeTemplate } from "./DedupeKey.ts"
import { compileTemplate, takesFromEvent, type Template } from "./Template.ts"

/** What one action makes of an event. */
export interface Made {
  readonly raw: unknown
  /** What the child is for; nothing where the rule says the event itself. */
  readonly plan?: PlannedAction
}

const checkEvent = check(RawEvent, "field")

/** What says something to people on a channel; the chat where none is named. */
export const sayer = (
  registry: Pick<Registry["Service"], "tool" | "sendOf">,
  channel: string | undefined
): RegisteredTool | undefined =>
  channel === undefined || channel === "chat"
    ? registry.tool("chat.send")
    : registry.sendOf({ channel, connector_id: channel })

/** Longest text that is said at once, in UTF-16 units: what the chat takes. */
const longestNotice = 8_000

/** A value that stands where a text is wanted, as one of at most so many UTF-16 units. */
const asText = (value: unknown, longest: number): string => {
  const text = typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value)
  return text.length <= longest ? text : `${text.slice(0, longest - 1).replace(/[\uD800-\uDBFF]$/, "")}…`
}

const noticeOf = (text: unknown, name: string): string => {
  const said = asText(text, longestNotice)
  return said.trim() === "" ? `The rule ${name} fired.` : said
}

const templates = new Map<string, Template>()
/** Templates kept at once, by their text. */
const maximumTemplates = 5_000

/** The template of an action that was checked before. */
const templateOf = (action: RuleAction): Template | undefined => {
  const key = JSON.stringify(action)
  const known = templates.get(key)
  if (known !== undefined) return known
  const compiled = compileTemplate(action, "")
  if (!compiled.ok) return undefined
  if (templates.size >= maximumTemplates) templates.clear()
  templates.set(key, compiled.value)
  return compiled.value
}

/** What the actions of a rule make of a subject, in their order. */
export const madeOf = (
  { name, then }: RuleDefinition,
  rule_id: string,
  subject: unknown,
  registry: Registry["Service"]
): ReadonlyArray<Made> => {
  const by = `rule ${name}`
  const from = { channel: ruleChannel, connector_id: ruleChannel, actor_type: "system", actor_id: by }
  return then.map((action): Made => {
    const filled = (templateOf(action)?.fill(subject) ?? action) as RuleAction
    if ("emit" in filled) {
      const { connector_id, text, ...event } = filled.emit
      const channel = event["channel"] ?? ruleChannel
      const said = text === undefined || text === null ? {} : { text: asText(text, maximumTextLength) }
      return { raw: { ...from, connector_id: connector_id ?? channel, ...event, ...said } }
    }
    const planned = (kind: string, plan: PlannedAction): Made => ({
      raw: { ...from, structured: { rule_id, rule: name, action: kind } },
      plan
    })
    if ("task" in filled) return planned("task", { by, task: filled.task })
    if ("tool" in filled) return planned(filled.tool, { by, tool: filled.tool, input: filled.input ?? {} })
    const { channel, text } = filled.notify
    const tool = sayer(registry, channel)?.definition.name ?? "chat.send"
    return planned("notify", { by, tool, input: { text: noticeOf(text, name) } })
  })
}

/** What is wrong with a rule where it is to run: its actions, and the quiet hours that it names, under the key that they have there. */
export const ruleMistakes = Effect.fnUntraced(function*(
  definition: RuleDefinition,
  { quietHours, registry }: { readonly quietHours: QuietHours["Service"]; readonly registry: Registry["Service"] },
  quietKey: "quiet_hours" | "quietHours"
) {
  const { quiet_hours } = definition
  const unknown = quiet_hours === undefined ? undefined : quietHours.unknown(quiet_hours)
  return [
    ...(yield* actionMistakes(definition, registry)),
    ...(unknown === undefined ? [] : [`${quietKey}: ${unknown}`])
  ]
})

/** What is wrong with the actions of a rule, as they could be for any event; sentences without their full stop. */
const actionMistakes = Effect.fnUntraced(function*(
  { dedupe, then }: RuleDefinition,
  registry: Registry["Service"]
) {
  const mistakes: Array<string> = []
  if (dedupe?.key !== undefined) {
    const key = dedupeTemplate(dedupe.key)
    if (!key.ok) mistakes.push(...key.mistakes)
  }
  for (const [index, action] of then.entries()) {
    const at = `then[${index}]`
    const compiled = compileTemplate(action, at)
    if (!compiled.ok) mistakes.push(...compiled.mistakes)
    else mistakes.push(...(yield* mistakesOf(action, at, compiled.value.paths.length === 0, registry)))
  }
  return mistakes
})

/** `fixed`: it takes nothing from the event. */
const mistakesOf = Effect.fnUntraced(function*(
  action: RuleAction,
  at: string,
  fixed: boolean,
  registry: Registry["Service"]
) {
  if ("emit" in action) {
    const chosen = fixedInEvent.filter((key) => takesFromEvent(action.emit[key]))
    if (chosen.length > 0) return chosen.map((key) => mustBeFixed(`${at}.emit.${key}`))
    // What is taken from the event is not known yet.
    const known = Object.fromEntries(
      Object.entries(action.emit).filter(([key, value]) =>
        !Object.hasOwn(RawEvent.fields, key) || !takesFromEvent(value)
      )
    )
    const checked = checkEvent({ channel: ruleChannel, ...known })
    return checked.ok ? [] : checked.mistakes.map((mistake) => `${at}.emit: ${mistake}`)
  }
  if ("task" in action) {
    if (!fixed) {
      const chosen = openInTask(action.task, `${at}.task`)
      return chosen.length > 0 ? chosen : namesMistaken(action.task, `${at}.task`, registry)
    }
    if (namesAbsent(action.task, registry)) return namesMistaken(action.task, `${at}.task`, registry)
    const read = yield* Effect.result(readTaskRequest(action.task, registry))
    return read._tag === "Success" ? [] : [`${at}.task: ${read.failure.message}`]
  }
  if ("tool" in action) {
    const tool = registry.tool(action.tool)
    if (tool === undefined) {
      // It may come later: its input is looked at when it is called.
      if (isLive(action.tool) || registry.mayCome?.() === true) return []
      return [`${at}: ${unknownKey(action.tool, registry.tools().map(({ definition }) => definition.name), "tool")}`]
    }
    return fixed && tool.away?.() === undefined ? yield* inputMistakes(tool, action.input ?? {}, `${at}.input`) : []
  }
  const { channel, text } = action.notify
  const tool = sayer(registry, channel)
  if (tool === undefined) return [`${at}.notify: the channel ${channel} can't send: leave it out to notify in the chat`]
  return fixed ? yield* inputMistakes(tool, { text: asText(text, longestNotice) }, `${at}.notify`) : []
})

/** What says where an emitted event goes, and whose it is. Its `message_id` may be taken: the same one is processed once. */
const fixedInEvent = ["channel", "connector_id", "thread_id", "actor_type"]
/** What says what a step is. */
const fixedInStep = ["name", "kind", "tool"]
/** What says which task it is, and where it tells of itself. */
const fixedInTask = ["task", "thread_id"]

const mustBeFixed = (place: string): string => `the field "${place}" must be fixed: an event can't choose where it goes`

/** What an event would choose of a task; each a sentence. */
const openInTask = (task: Readonly<Record<string, unknown>>, at: string): ReadonlyArray<string> => {
  const { steps } = task
  const own = fixedInTask.filter((key) => takesFromEvent(task[key])).map((key) => mustBeFixed(`${at}.${key}`))
  if (steps === undefined) return own
  if (!Array.isArray(steps)) {
    return [...own, `the field "${at}.steps" must be a list of steps: an event can't choose what is done`]
  }
  const ofStep = (step: unknown, place: string): ReadonlyArray<string> => {
    if (Array.isArray(step)) return step.flatMap((one, i) => ofStep(one, `${place}[${i}]`))
    return typeof step === "object" && step !== null
      ? fixedInStep.filter((key) => takesFromEvent((step as Readonly<Record<string, unknown>>)[key]))
        .map((key) => mustBeFixed(`${place}.${key}`))
      : [`the field "${place}" must be a step: an event can't choose what is done`]
  }
  return [...own, ...steps.flatMap((step, i) => ofStep(step, `${at}.steps[${i}]`))]
}

/** What a task that takes something from the event calls: that is fixed, and there. */
const namesMistaken = (
  { steps, task }: Readonly<Record<string, unknown>>,
  at: string,
  registry: Registry["Service"]
): ReadonlyArray<string> => {
  if (typeof task === "string") {
    const known = registry.tasks().map(({ definition }) => definition.name)
    return registry.task(task) === undefined ? [`${at}: ${unknownKey(task, known, "task")}`] : []
  }
  const known = registry.tools().map(({ definition }) => definition.name)
  return (Array.isArray(steps) ? steps.flat(1) : []).flatMap((step: unknown) => {
    const tool = typeof step === "object" && step !== null && "tool" in step ? step.tool : undefined
    return typeof tool === "string" && !isLive(tool) && registry.mayCome?.() !== true &&
        registry.tool(tool) === undefined
      ? [`${at}: ${unknownKey(tool, known, "tool")}`]
      : []
  })
}

/** Whether a step calls a tool that may come later, so that its input can't be looked at yet. */
const namesAbsent = ({ steps }: Readonly<Record<string, unknown>>, registry: Registry["Service"]): boolean =>
  (Array.isArray(steps) ? steps.flat(1) : []).some((step: unknown) => {
    const tool = typeof step === "object" && step !== null && "tool" in step ? step.tool : undefined
    if (typeof tool !== "string") return false
    const known = registry.tool(tool)
    return known === undefined ? isLive(tool) || registry.mayCome?.() === true : known.away?.() !== undefined
  })

const inputMistakes = (tool: RegisteredTool, input: Schema.Json, at: string) =>
  tool.decodeInput(input).pipe(
    Effect.map((): ReadonlyArray<string> => []),
    Effect.catch((sentence) => Effect.succeed([`${at}: ${sentence}`]))
  )
