import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import * as GroupCommit from "./GroupCommit.ts"

interface Write {
  readonly id: string
  readonly by: number
}

/** Hands all of them in at the same moment, and answers the batches that they became and what each was told. */
const handIn = async (writes: ReadonlyArray<Write>, options?: GroupCommit.Options<Write>) => {
  const batches: Array<string> = []
  const writer = GroupCommit.make(
    (items: ReadonlyArray<Write>) =>
      Effect.sync(() => {
        batches.push(items.map(({ by, id }) => `${id}${by}`).join(" "))
        return items.map(({ by }) => by)
      }),
    options
  )
  const answers = await Effect.runPromise(
    Effect.flatMap(writer, (write) => Effect.forEach(writes, write, { concurrency: "unbounded" }))
  )
  return { answers, batches }
}

const some: ReadonlyArray<Write> = [
  { id: "a", by: 1 },
  { id: "b", by: 2 },
  { id: "a", by: 3 },
  { id: "c", by: 4 },
  { id: "a", by: 5 }
]

describe("writes that arrive together", () => {
  it("share a commit, and each has its own answer", async () => {
    const { answers, batches } = await handIn(some)
    assert.deepEqual(batches, ["a1 b2 a3 c4 a5"])
    assert.deepEqual(answers, [1, 2, 3, 4, 5])
  })

  it("go one after the other where they write the same, and hold up nobody else", async () => {
    const { answers, batches } = await handIn(some, { writes: ({ id }) => id })
    assert.deepEqual(batches, ["a1 b2 c4", "a3", "a5"])
    assert.deepEqual(answers, [1, 2, 3, 4, 5])
  })

  it("are at most 200 in a commit, in their order", async () => {
    const many = Array.from({ length: 450 }, (_, by): Write => ({ id: "a", by }))
    const { answers, batches } = await handIn(many, { writes: ({ by }) => `${by}` })
    assert.deepEqual(batches.map((batch) => batch.split(" ").length), [200, 200, 50])
    assert.deepEqual(answers, many.map(({ by }) => by))
  })
})
