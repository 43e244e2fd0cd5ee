/**
 * A server of the revision of 2026 over stdio, made with the official package. When its tool `grow` is called it has one
 * tool more, and says so to whoever has subscribed.
 */
import { McpServer } from "@modelcontextprotocol/server"
import { serveStdio } from "@modelcontextprotocol/server/stdio"

serveStdio(() => {
  const server = new McpServer({ name: "modern", version: "3.0.0" }, { capabilities: { tools: { listChanged: true } } })
  server.registerTool("grow", { description: "Has one tool more" }, () => {
    server.registerTool("grown", { description: "New" }, () => ({ content: [] }))
    return { content: [{ type: "text", text: "grown" }] }
  })
  return server
})
