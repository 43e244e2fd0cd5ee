import { assert, describe, it } from "@effect/vitest"
import { makeRate, makeWrongCredentials } from "./Limits.ts"
import { canonicalAddress } from "./RemoteAddress.ts"

describe("limits", () => {
  it("ten wrong tries in a minute close a source for five minutes, and nobody else", () => {
    const limit = makeWrongCredentials()
    for (let i = 0; i < 10; i++) assert.strictEqual(limit.wrong("a", 0), 0)
    assert.strictEqual(limit.wrong("a", 1_000), 300)
    assert.deepEqual([limit.closed("a", 2_000), limit.closed("b", 2_000), limit.closed("a", 301_000)], [299, 0, 0])
    assert.strictEqual(limit.wrong("b", 1_000), 0)
    assert.strictEqual(limit.wrong("a", 300_000), 1)
    assert.strictEqual(limit.wrong("a", 301_001), 0)
  })

  it("tries that are spread over time close nothing", () => {
    const limit = makeWrongCredentials()
    for (let minute = 0; minute < 20; minute++) {
      for (let i = 0; i < 10; i++) assert.strictEqual(limit.wrong("a", minute * 60_000), 0)
    }
  })

  it("wrong tries from everywhere have a budget together", () => {
    const limit = makeWrongCredentials()
    for (let i = 0; i < 100; i++) assert.strictEqual(limit.wrong(`source ${i}`, 0), 0)
    assert.isAbove(limit.wrong("another", 0), 0)
  })

  it("a rate is granted at once and again with time", () => {
    const rate = makeRate(20)
    for (let i = 0; i < 20; i++) assert.strictEqual(rate.take("a", 0), 0)
    assert.strictEqual(rate.take("a", 0), 1)
    assert.strictEqual(rate.take("b", 0), 0)
    assert.strictEqual(rate.take("a", 60), 0)
    assert.strictEqual(rate.take("a", 60), 1)
  })

  it("one who asks has one name, however the address is written", () => {
    assert.strictEqual(canonicalAddress("::ffff:10.0.0.9"), canonicalAddress("10.0.0.9"))
    assert.strictEqual(canonicalAddress("2001:db8::1"), canonicalAddress("2001:0DB8:0:0:ffff::2"))
    assert.notStrictEqual(canonicalAddress("2001:db8:0:1::1"), canonicalAddress("2001:db8::1"))
    assert.strictEqual(canonicalAddress("fe80::1%eth0"), canonicalAddress("fe80::2"))
    assert.strictEqual(canonicalAddress("::1"), "0:0:0:0::/64")
    assert.strictEqual(canonicalAddress(undefined), "unknown")
  })
})
