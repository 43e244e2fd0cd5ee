import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as fc from "fast-check"
import { formsOf, makeRedaction, Redactor } from "./Redactor.ts"
import { SecretsStore } from "./SecretsStore.ts"
import { computedMs } from "../../test/Cpu.ts"

const withSecrets = (...values: ReadonlyArray<string>) => {
  const short: Array<string> = []
  const redaction = makeRedaction(undefined, (label) => short.push(label))
  values.forEach((value, i) => redaction.add(`s${i}.k`, Redacted.make(value)))
  return { ...redaction, short }
}
const marker = /\[secret s\d+\.k\]/g
/** A value that the marker itself can't hold. */
const secretValue = fc.string({ minLength: 6, maxLength: 60, unit: "binary" }).filter((value) =>
  !formsOf(value).some((form) => "[secret s0.k][secret s1.k]".includes(form))
)
const encodings: ReadonlyArray<(value: string) => string> = [
  (value) => value,
  (value) => Buffer.from(value).toString("base64"),
  (value) => Buffer.from(value).toString("base64url"),
  (value) => Buffer.from(value).toString("hex"),
  (value) => Buffer.from(value).toString("hex").toUpperCase(),
  (value) => encodeURIComponent(value.toWellFormed()),
  (value) => new URLSearchParams({ q: value }).toString(),
  (value) => JSON.stringify(value),
  (value) => JSON.stringify(JSON.stringify({ value })),
  (value) => encodeURIComponent(encodeURIComponent(value.toWellFormed())),
  (value) => encodeURIComponent(Buffer.from(value).toString("base64")),
  (value) => Buffer.from(encodeURIComponent(value.toWellFormed())).toString("base64"),
  (value) => JSON.stringify(value).replaceAll("/", "\\/"),
  (value) => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")
]

