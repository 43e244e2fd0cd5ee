/**
 * How the scripted model puts an answer in OpenAI's responses: the events of a stream, or the whole.
 */
import type { Said } from "./ScriptedModel.ts"

const event = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

const head = (model = "scripted") => ({
  id: "resp_1",
  object: "response",
  model,
  error: null,
  incomplete_details: null
})

/** As a model would stream it; a long one in longer pieces, so that nobody waits for it. */
export const piecesOf = (text: string): ReadonlyArray<string> =>
  text.match(text.length > 10_000 ? /[^]{1,700}/gu : /[^]{1,7}/gu) ?? []

export const beginResponse = (model: string | undefined): string =>
  event("response.created", { response: { ...head(model), status: "in_progress", output: [] } }) +
  event("response.output_item.added", { output_index: 0, item: { id: "rs_0", type: "reasoning", summary: [] } })

/** Half of the first piece. */
export const halfResponse = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.del"

const message = (text: string, index: number) => ({
  id: `msg_${index}`,
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [] }]
})

const call = ({ function: { arguments: json, name }, id }: Said["calls"][number], index: number) => ({
  id: `fc_${index}`,
  type: "function_call",
  call_id: id,
  name,
  arguments: json,
  status: "completed"
})

/** The items of the output, the first of which is at place 1: the model thought before. */
const itemsOf = ({ calls, text }: Said) => {
  const texts = text === undefined || text === "" ? [] : [message(text, 1)]
  return [...texts, ...calls.map((each, i) => call(each, texts.length + i + 1))]
}

export const wholeResponse = (model: string | undefined, said: Said) => ({
  ...head(model),
  ...(said.finish === "length" || said.finish === "content_filter"
    ? {
      status: "incomplete",
      incomplete_details: { reason: said.finish === "length" ? "max_output_tokens" : "content_filter" }
    }
    : { status: "completed" }),
  output: [{ id: "rs_0", type: "reasoning", summary: [] }, ...itemsOf(said)],
  ...(said.usage === null ? {} : {
    usage: {
      input_tokens: said.usage.prompt_tokens,
      output_tokens: said.usage.completion_tokens,
      total_tokens: said.usage.prompt_tokens + said.usage.completion_tokens
    }
  })
})

export async function* streamResponse(model: string | undefined, said: Said): AsyncGenerator<string> {
  for (const [i, item] of itemsOf(said).entries()) {
    const place = { item_id: item.id, output_index: i + 1 }
    const begun = item.type === "message" ? { ...item, content: [] } : { ...item, arguments: "" }
    yield event("response.output_item.added", { output_index: i + 1, item: begun })
    if ("arguments" in item) {
      for (const delta of piecesOf(item.arguments)) {
        yield event("response.function_call_arguments.delta", { ...place, delta })
      }
      yield event("response.function_call_arguments.done", { ...place, arguments: item.arguments })
    } else {
      for (const delta of piecesOf(said.text ?? "")) {
        await said.pace?.(delta)
        yield event("response.output_text.delta", { ...place, content_index: 0, delta })
      }
      yield event("response.output_text.done", { ...place, content_index: 0, text: said.text })
    }
    yield event("response.output_item.done", { output_index: i + 1, item })
  }
  await said.pace?.(undefined)
  if (said.finish === null) return
  const response = wholeResponse(model, said)
  yield event(`response.${response.status}`, { response })
}
