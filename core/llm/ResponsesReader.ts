/**
 * Puts one response together, from the events of a stream or from a whole JSON answer.
 *
 * - Servers differ: pieces may be missing where the whole comes later, and the whole where the pieces came.
 * - Only the answer's own text and calls are taken; reasoning and whatever else a server adds is left out.
 */
import { AnswerDraft, type Asked, type DraftCall, maximumName, usageOf } from "./AnswerDraft.ts"
import { asRecord, parseJson } from "./BoundedJson.ts"
import { type Completion, failed } from "./CompletionProvider.ts"
import type { AnswerReader } from "./Dialect.ts"
import { cut, cutAtLimit, notCompletion, ofErrorBody, type Redact, withheld } from "./Failure.ts"

type Fields = Readonly<Record<string, unknown>>

/** A server sends the tools that it was offered back in its answer, some hundreds of schemas. */
const maximumKeys = 100_000

/** A server that names no items has one text. */
const alone = Symbol("alone")

/** Some write `null`, or nothing, for what they do not name. */
const isName = (key: unknown): boolean => key !== undefined && key !== null && key !== ""

const textOf = (value: unknown): string => typeof value === "string" ? value : ""

export class ResponsesReader implements AnswerReader {
  readonly #redact: Redact
  readonly #draft: AnswerDraft
  /** By the id of their item, and by its place in the output. */
  readonly #byItem = new Map<unknown, DraftCall>()
  readonly #ended = new Set<DraftCall>()
  /** Items whose text has come, in the same way. */
  readonly #written = new Set<unknown>()
  #status: string | undefined
  #reason: unknown
  #seen = false

  constructor(redact: Redact, onText: (delta: string) => void) {
    this.#redact = redact
    this.#draft = new AnswerDraft(onText)
  }

  get finished(): boolean {
    return this.#status !== undefined
  }

  get over(): boolean {
    return this.#status !== undefined
  }

  take(json: string): void {
    const parsed = parseJson(json, maximumKeys)
    if (!parsed.ok) throw notCompletion(parsed.problem)
    const event = asRecord(parsed.value)
    if (event === undefined) throw notCompletion("is not an object")
    if (event["error"] !== undefined && event["error"] !== null) throw ofErrorBody(event["error"], this.#redact)
    switch (event["type"]) {
      case "response.created":
      case "response.in_progress":
        return this.#takeHead(asRecord(event["response"]))
      case "response.output_text.delta":
        this.#isWritten(event["item_id"], event["output_index"])
        return this.#draft.addText(textOf(event["delta"]))
      case "response.refusal.delta":
        this.#isWritten(event["item_id"], event["output_index"])
        return this.#draft.addRefusal(textOf(event["delta"]))
      case "response.output_item.added":
      case "response.output_item.done":
        return this.#takeItem(asRecord(event["item"]), event["output_index"], event["type"].endsWith("done"))
      case "response.function_call_arguments.delta":
        return this.#takeArguments(event, textOf(event["delta"]))
      case "response.function_call_arguments.done":
        return this.#takeArguments(event, textOf(event["arguments"]), true)
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
        return this.#takeEnd(asRecord(event["response"]) ?? {}, event["type"].slice("response.".length))
      case "error":
        throw ofErrorBody(event, this.#redact)
      default:
        // The whole answer at once.
        if (Array.isArray(event["output"])) this.#takeEnd(event, "completed")
    }
  }

  #takeHead(response: Fields | undefined): void {
    const model = textOf(response?.["model"])
    if (model !== "") this.#draft.model = model.slice(0, maximumName)
  }

  /** Whether some text of an item came before; from now on it has. */
  #isWritten(...keys: ReadonlyArray<unknown>): boolean {
    this.#seen = true
    const known = keys.filter(isName)
    const before = [...known, alone].some((key) => this.#written.has(key))
    for (const key of known.length === 0 ? [alone] : known) this.#written.add(key)
    return before
  }

  /** A whole item counts for what its pieces have not said. */
  #takeItem(item: Fields | undefined, index: unknown, whole: boolean): void {
    if (item?.["type"] === "message") {
      const { content } = item
      if (!whole || this.#isWritten(item["id"], index) || !Array.isArray(content)) return
      for (const each of content as ReadonlyArray<unknown>) {
        const part = asRecord(each)
        this.#draft.addText(textOf(part?.["text"]))
        this.#draft.addRefusal(textOf(part?.["refusal"]))
      }
    }
    if (item?.["type"] !== "function_call") return
    const call = this.#callOf(item["id"], index, textOf(item["call_id"]), whole)
    const json = call.arguments === "" ? textOf(item["arguments"]) : ""
    this.#draft.addToCall(call, textOf(item["call_id"]), textOf(item["name"]), json)
  }

  #takeArguments({ item_id, output_index }: Fields, json: string, whole = false): void {
    const call = this.#callOf(item_id, output_index)
    if (!whole || call.arguments === "") this.#draft.addToCall(call, "", "", json)
  }

  /** The call that an event belongs to; another id at a place shows that it is used again, unless it is the call's end. */
  #callOf(item: unknown, index: unknown, id = "", whole = false): DraftCall {
    this.#seen = true
    const { calls } = this.#draft
    const names = [item, index].filter(isName)
    const byId = id === "" ? undefined : calls.find((one) => one.id === id)
    const there = this.#byItem.get(index)
    const another = there !== undefined && id !== "" && there.id !== "" && (!whole || this.#ended.has(there))
    const last = names.length === 0 && id === "" ? calls.at(-1) : undefined
    const call = byId ?? this.#byItem.get(item) ?? (another ? undefined : there) ?? last ?? this.#draft.newCall()
    for (const name of names) this.#byItem.set(name, call)
    if (whole) this.#ended.add(call)
    return call
  }

  #takeEnd(response: Fields, event: string): void {
    const { error, incomplete_details, output, status, usage } = response
    if (error !== undefined && error !== null) throw ofErrorBody(error, this.#redact)
    this.#takeHead(response)
    this.#draft.usage = usageOf(asRecord(usage)?.["input_tokens"], asRecord(usage)?.["output_tokens"])
    this.#status = textOf(status) || event
    this.#reason = asRecord(incomplete_details)?.["reason"]
    if (!Array.isArray(output)) return
    this.#seen = true
    // Names and places may differ from those of the stream: it counts only for what did not come at all.
    const had = [this.#draft.hasText ? "message" : "", this.#draft.calls.length > 0 ? "function_call" : ""]
    for (const [index, each] of (output as ReadonlyArray<unknown>).entries()) {
      const item = asRecord(each)
      if (!had.includes(textOf(item?.["type"]))) this.#takeItem(item, index, true)
    }
  }

  end(done: boolean, asked: Asked): Completion {
    if (this.#status === undefined) {
      if (!done) throw cut("it ended before its end")
      if (!this.#seen) throw notCompletion("has no output")
    } else if (this.#status === "incomplete") {
      if (this.#reason === "content_filter") throw withheld()
      if (this.#reason === "max_output_tokens") throw cutAtLimit()
      throw cut("the server calls it incomplete")
    } else if (this.#status === "failed") {
      throw failed("llm.unavailable", "The model's server gave up its answer, and does not say why.")
    } else if (this.#status !== "completed") throw cut("the server did not complete it")
    if (!this.#seen) throw notCompletion("has no output")
    return this.#draft.completion(
      asked,
      this.#status === undefined ? "unknown" : this.#draft.calls.length > 0 ? "tool_calls" : "stop"
    )
  }
}
