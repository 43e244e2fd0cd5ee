/**
 * A request hashes the same however it came about: as it was made, and as it is read back; and another one never does.
 */
import { assert, describe, it } from "@effect/vitest"
import canonicalize from "canonicalize"
import * as crypto from "node:crypto"
import type { StoredRequest } from "./Completions.ts"
import { requestHash } from "./RequestHash.ts"

const parameters = { type: "object", properties: { "1": { type: "string" }, b: { type: "integer" }, "10": {}, a: {} } }
const request: StoredRequest = {
  tools: [
    { name: "lights.on", parameters, description: "Turn \"them\" on.", trust: "untrusted" },
    { description: "Wait.", name: "syris.wait", parameters: { type: "object" } }
  ],
  messages: [{ role: "user", content: "ein Ü, \u{1f600}, a\nline" }, { role: "assistant", calls: [] }],
  max_tokens: 7
}
const whole = (of: StoredRequest): string => crypto.hash("sha256", canonicalize(of) ?? "")

describe("the hash of a request", () => {
  it("is that of its whole canonical JSON, the first time and every other", () => {
    assert.strictEqual(requestHash(request), whole(request))
    assert.strictEqual(requestHash(request), whole(request))
    assert.strictEqual(requestHash(JSON.parse(JSON.stringify(request)) as StoredRequest), whole(request))
    assert.strictEqual(requestHash({ messages: [], tools: [] }), whole({ messages: [], tools: [] }))
  })

  it("is another one for any other word, tool or schema", () => {
    const { messages, tools } = request
    const others: ReadonlyArray<StoredRequest> = [
      { ...request, max_tokens: 8 },
      { ...request, messages: messages.slice(1) },
      { ...request, tools: tools.toReversed() },
      { ...request, tools: tools.map((tool) => ({ ...tool, description: "Else." })) },
      { ...request, tools: tools.map((tool) => ({ ...tool, parameters: { ...parameters, required: ["b"] } })) }
    ]
    assert.strictEqual(new Set([request, ...others].map(requestHash)).size, others.length + 1)
    for (const other of others) assert.strictEqual(requestHash(other), whole(other))
  })
})
