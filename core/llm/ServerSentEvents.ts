/**
 * The data of server-sent events, out of the bytes of a body. Bounded: the whole, and each event.
 */
import { large } from "./Failure.ts"

/** Longest body of a stream, bytes. Each token costs some 300 bytes of envelope. */
export const maximumStreamBytes = 8 * 1_048_576
/** Longest single event, bytes. */
const maximumEventBytes = 1_048_576

export interface ServerSentEvent {
  readonly data: string
  /** It ends at the end of the body, so it may be a piece of one. */
  readonly last: boolean
}

const newline = 10

/** Lines as text, without their ends. The last one is what no line end follows. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly [line: string, ended: boolean]> {
  let parts: Array<Uint8Array> = []
  let length = 0
  let total = 0
  const take = (): string => {
    const line = Buffer.concat(parts).toString("utf8")
    parts = []
    length = 0
    return line.endsWith("\r") ? line.slice(0, -1) : line
  }
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > maximumStreamBytes) throw large("more than 8 MiB")
    let from = 0
    for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
      parts.push(chunk.subarray(from, to))
      from = to + 1
      yield [take(), true]
    }
    if (from === chunk.length) continue
    parts.push(from === 0 ? chunk : chunk.subarray(from))
    length += chunk.length - from
    if (length > maximumEventBytes) throw large("an event of more than 1 MiB")
  }
  if (parts.length > 0) yield [take(), false]
}

export async function* serverSentEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  let data: Array<string> = []
  let length = 0
  for await (const [line, ended] of linesOf(chunks)) {
    if (line === "" && ended) {
      if (data.length > 0) yield { data: data.join("\n"), last: false }
      data = []
      length = 0
    } else if (line.startsWith("data:")) {
      const value = line.slice(line[5] === " " ? 6 : 5)
      length += value.length
      if (length > maximumEventBytes) throw large("an event of more than 1 MiB")
      data.push(value)
    }
  }
  if (data.length > 0) yield { data: data.join("\n"), last: true }
}
