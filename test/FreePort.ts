import { randomInt } from "node:crypto"
import * as net from "node:net"

/** A port that nothing listens on, below those that the system gives to outgoing connections: none of them takes it meanwhile. */
export const freePort = async (): Promise<number> => {
  while (true) {
    const port = randomInt(20_000, 32_000)
    const server = net.createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false))
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
