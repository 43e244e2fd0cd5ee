import { assert, describe, it } from "vitest"
import { identify, type Kept, newSession, readKept } from "./Deliveries.ts"
import { readPayload, wordsOf } from "./Payload.ts"
import { distinct, isFilter, isTopic, matches } from "./Topics.ts"

describe("topics", () => {
  it("are matched as the standard's examples are", () => {
    const player = "sport/tennis/player1"
    for (
      const filter of [
        "sport/tennis/player1/#",
        "sport/#",
        "#",
        "sport/+/player1",
        "sport/tennis/+",
        "$share/g/sport/#"
      ]
    ) {
      assert.isTrue(matches(filter, player), filter)
    }
    for (const filter of ["sport/+", "sport", "+", "sport/tennis/player1/+", "/#"]) {
      assert.isFalse(matches(filter, player), filter)
    }
    assert.isTrue(matches("sport/#", "sport"))
    assert.isTrue(matches("+/+", "/finance"))
    assert.isFalse(matches("+", "/finance"))
    assert.isFalse(matches("#", "$SYS/broker/uptime"))
    assert.isTrue(matches("$SYS/#", "$SYS/broker/uptime"))
  })

  it("are subscribed to once where one covers another", () => {
    assert.deepStrictEqual(distinct(["a/#", "a/+/b", "a", "a/#", "c/+", "c/d", "+/d", "$share/g/a/b", "$SYS/x"]), [
      "a/#",
      "c/+",
      "+/d",
      "$share/g/a/b",
      "$SYS/x"
    ])
    assert.deepStrictEqual(distinct(["#", "$SYS/x", "a/#"]), ["#", "$SYS/x"])
  })

  it("are refused where no broker takes them", () => {
    for (const filter of ["", "a/#/b", "a#", "a+/b", "$share/g", "a\0b"]) assert.isFalse(isFilter(filter), filter)
    for (const topic of ["", "a/+", "#", "a\0", "\ud800"]) assert.isFalse(isTopic(topic), topic)
    assert.isTrue(isFilter("home/+/say"))
    assert.isTrue(isTopic("home/kitchen/set"))
  })
})

describe("a payload", () => {
  const read = (text: string) => readPayload(Buffer.from(text))

  it("is JSON, a text, or bytes", () => {
    assert.deepStrictEqual(read("{\"t\":21.5}"), { format: "json", payload: { t: 21.5 } })
    assert.deepStrictEqual(read("21.5"), { format: "json", payload: 21.5 })
    assert.deepStrictEqual(read("ON"), { format: "text", payload: "ON" })
    assert.deepStrictEqual(read(""), { format: "text", payload: "" })
    assert.deepStrictEqual(readPayload(Buffer.from([0xff, 0])), { format: "base64", payload: "/wA=" })
    assert.deepStrictEqual(read("a\0b"), { format: "base64", payload: "YQBi" })
  })

  it("that is no JSON that an event takes is a text", () => {
    const strange = [
      "[".repeat(100_000),
      `${"[".repeat(33)}${"]".repeat(33)}`,
      `[${"1,".repeat(10_001)}1]`,
      "{\"__proto__\":{\"a\":1}}",
      "{\"a\":\"\\u0000\"}",
      "{\"\\ud800\":1}",
      "[1e999]"
    ]
    for (const text of strange) assert.deepStrictEqual(read(text), { format: "text", payload: text })
  })

  it("has words where it is a text, or has one", () => {
    assert.strictEqual(wordsOf(read("lights off")), "lights off")
    assert.strictEqual(wordsOf(read("\"lights off\"")), "lights off")
    assert.strictEqual(wordsOf(read("{\"text\":\"lights off\"}")), "lights off")
    for (const text of ["{\"a\":1}", "21", "  ", "null"]) assert.isUndefined(wordsOf(read(text)))
  })
})

describe("which message a delivery is", () => {
  const packet = (messageId: number, payload: string, more: object = {}) => ({
    topic: "t",
    payload: Buffer.from(payload),
    qos: 1 as const,
    dup: false,
    retain: false,
    messageId,
    ...more
  })
  /** Delivers one after the other; answers the ids. */
  const deliver = (kept: Kept, ...packets: ReadonlyArray<ReturnType<typeof packet>>) => {
    let state = kept
    const ids = packets.map((one) => {
      const found = identify(state, one, undefined)
      state = readKept(JSON.parse(JSON.stringify(found.kept)))
      return found.message_id
    })
    return { ids, state }
  }
  const fresh = () => readKept(undefined)
  const dup = { dup: true }

  it("is the same when it comes again, and another when only its words are the same", () => {
    const { ids: [first, second, again] } = deliver(fresh(), packet(1, "on"), packet(2, "on"), packet(2, "on", dup))
    assert.notStrictEqual(first, second)
    assert.strictEqual(again, second)
  })

  it("is a new one where it is marked as a duplicate and never came here", () => {
    const { ids } = deliver(fresh(), packet(1, "on"), packet(2, "on", dup), packet(1, "off", dup))
    assert.strictEqual(new Set(ids).size, 3)
  })

  it("is a new one with a broker that uses ids again at once: twice is better than never", () => {
    const { ids } = deliver(fresh(), packet(1, "on"), packet(1, "on"), packet(1, "on", dup))
    assert.strictEqual(new Set(ids).size, 3)
  })

  it("is another one in another session", () => {
    const { ids: [before], state } = deliver(fresh(), packet(7, "on"))
    assert.notStrictEqual(deliver(newSession(state), packet(7, "on", dup)).ids[0], before)
  })

  it("is the same for as long as a session lasts, where it was kept for whoever subscribes", () => {
    const kept = { retain: true }
    const { ids: [first, again, other], state } = deliver(
      fresh(),
      packet(1, "on", kept),
      packet(9, "on", kept),
      packet(9, "off", kept)
    )
    assert.strictEqual(first, again)
    assert.notStrictEqual(first, other)
    assert.notStrictEqual(deliver(newSession(state), packet(1, "on", kept)).ids[0], first)
  })

  it("is what it says itself", () => {
    const named = (id: string) => ({ properties: { userProperties: { "message-id": id } } })
    const { ids: [first, again, other] } = deliver(
      fresh(),
      packet(1, "x", named("a")),
      packet(2, "x", named("a")),
      packet(3, "x", named("b"))
    )
    assert.strictEqual(first, again)
    assert.notStrictEqual(first, other)
    assert.strictEqual(
      identify(fresh(), packet(1, "x"), 17).message_id,
      identify(fresh(), packet(5, "y"), 17).message_id
    )
  })

  it("is remembered for as many as may be under way", () => {
    const many = Array.from({ length: 100 }, (_, i) => packet(i + 1, "on"))
    const { ids, state } = deliver(fresh(), ...many)
    assert.lengthOf(state.window, 32)
    const again = deliver(state, ...many.slice(-32).map((one) => ({ ...one, dup: true })))
    assert.deepStrictEqual(again.ids, ids.slice(-32))
  })
})
