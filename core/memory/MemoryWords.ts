/**
 * Memories in words, as one says them aloud: what, since when, from where, and whether anybody vouches for it. What others
 * than the operator said stands in quotes on one line, so that nothing in it passes for another memory or its origin.
 */
import type { Memory } from "../contract/Memory.ts"

/** Characters of one, where there are several. */
const longestShown = 500

const clipped = (text: string): string =>
  text.length <= longestShown ? text : `${text.slice(0, longestShown - 1)}…`.toWellFormed()

/** The words of others, whose end can be seen. */
const quoted = (text: string): string => JSON.stringify(text)

const textInWords = ({ labels }: Memory, shown: string): string => labels.trust === "operator" ? shown : quoted(shown)

const actorInWords = (actor: string): string =>
  /^[\p{L}\p{N}@._+-]+$/u.test(actor) ? clipped(actor) : quoted(clipped(actor))

const sourceInWords = ({ created_at, labels, source }: Memory, timeZone: string): string => {
  const on = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone }).format(new Date(created_at))
  if (labels.trust === "operator") return `you said so on ${on}`
  const from = `from ${source.channel}${source.actor_id === source.channel ? "" : `, ${actorInWords(source.actor_id)}`}`
  return labels.trust === "trusted" ? `${from}, on ${on}` : `${from}, on ${on}; nobody vouches for it`
}

/** `question` is what was asked for; nothing, for the newest of all. */
export const memoriesInWords = (
  question: string | undefined,
  memories: ReadonlyArray<Memory>,
  timeZone: string
): string => {
  const [only, ...others] = memories
  if (only === undefined) {
    return question === undefined ? "I remember nothing yet." : `I remember nothing about ${clipped(question)}.`
  }
  if (others.length === 0) return `${textInWords(only, only.text)} (${sourceInWords(only, timeZone)})`
  return memories.map((one) => `- ${textInWords(one, clipped(one.text))} (${sourceInWords(one, timeZone)})`).join("\n")
}
