/**
 * Collects the body of a request, up to a limit. A body that is too large is read to its end and thrown away, so that
 * the client sees the answer and not a broken connection; past `drainLimit` the connection is closed.
 * Node ends a request that takes longer than ten seconds to arrive (HttpServer.ts).
 */
import type { IncomingMessage } from "node:http"

const drainLimit = 16 * 1024 * 1024

const empty = Buffer.alloc(0)

/** Calls back once, with the bytes, or `undefined` if there were too many. Never, if the client went away. */
export const readBody = (
  request: IncomingMessage,
  limit: number,
  done: (bytes: Buffer | undefined) => void
): void => {
  let first: Buffer | undefined
  let more: Array<Buffer> | undefined
  let size = 0
  let answered = false
  request.on("data", (chunk: Buffer) => {
    size += chunk.length
    if (size > limit) {
      first = undefined
      more = undefined
      if (size > drainLimit && !answered) {
        answered = true
        request.pause()
        done(undefined)
      }
    } else if (first === undefined) first = chunk
    else (more ??= [first]).push(chunk)
  })
  request.on("end", () => {
    if (answered) return
    answered = true
    done(size > limit ? undefined : more === undefined ? first ?? empty : Buffer.concat(more, size))
  })
  // A request that breaks off is nobody's any more; without a listener its error would end the process.
  request.on("error", () => {})
}
