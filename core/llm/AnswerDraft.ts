/**
 * An answer while it comes: bounded, and its text handed on piece by piece.
 *
 * The pieces joined are the text of the answer, and each of them is whole characters: half of one waits for its other half.
 */
import { type Completion, type Usage, type WantedCall } from "./CompletionProvider.ts"
import { large } from "./Failure.ts"

/** Text and arguments of one answer together, characters. */
const maximumKept = 1_048_576
const maximumCalls = 16
/** Of one call, characters. */
const maximumArguments = 262_144
export const maximumName = 256

export interface DraftCall {
  id: string
  tool: string
  arguments: string
}

/** What is missing where the server did not say it. */
export interface Asked {
  readonly model: string
  /** For a server that does not count tokens. */
  readonly inputCharacters: () => number
}

export class AnswerDraft {
  readonly calls: Array<DraftCall> = []
  model: string | undefined
  usage: Usage | undefined
  readonly #onText: (delta: string) => void
  #text = ""
  #refusal = ""
  #kept = 0
  #half = ""

  constructor(onText: (delta: string) => void) {
    this.#onText = onText
  }

  /** What it has written so far. */
  get text(): string {
    return this.#text
  }

  /** The model has written something. */
  get hasText(): boolean {
    return this.#text !== "" || this.#refusal !== ""
  }

  addText(piece: string): void {
    this.#keep(piece.length)
    this.#text += piece
    this.#handOn(piece, false)
  }

  /** Becomes the text where there is no other, so it is handed on only at the end. */
  addRefusal(piece: string): void {
    this.#keep(piece.length)
    this.#refusal += piece
  }

  newCall(): DraftCall {
    if (this.calls.length === maximumCalls) throw large(`more than ${maximumCalls} calls`)
    const call: DraftCall = { id: "", tool: "", arguments: "" }
    this.calls.push(call)
    return call
  }

  /** More of a call; the id and the name that it has stay. */
  addToCall(call: DraftCall, id: string, tool: string, more: string): void {
    if (id.length > maximumName || tool.length > maximumName) {
      throw large(`a name of more than ${maximumName} characters`)
    }
    this.#keep(more.length)
    call.id ||= id
    call.tool ||= tool
    call.arguments += more
    if (call.arguments.length > maximumArguments) throw large("a call with arguments of more than 256 KiB")
  }

  /** The answer; hands on what is left of its text. */
  completion(asked: Asked, finish: string): Completion {
    if (this.#text === "") this.#handOn(this.#refusal, true)
    else this.#handOn("", true)
    const text = keepable(this.#text === "" ? this.#refusal : this.#text)
    const output = this.calls.reduce((sum, call) => sum + call.tool.length + call.arguments.length, text.length)
    return {
      text: text === "" ? undefined : text,
      calls: withIds(this.calls),
      usage: this.usage ?? {
        input_tokens: Math.ceil(asked.inputCharacters() / 4),
        output_tokens: Math.ceil(output / 4),
        estimated: true
      },
      model: this.model === undefined ? asked.model : keepable(this.model),
      finish: keepable(finish)
    }
  }

  #keep(characters: number): void {
    this.#kept += characters
    if (this.#kept > maximumKept) throw large("more than 1 MiB")
  }

  #handOn(piece: string, last: boolean): void {
    const whole = this.#half + piece
    const ends = last || !/[\ud800-\udbff]$/.test(whole)
    this.#half = ends ? "" : whole.slice(-1)
    const delta = keepable(ends ? whole : whole.slice(0, -1))
    if (delta !== "") this.#onText(delta)
  }
}

/** Text that the database keeps: neither NUL nor half a character. */
const keepable = (text: string): string => text.toWellFormed().replaceAll("\0", "\u{fffd}")

/** Each call with an id of its own. */
const withIds = (calls: ReadonlyArray<DraftCall>): ReadonlyArray<WantedCall> => {
  const used = new Set<string>()
  return calls.map((call, i) => {
    let id = keepable(call.id)
    for (let n = i; id === "" || used.has(id); n++) id = `call_${n}`
    used.add(id)
    return { id, tool: keepable(call.tool), arguments: keepable(call.arguments) }
  })
}

const tokens = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined

/** Nothing where a server counts no input: it does not count at all. */
export const usageOf = (input: unknown, output: unknown): Usage | undefined => {
  const input_tokens = tokens(input)
  const output_tokens = tokens(output)
  return input_tokens === undefined || input_tokens === 0 || output_tokens === undefined
    ? undefined
    : { input_tokens, output_tokens }
}
