/** `/mcp`, as it is documented. Served by `core/http/Mcp.ts`, before the router: the SDK of the protocol answers. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { problemResponse } from "../Problem.ts"

const errors = [400, 401, 403, 413, 415, 429, 500, 503].map((status) => problemResponse(status))

export class McpGroup extends HttpApiGroup.make("mcp").add(
  HttpApiEndpoint.post("exchange", "/mcp", {
    payload: Schema.Unknown,
    success: Schema.Unknown,
    error: errors
  }).annotateMerge(OpenApi.annotations({
    summary: "SYRIS as a server of the Model Context Protocol",
    description:
      "Streamable HTTP: JSON-RPC in, JSON or server-sent events out. Revision 2026-07-28, and those of 2025 without a session. See docs/mcp-server.md."
  })),
  HttpApiEndpoint.get("stream", "/mcp", { success: Schema.Unknown, error: [problemResponse(401)] }).annotateMerge(
    OpenApi.annotations({ summary: "Answers 405: there are no sessions, so there is no stream of their own" })
  ),
  HttpApiEndpoint.delete("end", "/mcp", { success: Schema.Unknown, error: [problemResponse(401)] }).annotateMerge(
    OpenApi.annotations({ summary: "Answers 405: there are no sessions to end" })
  )
) {}
