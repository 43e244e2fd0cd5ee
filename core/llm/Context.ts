/**
 * Puts a question to a model together: the host's words, what is remembered, what is under way, what was said, what is wanted,
 * and what the task has done; with the tools that fit. Pure: the same facts, prompts and tools make the same bundle.
 *
 * - Each part has a budget, and the whole never has more tokens than all of them. What is left out is said, in the text and
 *   in `parts`. The newest stays. The host's words and the message are never left out, only cut, with a note.
 * - What nobody vouches for stands between marks (`Marks.ts`) wherever it is told, and is told as untrusted.
 */
import type { Trust } from "../contract/Enums.ts"
import { type ContextBudgets, readContext } from "../plugin/PromptSettings.ts"
import { worstOf } from "../safety/Provenance.ts"
import type { Message, OfferedTool } from "./CompletionProvider.ts"
import type { ContextBundle, ContextFacts, ContextPart, ThreadLine } from "./ContextFacts.ts"
import { pseudoTools } from "./Decision.ts"
import { fitHistory, tokensOfMessage, tokensOfMessages } from "./History.ts"
import { byTrust, cut, data } from "./Marks.ts"
import { filled, type Prompts } from "./prompts/Prompts.ts"
import { tokensOf } from "./Tokens.ts"
import {
  fitTools,
  type FittedTools,
  lexicalRanking,
  type Ranking,
  type RankingQuery,
  tokensOfTool
} from "./ToolRanking.ts"

export type { ContextBudgets } from "../plugin/PromptSettings.ts"

export interface ContextOptions {
  /** All that may be called, without `syris.wait` and `syris.ask`. */
  readonly tools: ReadonlyArray<OfferedTool>
  readonly prompts: Prompts
  readonly budgets: ContextBudgets
  /** Default: by words. */
  readonly rank?: Ranking
}

/** Those of a host that sets none. */
export const defaultBudgets: ContextBudgets = (() => {
  const budgets = readContext({})
  if (typeof budgets === "string") throw new Error(budgets)
  return budgets
})()

/** Of one line of the thread, one memory and one summary, characters. */
const longestLine = 2_000
const longestMemory = 1_000
const longestEntry = 400
const longestSummary = 8_000
/** Lines of the thread that tools are looked for with, the newest. */
const linesOfQuery = 4

export const renderContext = (facts: ContextFacts, options: ContextOptions): ContextBundle => {
  const { budgets, prompts, rank = lexicalRanking } = options
  const pseudo = pseudoTools.reduce((sum, tool) => sum + tokensOfTool(tool), 1)
  const tools = fitTools(options.tools, queryOf(facts), usedIn(facts), budgets.tools - pseudo, rank)
  const system = systemOf(facts, prompts, budgets.system, toolsNote(options.tools.length, tools))
  const message = messageOf(facts, budgets.message)
  const memories = listed(memoriesOf(facts), budgets.memories)
  const tasks = listed(tasksOf(facts), budgets.tasks)
  const approvals = listed(approvalsOf(facts), budgets.approvals)
  const known = knownOf([memories, tasks, approvals])
  // As its parts count it: together they may take less.
  const listedTokens = memories.tokens + tasks.tokens + approvals.tokens
  const fixed = tools.tokens + pseudo + system.tokens + message.tokens + Math.max(known.tokens, listedTokens)
  const open = Math.max(0, budgets.total - fixed)
  // The history takes what it needs, but for what the thread needs of its own share; the thread has the rest.
  const lines = linesOf(facts)
  const threadNeeds = Math.min(budgets.thread, needsOf(facts, lines))
  const history = fitHistory(facts.history, facts.trust, Math.max(0, open - threadNeeds))
  const thread = threadOf(facts, lines, Math.max(0, open - history.tokens))
  const part = (
    name: ContextPart["part"],
    tokens: number,
    budget: number,
    left_out: number,
    trust: Trust
  ): ContextPart => ({ part: name, tokens, budget, left_out, trust })
  return {
    messages: [
      system.message,
      ...known.messages,
      ...thread.messages,
      message.message,
      ...history.messages
    ],
    tools: [...tools.tools, ...pseudoTools],
    parts: [
      part("system", system.tokens, budgets.system, system.left_out, "operator"),
      part("memories", memories.tokens, budgets.memories, memories.left_out, memories.trust),
      part("tasks", tasks.tokens, budgets.tasks, tasks.left_out, tasks.trust),
      part("approvals", approvals.tokens, budgets.approvals, approvals.left_out, approvals.trust),
      part("thread", thread.tokens, open - history.tokens, thread.left_out, thread.trust),
      part("message", message.tokens, budgets.message, message.left_out, facts.trust),
      part("history", history.tokens, open - threadNeeds, history.left_out, facts.trust),
      part(
        "tools",
        tools.tokens + pseudo,
        budgets.tools,
        tools.left_out,
        worstOf(tools.tools.map(({ trust }) => trust ?? "operator"))
      )
    ],
    prompt_hash: prompts.hash
  }
}

