/**
 * Puts one completion together, from the pieces of a stream or from a whole JSON answer, within bounds.
 *
 * - Servers differ: a missing index, an id that comes late, arguments as an object and no usage are all understood.
 * - Whatever ended at its length limit, or without any sign of its end, is `llm.cut`.
 */
import { asRecord, parseJson } from "./BoundedJson.ts"
import { type Completion, type CompletionFailed, failed, type Usage, type WantedCall } from "./CompletionProvider.ts"
import { cut, large, ofErrorBody, type Redact } from "./Failure.ts"

/** Text and arguments of one answer together, characters. */
const maximumKept = 1_048_576
const maximumCalls = 16
/** Of one call, characters. */
const maximumArguments = 262_144
const maximumName = 256

interface Call {
  id: string
  tool: string
  arguments: string
}

const invalid = (why: string): CompletionFailed =>
  failed("llm.invalid", `The model's server sent what is not a completion: it ${why}. Check llm.baseURL.`)

const tokens = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined

export class CompletionReader {
  readonly #redact: Redact
  readonly #calls: Array<Call> = []
  /** By the index that the stream uses. */
  readonly #byIndex = new Map<number, Call>()
  #text = ""
  #refusal = ""
  #kept = 0
  #finish: string | undefined
  #model: string | undefined
  #usage: Usage | undefined
  #seen = false

  constructor(redact: Redact) {
    this.#redact = redact
  }

  /** Why the model stopped has come, so that the end may come in any way. */
  get finished(): boolean {
    return this.#finish !== undefined
  }

  /** One piece of a stream, or a whole answer; throws `CompletionFailed`. */
  take(json: string): void {
    const parsed = parseJson(json)
    if (!parsed.ok) throw invalid(parsed.problem)
    const body = asRecord(parsed.value)
    if (body === undefined) throw invalid("is not an object")
    if (body["error"] !== undefined && body["error"] !== null) throw ofErrorBody(body["error"], this.#redact)
    if (typeof body["model"] === "string" && body["model"] !== "") this.#model = body["model"].slice(0, maximumName)
    this.#usage = usageOf(body["usage"]) ?? this.#usage
    const { choices } = body
    if (!Array.isArray(choices)) return
    for (const each of choices as ReadonlyArray<unknown>) {
      const choice = asRecord(each)
      if (choice === undefined || (choice["index"] ?? 0) !== 0) continue
      this.#seen = true
      const part = asRecord(choice["delta"]) ?? asRecord(choice["message"])
      if (part !== undefined) this.#takePart(part)
      const { finish_reason } = choice
      if (typeof finish_reason === "string" && finish_reason !== "") this.#finish = finish_reason.slice(0, maximumName)
    }
  }

  #takePart({ content, refusal, tool_calls }: Readonly<Record<string, unknown>>): void {
    if (typeof content === "string") {
      this.#keep(content.length)
      this.#text += content
    }
    if (typeof refusal === "string") {
      this.#keep(refusal.length)
      this.#refusal += refusal
    }
    if (!Array.isArray(tool_calls)) return
    for (const each of tool_calls as ReadonlyArray<unknown>) {
      const delta = asRecord(each)
      if (delta !== undefined) this.#takeCall(delta)
    }
  }

  #takeCall(delta: Readonly<Record<string, unknown>>): void {
    const called = asRecord(delta["function"]) ?? {}
    const id = typeof delta["id"] === "string" ? delta["id"] : ""
    const name = typeof called["name"] === "string" ? called["name"] : ""
    const call = this.#callOf(delta["index"], id, name)
    const more = typeof called["arguments"] === "string"
      ? called["arguments"]
      : asRecord(called["arguments"]) === undefined
      ? ""
      : JSON.stringify(called["arguments"])
    if (id.length > maximumName || name.length > maximumName) {
      throw large(`a name of more than ${maximumName} characters`)
    }
    this.#keep(more.length)
    call.id ||= id
    call.tool ||= name
    call.arguments += more
    if (call.arguments.length > maximumArguments) throw large("a call with arguments of more than 256 KiB")
  }

  /** The call that a piece belongs to: by its index, unless another id shows that the index is used again. */
  #callOf(index: unknown, id: string, name: string): Call {
    const known = typeof index === "number"
      ? this.#byIndex.get(index)
      : id === ""
      ? name === "" ? this.#calls.at(-1) : undefined
      : this.#calls.find((call) => call.id === id)
    if (known !== undefined && (id === "" || known.id === "" || known.id === id)) return known
    if (this.#calls.length === maximumCalls) throw large(`more than ${maximumCalls} calls`)
    const call: Call = { id: "", tool: "", arguments: "" }
    this.#calls.push(call)
    if (typeof index === "number") this.#byIndex.set(index, call)
    return call
  }

  #keep(characters: number): void {
    this.#kept += characters
    if (this.#kept > maximumKept) throw large("more than 1 MiB")
  }

  /**
   * The completion; throws `CompletionFailed` where there is none. `done`: the stream said that it is over.
   * `inputCharacters` is for a server that does not count tokens.
   */
  end(done: boolean, asked: { readonly model: string; readonly inputCharacters: number }): Completion {
    if (!done && !this.finished) throw cut("it ended before its end")
    if (!this.#seen) throw invalid("has no choices")
    if (this.#finish === "length") throw cut("it reached its length limit")
    if (this.#finish === "content_filter") {
      throw failed("llm.refused", "The model's server withheld the answer (content_filter). Ask in other words.")
    }
    const text = keepable(this.#text === "" ? this.#refusal : this.#text)
    const output = this.#calls.reduce((sum, call) => sum + call.tool.length + call.arguments.length, text.length)
    return {
      text: text === "" ? undefined : text,
      calls: withIds(this.#calls),
      usage: this.#usage ?? {
        input_tokens: Math.ceil(asked.inputCharacters / 4),
        output_tokens: Math.ceil(output / 4),
        estimated: true
      },
      model: this.#model === undefined ? asked.model : keepable(this.#model),
      finish: keepable(this.#finish ?? "unknown")
    }
  }
}

/** Text that the database keeps: neither NUL nor half a character. */
const keepable = (text: string): string => text.toWellFormed().replaceAll("\0", "\u{fffd}")

/** Each call with an id of its own. */
const withIds = (calls: ReadonlyArray<Call>): ReadonlyArray<WantedCall> => {
  const used = new Set<string>()
  return calls.map((call, i) => {
    let { id } = call
    for (let n = i; id === "" || used.has(id); n++) id = `call_${n}`
    used.add(id)
    return { id: keepable(id), tool: keepable(call.tool), arguments: keepable(call.arguments) }
  })
}

/** Nothing where a server counts no input: it does not count at all. */
const usageOf = (value: unknown): Usage | undefined => {
  const usage = asRecord(value)
  const input_tokens = tokens(usage?.["prompt_tokens"])
  const output_tokens = tokens(usage?.["completion_tokens"])
  return input_tokens === undefined || input_tokens === 0 || output_tokens === undefined
    ? undefined
    : { input_tokens, output_tokens }
}
