/**
 * A bare PostgreSQL connection on a unix socket: named prepared statements, text in and out, one statement at a time,
 * one write and one read a round trip. It is the floor that the host is measured against, so it does nothing else.
 */
import * as net from "node:net"

export type Value = string | null
export type Row = ReadonlyArray<Value>

export interface PgWire {
  /** Runs one statement in a transaction of its own. Prepared once for each text. */
  readonly query: (sql: string, params?: ReadonlyArray<Value>) => Promise<ReadonlyArray<Row>>
  readonly close: () => Promise<void>
}

export interface PgWireOptions {
  /** The whole path of the socket. */
  readonly path: string
  readonly database: string
  readonly user: string
}

const message = (type: string, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const size = parts.reduce((sum, part) => sum + part.length, 4)
  const head = Buffer.allocUnsafe(5)
  head.write(type, 0, "latin1")
  head.writeInt32BE(size, 1)
  return Buffer.concat([head, ...parts])
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`)
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])

const bind = (name: string, params: ReadonlyArray<Value>): Buffer => {
  const head = Buffer.from(`\0${name}\0\0\0`)
  const sizes = params.map((param) => param === null ? -1 : Buffer.byteLength(param))
  const size = 4 + head.length + 2 + sizes.reduce((sum, each) => sum + 4 + Math.max(each, 0), 0) + 2
  const out = Buffer.allocUnsafe(1 + size)
  out.write("B", 0, "latin1")
  out.writeInt32BE(size, 1)
  let at = 5 + head.copy(out, 5)
  at = out.writeInt16BE(params.length, at)
  for (const [index, param] of params.entries()) {
    at = out.writeInt32BE(sizes[index] as number, at)
    if (param !== null) at += out.write(param, at)
  }
  out.writeInt16BE(0, at)
  return out
}

const execute = message("E", text(""), Buffer.alloc(4))
const sync = message("S")

const readRow = (body: Buffer): Row => {
  const row: Array<Value> = []
  let at = 2
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const size = body.readInt32BE(at)
    at += 4
    row.push(size < 0 ? null : body.toString("utf8", at, at + size))
    at += Math.max(size, 0)
  }
  return row
}

/** The `M` field of an error, which is its sentence. */
const errorOf = (body: Buffer): Error => {
  const field = body.toString("utf8").split("\0").find((part) => part.startsWith("M"))
  return new Error(field?.slice(1) ?? "PostgreSQL refused the statement.")
}

export const connect = (options: PgWireOptions): Promise<PgWire> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ path: options.path })
    const prepared = new Map<string, string>()
    let rows: Array<Row> = []
    let failed: Error | undefined
    let answer:
      | { readonly resolve: (rows: ReadonlyArray<Row>) => void; readonly reject: (error: Error) => void }
      | undefined
    let rest: Buffer = Buffer.alloc(0)

    const query: PgWire["query"] = (sql, params = []) =>
      new Promise((resolve, reject) => {
        if (answer !== undefined) return reject(new Error("One statement at a time."))
        answer = { resolve, reject }
        rows = []
        failed = undefined
        const known = prepared.get(sql)
        const name = known ?? `s${prepared.size}`
        if (known === undefined) prepared.set(sql, name)
        const parse = known === undefined ? [message("P", text(name), text(sql), int16(0))] : []
        socket.write(Buffer.concat([...parse, bind(name, params), execute, sync]))
      })
    const close: PgWire["close"] = () =>
      new Promise((resolve) => socket.once("close", () => resolve()).end(message("X")))
    answer = { resolve: () => resolve({ query, close }), reject }

    const read = (type: string, body: Buffer): void => {
      if (type === "D") rows.push(readRow(body))
      else if (type === "E") failed = errorOf(body)
      else if (type === "R" && body.readInt32BE(0) !== 0) failed = new Error("The server asks for a password.")
      else if (type === "Z") {
        const { reject, resolve } = answer ?? {}
        answer = undefined
        if (failed === undefined) resolve?.(rows)
        else reject?.(failed)
      }
    }
    socket.on("data", (chunk: Buffer) => {
      const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let at = 0
      while (data.length - at >= 5) {
        const size = data.readInt32BE(at + 1)
        if (data.length - at < size + 1) break
        read(String.fromCharCode(data[at] as number), data.subarray(at + 5, at + 1 + size))
        at += size + 1
      }
      rest = data.subarray(at)
    })
    socket.on("error", (error) => answer?.reject(error))
    const settings = text(`user\0${options.user}\0database\0${options.database}\0timezone\0UTC\0`)
    const head = Buffer.alloc(8)
    head.writeInt32BE(8 + settings.length, 0)
    head.writeInt32BE(196_608, 4)
    socket.on("connect", () => socket.write(Buffer.concat([head, settings])))
  })
