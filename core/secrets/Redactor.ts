/**
 * Takes the values of known secrets out of whatever is about to be written: logs, audit rows, answers.
 *
 * - Found as they are, and as base64 (alone, or inside a longer text such as `user:password`), base64url, URL encoding,
 *   hex and JSON text; each occurrence becomes `[secret name.key]`.
 * - A value that was known once stays hidden until the host ends, also after it was changed or removed; but of what changes by
 *   itself, as the tokens of a sign-in do, the values of now and those before them.
 * - Costs one comparison while there are no secrets; a long text that was looked at lately is not searched again.
 * - Not found: a value of fewer than 6 characters (a warning says so), one that was split, or encoded otherwise.
 */
import { Context, Effect, Layer, Redacted } from "effect"
import { makeRedactedPieces, type RedactedPieces } from "./RedactedPieces.ts"
import { SecretsStore } from "./SecretsStore.ts"

/** Values shorter than this would be found by accident everywhere. */
const minimumLength = 6

/** How many generations of values that change by themselves stay hidden. */
const generations = 2

/** From so many characters on it pays to remember that nothing was found: a question to a model repeats the one before. */
const longText = 256
/** What is remembered of those, characters of all together. */
const mostRemembered = 1_000_000

export interface Redaction {
  readonly redactText: (text: string) => string
  /** For a text that comes in pieces. */
  readonly redactPieces: () => RedactedPieces
  /** Answers the value itself where nothing was found; else a copy. Dates and other class instances stay as they are. */
  readonly redactJson: <A>(value: A) => A
  /** Hides one more value, which is not in the store (a token, an option given as plain text). */
  readonly add: (label: string, value: Redacted.Redacted) => void
  /** Hides these, which change by themselves: with each change those of the change before last are known no more. */
  readonly renew: (label: string, values: ReadonlyArray<Redacted.Redacted>) => void
  /** Of all that is looked for; characters. */
  readonly longest: () => number
}

export class Redactor extends Context.Service<Redactor, Redaction>()("syris/secrets/Redactor") {
  static readonly layer = Layer.effect(
    Redactor,
    Effect.gen(function*() {
      const store = yield* SecretsStore
      const context = yield* Effect.context<never>()
      const warn = (label: string): void =>
        void Effect.runForkWith(context)(Effect.logWarning(
          `The secret ${label} is shorter than ${minimumLength} characters, so it can't be hidden where it shows up. ` +
            "Use a longer one."
        ))
      const source = {
        revision: store.revision,
        values: () => store.values().map(({ key, name, value }) => [`${name}.${key}`, value] as const)
      }
      const redaction = makeRedaction(source, warn)
      redaction.redactText("")
      return Redactor.of(redaction)
    })
  )
  /** Knows no secret. */
  static readonly layerEmpty = Layer.sync(Redactor, () => makeRedaction(undefined, () => {}))
}

interface Source {
  readonly revision: () => number
  readonly values: () => ReadonlyArray<readonly [label: string, value: Redacted.Redacted]>
}

/** What the sign-in to a server is kept as. */
const signInName = /^mcp\..+\.oauth$/

/** Nobody's sign-in has more. */
const mostTokens = 16

/** The secrets in the JSON of a sign-in (`access_token`, `client_secret`, …); nothing where it is no such thing. */
export const tokensOf = (text: string): ReadonlyArray<Redacted.Redacted> | undefined => {
  const found: Array<Redacted.Redacted> = []
  try {
    const document: unknown = JSON.parse(text, (key, value: unknown) => {
      if (typeof value === "string" && /_(token|secret)$/.test(key) && found.length < mostTokens) {
        found.push(Redacted.make(value))
      }
      return value
    })
    return typeof document === "object" && document !== null ? found : undefined
  } catch {
    return undefined
  }
}

