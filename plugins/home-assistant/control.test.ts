/**
 * Things are done in a house: bound, shown, done once, looked after. The house is the stand-in of `test/servers`.
 */
import {
  type ChannelContext,
  type PluginParts,
  type ToolContext,
  type ToolDefinition,
  ToolRefused,
  ToolUnknown
} from "syris"
import { afterEach, assert, describe, it } from "vitest"
import { makeIntentMatcher } from "../../core/plugin/IntentMatcher.ts"
import { type HomeAssistantServer, startHomeAssistant } from "../../test/servers/HomeAssistantServer.ts"
import { notificationId } from "./Answer.ts"
import { traceBegan } from "./Begin.ts"
import homeAssistant from "./index.ts"
import { makeListeningHost } from "./ListeningHost.ts"
import { riskOfThing } from "./Risk.ts"

const token = "the-token-of-the-house"
const closing: Array<() => unknown> = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const uuidAt = (ms: number): string => {
  const hex = ms.toString(16).padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}
const context = (began = Date.now()): ToolContext =>
  ({
    idempotencyKey: "key-1",
    traceId: uuidAt(began),
    signal: new AbortController().signal,
    log,
    secret: () => Promise.resolve(token),
    fetch: globalThis.fetch,
    now: () => new Date()
  }) as unknown as ToolContext

const partsOf = (url: string, more: object = {}): PluginParts => {
  const plugin = homeAssistant({ url, token, ...more })
  return plugin.spec.setup({ options: plugin.options, log, name: "home-assistant" } as never) as PluginParts
}

const start = async (listening = true) => {
  const server = await startHomeAssistant({ token })
  closing.push(() => server.stop())
  const { channels, tools } = partsOf(server.url)
  const [channel] = channels!
  const host = makeListeningHost()
  if (listening) {
    const life = host.listen((ctx: ChannelContext) => channel!.receive!(ctx), token)
    closing.push(life.stop)
    await host.when(() => host.connected() === 1)
  }
  const tool = (name: string): ToolDefinition => tools!.find((one) => one.name === name)!
  const control = tool("ha.device.control")
  const bind = async (input: object) =>
    await control.bind!(input, { signal: new AbortController().signal, secret: async () => token }) as any
  return { server, channel: channel!, host, tool, control, bind }
}

const refusedWith = async (promise: unknown, kind: new(...args: Array<never>) => Error, words: RegExp) => {
  try {
    await promise
  } catch (error) {
    assert.instanceOf(error, kind as typeof Error)
    return assert.match((error as Error).message, words)
  }
  assert.fail("It was done.")
}

const callsOf = (server: HomeAssistantServer) =>
  server.calls.map(({ domain, entity_ids, service }) => `${domain}.${service} ${[...entity_ids].sort().join(" ")}`)

