/**
 * `/mcp` of a real host before the official conformance suite. What fails is listed with the reason: an unexpected failure
 * fails this test, and so does a success that the list does not know of.
 */
import { definePlugin, defineTool, Schema, ToolRefused } from "syris"
import { testHost } from "syris/testing"
import { assert, describe, it } from "vitest"
import { openDoor } from "./Door.ts"
import { reckon, runSuite } from "./Suite.ts"

const suite = definePlugin({
  name: "suite",
  setup: () => ({
    tools: [
      defineTool({
        name: "suite.test_simple_text",
        description: "Answers a simple text.",
        input: Schema.Struct({}),
        output: Schema.String,
        effect: "read",
        risk: "low",
        scopes: ["suite"],
        run: () => "This is a simple text response for testing."
      }),
      defineTool({
        name: "suite.test_error_handling",
        description: "Fails.",
        input: Schema.Struct({}),
        output: Schema.String,
        effect: "read",
        risk: "low",
        scopes: ["suite"],
        run: (): string => {
          throw new ToolRefused("This tool intentionally returns an error for testing")
        }
      })
    ]
  })
})

// Scenarios that fail, and why that is right.
const noPrompts = "SYRIS has no prompts: what a model is told is the operator's to write."
const noAsking = "A tool of SYRIS asks the operator on a channel of theirs, never whoever called it over MCP."
const plainJson =
  "What a tool of SYRIS answers is JSON, shown as text and as structured content; it has no media of its own."
const ownResources =
  "The resources are the state and the traces, and no others: there is nothing to put a test's resource into."
const noSubscription = "Resources can't be subscribed to: syris_audit and the audit stream of the API tell what is new."
const noSessions =
  "There are no sessions, as in revision 2026-07-28: an answer that was lost is asked for again by its idempotency key."
const noLogging =
  "Logging to clients is deprecated since revision 2026-07-28: what happened is in the audit, which syris_audit shows."
const expected: Readonly<Record<string, string>> = {
  "logging-set-level": noLogging,
  "tools-call-with-logging": noLogging,
  "completion-complete": `It completes the argument of a prompt. ${noPrompts}`,
  "tools-call-image": plainJson,
  "tools-call-audio": plainJson,
  "tools-call-embedded-resource": plainJson,
  "tools-call-mixed-content": plainJson,
  "tools-call-with-progress":
    "A call is recorded work that outlives its request: its client sees where it stands by its trace, not by progress.",
  "tools-call-sampling": "SYRIS asks the models of its operator, within their budgets, and never that of a client.",
  "tools-call-elicitation": noAsking,
  "elicitation-sep1034-defaults": noAsking,
  "elicitation-sep1330-enums": noAsking,
  "json-schema-2020-12": "The tool that it looks for has no dot in its name, which every tool of SYRIS has.",
  "server-sse-polling": noSessions,
  "server-sse-multiple-streams": noSessions,
  "resources-read-text": ownResources,
  "resources-read-binary": ownResources,
  "resources-templates-read": ownResources,
  "resources-subscribe": noSubscription,
  "resources-unsubscribe": noSubscription,
  "prompts-list": noPrompts,
  "prompts-get-simple": noPrompts,
  "prompts-get-with-args": noPrompts,
  "prompts-get-embedded-resource": noPrompts,
  "prompts-get-with-image": noPrompts
}

describe("SYRIS as a server, before the conformance suite", () => {
  it("passes what it has, and explains what it has not", async () => {
    const host = await testHost({ http: true, plugins: [suite()] })
    const door = await openDoor(host.http!)
    try {
      const found = await runSuite("server", ["--url", door.url])
      const { score, surprises } = reckon("server", found, expected)
      console.log(score)
      assert.deepStrictEqual(surprises, [])
      assert.isAtLeast(found.length, 32)
    } finally {
      await door.close()
      await host.stop()
    }
  }, 120_000)
})
