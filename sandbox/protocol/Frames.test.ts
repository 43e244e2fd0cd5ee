import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { encodeFrame, FrameReader, maximumFrame, ProtocolError } from "./Frames.ts"

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

const readAll = (reader: FrameReader): ReadonlyArray<unknown> => {
  const found: Array<unknown> = []
  for (let next = reader.next(); next !== undefined; next = reader.next()) found.push(next.message)
  return found
}

const headOf = (size: number): Uint8Array => {
  const head = new Uint8Array(4)
  new DataView(head.buffer).setUint32(0, size)
  return head
}

describe("frames", () => {
  it("come out as they went in, however they are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        (messages, cuts) => {
          const all = join(messages.map((message) => encodeFrame(message)))
          const reader = new FrameReader()
          const found: Array<unknown> = []
          for (let at = 0, i = 0; at < all.length; i++) {
            const size = cuts[i % cuts.length]!
            reader.push(all.subarray(at, at + size))
            at += size
            found.push(...readAll(reader))
          }
          assert.deepEqual(found, messages.map((message) => JSON.parse(JSON.stringify(message)) as unknown))
          assert.equal(reader.waiting, 0)
        }
      ),
      { numRuns: 200 }
    )
  })

  it("are JSON or the end, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        const reader = new FrameReader()
        try {
          for (const chunk of chunks) {
            reader.push(chunk)
            readAll(reader)
          }
        } catch (error) {
          assert.instanceOf(error, ProtocolError)
        }
      }),
      { numRuns: 200 }
    )
  })

  it("end whoever announces a longer one, before anything of it came", () => {
    const reader = new FrameReader()
    reader.push(headOf(maximumFrame + 1))
    assert.throws(() => reader.next(), /a frame of 1048577 bytes, and 1048576 are the most/)
    // The red control: the longest one is only waited for.
    const longest = new FrameReader()
    longest.push(headOf(maximumFrame))
    assert.isUndefined(longest.next())
  })

  it("take a message of the full length in single bytes, and none that is longer", () => {
    const text = "x".repeat(maximumFrame - 2)
    const frame = encodeFrame(text)
    const reader = new FrameReader()
    for (let at = 0; at < frame.length; at += 97) reader.push(frame.subarray(at, at + 97))
    assert.equal(reader.next()?.message, text)
    assert.throws(() => encodeFrame(`${text}x`), RangeError)
  })

  it("refuse text that is no UTF-8", () => {
    const reader = new FrameReader()
    reader.push(join([headOf(3), Uint8Array.from([0x22, 0xff, 0x22])]))
    assert.throws(() => reader.next(), /no JSON/)
  })
})
