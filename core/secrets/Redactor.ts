/**
 * Takes the values of known secrets out of whatever is about to be written: logs, audit rows, answers.
 *
 * - Found as they are and in every form of `SecretForms.ts`: base64 (alone, or inside a longer text such as
 *   `user:password`), URL encoding, hex, JSON and others, two of them one in another; each occurrence becomes
 *   `[secret name.key]`.
 * - A value that was known once stays hidden until the host ends, also after it was changed or removed; but of what changes by
 *   itself, as the tokens of a sign-in do, the values of now and those before them.
 * - Costs one comparison while there are no secrets; a long text that was looked at lately is not searched again.
 * - Not found: a value of fewer than 6 characters (a warning says so), one that was split, or encoded otherwise; a number
 *   that is written in another way than the value.
 */
import { Context, Effect, Layer, Redacted } from "effect"
import { jsonNeedles, makeNeedles, type Needles, shortestNeedle as minimumLength } from "./Needles.ts"
import { makeRedactedPieces, type RedactedPieces } from "./RedactedPieces.ts"
import { formsOf } from "./SecretForms.ts"
import { SecretsStore } from "./SecretsStore.ts"

export { formsOf } from "./SecretForms.ts"

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
  /** Whether `redactJson` would find nothing, by the value as JSON: in one pass, and a doubt is a no. */
  readonly isFree: (json: string) => boolean
  /** Hides one more value, which is not in the store (a token, an option given as plain text). */
  readonly add: (label: string, value: Redacted.Redacted) => void
  /** Hides these, which change by themselves: with each change those of the change before last are known no more. */
  readonly renew: (label: string, values: ReadonlyArray<Redacted.Redacted>) => void
  /** Of all that is looked for; characters. */
  readonly longest: () => number
}

/** Where a known secret was in what was about to be kept, sent or shown; never what it was. */
export interface Leak {
  /** As it stands after "A secret was in". */
  readonly where: string
  readonly trace_id?: string | undefined
}

/** Tells who listens of a secret that was taken out and should not have been there. */
export interface LeakBell {
  /** `shown` is what `given` became: where they differ, whoever listens hears of it. Answers `shown`. */
  readonly watched: <A>(given: A, shown: A, leak: () => Leak) => A
  /** Answers what ends it. The listener must not throw, nor take long. */
  readonly onLeak: (listener: (leak: Leak) => void) => () => void
}

export class Redactor extends Context.Service<Redactor, Redaction & LeakBell>()("syris/secrets/Redactor") {
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

export const makeRedaction = (source: Source | undefined, tooShort: (label: string) => void): Redaction & LeakBell => {
  /** Needle to what stands for it, longest first. */
  let needles: ReadonlyMap<string, string> = new Map()
  let haystack = makeNeedles(needles)
  /** The same as they stand in JSON, from the first look for them there on. */
  let inJson: Needles | undefined
  let anyNumber = false
  let seen = -1
  /** Long texts without any needle, until one more is known. */
  const clean = new Set<string>()
  let remembered = 0
  const known = new Map<string, string>()
  /** By label, the latest last. */
  const renewed = new Map<string, ReadonlyArray<ReadonlyArray<string>>>()
  /** Needles of what stays. */
  const lasting = new Map<string, string>()
  let longest = 0
  const listeners = new Set<(leak: Leak) => void>()

  const putForms = (into: Map<string, string>, label: string, value: string): void => {
    // Whoever uses a value often takes the line end off that it has from a file.
    const trimmed = value.trim()
    const forms = [...formsOf(value), ...(trimmed === value || trimmed.length < minimumLength ? [] : formsOf(trimmed))]
    for (const form of forms) if (!into.has(form)) into.set(form, mark(label))
  }
  /** Whether there is more to look for. */
  const learn = (label: string, value: string): boolean => {
    if (known.has(value)) return false
    known.set(value, label)
    if (value.length < minimumLength) {
      tooShort(label)
      return false
    }
    putForms(lasting, label, value)
    return true
  }
  const renew = (label: string, values: ReadonlyArray<string>): boolean => {
    const before = renewed.get(label) ?? []
    const now = values.filter((value) => value.length >= minimumLength)
    if (now.every((value) => before.some((one) => one.includes(value)))) return false
    renewed.set(label, [...before, now].slice(-generations))
    return true
  }
  /** Once for all that was learned: it takes all of them into its hands. */
  const look = (): void => {
    const found = new Map(lasting)
    for (const [label, all] of renewed) for (const value of all.flat()) putForms(found, label, value)
    needles = new Map([...found].sort(([a], [b]) => b.length - a.length))
    longest = needles.keys().next().value?.length ?? 0
    haystack = makeNeedles(needles)
    inJson = undefined
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
    let more = false
    for (const [label, value] of source.values()) {
      const tokens = signInName.test(label) ? tokensOf(Redacted.value(value)) : undefined
      const isNew = tokens === undefined
        ? learn(label, Redacted.value(value))
        : renew(label, tokens.map(Redacted.value))
      more ||= isNew
    }
    if (more) look()
  }
  const text = (given: string): string => {
    if (given.length < minimumLength) return given
    const long = given.length >= longText
    if (long && clean.has(given)) return given
    const shown = haystack.replaced(given)
    if (long && shown === given) remember(given)
    return shown
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
    isFree: (json) => {
      refresh()
      return needles.size === 0 || (inJson ??= jsonNeedles(needles)).replaced(json) === json
    },
    redactPieces: () =>
      makeRedactedPieces(() => {
        refresh()
        return needles
      }),
    add: (label, value) => {
      if (learn(label, Redacted.value(value))) look()
    },
    renew: (label, values) => {
      if (renew(label, values.map(Redacted.value))) look()
    },
    longest: () => {
      refresh()
      return longest
    },
    watched: (given, shown, leak) => {
      if (shown !== given && listeners.size > 0) {
        const found = leak()
        for (const listener of listeners) listener(found)
      }
      return shown
    },
    onLeak: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

const maximumDepth = 256

const mark = (label: string): string => `[secret ${label}]`
const marked = /\[secret [^\]\n]{1,200}\]/

/** Whether something stands in a value where a secret stood, or was made to look so. */
export const isMarked = (json: unknown): boolean => {
  const text = JSON.stringify(json) ?? ""
  return text.includes("[secret ") && marked.test(text)
}
