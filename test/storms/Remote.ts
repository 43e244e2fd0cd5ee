/**
 * The world outside: a small HTTP server that notes each request and each effect. It loses some requests, loses some
 * answers after the effect, refuses as often as it is told to, and takes its time with others. It knows nothing of the
 * host, so it can contradict it.
 */
import * as http from "node:http"
import type { AddressInfo } from "node:net"

export interface RemoteOptions {
  readonly random: () => number
  /** Share of answers that get lost, half of them before the effect. Default 0. */
  readonly lost?: number
  /** Share of requests that are slow, and the longest that they take. Default none. */
  readonly slow?: { readonly share: number; readonly maximumMs: number }
}

export interface Remote {
  readonly url: string
  readonly requests: () => number
  /** How often the thing with this id was done. */
  readonly effects: (id: string) => number
  /** What was done more than once. */
  readonly doubled: () => ReadonlyArray<string>
  /** When requests for this id came, by `performance.now()`. */
  readonly arrivals: (id: string) => ReadonlyArray<number>
  /** Ids of which a request was there. */
  readonly known: () => ReadonlyArray<string>
  /** Resolves when a request for this id is there, before it is answered. */
  readonly arrived: (id: string) => Promise<void>
  /** Requests for this id are done and not answered until it is released. */
  readonly hold: (id: string) => () => void
  /** Requests for this id are lost before they are done, until it is called off. */
  readonly lose: (id: string) => () => void
  /** From now on it loses nothing by chance and takes no time. */
  readonly calm: () => void
  readonly close: () => Promise<void>
}

export const startRemote = async ({ lost = 0, random, slow }: RemoteOptions): Promise<Remote> => {
  const byKey = new Set<string>()
  const effects = new Map<string, number>()
  const arrivals = new Map<string, () => void>()
  const seen = new Set<string>()
  const held = new Map<string, Promise<void>>()
  const losing = new Set<string>()
  const refused = new Map<string, number>()
  const came = new Map<string, Array<number>>()
  let requests = 0
  let calm = false

  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://remote")
    const id = url.searchParams.get("id") ?? ""
    const key = url.searchParams.get("key") ?? ""
    request.resume()
    if (url.pathname === "/asked") {
      response.end(JSON.stringify({ done: byKey.has(key) }))
      return
    }
    requests++
    came.set(id, [...came.get(id) ?? [], performance.now()])
    const fate = calm ? 1 : random()
    if (fate < lost / 2 || losing.has(id)) {
      request.socket.destroy()
      return
    }
    const act = () => {
      const times = refused.get(id) ?? 0
      if (times < Number(url.searchParams.get("refuse") ?? 0) && !byKey.has(key)) {
        refused.set(id, times + 1)
        response.writeHead(409).end(JSON.stringify({ message: `not yet ${id}` }))
        return
      }
      // `/once` deduplicates by the key, as a remote does that takes idempotency keys; `/plain` does as it is told; `/may`
      // only answers.
      if (url.pathname === "/plain" || (url.pathname === "/once" && !byKey.has(key))) {
        effects.set(id, (effects.get(id) ?? 0) + 1)
      }
      byKey.add(key)
      seen.add(id)
      arrivals.get(id)?.()
      const answer = () =>
        fate < lost
          ? request.socket.destroy()
          : response.end(JSON.stringify({ message: `did ${id}`, lot: Math.floor(random() * 1_000) }))
      const wait = held.get(id)
      if (wait === undefined) answer()
      else void wait.then(answer)
    }
    const late = slow !== undefined && !calm && random() < slow.share ? random() * slow.maximumMs : 0
    if (late === 0) act()
    else setTimeout(act, late)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    effects: (id) => effects.get(id) ?? 0,
    arrivals: (id) => came.get(id) ?? [],
    known: () => [...came.keys()],
    doubled: () => [...effects].filter(([, count]) => count > 1).map(([id]) => id),
    arrived: (id) =>
      new Promise((resolve) => {
        if (seen.has(id)) resolve()
        else arrivals.set(id, resolve)
      }),
    lose: (id) => {
      losing.add(id)
      return () => void losing.delete(id)
    },
    calm: () => {
      calm = true
    },
    hold: (id) => {
      let release = () => {}
      held.set(
        id,
        new Promise((resolve) => {
          release = resolve
        })
      )
      return () => {
        held.delete(id)
        release()
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
