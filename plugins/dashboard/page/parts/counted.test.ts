import { assert, describe, it } from "@effect/vitest"
import { counted, listed, sentence, times } from "./counted.ts"

describe("numbers and lists", () => {
  it("are said as a person would say them", () => {
    assert.deepEqual([counted(0, "row"), counted(1, "row"), counted(1_200, "row")], ["0 rows", "1 row", "1,200 rows"])
    assert.strictEqual(counted(2, "policy", "policies"), "2 policies")
    assert.deepEqual([times(0), times(1), times(3)], ["never", "once", "3 times"])
    assert.deepEqual([listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])], [
      "",
      "a",
      "a and b",
      "a, b and c"
    ])
    assert.strictEqual(sentence("it is"), "It is")
  })
})
