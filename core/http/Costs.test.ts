/**
 * What models were sent and answered, and what it cost, as the operator reads it over HTTP.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { layerTestServer, send } from "./TestServer.ts"

const [known, task_id, other] = [newId(), newId(), newId()]

interface Given {
  readonly asked_at: string
  readonly model?: string
  readonly task_id?: string
  readonly answered?: boolean
  readonly usd?: number
}

const put = Effect.fnUntraced(function*(given: Given) {
  const { answered = true, asked_at, model = "m", usd } = given
  const sql = yield* SqlClient.SqlClient
  const completion_id = newId()
  yield* sql`
    insert into completions (completion_id, purpose, trace_id, event_id, task_id, step_id, question, host_id, asked_at,
                             answered_at, model, prompt_hash, request_hash, request, facts, parts, answer, input_tokens,
                             output_tokens, usd, latency_ms)
    values (${completion_id}, 'decide', ${known}, ${newId()}, ${given.task_id ?? task_id}, ${newId()}, 0, ${newId()},
            ${asked_at}, ${answered ? asked_at : null}, ${model}, 'p', 'r',
            ${JSON.stringify({ messages: [{ role: "user", content: "tea" }], tools: [] })}::jsonb, '{}',
            ${JSON.stringify([{ part: "message", tokens: 5, budget: 9, left_out: 0, trust: "operator" }])}::jsonb,
            ${answered ? "{\"text\":\"Here.\"}" : null}::jsonb, 100, 10, ${usd ?? null}, ${answered ? 7 : null})`
  return completion_id
})

layer(
  layerTestServer({
    configuration: {
      timezone: "Europe/Berlin",
      llm: { provider: "openai", baseURL: "http://127.0.0.1:1/v1", model: "m", budget: { perDayTokens: 1_000 } }
    }
  }),
  { timeout: "60 seconds" }
)("questions to models", (it) => {
  it.effect("are shown call by call, page by page, and summed up", () =>
    Effect.gen(function*() {
      assert.deepEqual((yield* send("/costs")).json.costs, [])
      // Midnight in Berlin is 22:00 UTC in summer.
      const ids = [
        yield* put({ asked_at: "2026-07-01T21:59:59Z", usd: 1 }),
        yield* put({ asked_at: "2026-07-01T22:00:00Z", usd: 0.5 }),
        yield* put({ asked_at: "2026-07-02T12:00:00Z", model: "local", task_id: other, answered: false })
      ]
      const first = yield* send(`/llm/context?trace_id=${known}&limit=2`)
      assert.strictEqual(first.status, 200)
      assert.deepEqual(first.json.completions.map((one: any) => one.completion_id), ids.slice(0, 2))
      assert.deepInclude(first.json.completions[0], {
        model: "m",
        asked_at: "2026-07-01T21:59:59.000Z",
        messages: [{ role: "user", content: "tea" }],
        answer: { text: "Here." },
        usage: { input_tokens: 100, output_tokens: 10 },
        usd: 1,
        latency_ms: 7
      })
      assert.notProperty(first.json.completions[0], "facts")
      const rest = yield* send(`/llm/context?trace_id=${known}&cursor=${first.json.next_cursor}`)
      assert.deepEqual(rest.json.completions.map((one: any) => one.completion_id), ids.slice(2))
      assert.notProperty(rest.json, "next_cursor")
      assert.notProperty(rest.json.completions[0], "answer")

      const costs = (query: string) => Effect.map(send(`/costs${query}`), ({ json }) => json.costs)
      const one = { questions: 1, input_tokens: 100, output_tokens: 10, unpriced: 0, reserved: 0 }
      const two = { ...one, questions: 2, input_tokens: 200, output_tokens: 20 }
      assert.deepEqual(yield* costs("?by=day"), [
        { ...two, key: "2026-07-02", usd: 0.5, unpriced: 1, reserved: 1 },
        { ...one, key: "2026-07-01", usd: 1 }
      ])
      assert.deepEqual(yield* costs("?by=model"), [
        { ...two, key: "m", usd: 1.5 },
        { ...one, key: "local", usd: 0, unpriced: 1, reserved: 1 }
      ])
      assert.deepEqual(yield* costs("?by=task"), [
        { ...one, key: other, usd: 0, unpriced: 1, reserved: 1 },
        { ...two, key: task_id, usd: 1.5 }
      ])
      assert.deepEqual(yield* costs("?by=model&since=2026-07-02&until=2026-07-03"), [
        { ...one, key: "local", usd: 0, unpriced: 1, reserved: 1 }
      ])
      yield* put({ asked_at: new Date(0).toISOString() })
      const { budgets } = (yield* send("/costs?by=model")).json
      assert.deepEqual(budgets.map(({ budget, left, most, used }: any) => [budget, most, used, left]), [
        ["llm.budget.perTraceTokens", 200_000, undefined, undefined],
        ["llm.budget.perDayTokens", 1_000, 110, 890]
      ])
    }))

  it.effect("are refused with a sentence where they are asked for wrongly", () =>
    Effect.gen(function*() {
      for (
        const [target, status, says] of [
          ["/llm/context", 400, /trace_id/],
          ["/llm/context?trace_id=tea", 400, /"trace_id" is wrong|UUID/],
          [`/llm/context?trace_id=${known}&cursor=x`, 400, /cursor/],
          [`/llm/context?trace_id=${newId()}`, 404, /No trace has this id/],
          ["/costs?by=week", 400, /day.*task.*model/],
          ["/costs?since=soon", 400, /ISO 8601/]
        ] as const
      ) {
        const answer = yield* send(target)
        assert.strictEqual(answer.status, status, `${target}: ${answer.text}`)
        assert.match(answer.json.detail, says)
      }
    }))
})