describe("Redactor", () => {
  it("finds a value in every form, anywhere in a text", () => {
    fc.assert(
      fc.property(secretValue, fc.string(), fc.string(), fc.nat(encodings.length - 1), (value, before, after, i) => {
        const { redactText } = withSecrets(value)
        const text = redactText(`${before} ${encodings[i]!(value)} ${after}`)
        assert.match(text, /\[secret s0\.k\]/)
        for (const form of formsOf(value)) assert.notInclude(text.replaceAll(marker, "\u0000"), form)
      })
    )
  })

  it("finds a value without the line end that it has from a file", () => {
    const { redactText } = withSecrets("sk-from-a-file\n")
    assert.strictEqual(redactText("Bearer sk-from-a-file."), "Bearer [secret s0.k].")
    assert.notInclude(redactText(Buffer.from("sk-from-a-file").toString("base64")), "c2stZnJvb")
  })

  it("finds a long value inside a longer base64 text", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12, maxLength: 40 }), fc.string(), fc.string(), (value, before, after) => {
        const { redactText } = withSecrets(value)
        assert.match(redactText(`Basic ${Buffer.from(before + value + after).toString("base64")}`), /\[secret s0\.k\]/)
      })
    )
  })

  it("leaves everything else as it is, and the same object", () => {
    fc.assert(fc.property(fc.json(), (json) => {
      const { redactJson } = withSecrets("correct horse battery staple")
      const value: unknown = JSON.parse(json)
      assert.strictEqual(redactJson(value), value)
    }))
  })

  it("copies what it changes and never the original; keys, numbers and deep values too", () => {
    const { redactJson } = withSecrets("hunter2-hunter2", "123456789")
    const when = new Date()
    const value = { a: ["x", { b: "my hunter2-hunter2!" }], "hunter2-hunter2": 1, n: 123456789, when, same: { c: 1 } }
    const before = structuredClone(value)
    const result = redactJson(value) as Record<string, unknown>
    assert.deepStrictEqual(value, before)
    assert.deepStrictEqual(result, {
      a: ["x", { b: "my [secret s0.k]!" }],
      "[secret s0.k]": 1,
      n: "[secret s1.k]",
      when,
      same: { c: 1 }
    })
    assert.strictEqual(result["same"], value.same)
  })

  it("tells by JSON text that nothing is in a value, and never where something is", () => {
    const any = fc.record({
      a: fc.array(fc.string({ unit: "binary" })),
      n: fc.integer(),
      o: fc.dictionary(fc.string(), fc.string())
    })
    fc.assert(
      fc.property(secretValue, any, fc.nat(encodings.length - 1), (value, json, i) => {
        const { isFree, redactJson } = withSecrets(value)
        const form = encodings[i]!(value)
        for (const held of [form, [form], { [form]: 1 }, { ...json, deep: [{ form: `"${form}\n` }] }]) {
          assert.isFalse(isFree(JSON.stringify(held)))
        }
        if (isFree(JSON.stringify(json))) assert.strictEqual(redactJson(json), json)
      }),
      { numRuns: 40 }
    )
    const { add, isFree } = withSecrets("31415926", "say \"please\"")
    assert.isFalse(isFree(JSON.stringify({ n: 31_415_926 })))
    assert.isFalse(isFree(JSON.stringify({ words: "to say \"please\" to" })))
    assert.isTrue(isFree(JSON.stringify({ n: 27_182_818, words: "a later secret" })))
    add("s2.k", Redacted.make("a later secret"))
    assert.isFalse(isFree(JSON.stringify({ n: 27_182_818, words: "a later secret" })))
  })

  it("prefers the longest of two values that begin alike, and treats a value as no pattern", () => {
    const { redactText } = withSecrets("abc.def", "abc.def.ghi", "$&$1^.*")
    assert.strictEqual(
      redactText("abc.def.ghi abc.def abcxdef $&$1^.*"),
      "[secret s1.k] [secret s0.k] abcxdef [secret s2.k]"
    )
  })

  it("finds what it learns later, also in a long text that was clean before, however often it was looked at", () => {
    const { add, redactJson, redactText } = withSecrets("another-value")
    const text = `${"a line of a thread, ".repeat(50)}late-value`
    for (let i = 0; i < 3; i++) assert.strictEqual(redactText(text), text)
    // More than is remembered at a time.
    for (let i = 0; i < 300; i++) redactText(`${i} ${"a".repeat(10_000)}`)
    assert.deepStrictEqual(redactJson({ text }), { text })
    add("s1.k", Redacted.make("late-value"))
    for (let i = 0; i < 2; i++) assert.match(redactText(text), /thread, \[secret s1\.k\]$/)
    assert.match(redactJson({ text }).text, /\[secret s1\.k\]$/)
  })

  it("finds a value that programs escape for ASCII, for HTML and for mail", () => {
    const { redactText } = withSecrets("pässwört=1 & \"more\" it's")
    for (
      const text of [
        String.raw`p\u00e4ssw\u00f6rt=1 & \"more\" it's`,
        String.raw`p\u00E4ssw\u00F6rt=1 & \"more\" it's`,
        "pässwört=1 &amp; &quot;more&quot; it&#39;s",
        "p=C3=A4ssw=C3=B6rt=3D1 & \"more\" it's"
      ]
    ) assert.strictEqual(redactText(`<${text}>`), "<[secret s0.k]>")
  })

  it("finds each long line of a secret of several lines, and nothing that is short or has spaces", () => {
    const { redactText } = withSecrets(
      "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\r\nBKcwggSjAgEAAoIBAQC7\nshort\nand what is in many a text\n"
    )
    assert.strictEqual(
      redactText("1: MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n2: BKcwggSjAgEAAoIBAQC7\n"),
      "1: [secret s0.k]\n2: [secret s0.k]\n"
    )
    const text = "-----BEGIN PRIVATE KEY----- short, and what is in many a text"
    assert.strictEqual(redactText(text), text)
  })

  it("learns a thousand secrets in the time that it takes to write each down once", () => {
    const values = Array.from(
      { length: 1_000 },
      (_, i) => [`s${i}.k`, Redacted.make(`value/${i}/${"x".repeat(20)}é`)] as const
    )
    const began = computedMs()
    const { redactPieces, redactText } = makeRedaction({ revision: () => 1, values: () => values }, () => {})
    const { end, push } = redactPieces()
    const last = Redacted.value(values.at(-1)![1])
    assert.strictEqual(redactText(`a ${last} b`), "a [secret s999.k] b")
    assert.strictEqual(`a ${last} b`.split("").map(push).join("") + end(), "a [secret s999.k] b")
    // Where each is taken up by itself it is over 15 seconds.
    assert.isBelow(computedMs() - began, 6_000)
  }, 60_000)

  it("warns once about a value that is too short, and skips it", () => {
    const { add, redactText, short } = withSecrets("12345")
    add("s0.k", Redacted.make("12345"))
    assert.deepStrictEqual(short, ["s0.k"])
    assert.strictEqual(redactText("12345"), "12345")
  })

  it("hides of what changes by itself the last two, however often it does, at the same cost", () => {
    const { longest, redactText, renew } = withSecrets()
    const token = (n: number, of: string) => `${of}-${n}-${"x".repeat(900)}`
    for (let n = 1; n <= 100; n++) {
      const values = ["access", "refresh"].map((of) => Redacted.make(token(n, of)))
      // Heard twice, as it is: from who got it, and from the store.
      for (let i = 0; i < 2; i++) renew("mcp.files.oauth", values)
    }
    const [gone, before, now] = [98, 99, 100].map((n) => token(n, "access"))
    assert.strictEqual(redactText(`${before} ${now}`), "[secret mcp.files.oauth] [secret mcp.files.oauth]")
    assert.strictEqual(redactText(gone!), gone)
    assert.isBelow(longest(), 2_000)
    renew("mcp.files.oauth", [])
    assert.notInclude(redactText(now!), "access")
  })

  it.effect("knows the secrets of a sign-in in the store by themselves, and not the whole, nor what is none", () =>
    Effect.gen(function*() {
      const kept = JSON.stringify({
        url: "https://files.example.com/mcp",
        client: { client_id: "client-1", client_secret: "of-the-client" },
        tokens: { access_token: "of-the-day", token_type: "Bearer", scope: "everything" }
      })
      const store = Layer.mock(SecretsStore)({
        revision: () => 1,
        values: () => [{ name: "mcp.files", key: "oauth", value: Redacted.make(kept) }]
      })
      const redactor = yield* Redactor.use(Effect.succeed).pipe(
        Effect.provide(Redactor.layer.pipe(Layer.provide(store)))
      )
      assert.strictEqual(
        redactor.redactText(kept),
        kept.replace("of-the-client", "[secret mcp.files.oauth]").replace("of-the-day", "[secret mcp.files.oauth]")
      )
    }))

  it.effect("follows the store, and still hides what was replaced", () =>
    Effect.gen(function*() {
      let value = "first-value"
      let revision = 1
      const store = Layer.mock(SecretsStore)({
        revision: () => revision,
        values: () => [{ name: "a", key: "b", value: Redacted.make(value) }]
      })
      const redactor = yield* Redactor.use(Effect.succeed).pipe(
        Effect.provide(Redactor.layer.pipe(Layer.provide(store)))
      )
      assert.strictEqual(redactor.redactText("first-value"), "[secret a.b]")
      value = "second-value"
      revision++
      assert.strictEqual(redactor.redactText("first-value second-value"), "[secret a.b] [secret a.b]")
    }))
})
