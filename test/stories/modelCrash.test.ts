/**
 * The host of a model's plan is killed: while the model is asked, while what it chose runs, and at every statement between.
 * What was decided is not asked again, and what was chosen is done as its tool's guarantee says.
 *
 * The short form kills at two statements on each side, others each time (SYRIS_TEST_SEED repeats them); SYRIS_TEST_LONG=1 at all.
 */
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { type ModelRequest, type ScriptedAnswer, scriptedModel, type ScriptedModel } from "syris/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { type Proxy, type Side, startProxy } from "../storms/Proxy.ts"
import { long, makeRandom, sample, seed, until } from "../storms/Until.ts"
import { type HostProcess, type Place, startHost } from "./HostProcess.ts"
import { isAbout } from "./ModelStory.ts"

/** A tool for each guarantee; each says outside what it does. */
const config = (model: string, outside: string) => `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"

const tool = (name: string, effect: "read" | "write", guarantee: any, run: (id: string, ctx: any) => Promise<unknown>) =>
  defineTool({
    name: "outside." + name, description: name, input: Schema.Struct({ id: Schema.String }), effect, guarantee,
    risk: "low", scopes: ["outside"], run: ({ id }, ctx) => run(id, ctx)
  })
const ask = async (id: string, key = "") => {
  const response = await fetch("${outside}" + id, { headers: { "idempotency-key": key } })
  return { message: await response.text() }
}

export default defineConfig({
  timezone: "UTC",
  llm: { provider: "openai", baseURL: "${model}", model: "m" },
  plugins: [definePlugin({ name: "outside", setup: () => ({ tools: [
    tool("read", "read", "none", (id) => ask(id)),
    tool("keyed", "write", "native_key", (id, ctx) => ask(id, ctx.idempotencyKey)),
    tool("plain", "write", "none", (id) => ask(id)),
    tool("row", "write", "transactional", async (id, ctx) => {
      await ctx.sql\`insert into outside (id) values (\${id})\`
      return ask(id)
    })
  ] }) })()]
})
`