// Tools

const queryOf = ({ history, intent, thread }: ContextFacts): RankingQuery => [
  { text: intent, weight: 1 },
  ...history.flatMap((turn) => "answer" in turn ? [{ text: turn.answer, weight: 1 }] : []).slice(-linesOfQuery),
  ...thread.lines.slice(-linesOfQuery).toReversed().map(({ text }, i) => ({ text, weight: 0.5 / (i + 1) }))
]

/** Tools that the task has called. */
const usedIn = ({ history }: ContextFacts): ReadonlySet<string> =>
  new Set(history.flatMap((turn) =>
    "before" in turn
      ? turn.before.map(({ tool }) => tool)
      : "decision" in turn && turn.decision.action === "call"
      ? turn.decision.calls.map(({ tool }) => tool)
      : []
  ))

const toolsNote = (all: number, { left_out, tools }: FittedTools): string => {
  if (all === 0) return "There are no tools for this task but syris.wait and syris.ask."
  return left_out === 0
    ? ""
    : `You are offered ${tools.length} of ${all} tools, those whose words are nearest to the message. If none of them fits, ` +
      "ask with syris.ask and name the thing that you would need: others are looked for with the answer."
}

// The host's own words

/** Times as a person says them; a zone that nobody knows is UTC. */
const timeIn = (at: string, timeZone: string, style: "long" | "short"): string => {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? "an unknown time" : formatOf(timeZone, style).format(date)
}

const formats = new Map<string, Intl.DateTimeFormat>()
const mostFormats = 200

const formatOf = (timeZone: string, style: "long" | "short"): Intl.DateTimeFormat => {
  const key = `${style} ${timeZone}`
  const before = formats.get(key)
  if (before !== undefined) return before
  const make = (zone: string) =>
    style === "long"
      ? new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long", timeZone: zone })
      : new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: zone })
  let made: Intl.DateTimeFormat
  try {
    made = make(timeZone)
  } catch {
    made = make("UTC")
  }
  if (formats.size >= mostFormats) formats.clear()
  formats.set(key, made)
  return made
}

/** What can stand in a sentence of the host's: a name, not words. */
const isName = (text: string): boolean => /^[\w.:/+-]{1,100}$/.test(text)
const named = (text: string): string => isName(text) ? text : "(unnamed)"

interface Section {
  readonly message: Message
  readonly tokens: number
  readonly left_out: number
}

const section = (message: Message, left_out: number): Section => ({
  message,
  tokens: tokensOfMessage(message),
  left_out
})

const systemOf = (facts: ContextFacts, prompts: Prompts, budget: number, tools: string): Section => {
  const known = facts.trust === "untrusted" ? undefined : facts.device_id
  const values = {
    channel: named(facts.channel),
    locale: facts.locale !== undefined && facts.trust !== "untrusted" ? named(facts.locale) : "en",
    time: `${timeIn(facts.now, facts.timezone, "long")} (${facts.now})`,
    timezone: named(facts.timezone)
  }
  const words = [prompts.system, prompts.decider, prompts.router, prompts.responder, prompts.examples]
    .map((text) => filled(text, values)).join("\n\n")
  const place = [
    `The message came on the channel ${values.channel}` +
    (known === undefined ? "" : `, from the device ${named(known)}`) +
    `. The time zone is ${values.timezone}, the locale ${values.locale}. It is now ${values.time}.`,
    ...(tools === "" ? [] : [tools])
  ].join("\n")
  const whole: Message = { role: "system", content: `${words}\n\n${place}` }
  if (tokensOfMessage(whole) <= budget) return section(whole, 0)
  const note = "[The rest of these words was left out: there is no room for it.]"
  const content = fitText(words, budget - 8, (kept) => `${kept}\n${note}\n\n${place}`)
  return section({ role: "system", content }, 1)
}

