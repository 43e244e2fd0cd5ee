/**
 * Puts one chat completion together, from the pieces of a stream or from a whole JSON answer.
 *
 * - Servers differ: a missing index, an id that comes late, arguments as an object and no usage are all understood.
 * - Whatever ended at its length limit, or without any sign of its end, is `llm.cut`.
 */
import { AnswerDraft, type Asked, type DraftCall, maximumName, usageOf } from "./AnswerDraft.ts"
import { asRecord, parseJson } from "./BoundedJson.ts"
import type { Completion } from "./CompletionProvider.ts"
import type { AnswerReader } from "./Dialect.ts"
import { cut, notCompletion, ofErrorBody, type Redact, unfinished } from "./Failure.ts"

export class ChatReader implements AnswerReader {
  /** The tokens come after the reason. */
  readonly over = false
  readonly #redact: Redact
  readonly #draft: AnswerDraft
  /** By the index that the stream uses. */
  readonly #byIndex = new Map<number, DraftCall>()
  #finish: string | undefined
  #seen = false

  constructor(redact: Redact, onText: (delta: string) => void) {
    this.#redact = redact
    this.#draft = new AnswerDraft(onText)
  }

  get finished(): boolean {
    return this.#finish !== undefined
  }

  take(json: string): void {
    const parsed = parseJson(json)
    if (!parsed.ok) throw notCompletion(parsed.problem)
    const body = asRecord(parsed.value)
    if (body === undefined) throw notCompletion("is not an object")
    if (body["error"] !== undefined && body["error"] !== null) throw ofErrorBody(body["error"], this.#redact)
    const { choices, model } = body
    if (typeof model === "string" && model !== "") this.#draft.model = model.slice(0, maximumName)
    const usage = asRecord(body["usage"])
    this.#draft.usage = usageOf(usage?.["prompt_tokens"], usage?.["completion_tokens"]) ?? this.#draft.usage
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
    if (typeof content === "string") this.#draft.addText(content)
    if (typeof refusal === "string") this.#draft.addRefusal(refusal)
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
    const more = typeof called["arguments"] === "string"
      ? called["arguments"]
      : asRecord(called["arguments"]) === undefined
      ? ""
      : JSON.stringify(called["arguments"])
    this.#draft.addToCall(this.#callOf(delta["index"], id, name), id, name, more)
  }

  /** The call that a piece belongs to: by its index, unless another id shows that the index is used again. */
  #callOf(index: unknown, id: string, name: string): DraftCall {
    const { calls } = this.#draft
    const known = typeof index === "number"
      ? this.#byIndex.get(index)
      : id === ""
      ? name === "" ? calls.at(-1) : undefined
      : calls.find((call) => call.id === id)
    if (known !== undefined && (id === "" || known.id === "" || known.id === id)) return known
    const call = (known === undefined ? undefined : calls.find((one) => one.id === id)) ?? this.#draft.newCall()
    if (typeof index === "number") this.#byIndex.set(index, call)
    return call
  }

  end(done: boolean, asked: Asked): Completion {
    if (!done && !this.finished) throw cut("it ended before its end")
    if (!this.#seen) throw notCompletion("has no choices")
    const failure = unfinished(this.#finish)
    if (failure !== undefined) throw failure
    return this.#draft.completion(asked, this.#finish ?? "unknown")
  }
}
