/**
 * What attempts reach for, and it is there: a token, folders, another process that holds a secret, servers of several kinds on
 * this machine, and the database of the tests behind a port and a socket file.
 */
import { execFileSync, spawn } from "node:child_process"
import * as crypto from "node:crypto"
import * as dgram from "node:dgram"
import * as fs from "node:fs"
import * as http from "node:http"
import * as http2 from "node:http2"
import * as net from "node:net"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"

export interface World {
  /** What is secret, wherever it is found. */
  readonly marker: string
  readonly folder: string
  /** A folder that nobody granted. */
  readonly outside: string
  readonly token: string
  /** A folder that was granted to read; a link in it leads to the token. */
  readonly granted: string
  /** Of the host's environment. */
  readonly variable: string
  readonly host: number
  readonly neighbour: number
  /** A library of the machine. */
  readonly library: string
  readonly root: string
  /** The host's port, and the one that was granted. */
  readonly port: number
  readonly open: number
  readonly port2: number
  readonly postgres: number
  readonly datagrams: number
  readonly names: number
  readonly socket: string
  readonly socketHttp: string
  readonly postgresSocket: string
  readonly abstract: string
  /** Whether a server answers at the address where clouds tell their machines who they are. */
  readonly metadata: boolean
}

export interface MadeWorld extends World {
  readonly remove: () => Promise<void>
}

const root = path.resolve(import.meta.dirname, "../..")
const metadataAddress = "169.254.169.254"
/** Of the protocol of WebSockets. */
const webSocketKey = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const listening = async (server: net.Server, on: net.ListenOptions): Promise<void> => {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(on, () => resolve())
  })
}
const portOf = (server: net.Server): number => (server.address() as AddressInfo).port

