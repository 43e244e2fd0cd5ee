/**
 * Done when 3: kill -9 at every boundary of a loop of five turns. What was answered and recorded is asked for once, counted
 * by the model's own server; what was called is done once, counted outside; an approval in the middle stands.
 *
 * One thing can't be avoided: between the provider's answer and its record nobody knows that there is one, so a host that is
 * killed there asks again. Only that question, and once.
 *
 * The short form kills at a few statements, others each time (SYRIS_TEST_SEED repeats them); SYRIS_TEST_LONG=1 at all of them.
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

const config = (model: string, outside: string) => `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"

const tool = (name: string, risk: "low" | "medium", guarantee: any, run: (id: string, ctx: any) => Promise<unknown>) =>
  defineTool({
    name: "outside." + name, description: name, input: Schema.Struct({ id: Schema.String }), effect: "write", guarantee,
    risk, scopes: [risk === "low" ? "outside" : "doors"], run: ({ id }, ctx) => run(id, ctx)
  })
const ask = async (id: string, key = "") => {
  const response = await fetch("${outside}" + encodeURIComponent(id), { headers: { "idempotency-key": key } })
  return { message: await response.text() }
}

export default defineConfig({
  timezone: "UTC",
  llm: { provider: "openai", baseURL: "${model}", model: "m", budget: { perTraceTokens: 1_000_000 } },
  plugins: [definePlugin({ name: "outside", setup: () => ({ tools: [
    tool("keyed", "low", "native_key", (id, ctx) => ask(id, ctx.idempotencyKey)),
    tool("open", "medium", "native_key", (id, ctx) => ask(id, ctx.idempotencyKey)),
    tool("row", "low", "transactional", async (id, ctx) => {
      await ctx.sql\`insert into outside (id) values (\${id})\`
      return ask(id)
    })
  ] }) })()]
})
`

/** Holds what it is told to, once: before it does it, or after. */
class Holds<When> {
  readonly #wanted = new Map<string, When>()
  readonly standing = new Set<string>()
  hold(id: string, when: When): void {
    this.#wanted.set(id, when)
  }
  take(id: string): When | undefined {
    const when = this.#wanted.get(id)
    this.#wanted.delete(id)
    return when
  }
}