describe("ha.device.control", () => {
  it("turns off the kitchen lights: bound, shown, done in one call, answered", async () => {
    const { bind, control, server } = await start()
    const bound = await bind({ target: "the kitchen lights", action: "off" })
    assert.deepStrictEqual(bound, { target: ["light.kitchen_ceiling", "light.kitchen_counter"], action: "off" })
    assert.strictEqual(
      await control.preview!(bound, context()),
      "light.kitchen_ceiling Kitchen ceiling: on (100 %, 2700 K) → off (no change for light.kitchen_counter Kitchen counter: off already)"
    )
    assert.deepStrictEqual(await control.run(bound, context() as never), {
      message: "Turned off Kitchen ceiling and Kitchen counter.",
      changed: [{ entity_id: "light.kitchen_ceiling", from: "on (100 %, 2700 K)", to: "off" }]
    })
    assert.deepStrictEqual(callsOf(server), ["light.turn_off light.kitchen_ceiling light.kitchen_counter"])
    const again: any = await control.run(bound, context() as never)
    assert.strictEqual(again.message, "Kitchen ceiling and Kitchen counter were off already.")
  })

  it("dims, colours and warms", async () => {
    const { bind, control, server } = await start()
    const run = async (input: object): Promise<string> =>
      (await control.run(await bind(input), context() as never) as any).message
    assert.strictEqual(
      await run({ target: "reading lamp", action: "dim", brightness_pct: 30 }),
      "Dimmed Reading lamp to 30 %."
    )
    assert.strictEqual(
      await run({ target: "kitchen ceiling", action: "color", color: "red" }),
      "Set Kitchen ceiling to red."
    )
    assert.match(
      await run({ target: "living room", action: "temperature", temperature: 22.5 }),
      /^Set .+ to 22\.5 degrees\.$/
    )
    assert.strictEqual(server.states.get("climate.living_room")!.attributes["temperature"], 22.5)
  })

  it("knows how bad it can be", async () => {
    const { bind, control } = await start()
    const risk = control.risk as (input: object) => string
    const riskFor = async (input: object) => risk(await bind(input))
    assert.strictEqual(await riskFor({ target: "kitchen lights", action: "off" }), "low")
    assert.strictEqual(await riskFor({ target: "kettle", action: "on" }), "medium")
    assert.strictEqual(await riskFor({ target: "living room blinds", action: "close" }), "medium")
    assert.strictEqual(await riskFor({ target: "garage door", action: "open" }), "high")
    assert.strictEqual(
      await riskFor({ target: ["front door", "kitchen lights"], action: "lock" }).catch(() => "high"),
      "high"
    )
    assert.strictEqual(risk({ target: "the kitchen lights", action: "off" }), "high")
    assert.strictEqual(risk({ target: "light.kitchen_counter and front door", action: "unlock" }), "high")
    assert.strictEqual(riskOfThing("front door", undefined, { lock: "critical" }), "critical")
    assert.strictEqual(riskOfThing("cover.any", undefined), "high")
    assert.strictEqual(riskOfThing("light.any", undefined, { light: "high" }), "high")
    assert.strictEqual(control.blastRadius!({ target: ["light.a", "light.b"], action: "on" }), 2)
    assert.strictEqual(control.target!({ target: ["light.a", "light.b"], action: "on" }), "light.a light.b")
  })

  it("takes a scene or a group for what is in it", async () => {
    const { bind, control, host, server } = await start()
    const risk = control.risk as (input: object) => string
    const put = (entity_id: string, members: ReadonlyArray<string>) =>
      server.addEntities(
        { entity_id, state: "on", attributes: { friendly_name: entity_id, entity_id: members } } as never
      )
    put("scene.welcome", ["light.kitchen_counter", "lock.front_door"])
    put("light.everything", ["light.a", "light.b", "light.c", "light.everything", "light.d", "light.e"])
    put("scene.evening", ["light.kitchen_counter", "light.everything"])
    await host.when(() => host.taken.some(({ actor_id }) => actor_id === "scene.evening"))
    assert.strictEqual(risk(await bind({ target: "scene.welcome", action: "run" })), "high")
    assert.strictEqual(risk(await bind({ target: "scene.evening", action: "run" })), "medium")
    const group = await bind({ target: "light.everything", action: "off" })
    assert.strictEqual(risk(group), "low")
    assert.strictEqual(control.blastRadius!(group), 6)
  })

  it("shows names on one line, whatever they are made of", async () => {
    const { bind, control, host, server } = await start()
    const name = `Desk\u0000\u202e\nlock.front_door Front door: locked → unlocked\n${"x".repeat(1_000_000)}`
    server.setState("switch.kettle", "off", { friendly_name: name })
    await host.when(() => host.taken.length === 1)
    const bound = await bind({ target: "switch.kettle", action: "on" })
    const shown = await control.preview!(bound, context() as never) as string
    assert.notMatch(shown, /[\n\0\u202e]/)
    assert.isBelow(shown.length, 250)
  })

  it("says afterwards whether it happened: done, not done, or nobody knows", async () => {
    const { bind, control, server } = await start()
    const unlock = await bind({ target: "front door", action: "unlock" })
    const probe = (began: number) => control.probe!(unlock, context(began))
    // Locked, and not touched since the call can have been made.
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.strictEqual(await probe(Date.now()), "not_done")
    const began = Date.now()
    server.setState("lock.front_door", "unlocked")
    assert.strictEqual(await probe(began), "done")
    // It locks itself again: whether it was unlocked by the call is not to be seen any more.
    server.setState("lock.front_door", "locked")
    assert.strictEqual(await probe(began), "unknown")
    server.setState("lock.front_door", "unavailable")
    assert.strictEqual(await probe(Date.now()), "unknown")
    assert.strictEqual(traceBegan("not-an-id"), undefined)
  })

  it("refuses what Home Assistant refuses, and does not know what became of what was not answered", async () => {
    const { bind, control, host, server } = await start()
    const on = await bind({ target: "kettle", action: "on" })
    server.failNextCall("service_validation_error", "The kettle is empty")
    await refusedWith(
      control.run(on, context() as never),
      ToolRefused,
      /^Home Assistant refused switch\.turn_on: The kettle is empty\.$/
    )
    server.failNextCall("home_assistant_error", "The kettle did not answer")
    await refusedWith(control.run(on, context() as never), ToolUnknown, /may have done it: The kettle did not answer/)
    server.loseAnswers(1, "cut")
    await refusedWith(control.run(on, context() as never), ToolUnknown, /is not known/)
    assert.strictEqual(server.state("switch.kettle"), "on")
    server.loseAnswers(0)
    await host.when(() => host.connected() === 2)
    await server.stop()
    await refusedWith(control.run(on, context() as never), ToolRefused, /^Nothing was done\./)
  })

  it("works on a host that does not listen, over a connection of its own", async () => {
    const { bind, control, server, tool } = await start(false)
    const bound = await bind({ target: "kettle", action: "on" })
    const { message } = await control.run(bound, context() as never) as any
    assert.strictEqual(message, "Turned on Kettle.")
    assert.strictEqual(server.connections(), 1)
    const asked = await tool("ha.state").run({ target: "front door", is: "locked" }, context() as never) as any
    assert.strictEqual(asked.message, "Yes, Front door is locked.")
  })

  it("finds what was renamed a moment ago", async () => {
    const { bind, server } = await start()
    server.nameEntity("switch.kettle", "Samovar")
    const bound = async (): Promise<unknown> => {
      try {
        return (await bind({ target: "samovar", action: "on" })).target
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10))
        return bound()
      }
    }
    assert.deepStrictEqual(await bound(), ["switch.kettle"])
  })
})

