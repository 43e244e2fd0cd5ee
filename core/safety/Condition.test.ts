import { assert, describe, it } from "@effect/vitest"
import { type CompiledCondition, compileCondition } from "./Condition.ts"
import { computedMs } from "../../test/Cpu.ts"

const compiled = (given: unknown): CompiledCondition => {
  const result = compileCondition(given)
  if (!result.ok) throw new Error(result.mistakes.join("; "))
  return result.value
}
const holds = (given: unknown, subject: unknown, previous?: unknown) => compiled(given).matches(subject, previous)
const mistakesOf = (given: unknown) => {
  const result = compileCondition(given, "setting", { at: "policy[0].when", timezone: "Europe/London" })
  return result.ok ? [] : result.mistakes
}
const leaf = (op: string, value?: unknown, path = "input.x") => ({
  path,
  op,
  ...(value === undefined ? {} : { value })
})

/** An op, its value, what it matches and what it does not. */
const ops: ReadonlyArray<
  readonly [op: string, value: unknown, yes: ReadonlyArray<unknown>, no: ReadonlyArray<unknown>]
> = [
  ["eq", "Anna", ["Anna"], ["anna", "Anna ", 1, null, ["Anna"]]],
  ["eq", 5, [5], ["5", 5.1]],
  ["eq", 0, [0, -0], [false, "", null]],
  ["eq", null, [null], [0, false, "null"]],
  ["eq", { a: [1, { b: 2 }] }, [{ a: [1, { b: 2 }] }], [{ a: [1, { b: 2 }], c: 3 }, { a: [1] }, [], "x"]],
  ["neq", "Anna", ["anna", 1, null], ["Anna"]],
  ["in", ["a", 1, true, null], ["a", 1, true, null], ["A", "1", ["a"], false]],
  ["in", [[1], { a: 1 }], [[1], { a: 1 }], [1, [2], { a: 2 }]],
  ["not_in", ["a", 1], ["b", "1", ["a"]], ["a", 1]],
  ["contains", "bill", ["the bill", ["bill", "x"]], ["Bill", ["the bill"], { bill: 1 }, 5]],
  ["contains", 5, [[1, 5]], ["5", [["5"]], 5]],
  ["not_contains", "bill", ["Bill", ["the bill"], 5], ["the bill", ["bill"]]],
  ["starts_with", "a.", ["a.b"], ["A.b", "xa.", ["a."]]],
  ["ends_with", "@example.org", ["a@example.org"], ["a@example.org.evil", ["a@example.org"], 1]],
  ["matches", "*@example.org", ["a@example.org", "@example.org"], ["a@example.orgs", "a@Example.org", "x@exampleXorg"]],
  ["matches", "a?c*", ["abc", "a😀c", "aXcdef"], ["ac", "abbc"]],
  ["matches", "\\*?", ["*x"], ["xx", "*"]],
  ["matches", "*a*b*c*", ["xxaxxbxxc"], ["cba", "acb"]],
  ["regex", "b+c", ["abbcd"], ["ABBC", "ac", ["abbcd"], 5]],
  ["regex", "^(?i)anna$", ["ANNA"], ["annab"]],
  ["lt", 5, [4.9, -1], [5, 6, "4", null]],
  ["lte", 5, [5], [5.1, true]],
  ["gt", 5, [6], [5, "6", [6]]],
  ["gte", "2026-01-01", ["2026-01-01", "2027"], ["2025-12-31", 3_000]],
  ["exists", true, [0, null, "", false], []],
  ["exists", false, [], [0, null, "", false]],
  ["exists", undefined, [0], []],
  ["within", { start: "22:00", end: "07:00", timezone: "Europe/London" }, [
    new Date("2026-11-22T23:00:00Z"),
    "2026-11-22T06:59:59.999Z",
    "2026-07-01T21:30:00+00:00"
  ], [new Date("2026-11-22T07:00:00Z"), "2026-07-01T20:30:00Z", "23:00", 5, new Date(Number.NaN)]]
]

