import { assert, describe, it } from "vitest"
import { inOrder, stateInWords, switchInWords, toneOf, webAddress } from "./integrationWords.ts"

const one = (integration_id: string, state: "connected" | "reconnecting" | "sign_in" | "off", healthy = true) =>
  ({ integration_id, kind: "mcp", state, health: healthy ? "healthy" : "degraded" }) as const

describe("integrations in words", () => {
  it("come with what wants the operator first and what is off last", () => {
    const all = [
      one("off", "off"),
      one("b", "connected"),
      one("a", "connected"),
      one("ill", "reconnecting"),
      one("key", "sign_in")
    ]
    assert.deepEqual(inOrder(all).map(({ integration_id }) => integration_id), ["key", "ill", "a", "b", "off"])
  })

  it("say that one is not well although it is connected", () => {
    assert.equal(stateInWords(one("a", "connected", false)), "connected, but not well")
    assert.equal(toneOf(one("a", "connected", false)), "warn")
    assert.equal(toneOf(one("a", "connected")), "good")
  })

  it("say what switching means, another thing of a server than of a channel", () => {
    const said = (["mcp", "channel"] as const).flatMap((
      kind
    ) => [switchInWords(kind, true), switchInWords(kind, false)])
    assert.equal(new Set(said).size, 4)
  })

  it("link to the web and to nothing else", () => {
    assert.equal(webAddress("https://example.org/sign?in=1"), "https://example.org/sign?in=1")
    assert.equal(webAddress("http://127.0.0.1:8080/"), "http://127.0.0.1:8080/")
    for (
      const bad of [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "example.org",
        ""
      ]
    ) {
      assert.isUndefined(webAddress(bad))
    }
  })
})
