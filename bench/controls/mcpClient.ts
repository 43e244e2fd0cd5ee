/**
 * The bare client of the Model Context Protocol's SDK, calling what it is told to: the control of what the host adds.
 */
import { Client } from "@modelcontextprotocol/client"
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio"
import * as path from "node:path"
import { takeOrders } from "../Subject.ts"

const client = new Client({ name: "bench", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } })
await client.connect(
  new StdioClientTransport({
    command: process.execPath,
    args: [path.join(import.meta.dirname, "mcpServer.ts")],
    env: { PATH: process.env["PATH"] ?? "" }
  })
)

const orders = {
  /** How long one call took, milliseconds. */
  call: async ({ n }: { readonly n: number }) => {
    const began = performance.now()
    await client.callTool({ name: "echo", arguments: { n } })
    return performance.now() - began
  }
}
export type McpOrders = typeof orders
takeOrders(orders)
