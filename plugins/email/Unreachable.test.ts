/**
 * What is said of a server that can't be reached: what to do, by the real errors of real connections.
 */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import * as net from "node:net"
import { openImap } from "./Imap.ts"
import { openSmtp } from "./Smtp.ts"
import { testAccount } from "./TestAccount.ts"
import { whyUnreachable } from "./Unreachable.ts"

const opening = { secret: async () => "p", signal: new AbortController().signal }

const why = async (port: number, secure: boolean): Promise<ReadonlyArray<string>> => {
  const server = { host: "127.0.0.1", port, secure, password: "p" }
  const account = testAccount({ imap: server, smtp: { ...server, user: "syris" } })
  const refused = (open: Promise<unknown>) => open.then(() => "it opened", (error: Error) => error.message)
  return [await refused(openImap(account, opening)), await refused(openSmtp(account, opening))]
}

describe("a server that can't be reached", () => {
  it("has nobody listening, or speaks no TLS", async () => {
    const plain = net.createServer((socket) =>
      socket.on("error", () => {}).once("data", () => socket.destroy()).write("* OK hello\r\n")
    )
    await once(plain.listen(0, "127.0.0.1"), "listening")
    const { port } = plain.address() as net.AddressInfo
    for (const said of await why(port, true)) assert.match(said, /speaks no TLS.*set secure: false/)
    plain.close()
    await once(plain, "close")
    for (const said of await why(port, false)) assert.match(said, /nothing listens there: check the host and the port/)
  })

  it.each([
    ["ENOTFOUND", "getaddrinfo ENOTFOUND imap.exmaple.org", /check the host \(/],
    ["GREETING_TIMEOUT", "Failed to receive greeting", /set secure: true/],
    [undefined, "Server does not support STARTTLS", /set secure: true/],
    [undefined, "554 5.7.1 You may not", /^554 5\.7\.1 You may not$/],
    ["EWHAT", "", /^EWHAT$/]
  ])("%s: %s", (code, message, said) => assert.match(whyUnreachable(code, message), said))
})
