/**
 * A small host: starts a server that ends at nothing by itself, says so, and waits to be killed.
 */
import type { JSONRPCMessage } from "@modelcontextprotocol/client"
import { MessageFlow } from "../MessageFlow.ts"
import { StdioTransport } from "../StdioTransport.ts"
import { hostile } from "./servers.ts"

const same = (text: string): string => text
const transport = new StdioTransport({
  ...hostile("stubborn", `--log=${process.argv[2]}`),
  env: { PATH: process.env["PATH"] ?? "" },
  cwd: ".",
  flow: new MessageFlow(),
  redaction: {
    redactText: same,
    redactPieces: () => ({ push: same, end: () => "" }),
    redactJson: (value) => value,
    isFree: () => true,
    add: () => {},
    renew: () => {},
    longest: () => 0
  },
  noted: () => {},
  deserialize: (line) => JSON.parse(line) as JSONRPCMessage
})
transport.onmessage = () => void process.stdout.write(`connected ${transport.pid}\n`)
await transport.start()
await transport.send({ jsonrpc: "2.0", id: 1, method: "ping" })
setInterval(() => {}, 60_000)
