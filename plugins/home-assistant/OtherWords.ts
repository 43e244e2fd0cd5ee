/**
 * A pattern for names of things that leaves the host's own sentences alone: "turn off the rule porch" is about a rule.
 * Patterns have no look-ahead, so it is spelled out which letters may follow.
 */

/** What else may be turned on and off; and the articles, so that none of them hides such a word. */
const taken = ["rule", "schedule", "alarm", "reminder", "timer", "the", "my", "all"]

/** Any word that is none of these, as short as it can be. */
const otherThan = (words: ReadonlyArray<string>): string => {
  const known = new Set(words)
  const prefixes = new Set(words.flatMap((word) => Array.from(word, (_, i) => word.slice(0, i))).concat(words))
  const parts = [...prefixes].flatMap((prefix) => {
    const next = [...new Set([...prefixes].filter((one) => one.length === prefix.length + 1 && one.startsWith(prefix)))]
    const letters = next.map((one) => one.at(-1)!).join("")
    return [`${prefix}[^ ${letters}][^ ]*?`, ...(prefix === "" || known.has(prefix) ? [] : [prefix])]
  })
  return `(?:${parts.join("|")})`
}

const word = otherThan(taken)

/** A name of one word or several, with its article: neither the first word nor the last is one of those. */
export const otherName = `(?:(?:all the|the|my|all) )?${word}(?: (?:.+? )??${word})??`