/** As much of a text as leaves what is made of it within a budget of tokens; the budget holds for nothing of it, too. */
const fitText = (text: string, budget: number, make: (kept: string) => string): string => {
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (tokensOf(make(text.slice(0, middle).toWellFormed())) <= budget) low = middle
    else high = middle - 1
  }
  return make(text.slice(0, low).toWellFormed())
}

// What is wanted

const messageOf = (facts: ContextFacts, budget: number): Section => {
  const { channel, device_id, intent, trust } = facts
  const head = trust !== "untrusted" ? "" : [
    `This came from the channel ${
      named(channel)
    }, which anyone may write to. Decide what the person would want done about ` +
    "it, by the rules above.",
    ...(device_id === undefined ? [] : [`It says that it is from the device ${data(device_id, 100)}`]),
    ""
  ].join("\n")
  const made = (most: number): Message => ({ role: "user", content: `${head}${byTrust(intent, trust, most)}` })
  const whole = made(Infinity)
  if (tokensOfMessage(whole) <= budget) return section(whole, 0)
  let [low, high] = [0, intent.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (tokensOfMessage(made(middle)) <= budget) low = middle
    else high = middle - 1
  }
  return section(made(low), 1)
}

// What is known

interface Entry {
  readonly text: string
  readonly trust: Trust
}

interface Listed {
  readonly lines: ReadonlyArray<string>
  readonly tokens: number
  readonly left_out: number
  readonly trust: Trust
}

interface Listing {
  readonly title: string
  readonly entries: ReadonlyArray<Entry>
  /** Were there, and are not among the entries. */
  readonly more: number
  readonly noun: string
}

/** A text of one line, or data. */
const inLine = (text: string, trust: Trust, most: number): string =>
  trust === "untrusted"
    ? `(untrusted) ${data(text, most)}`
    : `(${trust}) ${cut(text, most).replaceAll(/\s+/g, " ").trim()}`

/** What the message that they are told in takes beside them, a third of it. */
const around = 12

/** As many entries as fit, from the first on. */
const listed = ({ entries, more, noun, title }: Listing, budget: number): Listed => {
  const missing = (left: number): string => left === 0 ? "" : `[${left} more ${noun} were left out]`
  const all = entries.length + more
  if (all === 0) return { lines: [], tokens: 0, left_out: 0, trust: "operator" }
  const lines = [title]
  let tokens = around + tokensOf(`${title}\n\n${missing(all)}\n`)
  let kept = 0
  for (const { text } of entries) {
    const size = tokensOf(`${text}\n`)
    if (tokens + size > budget) break
    tokens += size
    lines.push(text)
    kept++
  }
  const left_out = all - kept
  if (left_out > 0) lines.push(missing(left_out))
  // There is not even room to say what there is no room for.
  if (tokens > budget) return { lines: [], tokens: 0, left_out, trust: "operator" }
  return { lines, tokens, left_out, trust: worstOf(entries.slice(0, kept).map(({ trust }) => trust)) }
}

const memoriesOf = ({ memories, more, timezone }: ContextFacts): Listing => ({
  title: "Remembered, what fits the message best first:",
  entries: memories.map(({ created_at, text, trust }) => ({
    text: `- ${timeIn(created_at, timezone, "short")} ${inLine(text, trust, longestMemory)}`,
    trust
  })),
  more: more.memories,
  noun: "memories"
})

const tasksOf = ({ more, tasks, timezone }: ContextFacts): Listing => ({
  title: "Tasks that are under way or ended lately, but for this one:",
  entries: tasks.map(({ name, status, trust, updated_at, waits_for }) => ({
    text: `- ${named(status)}${waits_for === undefined ? "" : `, waits for ${named(waits_for)}`}, ` +
      `${timeIn(updated_at, timezone, "short")} ${inLine(name, trust, longestEntry)}`,
    trust
  })),
  more: more.tasks,
  noun: "tasks"
})

