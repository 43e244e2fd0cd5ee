/**
 * Integrations on the wire, over a scripted service: what is accepted, and what a wrong request is told.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Integration } from "../contract/Integration.ts"
import { IntegrationNotFound } from "../mcp/Integrations.ts"
import { McpToolNotFound, McpTrustRefused } from "../mcp/ToolPins.ts"
import { layerTestServer, send } from "./TestServer.ts"

const pin = "ab".repeat(32)
const files: Integration = {
  integration_id: "files",
  kind: "mcp",
  health: "healthy",
  enabled: true,
  state: "connected",
  latency_ms: 1.5,
  connected_at: "2026-01-05T12:00:00.000Z",
  server: { name: "secure-filesystem", version: "1.0", protocol: "2025-11-25" },
  tools: ["mcp.files.read_file"],
  quarantined: [{ tool: "Write.File", reason: "Its description is not what was trusted.", diff: "-a\n+b", pin }],
  refused: []
}
const told: Array<ReadonlyArray<unknown>> = []
const known = (id: string) =>
  id === "files" ? Effect.succeed(files) : Effect.fail(new IntegrationNotFound({ integration_id: id }))

layer(
  layerTestServer({
    integrations: {
      all: Effect.succeed([files]),
      byId: known,
      setEnabled: (id, enabled) =>
        Effect.map(known(id), (one) => {
          told.push([id, enabled])
          return { ...one, enabled }
        }),
      trust: Effect.fnUntraced(function*(id, tool, given) {
        const one = yield* known(id)
        if (tool === "gone") return yield* new McpToolNotFound({ server: id, tool })
        if (given !== undefined && given !== pin) {
          return yield* new McpTrustRefused({ detail: "It is not what you were shown." })
        }
        told.push([id, tool, given])
        return one
      })
    }
  }),
  { excludeTestServices: true, timeout: "60 seconds" }
)("over HTTP", (it) => {
  it.effect("integrations are listed, one by one, and switched off and on", () =>
    Effect.gen(function*() {
      const list = yield* send("/integrations")
      assert.deepEqual([list.status, list.json], [200, { items: [files] }])
      const one = yield* send("/integrations/files")
      assert.deepEqual([one.status, one.json], [200, files])
      const changed = yield* send("/integrations/files", { method: "PATCH", body: { enabled: false } })
      assert.deepEqual([changed.status, changed.json.enabled, told.splice(0)], [200, false, [["files", false]]])
      assert.strictEqual((yield* send("/integrations", { token: false })).status, 401)
    }))

  it.effect("a tool is trusted by the server's own name for it, with or without its pin", () =>
    Effect.gen(function*() {
      const trust = (tool: string, body?: unknown) =>
        send(`/integrations/files/tools/${encodeURIComponent(tool)}/trust`, {
          method: "POST",
          ...(body === undefined ? {} : { body })
        })
      assert.strictEqual((yield* trust("Write.File", { pin })).status, 200)
      assert.strictEqual((yield* trust("a/b ü")).status, 200)
      assert.deepEqual(told.splice(0), [["files", "Write.File", pin], ["files", "a/b ü", undefined]])
      const other = yield* trust("Write.File", { pin: "cd".repeat(32) })
      assert.deepEqual([other.status, other.json.code, other.json.detail], [
        409,
        "mcp_tool.state",
        "It is not what you were shown."
      ])
      const gone = yield* trust("gone")
      assert.deepEqual([gone.status, gone.json.code], [404, "mcp_tool.not_found"])
      const wrong = yield* trust("Write.File", { pin: "abc" })
      assert.deepEqual([wrong.status, wrong.json.code], [400, "request.field"])
      assert.deepEqual(told, [])
    }))

  it.effect("a wrong request is told what is wrong with it", () =>
    Effect.gen(function*() {
      const missing = yield* send("/integrations/nobody")
      assert.deepEqual([missing.status, missing.json.code, missing.json.detail], [
        404,
        "integration.not_found",
        "There is no integration nobody; GET /integrations lists them."
      ])
      const body = yield* send("/integrations/files", { method: "PATCH", body: { enabled: "no" } })
      assert.deepEqual([body.status, body.json.code], [400, "request.field"])
      const id = yield* send("/integrations/a%20b")
      assert.deepEqual([id.status, id.json.code], [400, "request.path"])
      const { paths } = (yield* send("/openapi.json")).json
      assert.containsAllKeys(paths, ["/integrations", "/integrations/{id}", "/integrations/{id}/tools/{tool}/trust"])
    }))
})