describe("a condition", () => {
  it.each(ops)("%s %j", (op, value, yes, no) => {
    for (const x of yes) assert.isTrue(holds(leaf(op, value), { input: { x } }), `matches ${JSON.stringify(x)}`)
    for (const x of no) assert.isFalse(holds(leaf(op, value), { input: { x } }), `does not match ${JSON.stringify(x)}`)
  })

  it("is false of a field that is missing, but for exists: false and what says not", () => {
    const values: Record<string, unknown> = { in: ["a"], not_in: ["a"], within: { start: "00:00", end: "00:00" } }
    for (const subject of [{}, { input: {} }, { input: 5 }, { input: { x: undefined } }, null, undefined, "x"]) {
      const matching = [...new Set(ops.map(([op]) => op)), "changed"].filter((op) =>
        holds(leaf(op, values[op] ?? (op === "exists" || op === "changed" ? undefined : "a")), subject, {})
      )
      assert.deepStrictEqual(matching, ["neq", "not_in", "not_contains"])
      assert.isTrue(holds(leaf("exists", false), subject))
    }
  })

  it("finds fields by dotted keys, dots in keys and the places in a list, and nothing that is inherited", () => {
    const subject = { a: { "b.c": 1, "d\\e": 2 }, list: [{ n: 1 }, { n: 2 }], text: "abc" }
    assert.isTrue(holds(leaf("eq", 1, "a.b\\.c"), subject))
    assert.isTrue(holds(leaf("eq", 2, "a.d\\e"), subject))
    assert.isTrue(holds(leaf("eq", 2, "list.1.n"), subject))
    for (
      const path of ["list.length", "list.01.n", "text.length", "a.constructor", "toString", "a.__proto__", "list.2"]
    ) {
      assert.isFalse(holds(leaf("exists", true, path), subject), path)
    }
    assert.isTrue(holds(leaf("eq", 1, "__proto__.x"), JSON.parse("{\"__proto__\":{\"x\":1}}")), "its own is a field")
  })

  it("joins with all, any and none", () => {
    const yes = leaf("eq", 1)
    const no = leaf("eq", 2)
    const cases: ReadonlyArray<readonly [unknown, boolean]> = [
      [{ all: [yes, yes, yes] }, true],
      [{ all: [yes, no] }, false],
      [{ any: [no, yes] }, true],
      [{ any: [no, no] }, false],
      [{ none: [no, no] }, true],
      [{ none: [no, yes] }, false],
      [{ all: [] }, true],
      [{ any: [] }, false],
      [{ none: [] }, true],
      [{ all: [yes, { any: [no, { none: [no, { all: [no, yes] }] }] }] }, true]
    ]
    for (const [given, wanted] of cases) {
      assert.strictEqual(holds(given, { input: { x: 1 } }), wanted, JSON.stringify(given))
    }
  })

  it("sees what changed, where there is something before", () => {
    const when = leaf("changed")
    assert.isTrue(compiled(when).needsPrevious)
    assert.isFalse(compiled(leaf("eq", 1)).needsPrevious)
    assert.deepStrictEqual(compiled({ any: [when, { none: [when] }, leaf("eq", 1)] }).changedPaths, ["input.x"])
    const on = { input: { x: { on: true, list: [1] } } }
    assert.isFalse(holds(when, on))
    assert.isFalse(holds(when, on, structuredClone(on)))
    assert.isTrue(holds(when, on, { input: { x: { on: true, list: [2] } } }))
    assert.isTrue(holds(when, on, {}))
    assert.isFalse(holds(when, {}, on))
  })

  it("tells for every leaf what it found", () => {
    const when = { all: [leaf("eq", 1), { any: [leaf("gt", 5, "input.y"), leaf("exists", false, "input.z")] }] }
    assert.deepStrictEqual(compiled(when).explain({ input: { x: 1, y: 3 } }), [
      { path: "input.x", op: "eq", value: 1, actual: 1, matched: true },
      { path: "input.y", op: "gt", value: 5, actual: 3, matched: false },
      { path: "input.z", op: "exists", value: false, actual: undefined, matched: true }
    ])
    assert.strictEqual(compiled(when).leaves, 3)
  })

  it("never throws, whatever it is asked about", () => {
    const circle: Record<string, unknown> = {}
    circle["x"] = circle
    const thrower = Object.defineProperty({}, "x", {
      enumerable: true,
      get: () => {
        throw new Error("boom")
      }
    })
    const bare = Object.assign(Object.create(null) as object, { x: Object.create(null) as unknown })
    const hostile = [thrower, { x: thrower }, circle, bare, { x: Symbol("s") }, { x: 1n }, { x: () => 1 }, [], 1, "a"]
    for (const [op, value] of [...ops.map(([op, value]) => [op, value] as const), ["changed", undefined] as const]) {
      const when = compiled(leaf(op, value))
      for (const input of hostile) {
        for (const previous of [undefined, ...hostile]) {
          assert.isBoolean(when.matches({ input }, { input: previous }))
          assert.lengthOf(when.explain({ input }, { input: previous }), 1)
        }
      }
    }
    assert.isBoolean(holds(leaf("eq", { x: { x: 1 } }), { input: { x: thrower } }))
  })

  it("does not look at more text than 64 KiB, and takes no longer for a text that is made for it", () => {
    const long = "a".repeat(65_536)
    for (const [op, value] of [["regex", "(a+a+)+b"], ["matches", `*${"a".repeat(50)}b`]] as const) {
      const began = computedMs()
      assert.isFalse(holds(leaf(op, value), { input: { x: long } }))
      assert.isBelow(computedMs() - began, 2_000)
    }
    assert.isTrue(holds(leaf("regex", "a$"), { input: { x: long } }))
    assert.isFalse(holds(leaf("regex", "a$"), { input: { x: `${long}a` } }))
    assert.isFalse(holds(leaf("matches", "*"), { input: { x: `${long}a` } }))
  })

  it("offers every field that could find it, in sets of which one has to hold", () => {
    const channel = leaf("eq", "ha_event", "source.channel")
    const sensor = (id: string) => leaf("eq", id, "content.id")
    const paths = (given: unknown) =>
      compiled(given).choices.map((choice) =>
        choice.map(({ field, values }) => `${field.path}${values === undefined ? "" : `=${values.join()}`}`)
      )
    assert.deepStrictEqual(paths(sensor("a")), [["content.id=a"]])
    assert.deepStrictEqual(
      paths({ all: [channel, { all: [sensor("a")] }, leaf("gt", 5), { none: [leaf("lt", 1)] }] }),
      [
        ["source.channel=ha_event"],
        ["content.id=a"],
        ["input.x"]
      ]
    )
    assert.deepStrictEqual(
      paths({ any: [{ all: [channel, sensor("a")] }, { all: [channel, sensor("b")] }, leaf("in", ["c", 1])] }),
      [
        ["source.channel=ha_event", "source.channel=ha_event", "input.x=c,1"],
        ["source.channel=ha_event", "source.channel=ha_event", "input.x=c,1"],
        ["content.id=a", "content.id=b", "input.x=c,1"]
      ]
    )
    assert.deepStrictEqual(compiled({ all: [channel, sensor("a")] }).needs.map(({ field }) => field.path), [
      "source.channel"
    ])
    for (const given of [{ none: [channel] }, leaf("changed"), { any: [channel, leaf("changed")] }, { all: [] }]) {
      assert.deepStrictEqual(paths(given), [], JSON.stringify(given))
    }
  })

  it("tells whether it could be true where only some fields are known", () => {
    const yes = leaf("eq", 1, "known.x")
    const no = leaf("eq", 2, "known.x")
    const open = leaf("eq", 5, "open")
    const cases: ReadonlyArray<readonly [unknown, boolean]> = [
      [yes, true],
      [no, false],
      [open, true],
      [leaf("changed", undefined, "open"), true],
      [leaf("changed", undefined, "known.x"), true],
      [leaf("changed", undefined, "known.missing"), false],
      [{ all: [open, yes] }, true],
      [{ all: [open, no] }, false],
      [{ any: [no, no] }, false],
      [{ any: [no, open] }, true],
      [{ none: [no, open] }, true],
      [{ none: [yes, open] }, false],
      [{ none: [{ all: [yes, open] }] }, true],
      [{ none: [{ any: [yes, open] }] }, false],
      [{ none: [{ none: [yes, open] }] }, true],
      [{ none: [{ none: [no] }] }, false],
      [{ all: [] }, true],
      [{ any: [] }, false],
      [{ none: [] }, true],
      [{ none: [{ all: [] }] }, false]
    ]
    for (const [given, wanted] of cases) {
      const asked: Array<string> = []
      const could = compiled(given).possible((path) => {
        asked.push(path)
        return path.startsWith("known.")
      })
      const before = asked.length
      assert.strictEqual(could({ known: { x: 1 }, open: 0 }), wanted, JSON.stringify(given))
      assert.lengthOf(asked, before, "known is asked when it is compiled")
    }
  })

  it("keeps what it was given apart from what is done to that later", () => {
    const given = { path: "input.x", op: "in", value: ["a"] }
    const when = compiled(given)
    given.value[0] = "b"
    assert.isTrue(when.matches({ input: { x: "a" } }))
    assert.deepStrictEqual(when.source, { path: "input.x", op: "in", value: ["a"] })
  })
})

