/**
 * What happens in a house comes once: over lost connections, restarts of either side, and a host that is slow. The house is
 * the stand-in of `test/servers`.
 */
import { Effect } from "effect"
import * as net from "node:net"
import { afterEach, assert, describe, it } from "vitest"
import { normalise } from "../../core/pipeline/Normaliser.ts"
import { type HomeAssistantServer, startHomeAssistant } from "../../test/servers/HomeAssistantServer.ts"
import { makeFilter } from "./Filter.ts"
import { makeHouse } from "./House.ts"
import { makeListening } from "./Listening.ts"
import { makeListeningHost } from "./ListeningHost.ts"

const token = "the-token-of-the-house"
const closing: Array<() => unknown> = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const start = async (): Promise<HomeAssistantServer> => {
  const server = await startHomeAssistant({ token })
  closing.push(() => {
    server.speak()
    return server.stop()
  })
  return server
}

const receiveFrom = (
  server: Pick<HomeAssistantServer, "url">,
  options: { readonly atOnce?: number; readonly most?: number; readonly pingMs?: number; readonly exclude?: string } =
    {}
) => {
  const { exclude, ...rest } = options
  return makeListening({
    house: makeHouse(new URL(`${server.url}/`), quiet),
    token,
    connectorId: "ha_event",
    events: ["state_changed", "syris_message"],
    takes: makeFilter(exclude === undefined ? {} : { exclude: [exclude] }),
    ...rest
  })
}

const listen = (
  server: HomeAssistantServer,
  host = makeListeningHost(),
  options: Parameters<typeof receiveFrom>[1] = {},
  as = token
) => {
  const life = host.listen(receiveFrom(server, options), as)
  closing.push(life.stop)
  return { host, life }
}

/** What the house says that it told, as the channel names it. */
const idsOf = (server: HomeAssistantServer) =>
  server.changes.map(({ context_id, entity_id }) => `${entity_id} ${context_id}`)
const takenIds = (host: ReturnType<typeof makeListeningHost>) =>
  host.taken.map((event) => event.message_id!.split(" ").slice(0, 2).join(" "))