/** Says the marker, leads elsewhere, and speaks what browsers speak. */
const speaks = (marker: string, elsewhere: () => string): http.Server => {
  const server = http.createServer((request, response) => {
    if (request.url === "/elsewhere") return response.writeHead(307, { location: elsewhere() }).end()
    if (request.url === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream" })
      return response.write(`data: ${marker}\n\n`)
    }
    if (request.url === "/module.mjs") {
      return response.writeHead(200, { "content-type": "text/javascript" }).end(`export default "${marker}"`)
    }
    // As an HTTP proxy is asked, too.
    return response.end(marker)
  })
  server.on("upgrade", (request, socket) => {
    const accept = crypto.createHash("sha1").update(`${request.headers["sec-websocket-key"]}${webSocketKey}`).digest(
      "base64"
    )
    socket.on("error", () => {})
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`
    )
  })
  return server
}

/** One address for every name. */
const answerOf = (query: Buffer): Buffer => {
  const end = query.indexOf(0, 12) + 5
  return Buffer.concat([
    query.subarray(0, 2),
    Buffer.from([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]),
    query.subarray(12, end),
    Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 9])
  ])
}

const datagrams = async (answer: (message: Buffer) => Buffer): Promise<dgram.Socket> => {
  const socket = dgram.createSocket("udp4")
  socket.on("message", (message, { address, port }) => socket.send(answer(message), port, address))
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve))
  return socket
}

/** To the database that the tests use. */
const relay = (): net.Server => {
  const url = new URL(process.env["SYRIS_TEST_DATABASE_URL"] ?? "postgres://localhost")
  const folder = url.searchParams.get("host")
  const port = url.port === "" ? 5_432 : Number(url.port)
  return net.createServer((socket) => {
    const behind = folder === null
      ? net.connect(port, url.hostname)
      : net.connect(path.join(folder, `.s.PGSQL.${port}`))
    for (const [one, other] of [[socket, behind], [behind, socket]] as const) {
      one.on("error", () => other.destroy()).pipe(other)
    }
  })
}

const withMetadata = async (
  marker: string
): Promise<{ readonly server: http.Server; readonly remove: () => void } | undefined> => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined
  const ip = (verb: string): void => {
    try {
      execFileSync("ip", ["addr", verb, `${metadataAddress}/32`, "dev", "lo"], { stdio: "ignore" })
    } catch {
      // There is no such program, or somebody else did it: whether a server can listen there decides.
    }
  }
  const wasThere = (os.networkInterfaces()["lo"] ?? []).some(({ address }) => address === metadataAddress)
  if (!wasThere) ip("add")
  try {
    const server = http.createServer((_, response) => response.end(marker))
    await listening(server, { host: metadataAddress, port: 80 })
    return { server, remove: () => ip("del") }
  } catch {
    // Where it was there, another run is at it.
    if (!wasThere) ip("del")
    return undefined
  }
}

const libraryOf = (): string => {
  const { sharedObjects = [] } = process.report.getReport() as { readonly sharedObjects?: ReadonlyArray<string> }
  return sharedObjects.find((file) => /\/libm[.-]/.test(file)) ?? sharedObjects.find((file) => /\.so/.test(file)) ??
    "/nowhere.so"
}

export const makeWorld = async (): Promise<MadeWorld> => {
  const marker = `escaped-${crypto.randomBytes(9).toString("hex")}`
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-escapes-")))
  const outside = path.join(folder, "outside")
  const granted = path.join(outside, "granted")
  const token = path.join(outside, "token")
  for (const one of ["granted", "granted-not", "folder"]) fs.mkdirSync(path.join(outside, one), { recursive: true })
  const texts: Readonly<Record<string, string>> = {
    token: `TOKEN=${marker}\n`,
    "granted/file": "granted",
    "granted-not/file": marker,
    "folder/note": marker,
    "module.mjs": `export default "${marker}"`,
    "module.cjs": `module.exports = "${marker}"`,
    "hooks.mjs":
      `import * as fs from "node:fs"; export const initialize = ({ drop }) => fs.writeFileSync(drop, "${marker}")`,
    "data.json": JSON.stringify({ text: marker }),
    scratch: "",
    "deletable-deno": "",
    "deletable-process": ""
  }
  for (const [name, text] of Object.entries(texts)) fs.writeFileSync(path.join(outside, name), text)
  fs.symlinkSync(token, path.join(outside, "link"))
  fs.symlinkSync(token, path.join(granted, "link"))
  const { DatabaseSync } = await import("node:sqlite")
  const database = new DatabaseSync(path.join(outside, "database.db"))
  database.exec(`create table notes (text text); insert into notes values ('${marker}')`)
  database.close()

  const variable = "SYRIS_ESCAPE_SECRET"
  process.env[variable] = marker
  const input = fs.openSync(token, "r")
  const neighbour = spawn("/bin/sleep", ["600"], {
    argv0: marker,
    cwd: outside,
    env: { [variable]: marker },
    stdio: [input, "ignore", "ignore"]
  })
  fs.closeSync(input)

  const host = speaks(marker, () => "/")
  const open = speaks(marker, () => `http://127.0.0.1:${portOf(host)}/`)
  const second = http2.createServer()
  const postgres = relay()
  const sockets = {
    plain: net.createServer((socket) => socket.end(marker)),
    http: speaks(marker, () => "/"),
    postgres: relay()
  }
  const nameless = net.createServer((socket) => socket.end(marker))
  const abstract = `syris-escape-${process.pid}`
  const files = {
    plain: path.join(outside, "plain.sock"),
    http: path.join(outside, "http.sock"),
    postgres: path.join(outside, "postgres.sock")
  }
  // Of every address that this machine has, as far as it has such.
  for (const server of [host, open]) await listening(server, { port: 0 })
  for (const server of [second, postgres]) await listening(server, { port: 0, host: "127.0.0.1" })
  for (const name of ["plain", "http", "postgres"] as const) await listening(sockets[name], { path: files[name] })
  if (process.platform === "linux") await listening(nameless, { path: `\0${abstract}` })
  const echo = await datagrams(() => Buffer.from(marker))
  const names = await datagrams(answerOf)
  const metadata = await withMetadata(marker)

  return {
    marker,
    folder,
    outside,
    token,
    granted,
    variable,
    host: process.pid,
    neighbour: neighbour.pid ?? 0,
    library: libraryOf(),
    root,
    port: portOf(host),
    open: portOf(open),
    port2: portOf(second as unknown as net.Server),
    postgres: portOf(postgres),
    datagrams: echo.address().port,
    names: names.address().port,
    socket: files.plain,
    socketHttp: files.http,
    postgresSocket: files.postgres,
    abstract,
    metadata: metadata !== undefined,
    remove: async () => {
      delete process.env[variable]
      neighbour.kill("SIGKILL")
      for (const server of [host, open, sockets.http, metadata?.server]) server?.closeAllConnections()
      for (const server of [host, open, second, postgres, nameless, metadata?.server, ...Object.values(sockets)]) {
        server?.close()
      }
      echo.close()
      names.close()
      metadata?.remove()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}