describe("a condition that can't be used", () => {
  const nested = (depth: number): unknown => depth === 0 ? leaf("eq", 1) : { all: [nested(depth - 1)] }
  const wrong: ReadonlyArray<readonly [given: unknown, ...mistakes: ReadonlyArray<string>]> = [
    [
      5,
      "the setting \"policy[0].when\" must be a condition: { path, op, value }, { all: [ … ] }, { any: [ … ] } or { none: [ … ] }"
    ],
    [
      { and: [] },
      "the setting \"policy[0].when\" must be a condition: { path, op, value }, { all: [ … ] }, { any: [ … ] } or { none: [ … ] }"
    ],
    [
      { all: [leaf("equals", 1)] },
      "the setting \"policy[0].when.all[0].op\" must be one of eq, neq, in, not_in, contains, not_contains, starts_with, " +
      "ends_with, matches, regex, lt, lte, gt, gte, exists, within, changed"
    ],
    [
      leaf("startswith", "a"),
      "the setting \"policy[0].when.op\" must be one of eq, neq, in, not_in, contains, not_contains, starts_with, " +
      "ends_with, matches, regex, lt, lte, gt, gte, exists, within, changed; did you mean \"starts_with\"?"
    ],
    [{ path: "a" }, "the setting \"policy[0].when.op\" is missing"],
    [{ op: "eq", value: 1 }, "the setting \"policy[0].when.path\" is missing"],
    [leaf("eq"), "the setting \"policy[0].when.value\" is missing"],
    [leaf("eq", 1, "a..b"), "the setting \"policy[0].when.path\" must be keys joined by dots, such as \"input.to\""],
    [leaf("eq", 1, ""), "the setting \"policy[0].when.path\" must be keys joined by dots, such as \"input.to\""],
    [leaf("in", "a"), "the setting \"policy[0].when.value\" must be a list of 1 to 1000 values"],
    [leaf("in", []), "the setting \"policy[0].when.value\" must be a list of 1 to 1000 values"],
    [leaf("ends_with", ""), "the setting \"policy[0].when.value\" must be a string that is not empty"],
    [leaf("gt", true), "the setting \"policy[0].when.value\" must be a number or a string"],
    [leaf("exists", "yes"), "the setting \"policy[0].when.value\" must be true or false"],
    [leaf("changed", false), "the setting \"policy[0].when.value\" must be left out, or true"],
    [
      leaf("regex", "(a)\\1"),
      "the setting \"policy[0].when.value\" can't be matched in linear time (invalid escape sequence: `\\1`): write it as " +
      "RE2 has it, without look-around and back references"
    ],
    [
      leaf("within", { start: "25:00", end: "07:00" }, "state.time"),
      "the setting \"policy[0].when.value\" must be a time window: the part \"start\" must be a time such as \"22:00\""
    ],
    [
      leaf("eq", "22:00", "state.time"),
      "the setting \"policy[0].when.op\" must be within: state.time is a moment, and its value a time window"
    ],
    [{ ...leaf("eq", 1), valu: 2 }, "there is no setting \"policy[0].when.valu\"; did you mean \"value\"?"],
    [{ all: [], any: [] }, "the setting \"policy[0].when\" has both all and any: put one into the other"],
    [{ all: [], op: "eq" }, "there is no setting \"policy[0].when.op\"; known are all"],
    [{ any: leaf("eq", 1) }, "the setting \"policy[0].when.any\" must be a list of conditions"],
    [
      leaf("eq", new Date(0)),
      "the setting \"policy[0].when\" has a Date at \"value\", which is not plain JSON"
    ],
    [
      nested(6),
      "the setting \"policy[0].when.all[0].all[0].all[0].all[0].all[0]\" is nested deeper than 5 levels: make it flatter"
    ],
    [
      { any: Array.from({ length: 21 }, () => leaf("eq", 1)) },
      "the setting \"policy[0].when\" has more than 20 leaves: split it"
    ],
    [
      { any: Array.from({ length: 5_000 }, () => ({ all: [] })) },
      "the setting \"policy[0].when\" has more than 20 leaves: split it"
    ]
  ]

  it.each(wrong.map(([given, ...mistakes]) => [JSON.stringify(given).slice(0, 60), given, mistakes] as const))(
    "%s",
    (_, given, mistakes) => assert.deepStrictEqual([...mistakesOf(given)], mistakes)
  )

  it("names every mistake, and reads a circle to its end", () => {
    assert.lengthOf(mistakesOf({ all: [leaf("eq"), leaf("lt", true), leaf("in", 1)] }), 3)
    const circle: Record<string, unknown> = {}
    circle["all"] = [circle]
    assert.deepStrictEqual([...mistakesOf(circle)], [
      "the setting \"policy[0].when\" is nested deeper than 64 levels, or in a circle"
    ])
  })

  it("is as deep and as large as it may be, and no more", () => {
    assert.deepStrictEqual([...mistakesOf(nested(5))], [])
    assert.deepStrictEqual([...mistakesOf({ any: Array.from({ length: 20 }, () => leaf("eq", 1)) })], [])
  })
})