describe("listening", () => {
  it("tells of each change once, in the words of a rule, and of nothing that was before", async () => {
    const server = await start()
    const { host } = listen(server)
    await host.when(() => host.connected() === 1)
    assert.deepStrictEqual(host.taken, [])
    server.setState("light.kitchen_counter", "on", { brightness: 200 })
    await host.when(() => host.taken.length === 1)
    const [event] = host.taken
    assert.strictEqual(event!.text, undefined)
    assert.strictEqual(event!.channel, "ha_event")
    const { attributes, changed_at, context, updated_at, ...rest } = event!.structured as Record<string, unknown>
    assert.deepStrictEqual(rest, {
      event_type: "state_changed",
      entity_id: "light.kitchen_counter",
      domain: "light",
      name: "Kitchen counter",
      area: "Kitchen",
      area_id: "kitchen",
      from: "off",
      to: "on",
      state: "on"
    })
    assert.deepStrictEqual(attributes, { brightness: 200 })
    assert.ok(typeof changed_at === "string" && typeof updated_at === "string" && typeof context === "object")
    assert.deepStrictEqual(takenIds(host), idsOf(server))
  })

  it("brings what somebody said, with a place for the answer", async () => {
    const server = await start()
    const { host } = listen(server)
    await host.when(() => host.connected() === 1)
    server.fire("syris_message", { text: "turn off the kitchen lights", thread: "kitchen" })
    await host.when(() => host.taken.length === 1)
    const [said] = host.taken
    assert.strictEqual(said!.text, "turn off the kitchen lights")
    assert.strictEqual(said!.thread_id, "kitchen")
    assert.deepStrictEqual(said!.structured!["reply"], { title: "SYRIS: turn off the kitchen lights" })
  })

  it("finds what changed while the connection was gone, with the ids that it would have had", async () => {
    const server = await start()
    const { host, life } = listen(server)
    await host.when(() => host.connected() === 1)
    for (let round = 1; round <= 3; round++) {
      server.drop()
      await host.when(() => life.errors.length === round)
      server.setState("sensor.kitchen_temperature", String(round))
      server.setState("switch.kettle", round % 2 === 1 ? "on" : "off")
      await host.when(() => host.connected() === round + 1)
      server.setState("light.reading_lamp", round % 2 === 1 ? "on" : "off")
    }
    await host.when(() => host.taken.length === server.changes.length)
    assert.sameMembers(takenIds(host), idsOf(server))
    assert.deepStrictEqual(host.again, [])
    assert.match(life.errors[0]!, /^The connection to Home Assistant at 127\.0\.0\.1:\d+ was lost\.$/)
    // The body is the one that it would have had, too: what was before is known.
    const kettle = host.taken.filter((event) => event.actor_id === "switch.kettle").map(({ structured }) =>
      structured!["from"]
    )
    assert.deepStrictEqual(kettle, ["off", "on", "off"])
  })

  it("keeps its place over a moment that is none", async () => {
    const server = await start()
    const { host, life } = listen(server)
    await host.when(() => host.connected() === 1)
    server.fire("state_changed", {
      entity_id: "light.odd",
      old_state: null,
      new_state: {
        entity_id: "light.odd",
        state: "on",
        attributes: {},
        last_changed: "soon",
        last_updated: "soon",
        context: { id: "x" }
      }
    })
    server.setState("light.reading_lamp", "on")
    await host.when(() => host.taken.length === 1)
    await life.stop()
    assert.isFinite((host.place() as { readonly until: number }).until)
  })

  it("goes on after a restart of the host where it was, by the place that was kept", async () => {
    const server = await start()
    const { host, life } = listen(server)
    await host.when(() => host.connected() === 1)
    server.setState("switch.kettle", "on")
    await host.when(() => host.taken.length === 1)
    await life.stop()
    server.setState("light.reading_lamp", "on")
    server.setState("lock.front_door", "unlocked")
    listen(server, host)
    await host.when(() => host.taken.length === 3)
    assert.deepStrictEqual(takenIds(host), idsOf(server))
    assert.deepStrictEqual(host.again, [])
  })

  it("misses it where no place is kept: the place is what finds it", async () => {
    const server = await start()
    const { host, life } = listen(server)
    await host.when(() => host.connected() === 1)
    await life.stop()
    server.setState("light.reading_lamp", "on")
    const other = makeListeningHost()
    listen(server, other)
    await other.when(() => other.connected() === 1)
    server.setState("switch.kettle", "on")
    await other.when(() => other.taken.length > 0)
    assert.deepStrictEqual(other.taken.map((event) => event.actor_id), ["switch.kettle"])
    assert.deepStrictEqual(host.taken, [])
  })

  it("tells nothing of a house that was started again as it was, and what is otherwise", async () => {
    const server = await start()
    const { host, life } = listen(server)
    await host.when(() => host.connected() === 1)
    await server.stop()
    await host.when(() => life.errors.length > 0)
    await server.start()
    await host.when(() => host.connected() === 2)
    assert.deepStrictEqual(host.taken, [])
    // Both are started again, and something is not as it was.
    await life.stop()
    await server.stop()
    await server.start()
    server.setState("switch.kettle", "on")
    listen(server, host)
    await host.when(() => host.connected() === 3 && host.taken.length === 1)
    assert.deepStrictEqual(host.taken.map((event) => event.actor_id), ["switch.kettle"])
  })

  it("loses and doubles nothing where the connection is cut in a flood, and keeps the order of each entity", async () => {
    const server = await start()
    const { host } = listen(server)
    await host.when(() => host.connected() === 1)
    const flood = server.flood({ rate: 1_000, seconds: 1, entities: 50 })
    await host.when(() => host.taken.length > 300)
    await flood
    await host.when(() => host.taken.length === server.changes.length)
    server.drop()
    const again = server.flood({ rate: 1_000, seconds: 0.3, entities: 50 })
    await again
    await host.when(() => host.connected() === 2)
    server.setState("switch.kettle", "on")
    // The last state of each is among what is taken.
    const last = new Map(server.changes.map((change) => [change.entity_id, change.context_id]))
    await host.when(() => {
      const taken = new Set(takenIds(host))
      return [...last].every(([id, context]) => taken.has(`${id} ${context}`))
    })
    assert.strictEqual(new Set(takenIds(host)).size, host.taken.length)
    assert.deepStrictEqual(host.again, [])
    const known = new Set(idsOf(server))
    assert.ok(takenIds(host).every((id) => known.has(id)))
    const orders = Map.groupBy(host.taken, (event) => event.actor_id)
    for (const [, events] of orders) {
      const moments = events.map(({ structured }) => structured!["updated_at"] as string)
      assert.deepStrictEqual(moments, [...moments].sort())
    }
  })

  it("takes together what a slow host can't keep up with, says so, and ends with the newest", async () => {
    const server = await start()
    const host = makeListeningHost()
    let release = () => {}
    const released = new Promise<void>((resolve) => release = resolve)
    // One place is left for what is said after all of them: when it is here, they are.
    host.gate = ({ text }) => text === undefined ? released : Promise.resolve()
    listen(server, host, { atOnce: 11, most: 20 })
    await host.when(() => host.connected() === 1)
    await server.flood({ rate: 2_000, seconds: 0.2, entities: 10 })
    server.fire("syris_message", { text: "done" })
    await host.when(() => host.taken.some(({ text }) => text === "done"))
    release()
    await host.when(() => host.warnings.length === 2)
    const last = new Map(server.changes.map((change) => [change.entity_id, change.context_id]))
    await host.when(() => [...last].every(([id, context]) => takenIds(host).includes(`${id} ${context}`)))
    assert.isBelow(host.taken.length, 60)
    assert.match(host.warnings[0]!, /the host can't keep up\. \d+ changes wait/)
    assert.match(host.warnings[1]!, /keeps up again; \d+ changes were taken together/)
    const ends = new Map(host.taken.map((event) => [event.actor_id, event.structured!["to"]]))
    for (const id of last.keys()) assert.strictEqual(ends.get(id), server.state(id), id)
  })

  it("ends where the host does not take a change, and brings it again afterwards", async () => {
    const server = await start()
    const host = makeListeningHost()
    let broken = true
    host.gate = () => broken ? Promise.reject(new Error("The database is gone.")) : Promise.resolve()
    const { life } = listen(server, host)
    await host.when(() => host.connected() === 1)
    server.setState("switch.kettle", "on")
    await host.when(() => life.errors.length > 0)
    assert.strictEqual(life.errors[0], "The host does not take what happens in the house: The database is gone.")
    broken = false
    await host.when(() => host.taken.length === 1)
    assert.deepStrictEqual(takenIds(host), idsOf(server))
  })

  it("leaves one out that is never taken, after a while, and writes that down", async () => {
    const server = await start()
    const host = makeListeningHost()
    host.gate = async (event) => {
      if (event.actor_id === "switch.kettle") {
        // After others are.
        await host.when(() => host.taken.some((one) => one.actor_id === "light.reading_lamp"))
        throw new Error("It can't be stored.")
      }
    }
    const { life } = listen(server, host)
    await host.when(() => host.connected() === 1)
    server.setState("switch.kettle", "on")
    server.setState("light.reading_lamp", "on")
    let lit = 0
    host.gate = (event) => {
      if (event.actor_id !== "switch.kettle") return Promise.resolve()
      // The house goes on: something else is taken each time.
      server.setState("sensor.kitchen_temperature", String(++lit))
      return host.when(() => host.taken.some((one) => one.structured!["to"] === String(lit))).then(() => {
        throw new Error("It can't be stored.")
      })
    }
    await host.when(() => host.rejected.length === 1)
    assert.match(host.rejected[0]!, /did not take a change of the house 5 times: It can't be stored\./)
    assert.isAtLeast(life.errors.length, 4)
  })

  it("leaves out what the host takes never at once, in a house where nothing else happens", async () => {
    const server = await start()
    const host = makeListeningHost()
    host.gate = () => Promise.reject(Object.assign(new Error("It is no event."), { _tag: "EventRejected" }))
    const { life } = listen(server, host)
    await host.when(() => host.connected() === 1)
    server.setState("switch.kettle", "on")
    await host.when(() => host.rejected.length === 1)
    host.gate = () => Promise.resolve()
    server.setState("switch.kettle", "off")
    await host.when(() => host.taken.length === 1)
    assert.deepStrictEqual(life.errors, [])
    assert.strictEqual(host.rejected[0], "The host did not take a change of the house: It is no event.")
  })

  it("hands over only what a host can take, whatever the house is called and says", async () => {
    const server = await start()
    const { host } = listen(server)
    await host.when(() => host.connected() === 1)
    const deep = JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`) as unknown
    const attributes = JSON.parse(`{ "__proto__": { "constructor": 1, "a\\u0000b": "\\ud800" } }`) as object
    server.setState("switch.kettle", "o\u0000n", { friendly_name: `${"x".repeat(199)}\u{1f600}`, deep, ...attributes })
    server.setState("switch.kettle", "off", Object.assign(Object.create(null) as object, { inner: attributes }))
    server.fire("syris_message", { text: "he\u0000llo \ud800", user: "\udc00", more: { deep, attributes } })
    await host.when(() => host.taken.length === 3)
    for (const event of host.taken) {
      const normalised = await Effect.runPromiseExit(
        normalise(event, { timezone: "UTC", trustOf: () => "trusted" })
      )
      assert.strictEqual(normalised._tag, "Success", JSON.stringify(event).slice(0, 500))
      assert.notMatch(JSON.stringify(event), /\[{18}/)
    }
  })

  it("reads a house of which some is no house: what is junk is left out, what is none is not", async () => {
    const server = await start()
    const { host, life } = listen(server)
    await host.when(() => host.connected() === 1)
    server.fire("state_changed", { entity_id: "light.none", old_state: null, new_state: { entity_id: "light.none" } })
    server.fire("state_changed", { entity_id: 7, old_state: null, new_state: null })
    server.setState("switch.kettle", "on")
    await host.when(() => host.taken.length === 1)
    assert.deepStrictEqual(life.errors, [])
    assert.strictEqual(host.taken[0]!.actor_id, "switch.kettle")
    assert.include(host.warnings.join(), "can't be read and was left out")
  })

  it("notices a house that is dead but connected, and goes on when it lives", async () => {
    const server = await start()
    const { host, life } = listen(server, undefined, { pingMs: 40 })
    await host.when(() => host.connected() === 1)
    server.silence()
    await host.when(() => life.errors.length > 0)
    assert.match(life.errors[0]!, /has not answered for/)
    server.speak()
    server.setState("switch.kettle", "on")
    await host.when(() => host.taken.length === 1)
  })

  it("says what to do about a wrong token, and a house that is not there", async () => {
    const server = await start()
    const { host, life } = listen(server, undefined, {}, "another-token")
    await host.when(() => life.errors.length > 0)
    assert.match(life.errors[0]!, /does not take the token\. Make a long-lived access token/)
    assert.ok(!life.errors.join().includes("another-token"))
    const { host: second, life: none } = listen({ ...server, url: "http://nohost.invalid:8123" })
    await second.when(() => none.errors.length > 0)
    assert.match(none.errors[0]!, /There is no machine called nohost\.invalid/)
    const other = net.createServer((socket) => void socket.on("error", () => {}).end("SSH-2.0-x\r\n\r\n"))
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    closing.push(() => void other.close())
    const { host: third, life: wrong } = listen({
      ...server,
      url: `http://127.0.0.1:${(other.address() as net.AddressInfo).port}`
    })
    await third.when(() => wrong.errors.length > 0)
    assert.match(wrong.errors[0]!, /does not speak HTTP: check the port/)
  })

  it("leaves out what the operator does not want to hear of", async () => {
    const server = await start()
    const { host } = listen(server, undefined, { exclude: "sensor.*_temperature" })
    await host.when(() => host.connected() === 1)
    server.setState("sensor.kitchen_temperature", "25")
    server.setState("switch.kettle", "on")
    await host.when(() => host.taken.length === 1)
    assert.deepStrictEqual(host.taken.map((event) => event.actor_id), ["switch.kettle"])
  })
})
