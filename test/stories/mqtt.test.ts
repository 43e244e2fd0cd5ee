/**
 * A house whose things speak MQTT: a real broker, a real host, and the broker's own command line on the other side. A rule
 * answers each message on another topic.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Listening, missing, type Mosquitto, startMosquitto } from "../servers/Mosquitto.ts"
import { loudly } from "../servers/ServerProcess.ts"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder, type Host, startHost } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"

const configuration = (url: string) => `
import { defineConfig } from "syris"
import mqtt from "syris/plugins/mqtt"

export default defineConfig({
  timezone: "UTC",
  autonomy: "A3",
  plugins: [mqtt({ url: "${url}", topics: ["ask/#"] })],
  rules: [{
    name: "answer",
    when: { all: [{ path: "content.structured.topic", op: "eq", value: "ask/me" }] },
    then: [{ tool: "mqtt.publish", input: { topic: "told/you", payload: "{{content.structured.payload.n}}" } }]
  }]
})
`

const lacking = missing()

describe.skipIf(lacking.length > 0)(`a house that speaks MQTT${loudly(lacking)}`, () => {
  const place = folder("mqtt")
  let broker: Mosquitto
  let database: OwnDatabase
  let host: Host
  let told: Listening

  const start = () => startHost({ home: place, config: path.join(place, "syris.config.ts"), databaseUrl: database.url })
  const ask = (n: string) => broker.publish("ask/me", JSON.stringify({ n }))
  const answers = () => told.heard().map(({ payload }) => payload)
  const events = async () =>
    (await database.query<{ n: string }>(
      "select structured->'payload'->>'n' as n from events where channel = 'mqtt' order by ingested_at"
    )).map(({ n }) => n)
  const degraded = async () => ((await host.get("/health")) as { degraded: ReadonlyArray<string> }).degraded
  const listens = () => until("it to listen", async () => !(await degraded()).includes("channel mqtt"))
  const times = (n: string) => answers().filter((answer) => answer === n).length

  beforeAll(async () => {
    ;[broker, database] = await Promise.all([startMosquitto(), makeDatabase()])
    fs.writeFileSync(path.join(place, "syris.config.ts"), configuration(broker.url))
    told = await broker.listen("told/#")
    host = await start()
  }, 120_000)
  afterAll(async () => {
    await host?.kill()
    await Promise.all([broker?.close(), database?.close()])
    fs.rmSync(place, { recursive: true, force: true })
  })

  it("is answered, with the whole story in the audit", async () => {
    await until("the session", () => broker.log().includes("ask/#"))
    await ask("first")
    await until("the answer", () => times("first") === 1)
    const [event] = await database.query<{ trace_id: string }>("select trace_id from events where channel = 'mqtt'")
    const types = await until("the end", async () => {
      const { items } = await host.get(`/audit?trace_id=${event!.trace_id}`)
      const found = (items as ReadonlyArray<{ readonly type: string }>).map(({ type }) => type)
      return found.includes("tool_call.succeeded") && found
    })
    assert.includeMembers(types, ["event.ingested", "rule.triggered", "tool_call.attempted", "tool_call.succeeded"])
  })

  it("is told that the broker is away, and goes on by itself when it is back", async () => {
    await broker.kill()
    await until("the health to say so", async () => (await degraded()).includes("channel mqtt"))
    await broker.start()
    await listens()
    told = await broker.listen("told/#")
    await ask("second")
    await until("the answer", () => times("second") === 1)
  })

  it(
    "loses nothing that came while the host was away, and doubles nothing when it is killed in the midst",
    async () => {
      await host.kill()
      await ask("third")
      host = await start()
      await until("the answer", () => times("third") === 1)
      const many = Array.from({ length: 24 }, (_, i) => `n${i}`)
      const asked = (async () => {
        for (const n of many) await ask(n)
      })()
      await until("some of the stream", () => answers().length > 5)
      await host.kill()
      host = await start()
      await asked
      await until("all of them", async () => (await events()).length >= many.length + 3)
      await ask("last")
      await until("the last", () => times("last") === 1)
      assert.sameMembers(await events(), ["first", "second", "third", ...many, "last"])
      // What was under way when the host was killed is known to nobody: it is not sent again, and a person is asked.
      const open = await until("every other answer", async () => {
        const left = await database.query<{ n: string }>(
          `select c.input->>'payload' as n from tool_calls c
         where c.tool = 'mqtt.publish' and c.attempts = 1
           and (c.status = 'unknown' or (c.status = 'attempted' and c.held_by in (
             select h.host_id from hosts h where h.started_at < (select max(started_at) from hosts))))`
        )
        const names = left.map(({ n }) => n)
        return many.every((n) => times(n) > 0 || names.includes(n)) && names
      })
      for (const n of many) assert.isAtMost(times(n), 1, n)
      assert.isAtMost(open.length, 10)
    },
    120_000
  )
})
