import { assert, describe, it } from "vitest"
import { compileCondition } from "../../../../../core/safety/Condition.ts"
import { treeOf } from "./leaves.ts"

const leaf = (path: string, value: unknown) => ({ path, op: "eq", value })
const when = {
  all: [leaf("a", 1), { any: [leaf("b", 2), { none: [leaf("c", 3), leaf("d", 4)] }] }, { any: [] }, leaf("e", 5)]
}

const found = (condition: unknown, subject: object) => {
  const compiled = compileCondition(condition)
  if (!compiled.ok) throw new Error(compiled.mistakes.join())
  return { leaves: compiled.value.explain(subject), matched: compiled.value.matches(subject) }
}

describe("the leaves of a condition", () => {
  it("stand in their tree, each branch with whether it held", () => {
    const { leaves } = found(when, { a: 1, b: 0, d: 4, e: 5 })
    const tree = treeOf(when, leaves)
    if (tree?.is !== "all") throw new Error("The tree is another one.")
    const [a, any, empty, e] = tree.parts
    assert.deepEqual([tree.held, a?.held, any?.held, empty?.held, e?.held], [false, true, false, false, true])
    assert.deepInclude(e, { is: "leaf" })
  })

  it("hold together where the host says that they match", () => {
    for (
      const part of [when, { all: [] }, { any: [] }, { none: [] }, leaf("a", 1), { none: [{ all: [leaf("a", 1)] }] }]
    ) {
      for (const subject of [{ a: 1, b: 2, e: 5 }, { a: 2 }, {}]) {
        const { leaves, matched } = found(part, subject)
        assert.equal(treeOf(part, leaves)?.held, matched)
      }
    }
  })

  it("make no tree with a condition that is not theirs", () => {
    const { leaves } = found(when, {})
    assert.isUndefined(treeOf({ all: [leaf("a", 1)] }, leaves))
    assert.isUndefined(treeOf({ ...leaf("x", 1) }, leaves.slice(0, 1)))
    assert.isUndefined(treeOf({ all: [leaf("a", 1), leaf("a", 1)] }, leaves.slice(0, 1)))
    assert.isUndefined(treeOf("nothing", []))
  })
})
