/** What is not well is said in words that a person understands, with the reason where one is known. */
import { assert, describe, it } from "@effect/vitest"
import { ailmentsOf } from "./ailments.ts"

describe("what is not well", () => {
  const nothing = { alarms: [], integrations: [], plugins: [], watchers: [] }

  it("is said in words, with the reason that is known", () => {
    const [watcher] = ailmentsOf(["watcher mail.inbox"], {
      ...nothing,
      watchers: [{
        watcher_id: "mail.inbox",
        enabled: true,
        interval_ms: 1_000,
        consecutive_errors: 3,
        last_error: "No route to the server.",
        state: null
      }]
    })
    assert.deepInclude(watcher, {
      clause: "the watcher mail.inbox fails",
      reason: "No route to the server.",
      to: "/watchers"
    })
    const [server] = ailmentsOf(["files"], {
      ...nothing,
      integrations: [{
        integration_id: "files",
        kind: "mcp",
        health: "degraded",
        enabled: true,
        state: "reconnecting",
        last_error: "It ended.",
        tools: [],
        quarantined: [],
        refused: []
      }]
    })
    assert.deepInclude(server, { clause: "files does not answer", reason: "It ended." })
  })

  it("is named where nothing else is known of it, without what is invisible", () => {
    const [unknown] = ailmentsOf(["something\u202e else"], nothing)
    assert.notInclude(unknown?.clause, "\u202e")
    assert.match(unknown?.clause ?? "", / is not well$/)
    assert.strictEqual(
      ailmentsOf(["plugin mail (process)"], nothing)[0]?.clause,
      "the plugin mail (process) is not well"
    )
  })
})
