/**
 * The stand-in for Home Assistant, seen with HA's own client library and, frame by frame, against the fixtures.
 */
import {
  type Connection,
  createConnection,
  createLongLivedTokenAuth,
  ERR_INVALID_AUTH,
  callService,
  getConfig,
  getServices,
  getStates,
  type HassEntities,
  subscribeEntities
} from "home-assistant-js-websocket"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { until } from "../storms/Until.ts"
import { startHomeAssistantProcess } from "./HomeAssistantProcess.ts"
import { type HomeAssistantOptions, type HomeAssistantServer, startHomeAssistant } from "./HomeAssistantServer.ts"

const token = "the-token-of-the-house"
const open: Array<() => unknown> = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const houseWith = async (options: Partial<HomeAssistantOptions> = {}): Promise<HomeAssistantServer> => {
  const house = await startHomeAssistant({ token, ...options })
  open.push(() => {
    house.speak()
    return house.stop()
  })
  return house
}

const connect = async (house: HomeAssistantServer, as = token): Promise<Connection> => {
  const connection = await createConnection({ auth: createLongLivedTokenAuth(house.url, as), setupRetry: 0 })
  open.push(() => connection.close())
  return connection
}

/** What the client's collection of entities has at last. */
const collect = (connection: Connection): () => HassEntities => {
  let last: HassEntities = {}
  open.push(subscribeEntities(connection, (entities) => {
    last = entities
  }))
  return () => last
}

/** The frames themselves. */
const raw = (house: HomeAssistantServer) => {
  const socket = new WebSocket(`${house.url.replace("http", "ws")}/api/websocket`)
  const frames: Array<any> = []
  let ended = false
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString("utf8"))))
  socket.on("close", () => {
    ended = true
  })
  socket.on("error", () => {})
  open.push(() => socket.terminate())
  const next = (type: string): Promise<any> =>
    until(`a frame of type ${type}`, () => {
      const place = frames.findIndex((frame) => frame.type === type)
      return place < 0 ? undefined : frames.splice(place, 1)[0]
    })
  const opened = new Promise((resolve) => socket.on("open", resolve))
  const send = (frame: unknown): void => void opened.then(() => socket.send(JSON.stringify(frame)))
  return { send, next, frames, ended: () => ended }
}

const signedIn = async (house: HomeAssistantServer) => {
  const client = raw(house)
  await client.next("auth_required")
  client.send({ type: "auth", access_token: token })
  await client.next("auth_ok")
  return client
}

const fixtures = path.join(import.meta.dirname, "..", "fixtures", "home-assistant")
const fixture = (name: string): any => JSON.parse(fs.readFileSync(path.join(fixtures, `${name}.json`), "utf8"))

/** The shape of JSON: names and types, to the bottom; attributes, which differ from entity to entity, count as one. */
const shape = (value: unknown, name = ""): unknown => {
  if (value === null) return "null"
  if (name === "attributes" || name === "a" || name === "translation_placeholders") return "object"
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])]
  if (typeof value !== "object") return typeof value
  return Object.fromEntries(Object.entries(value).sort().map(([key, inner]) => [key, shape(inner, key)]))
}

