/**
 * Stands between a host and its PostgreSQL and can stop the world at a statement: before the server gets it, or after
 * the server has answered and before the host hears of it.
 *
 * Counted are round trips: what the host sends up to a Sync or a simple query is one request, what the server sends up
 * to ReadyForQuery is one answer.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { folder } from "./Hosts.ts"

export type Side = "request" | "answer"

export interface Blow {
  readonly side: Side
  /** The how-manieth request or answer from now, from 1. */
  readonly at: number
  /** Looks at requests and answers to requests whose text holds this only. */
  readonly of?: RegExp
  /** The message itself never arrives. */
  readonly strike: (connection: { readonly cut: () => void }) => void
}

export interface Proxy {
  /** As `DATABASE_URL` takes it. */
  readonly url: string
  /** One at a time; answers how many of its kind have passed since. */
  readonly arm: (blow: Blow) => { readonly passed: () => number; readonly struck: () => boolean }
  readonly disarm: () => void
  /** Milliseconds before each request is passed on. */
  readonly delay: (ms: () => number) => void
  /** Puts another text into the place of one in every request, as long as it: a host that says something else. */
  readonly replace: (text: string, by: string) => void
  readonly close: () => Promise<void>
}

const sync = 0x53
const simpleQuery = 0x51
const terminate = 0x58
const readyForQuery = 0x5a

interface Armed extends Blow {
  passed: number
  struck: boolean
}

/** Splits a stream of typed messages into round trips. `untyped` first messages (start-up) pass as they are. */
const makeSplitter = (
  ends: (type: number) => boolean,
  untyped: number,
  emit: (trip: Buffer) => void
): { readonly take: (chunk: Buffer) => void; readonly rest: () => Buffer } => {
  let rest: Buffer = Buffer.alloc(0)
  let from = 0
  let left = untyped
  const take = (chunk: Buffer): void => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (true) {
      const head = left > 0 ? 0 : 1
      if (rest.length - from < head + 4) return
      const size = head + rest.readUInt32BE(from + head)
      if (rest.length - from < size) return
      const done = left > 0 || ends(rest[from] ?? 0)
      if (left > 0) left--
      from += size
      if (done) {
        emit(rest.subarray(0, from))
        rest = rest.subarray(from)
        from = 0
      }
    }
  }
  return { take, rest: () => rest }
}

export const startProxy = async (databaseUrl: string): Promise<Proxy> => {
  const upstream = new URL(databaseUrl)
  const socket = path.join(
    upstream.searchParams.get("host") ?? "",
    `.s.PGSQL.${upstream.port === "" ? "5432" : upstream.port}`
  )
  const place = folder("proxy")
  let armed: Armed | undefined
  let delay: (() => number) | undefined
  const replaced: Array<{ readonly text: Buffer; readonly by: Buffer }> = []
  const open = new Set<net.Socket>()

  const strikes = (side: Side, text: () => string): boolean => {
    if (armed === undefined || armed.struck || armed.side !== side) return false
    if (armed.of !== undefined && !armed.of.test(text())) return false
    armed.passed++
    return armed.passed === armed.at
  }

  const rewrite = (trip: Buffer): Buffer => {
    for (const { by, text } of replaced) {
      for (let at = trip.indexOf(text); at >= 0; at = trip.indexOf(text, at + by.length)) by.copy(trip, at)
    }
    return trip
  }

  const server = net.createServer((client) => {
    const backend = net.connect(socket)
    for (const one of [client, backend]) {
      open.add(one)
      one.on("error", () => {})
      one.on("close", () => {
        open.delete(one)
        client.destroy()
        backend.destroy()
      })
    }
    const cut = () => {
      client.destroy()
      backend.destroy()
    }
    const blow = () => {
      if (armed === undefined) return
      armed.struck = true
      armed.strike({ cut })
    }
    const asked: Array<string> = []
    let starting = true
    const toServer = makeSplitter(
      (type) => starting || type === sync || type === simpleQuery || type === terminate,
      1,
      (trip) => {
        if (starting || trip[0] === terminate) return void backend.write(trip)
        const text = trip.toString("latin1")
        if (strikes("request", () => text)) return blow()
        asked.push(text)
        const sent = rewrite(trip)
        const ms = delay?.() ?? 0
        if (ms === 0) backend.write(sent)
        else setTimeout(() => backend.write(sent), ms)
      }
    )
    // What comes unasked is passed on at once: notifications, notices.
    const unasked = () => starting || asked.length === 0
    const toClient = makeSplitter((type) => unasked() || type === readyForQuery, 0, (trip) => {
      if (unasked()) {
        if (trip[0] === readyForQuery) starting = false
        client.write(trip)
        return
      }
      const text = asked.shift() ?? ""
      if (strikes("answer", () => text)) return blow()
      client.write(trip)
    })
    client.on("data", toServer.take)
    backend.on("data", toClient.take)
    // The last words of a server that ends the connection.
    backend.on("end", () => client.end(toClient.rest()))
  })
  const file = path.join(place, ".s.PGSQL.5432")
  await new Promise<void>((resolve) => server.listen(file, resolve))
  const url = new URL(databaseUrl)
  url.searchParams.set("host", place)
  url.port = ""
  return {
    url: url.href,
    arm: (blow) => {
      const mine: Armed = { ...blow, passed: 0, struck: false }
      armed = mine
      return { passed: () => mine.passed, struck: () => mine.struck }
    },
    disarm: () => {
      armed = undefined
    },
    delay: (ms) => {
      delay = ms
    },
    replace: (text, by) => {
      if (Buffer.byteLength(by) > Buffer.byteLength(text)) throw new Error(`"${by}" is longer than what it replaces.`)
      replaced.push({ text: Buffer.from(text), by: Buffer.from(by.padEnd(text.length)) })
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          fs.rmSync(place, { recursive: true, force: true })
          resolve()
        })
        for (const one of open) one.destroy()
      })
  }
}
