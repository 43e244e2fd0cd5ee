/**
 * A wire to a server that a test can look into, stop and cut.
 */
import { once } from "node:events"
import * as net from "node:net"

export interface TestProxy {
  readonly port: number
  /** From now on nothing passes, and nobody is told. */
  readonly freeze: () => void
  readonly close: () => void
}

export interface Watching {
  /** What the client says, before it is passed on; `false`: neither it nor anything that comes after it is. */
  readonly client?: (text: string, cut: () => void) => boolean | void
  /** What the server says. */
  readonly server?: (text: string, cut: () => void) => boolean | void
}

export const startProxy = async (
  to: { readonly host: string; readonly port: number },
  watching: Watching = {}
): Promise<TestProxy> => {
  const sockets = new Set<net.Socket>()
  let frozen = false
  const server = net.createServer((inside) => {
    const outside = net.connect(to)
    const cut = (): void => {
      inside.destroy()
      outside.destroy()
    }
    for (const socket of [inside, outside]) {
      sockets.add(socket.on("error", cut).on("close", () => sockets.delete(socket)))
    }
    const pass = (from: net.Socket, into: net.Socket, look: Watching["client"]): void => {
      let refused = false
      from.on("data", (chunk: Buffer) => {
        refused ||= look?.(chunk.toString("latin1"), cut) === false
        if (!frozen && !refused) into.write(chunk)
      })
      from.on("end", () => frozen || into.end())
    }
    pass(inside, outside, watching.client)
    pass(outside, inside, watching.server)
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  return {
    port: (server.address() as net.AddressInfo).port,
    freeze: () => {
      frozen = true
    },
    close: () => {
      server.close()
      sockets.forEach((socket) => socket.destroy())
    }
  }
}
