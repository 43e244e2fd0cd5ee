import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { compileTemplate, type Template } from "./Template.ts"
import { computedMs } from "../../test/Cpu.ts"

const compiled = (value: unknown): Template => {
  const result = compileTemplate(value, "then[0]")
  if (!result.ok) throw new Error(result.mistakes.join("; "))
  return result.value
}
const fill = (value: unknown, subject: unknown) => compiled(value).fill(subject)
const mistakesOf = (value: unknown) => {
  const result = compileTemplate(value, "then[0]")
  return result.ok ? [] : [...result.mistakes]
}
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
const event = (structured: unknown, text = "hello") => ({
  content: { text, structured },
  state: { time: new Date("2026-05-01T10:00:00Z") }
})

describe("a template", () => {
  it("takes values from the event, as text among text and as they are alone", () => {
    const subject = event({ n: 5, on: true, none: null, deep: { "a.b": [1, { x: "y" }] } })
    const cases: ReadonlyArray<readonly [unknown, unknown]> = [
      ["It is {{content.structured.n}}, {{ content.text }}!", "It is 5, hello!"],
      ["{{content.structured.n}}", 5],
      ["{{content.structured.on}}", true],
      ["{{content.structured.none}}", null],
      [" {{content.structured.none}}{{content.structured.missing}} ", "  "],
      ["{{content.structured.deep}}", { "a.b": [1, { x: "y" }] }],
      ["{{content.structured.deep.a\\.b.1.x}}", "y"],
      ["see {{content.structured.deep}}", "see {\"a.b\":[1,{\"x\":\"y\"}]}"],
      ["{{state.time}}", "2026-05-01T10:00:00.000Z"],
      ["at {{state.time}}", "at 2026-05-01T10:00:00.000Z"],
      ["{{content.structured.missing}}", null],
      [["{{content.structured.missing}}", 1], [null, 1]],
      [{ a: "{{content.structured.missing}}", b: ["{{content.text}}"], c: { d: "-{{content.text}}-" } }, {
        b: ["hello"],
        c: { d: "-hello-" }
      }],
      [{ "{{content.text}}": 1, a: "{{content.text}}" }, { "{{content.text}}": 1, a: "hello" }],
      ["a \\{{b}} {{content.text}} \\{{", "a {{b}} hello {{"],
      ["\\{{content.text}}", "{{content.text}}"],
      ["{ } }} \\", "{ } }} \\"],
      ["", ""]
    ]
    for (const [template, wanted] of cases) {
      assert.deepStrictEqual(fill(template, subject), wanted, JSON.stringify(template))
    }
    assert.deepStrictEqual(compiled(["{{content.text}} {{source.channel}}", { a: "{{content.text}}" }]).paths, [
      "content.text",
      "source.channel"
    ])
  })

  it("is the same frozen value every time where it takes nothing", () => {
    const given = { a: [1, { b: "text" }] }
    const template = compiled(given)
    const value = template.fill({})
    assert.deepStrictEqual(value, { a: [1, { b: "text" }] })
    assert.strictEqual(template.fill(event({})), value)
    assert.isFrozen(value)
    assert.isFrozen((value as typeof given).a[1])
    given.a.push(2)
    assert.deepStrictEqual(value, { a: [1, { b: "text" }] })
    const part = compiled({ still: { x: 1 }, moved: "{{content.text}}" })
    assert.strictEqual((part.fill(event({})) as any).still, (part.fill(event({})) as any).still)
  })

  it("does not read what it has filled in", () => {
    const sly = event({ a: "{{content.structured.b}}", b: "secret" })
    assert.strictEqual(fill("{{content.structured.a}}", sly), "{{content.structured.b}}")
    assert.strictEqual(fill("x{{content.structured.a}}", sly), "x{{content.structured.b}}")
  })

  it("inserts no keys that reach a prototype, and reads none", () => {
    const hostile = event(
      JSON.parse("{\"o\":{\"__proto__\":{\"admin\":true},\"constructor\":1,\"x\":{\"prototype\":2,\"y\":3}}}")
    )
    const value = fill({ v: "{{content.structured.o}}" }, hostile) as any
    assert.deepStrictEqual(value, { v: { x: { y: 3 } } })
    assert.isUndefined(value.v.admin)
    assert.strictEqual(fill("{{content.toString}}{{content.text.length}}", hostile), "")
  })

  it("copies what it inserts", () => {
    const subject = event({ list: [{ n: 1 }] })
    const value = fill("{{content.structured.list}}", subject) as Array<{ n: number }>
    value[0]!.n = 2
    assert.deepStrictEqual(subject.content.structured, { list: [{ n: 1 }] })
  })

  it("cuts the longest texts where the whole would be more than 64 KiB, and leaves the short ones", () => {
    const template = { to: "{{content.structured.to}}", text: "> {{content.text}}", more: ["{{content.structured.b}}"] }
    const value = fill(
      template,
      event({ to: "anna@example.org", b: "b".repeat(60_000) }, "é\n\"😀".repeat(10_000))
    ) as any
    assert.strictEqual(value.to, "anna@example.org")
    assert.match(value.text, /^> (é\n"😀)+[^]{0,3}…$/u)
    assert.match(value.more[0], /^b+…$/)
    assert.isTrue(value.text.isWellFormed())
    assert.isAtMost(bytesOf(value), 65_536)
    assert.isAtLeast(bytesOf(value), 60_000)
    const fits = fill("{{content.text}}", event({}, "a".repeat(65_000)))
    assert.strictEqual(fits, "a".repeat(65_000))
  })

  it("leaves out a list that is too long or has no end", () => {
    const circle: Record<string, unknown> = {}
    circle["self"] = circle
    for (const long of [Array.from({ length: 40_000 }, (_, i) => i), circle]) {
      assert.deepStrictEqual(fill({ a: "{{content.structured.long}}", b: "{{content.text}}" }, event({ long })), {
        b: "hello"
      })
      assert.strictEqual(fill("x {{content.structured.long}}", event({ long })), "x ")
    }
    const list = Array.from({ length: 20_000 }, () => 7)
    assert.deepStrictEqual(fill("{{content.structured.list}}", event({ list })), list)
  })

  it("never throws, and never becomes longer than 64 KiB", () => {
    const thrower = Object.defineProperty({}, "x", {
      enumerable: true,
      get: () => {
        throw new Error("boom")
      }
    })
    const odd = [thrower, { x: thrower }, Symbol("s"), 1n, () => 1, Number.NaN, new Date(Number.NaN), new Map([[1, 2]])]
    for (const structured of odd) {
      for (const text of ["{{content.structured}}", "a {{content.structured}} {{content.structured.x}}"]) {
        assert.isAtMost(bytesOf(fill([text], event(structured))), 65_536)
      }
    }
    for (const subject of [undefined, null, 5, "x", []]) {
      assert.deepStrictEqual(fill(["{{content.text}}"], subject), [null])
    }

    const place = fc.constantFrom(
      "{{content.text}}",
      "{{content.structured}}",
      "{{content.structured.a}}",
      "{{state.time}}"
    )
    const template = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(
          place,
          fc.array(fc.oneof(place, fc.constantFrom("x", " ", "\\{{", "é")), { maxLength: 5 })
            .map((all) => all.join("")),
          fc.integer(),
          fc.constant(null)
        ),
        fc.array(tie("node"), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom("a", "b", "c"), tie("node"), { maxKeys: 3 })
      )
    })).node
    const long = fc.tuple(
      fc.constantFrom("", "a", "\"", "\n", "é", "😀", "\0"),
      fc.constantFrom(0, 1, 50, 20_000, 65_536)
    )
      .map(([unit, count]) => unit.repeat(count / Math.max(1, unit.length)))
    fc.assert(
      fc.property(
        template,
        long,
        fc.oneof(fc.jsonValue(), fc.record({ a: long, b: long })),
        (template, text, structured) => {
          const before = JSON.stringify(structured)
          const value = fill([template], event(structured, text))
          assert.isAtMost(bytesOf(value), 65_536)
          assert.deepStrictEqual(JSON.parse(JSON.stringify(value)), value)
          assert.strictEqual(JSON.stringify(structured), before)
        }
      ),
      { numRuns: 300, seed: 11 }
    )
  })

  it("takes no longer for what is made to be slow", () => {
    const began = computedMs()
    const many = compiled(Array.from({ length: 200 }, (_, i) => `{{content.structured.a.${i % 50}}} x`))
    const a = Array.from({ length: 50 }, () => "a".repeat(1_000_000))
    assert.isAtMost(bytesOf(many.fill(event({ a }))), 65_536)
    assert.lengthOf(mistakesOf("{{".repeat(30_000)), 1)
    assert.lengthOf(mistakesOf("\\{{".repeat(16_000)), 0)
    assert.isBelow(computedMs() - began, 2_000)
  })
})

