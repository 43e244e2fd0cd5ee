/** What servers give back: kept as it is where it can be, bounded, and with a word about everything that is not in it. */
import { assert, describe, it } from "vitest"
import type { CallToolResult } from "@modelcontextprotocol/client"
import { errorWords, readResult } from "./Results.ts"

const shelf = () => {
  const kept: Array<{ readonly data: string | Uint8Array; readonly name?: string; readonly mediaType?: string }> = []
  return {
    kept,
    keep: async (data: string | Uint8Array, meta: { readonly name?: string; readonly mediaType?: string } = {}) => {
      kept.push({ data, ...meta })
      const bytes = Buffer.byteLength(data)
      return { artifact_id: `a${kept.length}`, name: meta.name ?? "x", media_type: meta.mediaType ?? "x/x", bytes }
    }
  }
}
const result = (content: ReadonlyArray<unknown>, more: object = {}): CallToolResult =>
  ({ content, ...more }) as unknown as CallToolResult
const text = (words: string) => ({ type: "text", text: words })

describe("what a server gives back", () => {
  it("has its words inline, and everything else beside them", async () => {
    const { keep, kept } = shelf()
    const read = await readResult(
      result([
        text("Here it is."),
        { type: "image", data: Buffer.from("png").toString("base64"), mimeType: "image/png" },
        { type: "resource", resource: { uri: "file:///a/notes.txt?x", text: "words", mimeType: "text/plain" } },
        { type: "resource", resource: { uri: "file:///b.bin", blob: Buffer.from("bin").toString("base64") } },
        { type: "resource_link", uri: "http://127.0.0.1/never", name: "link", mimeType: "text/html" }
      ], { structuredContent: { found: 1 } }),
      keep
    )
    assert.deepEqual(read.content, [
      { type: "text", text: "Here it is." },
      { type: "image", artifact_id: "a1", media_type: "image/png", bytes: 3 },
      {
        type: "resource",
        artifact_id: "a2",
        media_type: "text/plain",
        bytes: 5,
        name: "notes.txt",
        uri: "file:///a/notes.txt?x"
      },
      { type: "resource", artifact_id: "a3", media_type: "x/x", bytes: 3, name: "b.bin", uri: "file:///b.bin" },
      { type: "link", uri: "http://127.0.0.1/never", name: "link", media_type: "text/html" }
    ])
    assert.deepEqual(read.structured, { found: 1 })
    assert.isUndefined(read.left_out)
    assert.lengthOf(kept, 3)
    assert.include(read.message, "Here it is.\n[an image, image/png, 3 bytes: artifact a1]")
    assert.include(read.message, "[a link: link, http://127.0.0.1/never]")
  })

  it("is bounded, and says what is not there", async () => {
    const { keep, kept } = shelf()
    const nine = Buffer.alloc(9 * 1_048_576).toString("base64")
    const seven = Buffer.alloc(7 * 1_048_576).toString("base64")
    const picture = (data: string) => ({ type: "image", data, mimeType: "image/png" })
    const read = await readResult(
      result([text("x".repeat(100_000)), picture(nine), picture(seven), picture(seven), picture(seven), picture("%%")]),
      keep
    )
    assert.deepEqual(read.content.map(({ type }) => type), ["text", "image", "image"])
    assert.include(read.content[0], { text: "x".repeat(4_096), artifact_id: "a1" })
    assert.lengthOf(kept, 3)
    assert.deepEqual(read.left_out, [
      "Part 1 has 100000 characters: the first 4096 are shown, all are in its artifact.",
      "Part 2 has 9.0 MiB and was left out: a part has at most 8 MiB, and an answer 16.",
      "Part 5 has 7.0 MiB and was left out: a part has at most 8 MiB, and an answer 16.",
      "Part 6 is not base64 and was left out."
    ])
    assert.include(read.message, "was left out")
    const many = await readResult(result(Array.from({ length: 40 }, () => text("y".repeat(20_000)))), keep)
    assert.lengthOf(many.content, 32)
    assert.isBelow(JSON.stringify(many).length, 400_000)
    assert.include(many.left_out?.at(-1), "8 more parts")
    assert.isAtMost(many.message.length, 4_100)
  })

  it("that is strange, or can't be kept, is an answer all the same", async () => {
    const failing = () => Promise.reject(new Error("the disk is full"))
    const strange = [null, 7, {}, { type: "video" }, { type: "image" }, { type: "resource" }, { type: "resource_link" }]
    const read = await readResult(
      result([...strange, text("a\0b\ud800"), { type: "image", data: "aaaa" }], {
        structuredContent: { "__proto__": 1, constructor: 2 }
      }),
      failing
    )
    assert.deepEqual(read.content, [{ type: "text", text: "a␀b\ufffd" }])
    assert.lengthOf(read.left_out ?? [], 9)
    assert.include(read.left_out?.join(" "), "the disk is full")
    assert.isUndefined(read.structured)
    assert.strictEqual((await readResult({} as CallToolResult, failing)).message, "It answered without a word.")
  })

  it("shows a person nothing that is invisible, and leaves out what breaks the server's own schema", async () => {
    const { keep } = shelf()
    const read = await readResult(
      result([text("safe\u202etxt.exe\u200b\nnext")], { structuredContent: { n: "x" } }),
      keep,
      () => "the field \"n\" must be a number"
    )
    assert.strictEqual(read.message.split("\n")[0], "safe<U+202E>txt.exe<U+200B>")
    assert.isUndefined(read.structured)
    assert.include(read.left_out?.[0], "must be a number")
    assert.strictEqual(errorWords(result([text("no\u0007 way")])), "no<U+0007> way")
    assert.strictEqual(errorWords(result([])), "it gives no reason")
  })
})
