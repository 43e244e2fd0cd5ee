/**
 * The log of one run: its first and its last half megabyte, with a count of what was left out between.
 */

export type Level = "debug" | "info" | "warn" | "error"

/** Of the beginning, and of the end, in bytes. */
const kept = 524_288

/** The longest line, in characters. */
const longestLine = 8_192

export interface JobLines {
  readonly add: (line: {
    readonly level: Level
    readonly message: string
    readonly fields?: Readonly<Record<string, unknown>>
  }) => void
  /** Nothing where no line came. */
  readonly text: () => string | undefined
}

export const makeLines = (
  redact: { readonly redactText: (text: string) => string },
  now: () => Date = () => new Date(),
  most = kept
): JobLines => {
  const head: Array<string> = []
  const tail: Array<string> = []
  let [headBytes, tailBytes, leftOut, first] = [0, 0, 0, 0]

  const add: JobLines["add"] = ({ fields, level, message }) => {
    const rest = fields === undefined || Object.keys(fields).length === 0 ? "" : ` ${JSON.stringify(fields)}`
    const text = redact.redactText(`${message}${rest}`)
    const shown = text.length > longestLine ? `${text.slice(0, longestLine)}…` : text
    const line = `${now().toISOString()} ${level} ${
      shown.replaceAll("\0", "␀").replaceAll(/\r?\n/g, "\n  ").toWellFormed()
    }\n`
    const bytes = Buffer.byteLength(line)
    if (tailBytes === 0 && leftOut === 0 && headBytes + bytes <= most) {
      head.push(line)
      headBytes += bytes
      return
    }
    tail.push(line)
    tailBytes += bytes
    while (tailBytes > most && first < tail.length - 1) {
      tailBytes -= Buffer.byteLength(tail[first]!)
      tail[first++] = ""
      leftOut++
    }
    // What was left out is let go of from time to time.
    if (first > 1_000) tail.splice(0, first)
    if (first > 1_000) first = 0
  }

  return {
    add,
    text: () => {
      if (head.length === 0 && tail.length === 0) return undefined
      const gap = leftOut === 0 ? [] : [`… ${leftOut} lines were left out here …\n`]
      return [...head, ...gap, ...tail.slice(first)].join("")
    }
  }
}