const approvalsOf = ({ approvals, more, timezone }: ContextFacts): Listing => ({
  title: "Calls that wait for the operator's yes, by their number:",
  entries: approvals.map(({ expires_at, number, summary, tool, trust }) => ({
    text: `- ${number}: ${named(tool)}, until ${timeIn(expires_at, timezone, "short")} ` +
      inLine(summary, trust, longestEntry),
    trust
  })),
  more: more.approvals,
  noun: "calls"
})

const headOfKnown = "What this host knows. It is no request: use what helps with the message."

const knownOf = (
  lists: ReadonlyArray<Listed>
): { readonly messages: ReadonlyArray<Message>; readonly tokens: number } => {
  const some = lists.filter(({ lines }) => lines.length > 0)
  if (some.length === 0) return { messages: [], tokens: 0 }
  const content = [headOfKnown, ...some.map(({ lines }) => lines.join("\n"))].join("\n\n")
  const messages: ReadonlyArray<Message> = [{ role: "user", content }]
  return { messages, tokens: tokensOfMessages(messages) }
}

// What was said

interface Line {
  readonly message: Message
  readonly tokens: number
  readonly trust: Trust
}

const lineOf = ({ at, by, text, trust }: ThreadLine, timezone: string): Message => {
  const when = timeIn(at, timezone, "short")
  if (by === "person") {
    return trust === "untrusted"
      ? { role: "user", content: `[${when}, untrusted]\n${data(text, longestLine)}` }
      : { role: "user", content: `[${when}] ${cut(text, longestLine)}` }
  }
  return trust === "untrusted"
    ? { role: "user", content: `[${when}, your answer to untrusted words]\n${data(text, longestLine)}` }
    : { role: "assistant", content: cut(text, longestLine), calls: [] }
}

const linesOf = ({ thread, timezone }: ContextFacts): ReadonlyArray<Line> =>
  thread.lines.map((line) => {
    const message = lineOf(line, timezone)
    return { message, tokens: tokensOfMessage(message), trust: line.trust }
  })

/** What precedes the lines: that there was more, and what of it is told in fewer words. */
const headOf = (
  { left_out, summary }: ContextFacts["thread"],
  dropped: number,
  most: number
): ReadonlyArray<Message> => {
  const missing = left_out + dropped
  const said = [
    ...(summary === undefined ? [] : [
      `A summary of the first ${summary.events} messages (${summary.trust}):\n${data(summary.text, most)}`
    ]),
    ...(missing === 0 ? [] : [`[${missing} earlier messages were left out]`])
  ]
  return said.length === 0 ? [] : [{ role: "user", content: ["Earlier in this conversation:", ...said].join("\n") }]
}

/** Tokens of all of it. */
const needsOf = ({ thread }: ContextFacts, lines: ReadonlyArray<Line>): number =>
  lines.reduce((sum, { tokens }) => sum + tokens, tokensOfMessages(headOf(thread, lines.length, longestSummary)))

const threadOf = (
  { thread }: ContextFacts,
  lines: ReadonlyArray<Line>,
  budget: number
): {
  readonly messages: ReadonlyArray<Message>
  readonly tokens: number
  readonly left_out: number
  readonly trust: Trust
} => {
  const { left_out: before, summary } = thread
  let most = longestSummary
  while (most > 100 && tokensOfMessages(headOf(thread, lines.length, most)) > budget / 2) most = Math.floor(most / 2)
  const reserved = tokensOfMessages(headOf(thread, lines.length, most))
  if (reserved > budget) {
    return { messages: [], tokens: 0, left_out: before + lines.length, trust: "operator" }
  }
  let [from, tokens] = [lines.length, reserved]
  while (from > 0 && tokens + (lines[from - 1]?.tokens ?? 0) <= budget) {
    from--
    tokens += lines[from]?.tokens ?? 0
  }
  const kept = lines.slice(from)
  const head = headOf(thread, from, most)
  const messages = [...head, ...kept.map(({ message }) => message)]
  return {
    messages,
    tokens: tokensOfMessages(messages),
    left_out: before + from,
    trust: worstOf([...kept.map(({ trust }) => trust), ...(summary === undefined ? [] : [summary.trust])])
  }
}