/** Counts what arrives, and does what has a key once. Holds what it is told to. */
const startOutside = async () => {
  const arrived: Array<string> = []
  const effects = new Map<string, string>()
  const held = new Map<string, Array<http.ServerResponse>>()
  const server = http.createServer((request, response) => {
    const id = (request.url ?? "").slice(1)
    const key = String(request.headers["idempotency-key"] ?? "")
    arrived.push(id)
    effects.set(key === "" ? `${id} ${arrived.length}` : key, id)
    const waiting = held.get(id)
    if (waiting === undefined) response.end("done")
    else waiting.push(response)
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    arrivals: (id: string) => arrived.filter((one) => one === id).length,
    effects: (id: string) => [...effects.values()].filter((one) => one === id).length,
    hold: (id: string) => {
      held.set(id, [])
      return () => {
        const waiting = held.get(id) ?? []
        held.delete(id)
        for (const response of waiting) response.end("done")
      }
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

describe("the plan of a model whose host is killed", () => {
  const home = folder("modelcrash")
  let database: OwnDatabase
  let host: HostProcess
  let model: ScriptedModel
  let outside: Awaited<ReturnType<typeof startOutside>>
  let place: Place
  let proxy: Proxy
  const random = makeRandom(seed)

  beforeAll(async () => {
    database = await makeDatabase()
    await database.query("create table outside (id text not null)")
    proxy = await startProxy(database.url)
    model = await scriptedModel(Array.from({ length: 2_000 }, () => answer))
    outside = await startOutside()
    const file = path.join(home, "syris.config.ts")
    fs.writeFileSync(file, config(model.url, outside.url))
    place = { home, config: file, databaseUrl: proxy.url }
    host = await startHost(place)
  })
  afterAll(async () => {
    await host?.kill()
    await proxy?.close()
    await model?.close()
    outside?.close()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const restart = async () => {
    proxy.disarm()
    host = await startHost(place)
  }
  const post = async (event: object): Promise<{ readonly trace_id: string }> => {
    const response = await host.request("/events", {
      method: "POST",
      body: JSON.stringify({ channel: "chat", ...event })
    })
    assert.include([200, 202], response.status)
    return await response.json() as { readonly trace_id: string }
  }
  const read = async ({ trace_id }: { readonly trace_id: string }) => {
    const trace = await host.get(`/traces/${trace_id}`)
    return {
      trace,
      task: trace.tasks[0],
      steps: trace.tasks[0]?.steps.map((step: any) => `${step.name} ${step.status}`),
      types: trace.audit.map((row: any) => row.type) as ReadonlyArray<string>
    }
  }
  const reached = (ids: { readonly trace_id: string }, status: string) =>
    until(`the task to be ${status}`, async () => {
      const told = await read(ids)
      if (status === "waiting" && told.task?.waits_for === undefined) return false
      return told.task?.status === status && told
    })

  const use = (tool: string, id: string): ScriptedAnswer => ({ call: { tool: `outside.${tool}`, input: { id } } })
  /** What a task was asked and answered: the decisions that were in its question already, request by request. */
  const questions = (text: string): ReadonlyArray<number> =>
    model.requests
      .filter((request) => isAbout(request, text))
      .map(({ body }) => (body.messages ?? []).filter(({ role }) => role === "assistant").length)

  const tools = ["read", "keyed", "row", "plain"] as const
  const working = (tool: string) => `kill me while I work on ${tool}`
  const thinking = "kill me while I think"
  const choosing = "one of them"

  /** The same answer to the same question, however often it comes; while it is first asked to think, none. */
  const answer = (request: ModelRequest): ScriptedAnswer => {
    const messages = request.body.messages ?? []
    const decided = messages.some(({ role }) => role === "assistant")
    if (isAbout(request, thinking)) {
      if (decided) return { text: "Done." }
      return questions(thinking).length === 1 ? { hang: true, begun: true } : use("keyed", "asked")
    }
    if (isAbout(request, choosing)) {
      return decided ? { text: "The left one." } : { call: { tool: "syris.ask", input: { question: "Which one?" } } }
    }
    const tool = tools.find((one) => isAbout(request, working(one)))
    if (tool !== undefined) return decided ? { text: `${tool} is done.` } : use(tool, tool)
    const id = messages.map(({ content }) => String(content)).find((content) => /^walk-\w+-\w+$/.test(content)) ?? ""
    return decided ? { text: `${id} is done.` } : use("keyed", id)
  }

  describe("everywhere at once:", () => {
    const asked = new Map<string, { readonly trace_id: string }>()
    const idsOf = (text: string) => asked.get(text) as { readonly trace_id: string }

    beforeAll(async () => {
      const letGo = tools.map((tool) => outside.hold(tool))
      for (const text of [...tools.map(working), thinking]) asked.set(text, await post({ text }))
      asked.set(choosing, await post({ text: choosing, thread_id: "t" }))
      await until("the tools to run", () => tools.every((tool) => outside.arrivals(tool) === 1))
      await until("the model to be asked", () => questions(thinking).length === 1)
      await reached(idsOf(choosing), "waiting")
      await host.kill()
      await model.requests.find((request) => isAbout(request, thinking))!.gone
      letGo.forEach((one) => one())
      await restart()
    }, 60_000)

    it("while the model is asked: it is asked again, since nothing was decided", async () => {
      const told = await reached(idsOf(thinking), "succeeded")
      assert.deepEqual(told.steps, ["decide succeeded", "outside.keyed succeeded", "decide succeeded"])
      assert.deepEqual(questions(thinking), [0, 0, 1])
      assert.strictEqual(outside.effects("asked"), 1)
      assert.includeMembers(Array.from(told.types), ["task.interrupted", "task.recovered"])
      assert.strictEqual(told.trace.replies[0].text, "Done.")
    }, 60_000)

    for (const tool of tools.filter((one) => one !== "plain")) {
      it(`while the tool that it chose runs (${tool}): the call is repeated, and not the question`, async () => {
        const text = working(tool)
        const told = await reached(idsOf(text), "succeeded")
        assert.deepEqual(told.steps, ["decide succeeded", `outside.${tool} succeeded`, "decide succeeded"])
        assert.deepEqual(questions(text), [0, 1])
        assert.strictEqual(outside.arrivals(tool), 2)
        if (tool === "keyed") assert.strictEqual(outside.effects(tool), 1)
        if (tool === "row") {
          assert.strictEqual((await database.query("select 1 from outside where id = 'row'")).length, 1)
        }
        assert.strictEqual(told.types.filter((type) => type === "llm.step_decided").length, 2)
      }, 60_000)
    }

    it("while a tool without a guarantee runs: a person says what became of it, and the model goes on", async () => {
      const text = working("plain")
      const waiting = await reached(idsOf(text), "waiting")
      assert.strictEqual(waiting.task.waits_for, "person")
      const { tool_call_id } = waiting.task.steps[1]
      const settled = await host.request(`/tool-calls/${tool_call_id}/settle`, {
        method: "POST",
        body: JSON.stringify({ outcome: "happened" })
      })
      assert.strictEqual(settled.status, 200)
      const told = await reached(idsOf(text), "succeeded")
      assert.deepEqual(questions(text), [0, 1])
      assert.strictEqual(outside.arrivals("plain"), 1)
      assert.strictEqual(told.trace.replies[0].text, "plain is done.")
    }, 60_000)

    it("while it waits for an answer: the question stands", async () => {
      await post({ text: "the left one", thread_id: "t" })
      const told = await reached(idsOf(choosing), "succeeded")
      assert.deepEqual(told.steps, ["decide succeeded", "ask succeeded", "decide succeeded"])
      assert.deepEqual(questions(choosing), [0, 1])
    }, 60_000)
  })

  for (const side of ["request", "answer"] satisfies ReadonlyArray<Side>) {
    const when = side === "request" ? "before the database gets it" : "before its answer is heard"
    it(`at every statement that tells of it, ${when}: no decision is asked again once it is stored`, async () => {
      let kills = 0
      /** Kills at a statement; answers how many have passed where there are less. */
      const killAt = async (at: number): Promise<number | undefined> => {
        const text = `walk-${side}-${at}`
        let dead = false
        const blow = proxy.arm({
          side,
          at,
          of: /event\.ingested|task\.|llm\.|tool_call\./,
          strike: () => {
            dead = true
            void host.kill()
          }
        })
        const accepted = await post({ message_id: text, text }).catch(() => undefined)
        const ended = async () =>
          (await database.query("select 1 from events join settlements using (event_id) where text = $1", [text]))
            .length > 0
        await until(`the end of ${text}, or of the host`, async () => dead || await ended())
        const stored = await database.query<{ n: number }>(
          `select count(*)::int as n from steps s join tasks t using (task_id) join events e on e.event_id = t.trigger_event_id
           where e.text = $1 and s.kind = 'llm_decide' and s.status = 'succeeded'`,
          [text]
        )
        const before = questions(text).length
        if (blow.struck()) {
          kills++
          await host.ended
          await restart()
        }
        proxy.disarm()
        const ids = await post({ message_id: text, text })
        if (accepted !== undefined) assert.strictEqual(ids.trace_id, accepted.trace_id)
        const told = await reached(ids, "succeeded")
        assert.strictEqual(told.trace.replies[0].text, `${text} is done.`)
        assert.deepEqual(told.steps, ["decide succeeded", "outside.keyed succeeded", "decide succeeded"])
        assert.strictEqual(outside.effects(text), 1, text)
        for (const known of questions(text).slice(before)) assert.isAtLeast(known, stored[0]?.n ?? 0, text)
        assert.strictEqual(told.types.filter((type) => type === "llm.step_decided").length, 2, text)
        assert.strictEqual(told.types.filter((type) => type === "task.succeeded").length, 1, text)
        return blow.struck() ? undefined : blow.passed()
      }
      if (long) {
        for (let at = 1; await killAt(at) === undefined; at++) assert.isBelow(at, 20, "the walk has no end")
      } else {
        const all = await killAt(Infinity) ?? 0
        const [one, ...more] = sample(all, 2, random)
        if (one !== undefined) await killAt(one)
        for (const at of more) if (at > 1 || kills === 0) await killAt(at)
      }
      assert.isAtLeast(kills, long ? 4 : 1)
    }, 180_000)
  }
})