describe("a stand-in for Home Assistant", () => {
  it("lets HA's own client in, and gives it states, services and its configuration", async () => {
    const house = await houseWith()
    const connection = await connect(house)
    const states = await getStates(connection)
    expect(states.map(({ entity_id }) => entity_id)).toContain("lock.front_door")
    expect(Object.keys((await getServices(connection))["light"] ?? {})).toEqual(["turn_on", "turn_off", "toggle"])
    expect(await getConfig(connection)).toMatchObject({ state: "RUNNING", time_zone: "Europe/London" })
    expect(house.connections()).toBe(1)
  })

  it("refuses a wrong token, and any token while it is told to", async () => {
    const house = await houseWith()
    await expect(connect(house, "wrong")).rejects.toBe(ERR_INVALID_AUTH)
    house.refuseAuth(true)
    await expect(connect(house)).rejects.toBe(ERR_INVALID_AUTH)
    house.refuseAuth(false)
    expect((await connect(house)).connected).toBe(true)
  })

  it("tells the client's collection of each change, whoever made it", async () => {
    const house = await houseWith()
    const connection = await connect(house)
    const entities = collect(connection)
    await until("the entities", () => entities()["switch.kettle"])
    house.setState("switch.kettle", "on", { power: 1_800 })
    await until("the kettle", () => entities()["switch.kettle"]?.state === "on")
    expect(entities()["switch.kettle"]?.attributes).toMatchObject({ power: 1_800, friendly_name: "Kettle" })
    await callService(connection, "light", "turn_on", { brightness_pct: 40 }, { area_id: "kitchen" })
    await until("the lights", () => entities()["light.kitchen_counter"]?.state === "on")
    expect(entities()["light.kitchen_ceiling"]?.attributes["brightness"]).toBe(102)
    house.removeEntity("switch.kettle")
    await until("no kettle", () => entities()["switch.kettle"] === undefined)
    const now = Object.fromEntries((await getStates(connection)).map((state) => [state.entity_id, state]))
    for (const [entity_id, { state, attributes, last_changed, last_updated }] of Object.entries(entities())) {
      const { state: is, attributes: has, last_changed: changed, last_updated: updated } = now[entity_id]!
      expect({ entity_id, state, attributes }).toEqual({ entity_id, state: is, attributes: has })
      expect(Math.abs(Date.parse(last_changed) - Date.parse(changed))).toBeLessThan(2)
      expect(Math.abs(Date.parse(last_updated) - Date.parse(updated))).toBeLessThan(2)
    }
  })

  it("has the client back after a cut and after a restart, with every state that changed meanwhile", async () => {
    const house = await houseWith()
    const connection = await connect(house)
    const entities = collect(connection)
    await until("the entities", () => entities()["switch.kettle"])
    house.drop()
    house.setState("switch.kettle", "on")
    await until("the kettle after a cut", () => entities()["switch.kettle"]?.state === "on")
    const before = house.states.get("lock.front_door")
    await house.stop()
    house.setState("switch.kettle", "off")
    await house.start()
    await until("the kettle after a restart", () => entities()["switch.kettle"]?.state === "off")
    expect(house.states.get("lock.front_door")).toMatchObject({ state: "locked" })
    expect(house.states.get("lock.front_door")?.context).not.toEqual(before?.context)
  })

  it("starts as HA does where it is told to: everything is unavailable at first", async () => {
    const house = await houseWith()
    await house.stop()
    await house.start({ settling: true })
    const connection = await connect(house)
    const entities = collect(connection)
    await until("an entity", () => entities()["lock.front_door"]?.state === "unavailable")
    expect((await getConfig(connection)).state).toBe("STARTING")
    house.settle()
    await until("the lock", () => entities()["lock.front_door"]?.state === "locked")
    expect((await getConfig(connection)).state).toBe("RUNNING")
  })

  it("is dead but connected while it is silent", async () => {
    const house = await houseWith()
    const connection = await connect(house)
    house.silence()
    let answered = false
    const ping = connection.ping().then(() => {
      answered = true
    })
    const other = raw(house)
    house.setState("switch.kettle", "on")
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect([answered, connection.connected, other.frames]).toEqual([false, true, []])
    house.speak()
    await ping
  })

  it("notes every call, also those that it fails, and those that it does and never answers", async () => {
    const house = await houseWith()
    const connection = await connect(house)
    house.failNextCall("home_assistant_error", "The lock is jammed.")
    const unlock = () => callService(connection, "lock", "unlock", {}, { entity_id: "lock.front_door" })
    await expect(unlock()).rejects.toEqual({ code: "home_assistant_error", message: "The lock is jammed." })
    expect(house.state("lock.front_door")).toBe("locked")
    house.loseAnswers(1, "cut")
    await expect(unlock()).rejects.toMatchObject({ error: { code: 3 } })
    expect(house.state("lock.front_door")).toBe("unlocked")
    expect(house.calls.map(({ outcome, answered }) => [outcome, answered]))
      .toEqual([["home_assistant_error", true], ["done", false]])
  })

  it("goes through `unlocking` where a lock takes its time", async () => {
    const house = await houseWith({ transitionMs: 50 })
    const connection = await connect(house)
    await callService(connection, "lock", "unlock", {}, { entity_id: "lock.front_door" })
    await until("the lock", () => house.state("lock.front_door") === "unlocked")
    expect(house.changes.map(({ state }) => state)).toEqual(["unlocking", "unlocked"])
    expect(new Set(house.changes.map(({ context_id }) => context_id))).toEqual(new Set([house.calls[0]?.context.id]))
  })

  it("refuses what HA refuses, with HA's codes", async () => {
    const house = await houseWith()
    const connection = await connect(house)
    const call = (domain: string, service: string, data: object, target?: object) =>
      callService(connection, domain, service, data, target).then(() => "done", ({ code }) => code)
    expect(await call("light", "explode", {}, { entity_id: "light.kitchen_ceiling" })).toBe("not_found")
    expect(await call("light", "turn_on", {})).toBe("invalid_format")
    expect(await call("light", "turn_on", { brightness_pct: 140 }, { entity_id: "light.kitchen_ceiling" }))
      .toBe("invalid_format")
    expect(await call("light", "turn_on", { warmth: 3 }, { entity_id: "light.kitchen_ceiling" })).toBe("invalid_format")
    expect(await call("climate", "set_temperature", { temperature: 60 }, { entity_id: "climate.living_room" }))
      .toBe("service_validation_error")
    expect(await call("alarm_control_panel", "alarm_disarm", {}, { entity_id: "alarm_control_panel.home" }))
      .toBe("service_validation_error")
    expect(await call("lock", "open", {}, { entity_id: "lock.front_door" })).toBe("service_validation_error")
    // Nothing is said of an entity that is not there.
    expect(await call("light", "turn_on", {}, { entity_id: "light.nowhere" })).toBe("done")
    expect(house.changes).toEqual([])
  })

  it("finds the lights of an area through their devices, and leaves hidden ones out", async () => {
    const house = await houseWith()
    house.addEntities({ entity_id: "light.shelf", area_id: "living_room", hidden: true })
    const connection = await connect(house)
    await callService(connection, "light", "turn_on", {}, { area_id: "living_room" })
    expect(house.calls[0]?.entity_ids).toEqual(["light.living_room_ceiling", "light.reading_lamp"])
  })

  it("says when the registries change, and keeps aliases for those who ask for the entry", async () => {
    const house = await houseWith()
    const connection = await connect(house)
    const heard: Array<unknown> = []
    await connection.subscribeEvents<{ data: unknown }>(({ data }) => void heard.push(data), "entity_registry_updated")
    house.setAlias("lock.front_door", "main door")
    house.moveToArea("switch.kettle", "living_room")
    house.renameEntity("switch.kettle", "switch.tea")
    await until("three changes", () => heard.length === 3)
    expect(heard[2]).toMatchObject({ action: "update", entity_id: "switch.tea", old_entity_id: "switch.kettle" })
    const ask = <A>(message: { type: string; [field: string]: unknown }) => connection.sendMessagePromise<A>(message)
    const list = await ask<ReadonlyArray<any>>({ type: "config/entity_registry/list" })
    expect(list.find(({ entity_id }) => entity_id === "switch.tea")).toMatchObject({ area_id: "living_room" })
    const entries = await ask<any>({ type: "config/entity_registry/get_entries", entity_ids: ["lock.front_door"] })
    expect(entries["lock.front_door"].aliases).toEqual(["main door"])
    await expect(ask({ type: "config/nothing" })).rejects.toMatchObject({ code: "unknown_command" })
  })

  it("keeps calls and states in its journal", async () => {
    const journal = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "syris-house-")), "journal")
    open.push(() => fs.rmSync(path.dirname(journal), { recursive: true }))
    const house = await houseWith({ journal })
    const connection = await connect(house)
    await callService(connection, "switch", "turn_on", {}, { entity_id: "switch.kettle" })
    fs.appendFileSync(journal, `{"state":{"ent`) // it is killed as it writes
    const again = await houseWith({ journal })
    expect([again.state("switch.kettle"), again.calls.length]).toEqual(["on", 1])
  })

  it("floods: every change is one frame, in order", async () => {
    const house = await houseWith({ empty: true })
    const connection = await connect(house)
    const seen: Array<number> = []
    const hear = ({ data }: { data: any }): void => void seen.push(Number(data.new_state.state))
    await connection.subscribeEvents<{ data: any }>(hear, "state_changed")
    const sent = await house.flood({ rate: 2_000, seconds: 0.5, entities: 50 })
    await until("all of them", () => seen.length >= sent)
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1))
  })
})

