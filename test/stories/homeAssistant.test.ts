/**
 * A house run by SYRIS: what is said in the chat, what happens in the house, what asks first; and what becomes of all that
 * when Home Assistant or the host is killed. The stand-in for Home Assistant knows every call that came, and nothing of the
 * host, so it can contradict it.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type HomeAssistantProcess, startHomeAssistantProcess } from "../servers/HomeAssistantProcess.ts"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { makeRandom, moment, seed, until } from "../storms/Until.ts"
import { type HostProcess, type Place, startHost } from "./HostProcess.ts"

const token = "the-long-lived-token-of-the-house"
const switches = Array.from({ length: 40 }, (_, number) => `switch.wall_${number}`)

const config = (url: string) => `
import { defineConfig, definePlugin, defineTool, Schema, ToolUnknown } from "syris"
import homeAssistant from "syris/plugins/home-assistant"

// What the plugin would be if it sent again whatever was not answered.
const careless = definePlugin({ name: "careless", setup: () => ({
  tools: [defineTool({
    name: "careless.press", description: "Press a button.", input: Schema.Struct({ entity_id: Schema.String }),
    output: Schema.Struct({ message: Schema.String }), effect: "write", risk: "low", scopes: [], guarantee: "native_key",
    run: ({ entity_id }, { signal }) => new Promise((resolve, reject) => {
      const socket = new WebSocket("${url.replace("http", "ws")}/api/websocket")
      const send = (message) => socket.send(JSON.stringify(message))
      signal.addEventListener("abort", () => socket.close())
      socket.addEventListener("close", () => reject(new ToolUnknown("It is not known.")))
      socket.addEventListener("message", ({ data }) => {
        const { success, type } = JSON.parse(data)
        if (type === "auth_required") send({ type: "auth", access_token: "${token}" })
        if (type === "auth_ok") send({ id: 1, type: "call_service", domain: "lock", service: "unlock", target: { entity_id } })
        if (success) resolve({ message: "Pressed." })
      })
    })
  })],
  intents: [{ name: "careless.press", tool: "careless.press", patterns: [/press (?<entity_id>[a-z_.]+)/] }]
}) })

export default defineConfig({
  timezone: "UTC",
  plugins: [homeAssistant({ url: "${url}", token: "${token}" }), careless()],
  rules: [
    {
      name: "somebody comes",
      when: { all: [
        { path: "source.channel", op: "eq", value: "ha_event" },
        { path: "content.structured.entity_id", op: "eq", value: "binary_sensor.hall_motion" },
        { path: "content.structured.state", op: "eq", value: "on" }
      ] },
      then: [{ tool: "ha.device.control", input: { target: "light.reading_lamp", action: "on" } }]
    },
    {
      name: "a lamp for each switch",
      when: { all: [
        { path: "source.channel", op: "eq", value: "ha_event" },
        { path: "content.structured.entity_id", op: "starts_with", value: "switch.wall_" }
      ] },
      then: [{ tool: "ha.device.control", input: { target: "lamp of {{content.structured.name}}", action: "on" } }]
    }
  ]
})
`

describe("a house with Home Assistant", () => {
  const home = folder("homeassistant")
  let database: OwnDatabase
  let ha: HomeAssistantProcess
  let host: HostProcess
  let place: Place

  beforeAll(async () => {
    database = await makeDatabase()
    ha = await startHomeAssistantProcess({
      token,
      journal: path.join(home, "journal"),
      entities: [
        ...[1, 2, 3, 4, 5, 6].map((number) => ({
          entity_id: `light.office_${number}`,
          state: "on",
          area_id: "office"
        })),
        ...switches.map((entity_id, number) => ({ entity_id, name: `Wall ${number}` })),
        ...switches.map((_, number) => ({ entity_id: `light.of_wall_${number}`, name: `Lamp of Wall ${number}` })),
        { entity_id: "lock.back_door", state: "locked" },
        { entity_id: "lock.cellar", state: "locked" },
        { entity_id: "switch.restless" }
      ]
    })
    await ha.ask("addArea", { area_id: "office", name: "Office" })
    const file = path.join(home, "syris.config.ts")
    fs.writeFileSync(file, config(ha.url))
    place = { home, config: file, databaseUrl: database.url }
    host = await startHost(place)
    await listening()
  })
  afterAll(async () => {
    await host?.kill()
    await ha?.close()
    await database?.close()
    fs.rmSync(home, { recursive: true, force: true })
  })

  const listening = () => until("the host to listen to the house", async () => await ha.ask("connections") > 0)
  const health = async (): Promise<ReadonlyArray<string>> => (await host.get("/health")).degraded
  const say = (text: string) => host.send({ channel: "chat", text })
  const traceOf = (ids: { readonly trace_id: string }) => host.get(`/traces/${ids.trace_id}`)
  /** The calls of a service for an entity, by what Home Assistant saw. */
  const calls = (entity_id: string, service?: string) =>
    ha.calls().filter((call) =>
      call.entity_ids.includes(entity_id) && (service === undefined || call.service === service)
    )
  /** The events that the host made of an entity's changes, oldest first. */
  const eventsOf = (entity_id: string) =>
    database.query<{ readonly state: string; readonly trace_id: string }>(
      "select structured->>'state' as state, trace_id from events where channel = 'ha_event' and structured->>'entity_id' = $1 order by occurred_at",
      [entity_id]
    )
  /**
   * The half minute is over in which a call that was not answered could still land: the stand-in has none under way, and nobody
   * needs to wait for that.
   */
  const nothingCanLand = async () => {
    await database.query("update tool_calls set quiet_at = clock_timestamp() where status = 'unknown'")
    await database.query(
      "update work set due_at = clock_timestamp() where waits_for is null and due_at > clock_timestamp()"
    )
  }
  const settled = (ids: { readonly trace_id: string }) =>
    until("the trace to settle", async () => {
      await nothingCanLand()
      const trace = await traceOf(ids)
      if (!trace.settled) throw new Error(JSON.stringify([trace.tool_calls, trace.audit]))
      return trace
    })
  const approve = async (ids: { readonly trace_id: string }) => {
    const pending = await until("the question", async () => {
      const { items } = await host.get("/approvals?status=pending")
      return items.find((approval: any) => approval.trace_id === ids.trace_id)
    })
    const { status } = await host.request(`/approvals/${pending.approval_id}/approve`, {
      method: "POST",
      body: JSON.stringify({ what_hash: pending.what_hash })
    })
    assert.strictEqual(status, 200)
    return pending
  }

  it("turns off the kitchen lights when it is told to in the chat, once, and says so", async () => {
    const said = await say("turn off the kitchen lights")
    assert.strictEqual(said.outcome, "succeeded", JSON.stringify(said))
    assert.match(said.reply, /Kitchen/)
    const [call, ...more] = ha.calls()
    assert.deepEqual(more, [])
    assert.deepInclude(call, { domain: "light", service: "turn_off" })
    assert.sameMembers([...call!.entity_ids], ["light.kitchen_ceiling", "light.kitchen_counter"])
    assert.strictEqual(await ha.ask("state", "light.kitchen_ceiling"), "off")
    const types = (await traceOf(said)).audit.map(({ type }: any) => type)
    assert.includeMembers(types, ["event.ingested", "tool_call.attempted", "tool_call.succeeded", "response.sent"])
  })

  it("calls a service by a rule when something happens in the house", async () => {
    await ha.ask("setState", "binary_sensor.hall_motion", "on")
    await until("the lamp", () => calls("light.reading_lamp").length > 0)
    const [event, ...more] = await eventsOf("binary_sensor.hall_motion")
    assert.deepEqual(more, [])
    const trace = await settled(event!)
    assert.include(trace.audit.map(({ type }: any) => type), "rule.triggered")
    assert.strictEqual(calls("light.reading_lamp", "turn_on").length, 1)
  })

  it("asks before it unlocks a door, and does it once after the yes", async () => {
    const asked = await say("unlock the front door")
    assert.strictEqual(asked.outcome, "waiting", JSON.stringify(asked))
    assert.deepEqual(calls("lock.front_door"), [])
    const pending = await approve(asked)
    assert.match(pending.preview, /locked → unlocked/)
    const end = await settled(asked)
    assert.strictEqual(end.outcome, "succeeded")
    assert.strictEqual(calls("lock.front_door", "unlock").length, 1)
    assert.strictEqual(await ha.ask("state", "lock.front_door"), "unlocked")
  })

  it("takes six lights at once for worse than one", async () => {
    const risk = async (text: string) => {
      const trace = await traceOf(await say(text))
      return trace.tool_calls[0]?.effective_risk ?? trace.tool_calls[0]?.risk
    }
    assert.strictEqual(await risk("turn off office 1"), "low")
    assert.strictEqual(await risk("turn off the office lights"), "medium")
  })

  it("opens a door once whose answer was lost: it looks before it would do it again", async () => {
    await ha.ask("loseAnswers", 1, "cut")
    const asked = await say("unlock the back door")
    await approve(asked)
    await until("the call", () => calls("lock.back_door").length > 0)
    await ha.ask("loseAnswers", 0)
    const end = await settled(asked)
    assert.strictEqual(end.outcome, "succeeded", JSON.stringify(end.tool_calls))
    assert.strictEqual(calls("lock.back_door", "unlock").length, 1)
    assert.isFalse(calls("lock.back_door")[0]?.answered)
    await listening()
  })

  it("says at once that Home Assistant is gone, takes up what changed meanwhile, and nothing twice", async () => {
    await until("a healthy host", async () => !(await health()).some((name) => /ha_event|home/.test(name)))
    // What the story before left: it was lost on the wire, and found when the connection was there again.
    await until("its door", async () => (await eventsOf("lock.back_door")).length > 0)
    const before = await database.query("select count(*)::int as n from events where channel = 'ha_event'")
    const began = performance.now()
    await ha.kill()
    await until("the health to say so", async () => (await health()).some((name) => /ha_event|home/.test(name)))
    assert.isBelow(performance.now() - began, 30_000)
    const refused = await say("turn on the kitchen lights")
    assert.strictEqual(refused.outcome, "failed", JSON.stringify(refused))
    // Somebody pulled the plug meanwhile.
    const changed = { entity_id: "switch.kettle", state: "on", attributes: {} }
    fs.appendFileSync(path.join(home, "journal"), `${JSON.stringify({ state: changed })}\n`)
    await ha.start()
    await until("the change", async () => (await eventsOf("switch.kettle")).length > 0)
    await until("a healthy host", async () => !(await health()).some((name) => /ha_event|home/.test(name)))
    await ha.ask("setState", "switch.coffee_machine", "on")
    await until("the next change", async () => (await eventsOf("switch.coffee_machine")).length > 0)
    assert.deepEqual((await eventsOf("switch.kettle")).map(({ state }) => state), ["on"])
    const after = await database.query("select count(*)::int as n from events where channel = 'ha_event'")
    assert.strictEqual(after[0]!["n"] - before[0]!["n"], 2, "what did not change is no event")
  }, 60_000)

  it("killed at random while switches are flipped: each flip is one event, and lights one lamp once", async () => {
    const random = makeRandom(seed)
    let flipped = 0
    const flip = async () => {
      for (const entity_id of switches) {
        await ha.ask("setState", entity_id, "on")
        await ha.ask("setState", "switch.restless", flipped++ % 2 === 0 ? "on" : "off")
        await moment(random() * 200)
      }
    }
    const flipping = flip()
    for (let kill = 0; kill < 2; kill++) {
      await moment(200 + random() * 1_500)
      await host.kill()
      host = await startHost(place)
    }
    await flipping
    await until("every flip", async () => {
      const counts = await Promise.all(switches.map(async (entity_id) => (await eventsOf(entity_id)).length))
      return counts.every((count) => count > 0)
    })
    await until("all of it to end", async () => {
      await nothingCanLand()
      const left = await database.query(
        "select w.kind, w.waits_for, e.text, c.tool, c.status, c.input, c.error from work w left join events e using (event_id) " +
          "left join tool_calls c on c.event_id = w.event_id where w.waits_for is distinct from 'approval'"
      )
      if (left.length > 0) throw new Error(JSON.stringify(left.slice(0, 5)))
      return true
    })
    for (const [number, entity_id] of switches.entries()) {
      const lamp = `light.of_wall_${number}`
      const states = (await eventsOf(entity_id)).map(({ state }) => state)
      assert.deepEqual([entity_id, states], [entity_id, ["on"]], `seed ${seed}`)
      assert.deepEqual([lamp, calls(lamp).length], [lamp, 1], `seed ${seed}`)
    }
    // Of one that was flipped and flipped back while nobody was there only the last is known; none is told twice.
    const restless = await until("its last change", async () => {
      const all = await database.query(
        "select message_id, structured->>'state' as state from events where channel = 'ha_event' and structured->>'entity_id' = 'switch.restless' order by occurred_at"
      )
      return all.at(-1)?.["state"] === await ha.ask("state", "switch.restless") && all
    })
    assert.strictEqual(new Set(restless.map(({ message_id }) => message_id)).size, restless.length)
  }, 60_000)

  it("killed with a door in its hands: it looks, where a plain repeat opens it twice", async () => {
    await ha.ask("loseAnswers", 1)
    const asked = await say("unlock the cellar")
    await approve(asked)
    await until("the call", () => calls("lock.cellar").length > 0)
    const careless = await host.request("/events", {
      method: "POST",
      body: JSON.stringify({ channel: "chat", text: "press lock.front_door" })
    })
    const pressed = await careless.json() as { readonly trace_id: string }
    const once = calls("lock.front_door").length
    await until(
      "the careless call",
      () => calls("lock.front_door").length > once || calls("lock.front_door").length === 2
    )
    await host.kill()
    await ha.ask("loseAnswers", 0)
    host = await startHost(place)
    const end = await settled(asked)
    assert.strictEqual(end.outcome, "succeeded", JSON.stringify(end.tool_calls))
    assert.strictEqual(calls("lock.cellar", "unlock").length, 1)
    await settled(pressed)
    // One was in the story before.
    assert.strictEqual(calls("lock.front_door", "unlock").length, 3, "the control sees what is done twice")
  }, 60_000)
})
