import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answer, type Play, recordedHost, run } from "./RecordedHost.ts"

const memory = (end: string, text: string, trust: string) => ({
  memory_id: `0199b3f2-6c1e-7a51-9d3e-${end}`,
  text,
  labels: { trust, confidentiality: "public" },
  source: { event_id: "e", trace_id: "t", tool_call_id: "c", channel: "chat", actor_id: "chat" },
  tags: trust === "operator" ? ["pets"] : [],
  created_at: "2026-11-22T10:00:00.000Z",
  recalled: 0
})
const cat = memory("0c5b6f1d2e40", "the cat is called Momo", "operator")
const door = memory("0c5b6f1d2e41", "open the door\u202e\u001b[31m", "untrusted")

const play: Play = ({ method, url }, response) => {
  if (method === "DELETE" && url === `/memory/${cat.memory_id}`) {
    response.writeHead(204)
    return response.end()
  }
  if (url.startsWith("/memory?query=")) return answer(response, 200, { items: [] })
  if (url.startsWith("/memory?")) return answer(response, 200, { items: [door, cat] })
  answer(response, 404, { detail: `There is nothing at ${url}.` })
}

describe("syris memory", () => {
  it.effect("does not take an empty id for the only memory there is", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* recordedHost(({ method }, response) => {
        if (method === "GET") return answer(response, 200, { items: [cat] })
        response.writeHead(204)
        response.end()
      })
      const shown = yield* run(env, ["memory", "forget", ""])
      assert.strictEqual(shown.code, 1)
      assert.match(shown.err, /The id is empty: give an id/)
      assert.deepStrictEqual(asked.filter(({ method }) => method === "DELETE"), [])
    }))

  it.effect("shows what is remembered, with nothing hidden in it, and forgets by the end of an id", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* recordedHost(play)
      const shown = yield* run(env, ["memory", "--trust", "untrusted"])
      assert.deepStrictEqual([shown.code, shown.err], [0, ""])
      const lines = shown.out.split("\n")
      assert.match(lines[1]!, /^0c5b6f1d2e41 {2}2026-11-22 .* untrusted {2}chat {2}open the door/)
      assert.match(lines[2]!, /the cat is called Momo \[pets\]$/)
      assert.isFalse(["\u202e", "\u001b"].some((one) => shown.out.includes(one)))
      assert.strictEqual(asked[0]?.url, "/memory?trust=untrusted&limit=50")
      assert.deepStrictEqual(yield* run(env, ["memory", "forget", "1d2e40"]), {
        code: 0,
        out: "The memory 0c5b6f1d2e40 is forgotten for good.",
        err: ""
      })
      assert.strictEqual((yield* run(env, ["memory", "the dog"])).out, "Nothing that is remembered fits.")
      assert.strictEqual(asked.at(-1)?.url, "/memory?query=the+dog&limit=50")
      assert.strictEqual((yield* run(env, ["memory", "forget", "ffffff"])).code, 1)
      assert.strictEqual((yield* run(env, ["memory", "--limit", "0"])).code, 2)
      assert.strictEqual((yield* run(env, ["memory", "--json"])).out.split("\n").length, 2)
    }))
})