describe("the same as a process", () => {
  it("is killed and started again on the same port, and has lost nothing", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-house-"))
    const house = await startHomeAssistantProcess({ token, journal: path.join(folder, "journal") })
    open.push(() => fs.rmSync(folder, { recursive: true }), house.close)
    const connection = await createConnection({ auth: createLongLivedTokenAuth(house.url, token), setupRetry: 0 })
    open.push(() => connection.close())
    const entities = collect(connection)
    await callService(connection, "switch", "turn_on", {}, { entity_id: "switch.kettle" })
    await house.ask("setState", "binary_sensor.hall_motion", "on")
    await house.kill()
    expect(house.calls()).toMatchObject([{ domain: "switch", entity_ids: ["switch.kettle"], outcome: "done" }])
    await house.start()
    await until("the connection", async () => await house.ask("connections") === 1 && connection.connected)
    await callService(connection, "switch", "turn_off", {}, { entity_id: "switch.kettle" })
    await until("the switch", () => entities()["switch.kettle"]?.state === "off")
    expect(entities()["binary_sensor.hall_motion"]?.state).toBe("on")
    expect(house.changes().map(({ state }) => state)).toEqual(["on", "on", "off"])
    await expect(house.ask("state", "light.nowhere")).rejects.toThrow("There is no entity light.nowhere.")
  })
})