describe("answers and checks", () => {
  it("shows an answer once, by a notification that is the same for the same answer", async () => {
    const { channel, server } = await start()
    assert.strictEqual(channel.send!.guarantee, "native_key")
    await channel.send!.run({ text: "Turned off.", title: "SYRIS: off" }, context() as never)
    await channel.send!.run({ text: "Turned off.", title: "SYRIS: off" }, context() as never)
    const ids = server.calls.map(({ service_data }) => service_data["notification_id"])
    assert.deepStrictEqual(ids, [notificationId("key-1"), notificationId("key-1")])
    assert.strictEqual(partsOf(server.url, { notify: "notify.phone" }).channels![0]!.send!.guarantee, "none")
  })

  it("says for the doctor what it found, or what is wrong", async () => {
    const { channel, server } = await start(false)
    const check = (value = token) =>
      channel.check!({ secret: () => Promise.resolve(value), log, signal: AbortSignal.timeout(10_000) })
    assert.match(String(await check()), /^Home Assistant \d+\.\d+\.\d+ of ".+", \d+ entities$/)
    await refusedWith(check("wrong"), Error, /does not take the token/)
    await server.stop()
    await refusedWith(check(), Error, /refuses the connection: is Home Assistant running/)
  })

  it("has a name of its own for each of several houses", () => {
    const { channels, intents, tools } = partsOf("http://cabin:8123", { name: "cabin" })
    assert.deepStrictEqual(tools!.map(({ name }) => name), [
      "ha.cabin.device.control",
      "ha.cabin.state",
      "ha.cabin.service.call"
    ])
    assert.strictEqual(channels![0]!.connector_id, "cabin")
    const match = makeIntentMatcher(intents!.map((one) => ({ ...one, plugin: "home-assistant.cabin" })) as never)
    assert.deepStrictEqual(match("turn off the lights at the cabin")?.groups, { action: "off", target: "the lights" })
    assert.strictEqual(match("turn off the lights"), undefined)
  })
})

describe("sentences", () => {
  const { intents } = partsOf("http://house:8123")
  const match = makeIntentMatcher(intents!.map((one) => ({ ...one, plugin: "home-assistant" })) as never)
  const inputOf = (text: string): unknown => {
    const found = match(text)
    return found === undefined ? undefined : found.intent.input?.(found.groups) ?? found.groups
  }
  it.each<readonly [string, unknown]>([
    ["Turn off the kitchen lights", { target: "the kitchen lights", action: "off" }],
    ["switch the TV on, please.", { target: "the TV", action: "on" }],
    ["dim the hall to 30 %", { target: "the hall", action: "dim", brightness_pct: 30 }],
    ["set living room to 21.5 degrees", { target: "living room", action: "temperature", temperature: 21.5 }],
    ["make the hall lamp warm white", { target: "the hall lamp", action: "color", color: "warm white" }],
    ["unlock the front door", { target: "the front door", action: "unlock" }],
    ["shut the garage door", { target: "the garage door", action: "close" }],
    ["is the front door locked?", { target: "the front door", is: "locked" }],
    ["what's the temperature in the kitchen?", { target: "the kitchen temperature" }],
    ["turn off the rule porch", undefined],
    ["turn off the porch rule", undefined],
    ["switch off the alarm breakfast", undefined],
    ["open issue 9", undefined],
    ["set a timer for 5 minutes", undefined]
  ])("%s", (text, input) => assert.deepStrictEqual(inputOf(text), input))
})
