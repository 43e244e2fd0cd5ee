/** Every row of the audit makes old what it changes, and nothing is asked for again that no screen asks. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { auditTypes } from "../../../../core/contract/AuditEvent.ts"
import { touchedBy } from "./refresh.ts"

const types = Object.keys(auditTypes)

/** What no screen keeps an answer of: events and their ways are in traces, and sessions are shown nowhere. */
const changesNothing = /^(event|routing)\.|^operator\.logged_(in|out)$/

const page = join(import.meta.dirname, "..")
const sources = readdirSync(page, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name) && !name.includes(".test.") && !name.includes("refresh.ts"))
  .map((name) => readFileSync(join(page, name), "utf8"))

describe("a row of the audit", () => {
  it("touches something, or is known to change nothing", () => {
    assert.deepEqual(
      types.filter((type) => touchedBy(type).length === 0),
      types.filter((type) => changesNothing.test(type))
    )
  })

  it("touches only what some screen asks for", () => {
    const words = [...new Set(types.flatMap(touchedBy))]
    assert.deepEqual(words.filter((word) => !sources.some((text) => text.includes(`["${word}"`))), [])
  })

  it("makes the longest beginning count: a call that is unknown is of its task, too", () => {
    assert.include(touchedBy("tool_call.unknown"), "tasks")
    assert.notInclude(touchedBy("tool_call.failed"), "tasks")
  })

  it("that says what an approval became, or what a server brings now, makes these old", () => {
    assert.include(touchedBy("tool_call.attempted"), "approvals")
    assert.include(touchedBy("mcp.tools_synced"), "tools")
  })
})