describe("its frames", () => {
  it("have the shape of those that HA publishes", async () => {
    const house = await houseWith()
    const client = raw(house)
    const required = await client.next("auth_required")
    client.send({ type: "auth", access_token: token })
    const ok = await client.next("auth_ok")
    client.send({ id: 18, type: "subscribe_events", event_type: "state_changed" })
    const subscribed = await client.next("result")
    const target = { entity_id: "light.kitchen_counter" }
    client.send({ id: 24, type: "call_service", domain: "light", service: "turn_on", target, return_response: false })
    const event = await client.next("event")
    const called = await client.next("result")
    client.send({ id: 25, type: "subscribe_events", event_type: 100 })
    const malformed = await client.next("result")
    const climate = { domain: "climate", service: "set_temperature", service_data: { temperature: 60 } }
    client.send({ id: 26, type: "call_service", ...climate, target: { entity_id: "climate.living_room" } })
    const invalid = await client.next("result")
    client.send({ id: 27, type: "ping" })
    const pong = await client.next("pong")
    const wrong = raw(house)
    wrong.send({ type: "auth", access_token: "nobody" })
    const refused = await wrong.next("auth_invalid")
    await until("the end of it", wrong.ended)
    const frames = { required, ok, subscribed, event, called, malformed, invalid, pong, refused }
    for (const [name, frame] of Object.entries(frames)) {
      expect([name, shape(frame)]).toEqual([name, shape(fixture(name))])
    }
    expect(event.event.context).toEqual(called.result.context)
    expect(event.event.time_fired).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$/)
  })

  it("have lists of registries and compressed states with the names that HA gives them", async () => {
    const client = await signedIn(await houseWith())
    for (const [id, name] of [[1, "area"], [2, "device"], [3, "entity"]] as const) {
      client.send({ id, type: `config/${name}_registry/list` })
      const { result } = await client.next("result")
      expect([name, Object.keys(result[0]).sort()]).toEqual([name, Object.keys(fixture("registries")[name]).sort()])
    }
    client.send({ id: 4, type: "subscribe_entities", entity_ids: ["switch.kettle"] })
    const first = await client.next("event")
    expect(shape(first.event.a["switch.kettle"])).toEqual(shape(fixture("compressed").added))
    client.send({
      id: 5,
      type: "call_service",
      domain: "switch",
      service: "turn_on",
      target: { entity_id: "switch.kettle" }
    })
    const change = await client.next("event")
    expect(shape(change.event.c["switch.kettle"])).toEqual(shape(fixture("compressed").changed))
  })

  it("come as arrays only to a client that takes them", async () => {
    const house = await houseWith()
    const client = await signedIn(house)
    client.send({ id: 1, type: "supported_features", features: { coalesce_messages: 1 } })
    await client.next("result")
    client.send({ id: 2, type: "subscribe_events" })
    await client.next("result")
    for (let change = 0; change < 10; change++) house.setState("switch.kettle", change % 2 === 0 ? "on" : "off")
    const coalesced = await until("an array", () => client.frames.find(Array.isArray))
    expect(coalesced.map(({ event }: any) => event.data.new_state.state)).toHaveLength(10)
    client.send({ id: 2, type: "get_states" })
    expect((await client.next("result")).error).toMatchObject({ code: "id_reuse" })
  })

  it("end for a client that reads nothing of thousands", async () => {
    const house = await houseWith()
    const client = raw(house)
    client.send({ type: "auth", access_token: token })
    await client.next("auth_ok")
    client.send({ id: 1, type: "subscribe_events" })
    await client.next("result")
    house.silence() // nothing is taken off its hands
    for (let change = 0; change < 5_000; change++) house.setState("switch.kettle", String(change))
    await until("the end of it", () => house.connections() === 0)
  })
})
