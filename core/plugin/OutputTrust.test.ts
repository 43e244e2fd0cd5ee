import { assert, describe, it } from "vitest"
import type { Trust } from "../contract/Enums.ts"
import { isTrustedByOutput, outputTrust, trustedBy } from "./OutputTrust.ts"
import { defineTool } from "./Tool.ts"
import { Schema } from "effect"

const tool = (trust?: Trust) =>
  defineTool({
    name: "shelf.look",
    description: "Looks.",
    input: Schema.Struct({}),
    output: Schema.Struct({ trust: Schema.Unknown }),
    effect: "read",
    risk: "low",
    scopes: [],
    ...(trust === undefined ? {} : { trust }),
    run: () => ({ trust: 1 })
  })

describe("the trust of an output", () => {
  it("is the tool's where the tool says no more", () => {
    assert.isUndefined(outputTrust(tool(), { trust: "untrusted" }))
    assert.strictEqual(outputTrust(tool("untrusted"), { trust: "operator" }), "untrusted")
    assert.isFalse(isTrustedByOutput(tool("untrusted")))
  })

  it("is what a tool of the host says of it, and the worst where it can't say", () => {
    const marked = trustedBy(tool("untrusted"), ({ trust }) => trust as Trust)
    assert.isTrue(isTrustedByOutput(marked))
    assert.strictEqual(outputTrust(marked, { trust: "operator" }), "operator")
    for (const strange of [{ trust: "very much" }, {}, "text", undefined, null]) {
      assert.strictEqual(outputTrust(marked, strange), "untrusted", JSON.stringify(strange))
    }
    const broken = trustedBy(tool("untrusted"), () => {
      throw new Error("no")
    })
    assert.strictEqual(outputTrust(broken, {}), "untrusted")
  })
})
