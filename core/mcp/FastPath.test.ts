/** A line that names a server's tool: what it is called with, and what is said of one that can't be read. */
import { assert, describe, it } from "vitest"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { makeMatch, readArguments } from "./FastPath.ts"
import { computedMs } from "../../test/Cpu.ts"

const schema = {
  type: "object",
  properties: {
    path: { type: "string" },
    lines: { type: "integer" },
    ratio: { type: ["number", "null"] },
    deep: { type: "boolean" },
    tags: { type: "array" },
    more: { anyOf: [{ type: "object" }, { type: "null" }] },
    code: { anyOf: [{ type: "string" }, { type: "number" }] }
  }
}
const tool = (name: string): RegisteredTool =>
  ({ plugin: "mcp.files", definition: { name }, inputSchema: schema }) as unknown as RegisteredTool

const inputOf = (line: string): unknown => {
  const found = makeMatch([tool("mcp.files.read")])(line)
  if (found === undefined) return "no match"
  assert.strictEqual(found.intent.tool, "mcp.files.read")
  return found.intent.input?.(found.groups)
}

describe("a line with a tool's name", () => {
  it("calls it with nothing, with pairs, or with JSON", () => {
    const cases: ReadonlyArray<readonly [string, unknown]> = [
      ["mcp.files.read", {}],
      ["  MCP.files.READ  ", {}],
      ["mcp.files.read path=/tmp/a.txt lines=3", { path: "/tmp/a.txt", lines: 3 }],
      ["mcp.files.read path=\"/tmp/two words\" deep=TRUE", { path: "/tmp/two words", deep: true }],
      ["mcp.files.read path='it''s \"here\"'", { path: "it's \"here\"" }],
      ["mcp.files.read path=\"a \\\"b\\\" \\\\ c\\nd\"", { path: "a \"b\" \\ c\nd" }],
      // What the schema says is a text stays one.
      ["mcp.files.read path=7 other=7 code=\"7\"", { path: "7", other: "7", code: "7" }],
      ["mcp.files.read code=7 ratio=-1.5e3", { code: 7, ratio: -1500 }],
      ["mcp.files.read ratio=null", { ratio: null }],
      ["mcp.files.read lines=many", { lines: "many" }],
      ["mcp.files.read tags=[\"a\",\"b\"] more={\"x\":1}", { tags: ["a", "b"], more: { x: 1 } }],
      ["mcp.files.read tags='[\"a b\"]'", { tags: ["a b"] }],
      ["mcp.files.read path=a=b", { path: "a=b" }],
      ["mcp.files.read path=", { path: "" }],
      ["mcp.files.read {\"path\": \"/x\", \"lines\": 2}", { path: "/x", lines: 2 }],
      ["mcp.files.read {\n  \"path\": \"/x\"\n}", { path: "/x" }]
    ]
    for (const [line, input] of cases) assert.deepEqual(inputOf(line), input, line)
  })

  it("that says more than pairs is answered with what is wrong, and calls nothing", () => {
    for (
      const [line, part] of [
        ["mcp.files.read please read /tmp", "\"please\" is not understood"],
        ["mcp.files.read path=\"open", "is not understood"],
        ["mcp.files.read {\"path\":", "can't be read"],
        ["mcp.files.read path=a path=b", "path is given twice"],
        ["mcp.files.read tags=[a", "tags is not JSON"],
        ["mcp.files.read __proto__=x", "is not allowed"]
      ] as const
    ) assert.throws(() => inputOf(line), part)
  })

  it("means no tool that is not there, and none by accident", () => {
    for (const line of ["mcp.files.reads", "mcp.file.read", "read path=x", "say mcp.files.read", "mcp", "mcp."]) {
      assert.strictEqual(inputOf(line), "no match", line)
    }
    // Two that differ by their case alone: exactly, or not at all.
    const match = makeMatch([tool("mcp.files.Read"), tool("mcp.files.read")])
    assert.strictEqual(match("mcp.files.Read")?.intent.name, "mcp.files.Read")
    assert.strictEqual(match("mcp.files.read")?.intent.name, "mcp.files.read")
    assert.isUndefined(match("mcp.files.READ"))
  })

  it("takes as long as it is, whatever it has", () => {
    const began = computedMs()
    for (const part of ["\"", "\\", "=", "a=\"", "a='", "''", " ", "a=\"\\"]) {
      try {
        readArguments("t", part.repeat(60_000 / part.length), schema)
      } catch (error) {
        assert.instanceOf(error, Error)
      }
    }
    assert.isBelow(computedMs() - began, 2_000)
  })
})
