/**
 * The part of a mail server that finds out who wrote: a milter that checks DKIM signatures and puts
 * `Authentication-Results` (RFC 8601) on top of each message. Stamps that a message brought along, forged ones too, it
 * leaves where they are, below: as careless servers do.
 */
import type { KeyObject } from "node:crypto"
import { once } from "node:events"
import * as net from "node:net"
import addressParser from "nodemailer/lib/addressparser"
import { type Header, signaturesOf } from "./Dkim.ts"

export interface StampOptions {
  readonly authservId: string
  /** A domain that has a key demands that its mail is signed with it. */
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly selector: string
}

const known = (name: string) => (header: Header): boolean => header.name.trim().toLowerCase() === name

/** What the server says of a message: only what it found out by itself. */
export const stampOf = (headers: ReadonlyArray<Header>, body: Buffer, options: StampOptions): string => {
  const signatures = signaturesOf(
    headers,
    body,
    (domain, selector) => selector === options.selector ? options.keys.get(domain) : undefined
  )
  const dkim = signatures.map(({ result, domain, selector }) =>
    `dkim=${result} header.d=${domain} header.s=${selector}`
  )
  const senders = headers.filter(known("from")).flatMap(({ value }) => addressParser(value, { flatten: true }))
  const from = senders.length === 1 ? senders[0]!.address.split("@").at(-1)!.toLowerCase() : undefined
  const passes = signatures.some(({ result, domain }) =>
    result === "pass" && from !== undefined && (from === domain || from.endsWith(`.${domain}`))
  )
  const policy = from !== undefined && [...options.keys.keys()].some((key) => from === key || from.endsWith(`.${key}`))
  const dmarc = from === undefined
    ? "dmarc=permerror"
    : `dmarc=${passes ? "pass" : policy ? "fail" : "none"} header.from=${from}`
  return [options.authservId, ...(dkim.length > 0 ? dkim : ["dkim=none"]), dmarc].join("; ")
}

// The protocol of milters: four bytes of length, a letter, what belongs to it.
const frame = (letter: string, data: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(data.length + 1)
  head.write(letter, 4, "latin1")
  return Buffer.concat([head, data])
}

const numbers = (...values: ReadonlyArray<number>): Buffer => {
  const data = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => data.writeUInt32BE(value, index * 4))
  return data
}

const addHeaders = 0x01
/** Neither connection, nor greeting, nor envelope; headers with the space behind their colon. */
const asked = 0x01 | 0x02 | 0x04 | 0x08 | 0x10_0000

const converse = (socket: net.Socket, options: StampOptions): void => {
  let headers: Array<Header> = []
  let chunks: Array<Buffer> = []
  const clear = (): void => {
    headers = []
    chunks = []
  }
  const heard = (letter: string, data: Buffer): void => {
    if (letter === "O") return void socket.write(frame("O", numbers(6, addHeaders, asked)))
    if (letter === "Q") return void socket.end()
    if (letter === "A" || letter === "K") return clear()
    if (letter === "D") return
    if (letter === "L") {
      const [name, value] = data.toString("latin1").split("\0") as [string, string]
      headers.push({ name, value })
    }
    if (letter === "B" || letter === "E") chunks.push(data)
    if (letter === "E") {
      const stamp = stampOf(headers, Buffer.concat(chunks), options)
      const header = Buffer.from(`Authentication-Results\0 ${stamp}\0`, "latin1")
      clear()
      socket.write(frame("i", Buffer.concat([numbers(0), header])))
    }
    socket.write(frame("c"))
  }
  let left: Buffer = Buffer.alloc(0)
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk: Buffer) => {
    left = Buffer.concat([left, chunk])
    while (left.length >= 4 && left.length >= 4 + left.readUInt32BE()) {
      const end = 4 + left.readUInt32BE()
      heard(String.fromCharCode(left[4]!), left.subarray(5, end))
      left = left.subarray(end)
    }
  })
}

/** Listens until it is closed. */
export const openStamp = async (port: number, options: StampOptions): Promise<{ readonly close: () => void }> => {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket.once("close", () => sockets.delete(socket)))
    converse(socket, options)
  })
  await once(server.listen(port, "127.0.0.1"), "listening")
  return {
    close: () => {
      server.close()
      sockets.forEach((socket) => socket.destroy())
    }
  }
}
