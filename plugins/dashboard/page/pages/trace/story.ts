/** What happened in a trace, in a few sentences for whoever looks at it for the first time. Pure. */
import type { MessageEvent, RoutingDecision, ToolCall, Trace } from "syris/records"
import { counted, number } from "../../parts/counted.ts"

/** Parts of a sentence; `words` are somebody else's. */
export type Part = string | { readonly words: string }
export type Sentence = ReadonlyArray<Part>

const words = (text: string): Part => ({ words: text })

const heard = ({ actor, content, security, source }: MessageEvent): Sentence => {
  const text = content.text ?? ""
  const who = security.trust === "operator"
    ? `From you by ${source.channel}`
    : security.trust === "trusted"
    ? `By ${source.channel}, which you trust, from ${actor.actor_id}`
    : `By ${source.channel}, from ${actor.actor_id}, whose words are not trusted`
  if (text !== "") return [`${who}: `, words(text)]
  const isEmpty = Object.keys(content.structured).length === 0
  return isEmpty
    ? [`${who}: an event without words.`]
    : [`${who}, without words: `, words(JSON.stringify(content.structured))]
}

const because = ({ fastpath, filter, rule_ids, used_llm }: RoutingDecision["match"]): string =>
  filter !== undefined
    ? `because of the filter ${filter}`
    : rule_ids.length > 0
    ? `because of the rule ${rule_ids.join(", ")}`
    : fastpath !== undefined
    ? `because its words fit ${fastpath}`
    : used_llm
    ? "because a model chose so"
    : "as the event itself said"

const routed = (decision: RoutingDecision): Sentence => {
  const target = decision.tool ?? decision.intent
  const to = target === undefined ? "" : ` to ${target}`
  switch (decision.lane) {
    case "fast":
      return [`It went straight${to}, ${because(decision.match)}.`]
    case "task":
      return [`It became a task${target === undefined ? "" : ` (${target})`}, ${because(decision.match)}.`]
    case "sandbox":
      return [`It went${to}, to be run apart from the host, ${because(decision.match)}.`]
    case "llm_plan":
      return ["Nothing else knew what to do with it, so a model plans it."]
    case "unhandled":
      return ["Nothing knew what to do with it."]
    case "dropped":
      return [`It was dropped, ${because(decision.match)}.`]
  }
}

const ends: Readonly<Record<ToolCall["status"], string>> = {
  planned: "has not begun",
  attempted: "is under way",
  succeeded: "was done",
  failed: "was not done",
  unknown: "may or may not have been done",
  canceled: "was canceled before it began"
}

const mostNamed = 3

const called = (calls: ReadonlyArray<ToolCall>): ReadonlyArray<Sentence> => {
  if (calls.length === 0) return []
  const failed = calls.find(({ error, status }) => error !== undefined && (status === "failed" || status === "unknown"))
  const error: ReadonlyArray<Sentence> = failed?.error === undefined
    ? []
    : [["What it said: ", words(failed.error.message)]]
  if (calls.length <= mostNamed) {
    return [[`${calls.map(({ status, tool }) => `${tool} ${ends[status]}`).join(", ")}.`], ...error]
  }
  const counts = Map.groupBy(calls, ({ status }) => status)
  const parts = [...counts].map(([status, of]) => `${of.length} ${status}`)
  return [[`${calls.length} calls of tools: ${parts.join(", ")}.`], ...error]
}

const standing = {
  sent: "",
  owed: " It is still to be sent.",
  not_sent: " It was not sent.",
  unknown: " Nobody knows whether it was sent."
}

/** What questions to models used, as one sentence. */
const costOf = ({ costs }: Trace): string | undefined => {
  if (costs === undefined || costs.questions === 0) return undefined
  const usd = costs.usd === undefined ? "" : `, $${costs.usd.toLocaleString("en", { maximumFractionDigits: 4 })}`
  return `${counted(costs.questions, "question")} to models: ` +
    `${number(costs.input_tokens)} tokens in, ${number(costs.output_tokens)} out${usd}.`
}

/** The event that began it. */
export const rootOf = (trace: Trace): MessageEvent | undefined => {
  const known = new Set(trace.events.map(({ event_id }) => event_id))
  return trace.events.find(({ correlation }) => !known.has(correlation.parent_event_id ?? "")) ?? trace.events[0]
}

/** What is shown in a title: the words that began it, the task that came of it, or what the first row says. */
export const subjectOf = (trace: Trace): string => {
  const root = rootOf(trace)
  const text = root?.content.text ?? ""
  if (text !== "") return text
  return trace.tasks[0]?.name ??
    (root === undefined ? trace.audit[0]?.summary ?? "" : `an event on ${root.source.channel}`)
}

export const storyOf = (trace: Trace): ReadonlyArray<Sentence> => {
  const root = rootOf(trace)
  const decision = trace.decisions.find(({ event_id }) => event_id === root?.event_id)
  const replied = new Set(trace.replies.map(({ tool_call_id }) => tool_call_id))
  const others = trace.events.length - 1
  const cost = costOf(trace)
  return [
    ...(root === undefined
      ? [["No event began this: the host did it by itself. ", words(trace.audit[0]?.summary ?? "")]]
      : [heard(root)]),
    ...(decision === undefined ? [] : [routed(decision)]),
    ...called(trace.tool_calls.filter(({ tool_call_id }) => !replied.has(tool_call_id))),
    ...trace.jobs.map(({ kind, status }) => [`The job ${kind}: ${status.replaceAll("_", " ")}.`]),
    ...(others > 0 ? [[`It led to ${others === 1 ? "another event" : `${others} other events`}.`]] : []),
    ...trace.replies.slice(0, mostNamed).map(({ channel, status, text }): Sentence => [
      `The answer on ${channel}: `,
      words(text),
      status === undefined ? "" : standing[status]
    ]),
    ...(cost === undefined ? [] : [[cost]])
  ]
}
