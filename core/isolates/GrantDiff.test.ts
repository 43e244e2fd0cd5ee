/** What has changed of a plugin is shown so that nobody can hide it. */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import type { Permissions } from "../plugin/Plugin.ts"
import { packTexts, unpackTexts } from "./CodeTexts.ts"
import { type CodeVersion, diffOfCode } from "./GrantDiff.ts"

const version = (
  texts: Readonly<Record<string, string>>,
  asks: Permissions | undefined = {},
  unshown: Readonly<Record<string, string>> = {}
): CodeVersion => ({
  files: Object.entries({ ...texts, ...unshown }).map(([path, text]) => ({
    path,
    bytes: Buffer.byteLength(text),
    sha256: createHash("sha256").update(text).digest("hex")
  })),
  texts: new Map(Object.entries(texts)),
  asks
})
const lines = (before: CodeVersion, now: CodeVersion) => diffOfCode(before, now).text.split("\n")
const numbered = (length: number) => Array.from({ length }, (_, i) => `line ${i}\n`).join("")

describe("the diff of a plugin", () => {
  it("shows what it asks for, then its own files, then those of others", () => {
    const before = version({ "index.ts": "a\nb\nc\n", "node_modules/d/x.js": "1\n", "old.ts": "o\n" }, {
      net: ["a:443"]
    })
    const now = version({ "index.ts": "a\nB\nc\n", "node_modules/d/x.js": "2\n", "src/new.ts": "n" }, {
      net: ["a:443"],
      env: ["HOME"]
    })
    assert.deepEqual(lines(before, now), [
      " What it asks for:",
      "   net: a:443",
      "+  env: HOME",
      " Files: 2 changed, 1 new, 1 gone.",
      " index.ts, changed:",
      "   a",
      "-  b",
      "+  B",
      "   c",
      " old.ts, gone:",
      "-  o",
      " src/new.ts, new:",
      "+  n",
      "+  (no new line at the end)",
      " node_modules/d/x.js, changed:",
      "-  1",
      "+  2"
    ])
    assert.isFalse(diffOfCode(before, now).isCut)
  })

  it("writes out what is invisible, and tells it from what is written so", () => {
    assert.includeMembers(lines(version({ a: "x<U+200B>y\n" }), version({ a: "x\u200by\r\n" })), [
      "-  x<U+200B>y",
      "+  x<U+200B>y\\r"
    ])
    assert.include(lines(version({}), version({ "\u202egnp.ts": "1\n" })), " <U+202E>gnp.ts, new:")
  })

  it("hides no new line in the midst of a long one, nor an end in words for it", () => {
    const comment = `// ${"x".repeat(157)}`
    const split = diffOfCode(version({ a: `${comment}evil()\n` }), version({ a: `${comment}\n    evil()\n` }))
    assert.match(split.text, /^-/m)
    assert.match(split.text, /^\+/m)
    const end = diffOfCode(version({ a: "a\n(no new line at the end)\n" }), version({ a: "a" }))
    assert.match(end.text, /^[-+]/m)
  })

  it("says what can't be shown, and is cut then", () => {
    const one = diffOfCode(version({}, {}, { "x.wasm": "\0a" }), version({}, {}, { "x.wasm": "\0b" }))
    assert.isTrue(one.isCut)
    assert.match(
      one.text,
      /x\.wasm, changed: it is no text, or too long to be shown\n- {2}2 bytes, SHA-256 [0-9a-f]{64}\n\+/
    )
    const long = diffOfCode(version({ a: "1\n" }), version({ a: numbered(5_000) }))
    assert.isTrue(long.isCut)
    assert.match(long.text, /more lines, which are not shown/)
    const many = diffOfCode(
      version({}),
      version(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}.ts`, `${"y".repeat(2_000)}\n`])))
    )
    assert.isTrue(many.isCut)
    assert.match(many.text, /… \d+ more files differ, and are not shown: f/)
    assert.isBelow(many.text.length, 300_000)
  })

  it("says that it is not known what code asks for that was never loaded", () => {
    const now = { ...version({ a: "2\n" }), asks: undefined }
    assert.include(lines(version({ a: "1\n" }), now)[0], "not known before it is loaded")
  })

  it("is made of texts that are the same after they were kept", async () => {
    const texts = new Map([["a/ü.ts", "\ufeffx\u0000\ud83d\ude00\r\n"], ["b", ""]])
    assert.deepEqual(await unpackTexts(await packTexts(texts)), texts)
  })
})
