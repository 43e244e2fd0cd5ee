/**
 * A server of the Model Context Protocol over stdio whose tools give back what they are given: what the host calls, and what
 * the bare SDK calls. `TOOLS`: how many it has. `SLOW_MS`: how long it takes to begin.
 */
import { Server } from "@modelcontextprotocol/server"
import { serveStdio } from "@modelcontextprotocol/server/stdio"

const { SLOW_MS = "0", TOOLS = "1" } = process.env
const tools = Array.from({ length: Number(TOOLS) }, (_, n) => ({
  name: n === 0 ? "echo" : `echo_${n}`,
  description: `Gives back what it is given, in the ${n}th way: about gardens, boilers, shelves and the weather.`,
  inputSchema: { type: "object" as const, properties: { n: { type: "integer" as const } }, required: ["n"] }
}))

setTimeout(() => {
  serveStdio(() => {
    const server = new Server({ name: "bench", version: "1.0.0" }, { capabilities: { tools: {} } })
    server.setRequestHandler("tools/list", () => ({ tools }))
    server.setRequestHandler("tools/call", ({ params }) => ({
      content: [{ type: "text" as const, text: JSON.stringify(params.arguments) }]
    }))
    return server
  })
}, Number(SLOW_MS))
