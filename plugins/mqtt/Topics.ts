/**
 * Names of topics, and filters over them, as MQTT 5 has them (4.7).
 */

/** Longest name or filter, in bytes. */
const maximumBytes = 65_535

const fits = (topic: string): boolean =>
  topic !== "" && topic.isWellFormed() && !topic.includes("\0") && Buffer.byteLength(topic) <= maximumBytes

/** What can be published to. */
export const isTopic = (topic: string): boolean => fits(topic) && !/[+#]/.test(topic)

/** What can be subscribed to: `+` stands for one level, `#` for all that follow. */
export const isFilter = (filter: string): boolean => {
  const levels = levelsOf(filter)
  return fits(filter) && levels.length > 0 &&
    levels.every((level, i) => level === "+" || (level === "#" && i === levels.length - 1) || !/[+#]/.test(level))
}

export const matches = (filter: string, topic: string): boolean => {
  const wanted = levelsOf(filter)
  const levels = topic.split("/")
  // `#` and `+` at the beginning leave out what is the broker's own: $SYS.
  if (topic.startsWith("$") && !wanted[0]!.startsWith("$")) return false
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true
    if (i >= levels.length || (level !== "+" && level !== levels[i])) return false
  }
  return wanted.length === levels.length
}

/** Every topic that the second matches is matched by the first. */
const covers = (wide: string, narrow: string): boolean => {
  if (wide.startsWith("$share/") || narrow.startsWith("$")) return false
  const wanted = levelsOf(wide)
  const levels = levelsOf(narrow)
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true
    if (i >= levels.length || levels[i] === "#" || (level !== "+" && level !== levels[i])) return false
  }
  return wanted.length === levels.length
}

/** Without those that others cover: a broker may give a message once for each filter that it fits. */
export const distinct = (filters: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(filters)].filter((filter, _, all) => !all.some((other) => other !== filter && covers(other, filter)))

/** Without the head of a shared subscription: `$share/<group>/`. */
const levelsOf = (filter: string): ReadonlyArray<string> => {
  const levels = filter.split("/")
  return levels[0] === "$share" ? levels.slice(2) : levels
}
