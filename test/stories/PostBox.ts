/**
 * Somebody outside who is written to: an HTTP server on the loopback that notes each message and what it took of them. It
 * knows nothing of the host, so it can contradict it.
 */
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"

export interface Posted {
  readonly key: string
  readonly body: any
}

export interface PostBox {
  readonly url: string
  /** Every message that came, oldest first. */
  readonly posts: () => ReadonlyArray<Posted>
  /** Those of them that say this. */
  readonly of: (text: RegExp | string) => ReadonlyArray<Posted>
  /** What it took: once for each key where it honours keys, else each that came. */
  readonly taken: (text: RegExp | string) => ReadonlyArray<Posted>
  /** From now on messages are taken and not answered, until it is called off. */
  readonly hold: () => () => void
  /** The statuses of the next answers; then 200. What is not 2xx is not taken. */
  readonly answer: (...statuses: ReadonlyArray<number>) => void
  readonly close: () => void
}

export const openPostBox = async (honoursKey: boolean): Promise<PostBox> => {
  const posts: Array<Posted> = []
  const taken: Array<Posted> = []
  const keys = new Set<string>()
  const statuses: Array<number> = []
  let held: Array<http.ServerResponse> | undefined
  const server = http.createServer((request, response) => void took(request, response))
  const took = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    let text = ""
    for await (const chunk of request.setEncoding("utf8")) text += String(chunk)
    const post = { key: String(request.headers["idempotency-key"] ?? ""), body: JSON.parse(text) as unknown }
    posts.push(post)
    const status = statuses.shift() ?? 200
    if (status < 300 && !(honoursKey && keys.has(post.key))) taken.push(post)
    keys.add(post.key)
    response.statusCode = status
    if (held === undefined) response.end()
    else held.push(response)
  }
  await once(server.listen(0, "127.0.0.1"), "listening")
  const saying = (from: ReadonlyArray<Posted>, text: RegExp | string) =>
    from.filter(({ body }) => typeof text === "string" ? body.text === text : text.test(body.text))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/box`,
    posts: () => posts,
    of: (text) => saying(posts, text),
    taken: (text) => saying(taken, text),
    hold: () => {
      const waiting: Array<http.ServerResponse> = []
      held = waiting
      return () => {
        held = undefined
        for (const response of waiting) response.end()
      }
    },
    answer: (...next) => void statuses.push(...next),
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}