export const makeRedaction = (source: Source | undefined, tooShort: (label: string) => void): Redaction => {
  /** Needle to what stands for it, longest first. */
  let needles: ReadonlyMap<string, string> = new Map()
  let anyNeedle = /(?!)/g
  /** The same, without a place that it remembers: one look at a text, however many needles there are. */
  let hasNeedle = /(?!)/
  let anyNumber = false
  let seen = -1
  /** Long texts without any needle, until one more is known. */
  const clean = new Set<string>()
  let remembered = 0
  const known = new Map<string, string>()
  /** By label, the latest last. */
  const renewed = new Map<string, ReadonlyArray<ReadonlyArray<string>>>()
  /** Needles of what stays. */
  let lasting: ReadonlyMap<string, string> = new Map()
  let longest = 0

  const withForms = (
    before: ReadonlyMap<string, string>,
    label: string,
    value: string
  ): ReadonlyMap<string, string> => {
    const found = new Map(before)
    // Whoever uses a value often takes the line end off that it has from a file.
    const trimmed = value.trim()
    const forms = [...formsOf(value), ...(trimmed.length < minimumLength ? [] : formsOf(trimmed))]
    for (const form of forms) if (!found.has(form)) found.set(form, mark(label))
    return found
  }
  const learn = (label: string, value: string): void => {
    if (known.has(value)) return
    known.set(value, label)
    if (value.length < minimumLength) return tooShort(label)
    lasting = withForms(lasting, label, value)
    look()
  }
  const renew = (label: string, values: ReadonlyArray<string>): void => {
    const before = renewed.get(label) ?? []
    const now = values.filter((value) => value.length >= minimumLength)
    if (now.every((value) => before.some((one) => one.includes(value)))) return
    renewed.set(label, [...before, now].slice(-generations))
    look()
  }
  const look = (): void => {
    let found = lasting
    for (const [label, all] of renewed) for (const value of all.flat()) found = withForms(found, label, value)
    needles = new Map([...found].sort(([a], [b]) => b.length - a.length))
    longest = needles.keys().next().value?.length ?? 0
    anyNeedle = new RegExp(
      [...needles.keys()].map((needle) => needle.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"),
      "g"
    )
    hasNeedle = new RegExp(anyNeedle.source)
    anyNumber = [...needles.keys()].some((needle) => /^-?\d+(\.\d+)?$/.test(needle))
    clean.clear()
    remembered = 0
  }
  const remember = (text: string): void => {
    if (text.length > mostRemembered) return
    if (remembered + text.length > mostRemembered) {
      clean.clear()
      remembered = 0
    }
    // A copy: a text that was cut out of a longer one would keep all of that.
    clean.add(Buffer.from(text).toString())
    remembered += text.length
  }
  const refresh = (): void => {
    if (source === undefined || source.revision() === seen) return
    seen = source.revision()
    for (const [label, value] of source.values()) {
      const tokens = signInName.test(label) ? tokensOf(Redacted.value(value)) : undefined
      if (tokens === undefined) learn(label, Redacted.value(value))
      else renew(label, tokens.map(Redacted.value))
    }
  }
  const text = (given: string): string => {
    if (given.length < minimumLength) return given
    const long = given.length >= longText
    if (long && clean.has(given)) return given
    if (hasNeedle.test(given)) return given.replace(anyNeedle, (found) => needles.get(found)!)
    if (long) remember(given)
    return given
  }
  const json = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return text(value)
    if (typeof value === "number") {
      if (!anyNumber) return value
      const shown = String(value)
      const hidden = text(shown)
      return hidden === shown ? value : hidden
    }
    if (typeof value !== "object" || value === null) return value
    if (depth > maximumDepth) return "[too deep]"
    if (Array.isArray(value)) {
      let copy: Array<unknown> | undefined
      for (let i = 0; i < value.length; i++) {
        const item = json(value[i], depth + 1)
        if (item !== value[i] && copy === undefined) copy = value.slice(0, i)
        if (copy !== undefined) copy.push(item)
      }
      return copy ?? value
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return value
    const entries = Object.entries(value)
    let changed = false
    for (const entry of entries) {
      const [key, item] = entry
      entry[0] = text(key)
      entry[1] = json(item, depth + 1)
      changed ||= entry[0] !== key || entry[1] !== item
    }
    return changed ? Object.fromEntries(entries) : value
  }
  return {
    redactText: (given) => {
      refresh()
      return needles.size === 0 ? given : text(given)
    },
    redactJson: (value) => {
      refresh()
      return needles.size === 0 ? value : json(value, 0) as typeof value
    },
    redactPieces: () =>
      makeRedactedPieces(() => {
        refresh()
        return needles
      }),
    add: (label, value) => learn(label, Redacted.value(value)),
    renew: (label, values) => renew(label, values.map(Redacted.value)),
    longest: () => {
      refresh()
      return longest
    }
  }
}

const maximumDepth = 256

const mark = (label: string): string => `[secret ${label}]`

/** Every way of writing a value that is looked for. */
export const formsOf = (value: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(value, "utf8")
  const encoded = encodeURIComponent(value.toWellFormed())
  const forms = new Set([
    value,
    JSON.stringify(value).slice(1, -1),
    encoded,
    encoded.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
    encoded.replaceAll("%20", "+"),
    new URLSearchParams([["", value]]).toString().slice(1),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...base64Cores(bytes)
  ])
  return [...forms].filter((form) => form.length >= minimumLength)
}

/** What base64 makes of these bytes wherever they lie in a longer text, in both alphabets, and the whole with its padding. */
const base64Cores = (bytes: Buffer): ReadonlyArray<string> => {
  const forms = [bytes.toString("base64"), bytes.toString("base64url")]
  for (let offset = 0; offset < 3; offset++) {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64url")
    const core = shifted.slice(Math.ceil(offset * 8 / 6), Math.floor((offset + bytes.length) * 8 / 6))
    if (core.length >= 8) forms.push(core, core.replaceAll("-", "+").replaceAll("_", "/"))
  }
  return forms
}
