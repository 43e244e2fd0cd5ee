/**
 * The host of an answer is killed: at the statements around it, while the other side has it in hands, and at any moment. An
 * answer arrives once where the other side knows keys, at most once where it does not, and what nobody can know is asked.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { type Proxy, type Side, startProxy } from "../storms/Proxy.ts"
import { long, makeRandom, moment, sample, seed, until } from "../storms/Until.ts"
import { type HostProcess, type Place, startHost } from "./HostProcess.ts"
import { openPostBox, type PostBox } from "./PostBox.ts"

const config = (boxes: { readonly keyed: PostBox; readonly plain: PostBox; readonly liar: PostBox }) => `
import { defineConfig, definePlugin, defineTool, Schema } from "syris"
import webhook from "syris/plugins/webhook"

const kitchen = definePlugin({ name: "kitchen", setup: () => ({
  tools: [defineTool({
    name: "cups.count", description: "Count the cups.", input: Schema.Struct({ where: Schema.String }),
    effect: "write", guarantee: "transactional", risk: "low", scopes: [], run: ({ where }) => ({ message: "3 cups in " + where + "." })
  })],
  intents: [{ name: "cups.count", tool: "cups.count", patterns: [/count the cups in (?<where>[a-z0-9-]+)/] }]
}) })

export default defineConfig({
  timezone: "UTC",
  safety: { notificationsPerHour: 1000 },
  plugins: [
    kitchen(),
    webhook({ name: "keyed", url: "${boxes.keyed.url}", honoursKey: true }),
    webhook({ name: "plain", url: "${boxes.plain.url}" }),
    webhook({ name: "liar", url: "${boxes.liar.url}", honoursKey: true })
  ]
})
`

describe("an answer whose host is killed", () => {
  const home = folder("repliescrash")
  let boxes: { readonly keyed: PostBox; readonly plain: PostBox; readonly liar: PostBox }
  let database: OwnDatabase
  let host: HostProcess
  let place: Place
  let proxy: Proxy

  beforeAll(async () => {
    database = await makeDatabase()
    proxy = await startProxy(database.url)
    boxes = { keyed: await openPostBox(true), plain: await openPostBox(false), liar: await openPostBox(false) }
    const file = path.join(home, "syris.config.ts")
    fs.writeFileSync(file, config(boxes))
    place = { home, config: file, databaseUrl: proxy.url }
    host = await startHost(place)
  })
  afterAll(async () => {
    await host?.kill()
    await proxy?.close()
    for (const box of Object.values(boxes ?? {})) box.close()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const restart = async () => {
    proxy.disarm()
    host = await startHost(place)
  }
  const wordsOf = (where: string) => `3 cups in ${where}.`
  const post = async (event: object): Promise<{ readonly trace_id: string }> => {
    const response = await host.request("/events", { method: "POST", body: JSON.stringify(event) })
    assert.include([200, 202], response.status)
    return await response.json() as { readonly trace_id: string }
  }
  const ask = (connector_id: keyof typeof boxes, where: string) =>
    post({ channel: "webhook", connector_id, message_id: where, text: `count the cups in ${where}` })
  const read = async ({ trace_id }: { readonly trace_id: string }) => {
    const trace = await host.get(`/traces/${trace_id}`)
    const count = (type: string): number => trace.audit.filter((row: any) => row.type === type).length
    return { trace, sent: count("response.sent"), failed: count("response.failed") }
  }
  /** Waits until the answer has an end, and says so itself where nobody else can: as it was. */
  const ended = (ids: { readonly trace_id: string }, taken: () => number) =>
    until("the end of the answer", async () => {
      const told = await read(ids)
      if (told.trace.settled && told.sent + told.failed > 0) return told
      const unknown = told.trace.tool_calls.find((call: any) => call.status === "unknown")
      if (told.trace.outcome !== "unknown" || unknown === undefined) return false
      await host.request(`/tool-calls/${unknown.tool_call_id}/settle`, {
        method: "POST",
        body: JSON.stringify({ outcome: taken() > 0 ? "happened" : "not_happened" })
      })
      return false
    })
  describe("with the message in their hands:", () => {
    const asked = new Map<keyof typeof boxes, { readonly trace_id: string }>()
    const idsOf = (connector: keyof typeof boxes) => asked.get(connector) as { readonly trace_id: string }

    /** The host is killed when each of the others has its message and has not answered. */
    beforeAll(async () => {
      const connectors = ["keyed", "plain", "liar"] as const
      const letGo = connectors.map((connector) => boxes[connector].hold())
      for (const connector of connectors) asked.set(connector, await ask(connector, "hands-" + connector))
      await until(
        "the messages to arrive",
        () => connectors.every((connector) => boxes[connector].of(wordsOf("hands-" + connector)).length === 1)
      )
      await host.kill()
      letGo.forEach((one) => one())
      await restart()
    }, 60_000)

    it("where they know keys it is sent again, and they take it once", async () => {
      const told = await ended(idsOf("keyed"), () => 0)
      assert.deepEqual([told.sent, told.failed], [1, 0])
      const posts = boxes.keyed.of(wordsOf("hands-keyed"))
      assert.lengthOf(posts, 2)
      assert.strictEqual(posts[0]?.key, posts[1]?.key)
      assert.lengthOf(boxes.keyed.taken(wordsOf("hands-keyed")), 1)
    }, 60_000)

    it("where they don't, a person says what became of it", async () => {
      const ids = idsOf("plain")
      const waiting = await until("the question", async () => {
        const told = await read(ids)
        return told.trace.settled && told.trace.outcome === "unknown" && told
      })
      assert.deepEqual([waiting.sent, waiting.failed], [0, 0])
      const told = await ended(ids, () => boxes.plain.taken(wordsOf("hands-plain")).length)
      assert.deepEqual([told.sent, told.failed], [1, 0])
      assert.lengthOf(boxes.plain.of(wordsOf("hands-plain")), 1)
    }, 60_000)

    it("control: where they only say that they know keys, it is seen that they took it twice", async () => {
      await ended(idsOf("liar"), () => 0)
      assert.lengthOf(boxes.liar.taken(wordsOf("hands-liar")), 2)
    }, 60_000)
  })

  const random = makeRandom(seed)

  for (const side of ["request", "answer"] satisfies ReadonlyArray<Side>) {
    const when = side === "request" ? "before the database gets it" : "before its answer is heard"
    it(`at every statement around it, ${when}: it is owed from the commit that settled its event`, async () => {
      let kills = 0
      /** Kills at a statement; answers how many have passed where there are less. */
      const killAt = async (at: number): Promise<number | undefined> => {
        const connectors = ["keyed", "plain"] as const
        const whereOf = (connector: string) => `${connector}-${side}-${at}`
        let dead = false
        const blow = proxy.arm({
          side,
          at,
          of: /event\.ingested|tool_call\.|tool_call_keys|replies|response\./,
          strike: () => {
            dead = true
            void host.kill()
          }
        })
        const asked = await Promise.all(connectors.map((one) => ask(one, whereOf(one)).catch(() => undefined)))
        const over = async () =>
          (await database.query(
            `select 1 from events e join audit_events a on a.trace_id = e.trace_id
             where e.message_id = any($1) and a.type in ('response.sent', 'response.failed')`,
            [connectors.map(whereOf)]
          )).length >= connectors.length
        await until(`the answers of ${at}, or the end of the host`, async () => dead || await over())
        if (blow.struck()) {
          kills++
          await host.ended
          await restart()
        }
        proxy.disarm()
        for (const [i, connector] of connectors.entries()) {
          const where = whereOf(connector)
          const box = boxes[connector]
          const ids = await ask(connector, where)
          if (asked[i] !== undefined) assert.strictEqual(ids.trace_id, asked[i].trace_id)
          const told = await ended(ids, () => box.taken(wordsOf(where)).length)
          const taken = box.taken(wordsOf(where)).length
          assert.deepEqual([told.sent, told.failed], [taken, 1 - taken], where)
          if (connector === "keyed") assert.strictEqual(taken, 1, where)
          if (connector === "plain") assert.isAtMost(box.of(wordsOf(where)).length, 1, where)
        }
        return blow.struck() ? undefined : blow.passed()
      }
      if (long) {
        for (let at = 1; await killAt(at) === undefined; at++) assert.isBelow(at, 40, "the walk has no end")
      } else {
        const all = await killAt(Infinity) ?? 0
        const [one, ...more] = sample(all, 2, random)
        if (one !== undefined) await killAt(one)
        for (const at of more) if (at > 1 || kills === 0) await killAt(at)
      }
      // Two answers that share their commits take six statements or more.
      assert.isAtLeast(kills, long ? 6 : 1)
      assert.deepEqual(await database.query("select 1 from work"), [])
    }, 300_000)
  }

  it(`at any moment (seed ${seed}): each line of the chat is answered once, and that is told once`, async () => {
    const lines: Array<{ readonly message_id: string; readonly where: string }> = []
    const say = ({ message_id, where }: (typeof lines)[number]) =>
      post({ channel: "chat", message_id, text: `count the cups in ${where}` })
    for (let round = 0; round < (long ? 50 : 3); round++) {
      const own = Array.from({ length: 8 }, (_, i) => ({ message_id: `c-${round}-${i}`, where: `chat-${round}-${i}` }))
      lines.push(...own)
      const saying = Promise.allSettled(own.map(say))
      await moment(random() * 60)
      await host.kill()
      await saying
      await restart()
      // Whoever got no answer says it again.
      await Promise.all(own.map(say))
    }
    await until("all to be answered", async () => {
      const [row] = await database.query<{ n: number }>(
        "select count(*)::int as n from events e join settlements s using (event_id) where e.message_id like 'c-%'"
      )
      return row?.n === lines.length
    })
    // Where hosts died under one five times over, the answer says that.
    const answered = await database.query<{ message_id: string; texts: ReadonlyArray<string> }>(
      `select e.message_id, array_agg(m.text) as texts
       from events e join chat_messages m on m.event_id = e.event_id and m.kind = 'reply'
       where e.message_id like 'c-%' group by e.message_id`
    )
    const said = new Map(answered.map(({ message_id, texts }) => [message_id, texts]))
    for (const { message_id, where } of lines) {
      const [text, ...more] = said.get(message_id) ?? []
      assert.oneOf(text, [wordsOf(where), "cups.count was given up: its host ended under it 5 times."])
      assert.deepEqual(more, [], where)
    }
    const page = await host.get("/chat?limit=500")
    assert.isAtLeast(page.items.length, lines.length)
    const told = await database.query<{ message_id: string; n: number }>(
      `select e.message_id, count(a.seq)::int as n
       from events e left join audit_events a on a.trace_id = e.trace_id and a.type = 'response.sent'
       where e.message_id like 'c-%' group by e.message_id`
    )
    assert.lengthOf(told, lines.length)
    assert.deepEqual(told.filter(({ n }) => n !== 1), [])
  }, 300_000)
})