const startOutside = async () => {
  const holds = new Holds<"before" | "after">()
  /** What was done, by its key: a key that comes again does nothing. */
  const effects = new Map<string, string>()
  const server = http.createServer((request, response) => {
    const id = decodeURIComponent((request.url ?? "").slice(1))
    const key = String(request.headers["idempotency-key"] ?? "")
    const when = holds.take(id)
    if (key !== "" && when !== "before") effects.set(key, id)
    if (when === undefined) response.end("done")
    else holds.standing.add(id)
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    holds,
    effects: (id: string) => [...effects.values()].filter((one) => one === id).length,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** What the model chooses, turn by turn; in the fifth it is done. */
const turnsOf = (text: string): ReadonlyArray<ReadonlyArray<readonly [tool: string, id: string]>> => [
  [["keyed", `${text}/a`]],
  [["keyed", `${text}/b`], ["row", `${text}/c`]],
  [[text.startsWith("open") ? "open" : "row", `${text}/d`]],
  [["keyed", `${text}/e`]]
]
const turns = 5

/** The last turns of a model: what it says, and what it says after a no. */
const done = (text: string): string => `All is done for ${text}.`
const given = "Then it stays shut."

/** The same answer to the same question, however often it comes. */
const answerOf = (text: string, turn: number, { body }: ModelRequest): ScriptedAnswer => {
  const calls = turnsOf(text)[turn]
  if (JSON.stringify(body.messages?.at(-1)).includes("was denied")) return { text: given }
  if (calls === undefined) return { text: done(text) }
  return { calls: calls.map(([tool, id]) => ({ tool: `outside.${tool}`, input: { id } })) }
}

const startModel = async () => {
  const holds = new Holds<"asked" | "answering">()
  const known = new Set<string>()
  /** How often each turn of each text was asked for. */
  const counts = new Map<string, Array<number>>()
  const dispatch = (request: ModelRequest): ScriptedAnswer => {
    const messages = request.body.messages ?? []
    const text = messages.map(({ content }) => String(content)).find((content) => known.has(content)) ?? ""
    const turn = messages.filter(({ role }) => role === "assistant").length
    const count = counts.get(text) ?? Array.from({ length: turns }, () => 0)
    count[turn] = (count[turn] ?? 0) + 1
    counts.set(text, count)
    const id = `${text} ${turn}`
    const when = holds.take(id)
    const stand = () => {
      holds.standing.add(id)
      return new Promise<never>(() => {})
    }
    if (when === "asked") {
      void stand()
      return { hang: true }
    }
    const answer = answerOf(text, turn, request)
    // Everything is there but its end.
    return when === "answering" ? { ...answer, pace: async (piece) => piece === undefined && stand() } : answer
  }
  const server: ScriptedModel = await scriptedModel(Array.from({ length: 5_000 }, () => dispatch))
  return {
    url: server.url,
    holds,
    expect: (text: string) => void known.add(text),
    asked: (text: string): ReadonlyArray<number> => counts.get(text) ?? [],
    close: () => server.close()
  }
}

describe("a loop of five turns whose host is killed", () => {
  const home = folder("loopcrash")
  let database: OwnDatabase
  let host: HostProcess
  let model: Awaited<ReturnType<typeof startModel>>
  let outside: Awaited<ReturnType<typeof startOutside>>
  let place: Place
  let proxy: Proxy

  beforeAll(async () => {
    database = await makeDatabase()
    await database.query("create table outside (id text not null)")
    proxy = await startProxy(database.url)
    model = await startModel()
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
  /** The same message, however often it is sent. */
  const post = async (text: string): Promise<string> => {
    model.expect(text)
    const body = JSON.stringify({ channel: "chat", message_id: text, text })
    const response = await host.request("/events", { method: "POST", body })
    assert.include([200, 202], response.status)
    return (await response.json() as { readonly trace_id: string }).trace_id
  }
  const ended = async (text: string) => {
    const [row] = await database.query<{ status: string }>(
      `select t.status from tasks t join events e on e.event_id = t.trigger_event_id
       where e.text = $1 and t.status in ('succeeded', 'failed')`,
      [text]
    )
    return row?.status
  }
  /** The turns whose answer is recorded. */
  const recorded = async (text: string): Promise<ReadonlySet<number>> => {
    const rows = await database.query<{ turn: number; answered: boolean }>(
      `select dense_rank() over (order by s.position)::int - 1 as turn, c.answer is not null as answered
       from completions c join steps s using (step_id) join events e using (event_id) where e.text = $1`,
      [text]
    )
    return new Set(rows.flatMap(({ answered, turn }) => answered ? [turn] : []))
  }
  const effects = async (id: string) =>
    outside.effects(id) + (await database.query("select 1 from outside where id = $1", [id])).length
  /** That it ended well, with each effect once. */
  const isWhole = async (text: string, upTo = turns) => {
    await until(`the end of ${text}`, () => ended(text))
    const { replies, tasks } = await host.get(`/traces/${await post(text)}`)
    assert.strictEqual(replies[0].text, upTo === turns ? done(text) : given)
    assert.deepEqual(tasks.map((task: any) => task.status), ["succeeded"])
    for (const [turn, calls] of turnsOf(text).entries()) {
      for (const [, id] of calls) assert.strictEqual(await effects(id), turn < upTo ? 1 : 0, id)
    }
  }

  const isAskedOnce = (text: string, but?: number) =>
    assert.deepEqual(model.asked(text), Array.from({ length: turns }, (_, turn) => turn === but ? 2 : 1), text)

  describe("while it waits for the world outside, everywhere at once:", () => {
    const all = Array.from({ length: turns }, (_, turn) => turn)
    const keyed = ["a", "b", "e"]
    const rows = ["c", "d"]

    beforeAll(async () => {
      for (const turn of all) {
        model.holds.hold(`asked-${turn} ${turn}`, "asked")
        model.holds.hold(`answering-${turn} ${turn}`, "answering")
      }
      for (const call of [...keyed, ...rows]) outside.holds.hold(`before-${call}/${call}`, "before")
      for (const call of keyed) outside.holds.hold(`after-${call}/${call}`, "after")
      const texts = [
        ...all.flatMap((turn) => [`asked-${turn}`, `answering-${turn}`]),
        ...[...keyed, ...rows].map((call) => `before-${call}`),
        ...keyed.map((call) => `after-${call}`)
      ]
      await Promise.all([...texts, "open-yes", "open-no"].map(post))
      await until(
        "each of them to stand at its boundary",
        () => model.holds.standing.size === 2 * turns && outside.holds.standing.size === 2 * keyed.length + rows.length
      )
      await until("the two approvals to be asked for", async () => (await approvals()).length === 2)
      await host.kill()
      await restart()
    }, 60_000)

    const approvals = async (): Promise<ReadonlyArray<any>> => (await host.get("/approvals?status=pending")).items

    for (const when of ["asked", "answering"]) {
      it(`${when}: that question comes again, since nothing of its answer is recorded, and no other does`, async () => {
        for (const turn of all) {
          await isWhole(`${when}-${turn}`)
          isAskedOnce(`${when}-${turn}`, turn)
        }
      }, 60_000)
    }

    for (const [when, calls] of [["before", [...keyed, ...rows]], ["after", keyed]] as const) {
      it(`${when} an effect: it happens once, and no question comes again`, async () => {
        for (const call of calls) {
          await isWhole(`${when}-${call}`)
          isAskedOnce(`${when}-${call}`)
        }
      }, 60_000)
    }

    it(
      "at an approval in the middle: it stands; after a yes the loop goes on, after a no the model says so",
      async () => {
        const decide = async (text: string, word: string) => {
          const trace_id = await post(text)
          const asked = (await approvals()).find((one) => one.trace_id === trace_id)
          const decided = await host.request(`/approvals/${asked.approval_id}/${word}`, { method: "POST" })
          assert.strictEqual(decided.status, 200)
        }
        await decide("open-yes", "approve")
        await isWhole("open-yes")
        isAskedOnce("open-yes")
        await decide("open-no", "deny")
        await isWhole("open-no", 2)
        assert.deepEqual(model.asked("open-no").slice(0, 4), [1, 1, 1, 1])
      },
      60_000
    )
  })

  // By what statements carry: their texts are sent once for each connection.
  const reserves = /"completion_id":"[^"]+","purpose"/
  const records = /"configured":"m"/
  const ofLoop = /"completion_id":"[^"]+","purpose"|"configured":"m"|event\.ingested|task\.|llm\.|tool_call\./
  const random = makeRandom(seed)

  /** Kills at a statement; answers whether it was reached, and which answers were recorded then. */
  const killAt = async (text: string, side: Side, at: number, of: RegExp) => {
    let dead = false
    const blow = proxy.arm({
      side,
      at,
      of,
      strike: () => {
        dead = true
        void host.kill()
      }
    })
    await post(text).catch(() => undefined)
    await until(`the end of ${text}, or of the host`, async () => dead || await ended(text) !== undefined)
    if (blow.struck()) await host.ended
    proxy.disarm()
    return { struck: blow.struck(), passed: blow.passed(), kept: await recorded(text) }
  }

  /** `lost`: reservations of which nobody knows whether they were paid for. */
  const boundaries: ReadonlyArray<readonly [where: string, side: Side, of: RegExp, again: boolean, lost: number]> = [
    ["before it is reserved", "request", reserves, false, 0],
    ["once it is reserved, before it is sent", "answer", reserves, false, 1],
    ["once it is answered, before that is recorded: the one that can't be spared", "request", records, true, 1],
    ["once its answer is recorded, before the host hears of it", "answer", records, false, 0]
  ]
  for (const [index, [where, side, of, again, lost]] of boundaries.entries()) {
    // The short form: the one that can't be spared, and another one each time.
    if (!long && index !== 2 && index !== [0, 1, 3][seed % 3]) continue
    it(`at a question, ${where}: it is asked ${again ? "twice" : "once"}, and the others once`, async () => {
      const turn = Math.floor(random() * turns)
      const text = `turn ${turn}: ${where}`
      const { struck } = await killAt(text, side, turn + 1, of)
      await restart()
      assert.isTrue(struck)
      await isWhole(text)
      isAskedOnce(text, again ? turn : undefined)
      const unknown = await database.query(
        "select 1 from completions join events using (event_id) where text = $1 and answered_at is null",
        [text]
      )
      assert.strictEqual(unknown.length, lost)
    }, 60_000)
  }

  it("the control: an answer whose record is lost is asked for again, and that is seen", async () => {
    const text = "without a record"
    const { kept } = await killAt(text, "answer", 2, records)
    await database.query(
      `delete from completions c using steps s, events e
       where s.step_id = c.step_id and e.event_id = c.event_id and e.text = $1 and s.status <> 'succeeded'`,
      [text]
    )
    await restart()
    assert.deepEqual([...kept].toSorted(), [0, 1])
    await isWhole(text)
    isAskedOnce(text, 1)
  }, 60_000)

  for (const side of ["request", "answer"] satisfies ReadonlyArray<Side>) {
    const when = side === "request" ? "before the database gets it" : "before its answer is heard"
    it(`at a statement, ${when}: what was recorded is not asked again`, async () => {
      const { passed } = await killAt(`all-${side}`, side, Infinity, ofLoop)
      // Of each turn at least that its answer is reserved, and that it is recorded; what else is written may be written together.
      assert.isAtLeast(passed, 2 * turns)
      // The short form: one.
      const some = long ? Array.from({ length: passed }, (_, i) => i + 1) : sample(passed, 1, random).slice(0, 1)
      let again = 0
      for (const at of some) {
        const text = `walk-${side}-${at}`
        const { kept, struck } = await killAt(text, side, at, ofLoop)
        if (struck) await restart()
        await post(text)
        await isWhole(text)
        const asked = model.asked(text)
        for (const [turn, times] of asked.entries()) {
          if (kept.has(turn)) assert.strictEqual(times, 1, `${text}, turn ${turn}`)
        }
        // One question was under way at most.
        assert.isAtMost(asked.reduce((sum, times) => sum + times, 0), turns + 1, text)
        again += asked.filter((times) => times === 2).length
        assert.strictEqual((await recorded(text)).size, turns)
      }
      console.log(
        `loop (seed ${seed}): killed ${side} at ${some.length} of ${passed} statements, asked again ${again} times`
      )
    }, long ? 600_000 : 60_000)
  }
})