describe("a template that can't be used", () => {
  const wrong: ReadonlyArray<readonly [unknown, string]> = [
    [
      { text: ["a {{content.text"] },
      "\"then[0].text[0]\" has a {{ without its }}: write \\{{ where two braces are meant"
    ],
    ["{{ {{content.text}}", "\"then[0]\" has a {{ without its }}: write \\{{ where two braces are meant"],
    ["{{}}", "\"then[0]\" has \"\" in {{ }}, which must be keys joined by dots, such as {{content.text}}"],
    [
      "{{content..text}}",
      "\"then[0]\" has \"content..text\" in {{ }}, which must be keys joined by dots, such as {{content.text}}"
    ],
    [
      "{{event.text}}",
      "\"then[0]\" has \"event.text\" in {{ }}, and a path must begin with event_id, schema_version, occurred_at, " +
      "ingested_at, source, actor, content, context, correlation, security, state"
    ],
    [{ a: new Date(0) }, "\"then[0]\" has a Date at \"a\", which is not plain JSON"],
    [JSON.parse("{\"__proto__\":1}"), "\"then[0]\" has the key \"__proto__\", which is not allowed"],
    ["x".repeat(65_536), "\"then[0]\" is longer than 64 KiB"],
    [Array.from({ length: 201 }, () => "{{content.text}}"), "\"then[0]\" has more than 200 places in {{ }}: split it"]
  ]
  it.each(wrong.map(([given, sentence]) => [JSON.stringify(given).slice(0, 50), given, sentence] as const))(
    "%s",
    (_, given, sentence) => assert.deepStrictEqual(mistakesOf(given), [`the field ${sentence}`])
  )

  it("names every mistake", () => {
    assert.lengthOf(mistakesOf({ a: "{{x}}", b: ["{{y}}", "{{content.text}}"] }), 2)
  })
})
