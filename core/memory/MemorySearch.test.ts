/** What a question finds, in any language and of any shape, on a whole host over HTTP and in the chat. */
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { type TestHost, testHost } from "../testing/TestHost.ts"

let host: TestHost
beforeAll(async () => {
  host = await testHost({ http: true, autonomy: "A2" })
})
afterAll(() => host.stop())
beforeEach(() => host.sql`delete from memories`)

const request = async (at: string) => {
  const response = await fetch(`${host.http!.url}${at}`, { headers: { authorization: `Bearer ${host.http!.token}` } })
  return { status: response.status, body: (await response.json()) as any }
}
const texts = async (query?: string): Promise<ReadonlyArray<string>> =>
  (await request(`/memory?limit=500${query === undefined ? "" : `&query=${encodeURIComponent(query)}`}`)).body.items
    .map((one: any) => one.text)

describe("a question finds", () => {
  const facts = [
    "Ich mag Crème brûlée und Äpfel",
    "Бабушка живёт в Москве",
    "Η γιαγιά μένει στην ΑΘΉΝΑ",
    "私の猫は東京に住んでいます",
    "我的自行车是红色的",
    "แมวของฉันชื่อโมโม่",
    "내 고양이는 집에서 잔다",
    "אמא גרה בירושלים",
    "My bicycles are in the garage",
    "The dog's vet is Dr. O'Neill, 030/4711",
    "Pizza 🍕 on Fridays"
  ]
  beforeEach(async () => {
    for (const fact of facts) await host.send(`remember that ${fact}`)
  })

  it("words of every language, with accents or without, whole or their beginning", async () => {
    const finds: ReadonlyArray<readonly [question: string, fact: number]> = [
      ["creme brulee", 0],
      ["APFEL", 0],
      ["москва", 1],
      ["бабушк", 1],
      ["αθηνα", 2],
      ["猫", 3],
      ["東京", 3],
      ["自行车在哪里", 4],
      ["แมว", 5],
      ["고양", 6],
      ["ירושלים", -1],
      ["בירושלים", 7],
      ["bicycle", 8],
      ["bike bicycle's", 8],
      ["gar", 8],
      ["o'neill", 9],
      ["4711", 9],
      ["🍕", 10]
    ]
    for (const [question, fact] of finds) {
      assert.deepEqual(await texts(question), fact < 0 ? [] : [facts[fact]!], question)
    }
  })

  it("nothing and breaks nothing where there is nothing to look for", async () => {
    const garbage = [
      "&",
      "| !",
      "( ) '",
      "\\",
      "a & | ! ( ) ' \\ b",
      "'; drop table memories; --",
      "%",
      "_",
      ":*",
      "<->",
      "''"
    ]
    for (const question of garbage) {
      const { body, status } = await request(`/memory?query=${encodeURIComponent(question)}`)
      assert.strictEqual(status, 200, question)
      assert.isArray(body.items)
      assert.include(["succeeded"], (await host.send(`what do you know about ${question} ?`)).outcome)
    }
    assert.strictEqual((await request("/memory?query=%00")).status, 400)
    assert.strictEqual((await request(`/memory?query=${"x".repeat(1_001)}`)).status, 400)
    const long = await host.send(`what do you know about ${"& x".repeat(20_000)}`)
    assert.match(long.reply!, /^The input of memory\.recall: the field "query" /)
    assert.lengthOf(await texts(), facts.length)
  })
})

it("what is rare counts more than what is everywhere; ties are the newest first", async () => {
  for (let i = 0; i < 20; i++) await host.send(`remember that the plant number ${i} is on the shelf`)
  await host.send("remember that the plant on the shelf by the window is a fern")
  assert.strictEqual((await texts("the fern on the shelf"))[0], "the plant on the shelf by the window is a fern")
  assert.strictEqual((await texts("where is the fern"))[0], "the plant on the shelf by the window is a fern")
  assert.deepEqual((await texts("plant number")).slice(0, 2), [
    "the plant number 19 is on the shelf",
    "the plant number 18 is on the shelf"
  ])
  const first = (await request("/memory?query=plant&limit=15")).body
  const second = (await request(`/memory?query=plant&limit=15&cursor=${first.next_cursor}`)).body
  assert.lengthOf(new Set([...first.items, ...second.items].map(({ memory_id }) => memory_id)), 21)
  assert.isUndefined(second.next_cursor)
  const newest = (await request("/memory?limit=15")).body
  assert.lengthOf((await request(`/memory?limit=15&cursor=${newest.next_cursor}`)).body.items, 6)
  assert.strictEqual((await request("/memory?cursor=xyz")).status, 400)
})
