/**
 * Against a real broker (mosquitto), and its own command line clients. The host is stood in for by what a channel sees of it:
 * a place for its state, and events that are durable or not.
 */
import * as net from "node:net"
import {
  type ChannelContext,
  Effect,
  type Emitted,
  type PluginParts,
  type RawEvent,
  Schema,
  type ToolContext,
  ToolRefused,
  ToolUnknown
} from "syris"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import { missing, type Mosquitto, startMosquitto } from "../../test/servers/Mosquitto.ts"
import { loudly } from "../../test/servers/ServerProcess.ts"
import { until } from "../../test/storms/Until.ts"
import mqtt from "./index.ts"

type Options = Parameters<typeof mqtt>[0]

const partsOf = (given: Options): PluginParts => {
  const plugin = mqtt(given)
  const options = Schema.decodeUnknownSync(plugin.spec.options as Schema.Codec<unknown, unknown>)(plugin.options)
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  return plugin.spec.setup({ options, name: "mqtt", log, secret: () => ({}) as never, timezone: "UTC" }) as PluginParts
}

const ended: Array<() => void> = []
afterEach(() => ended.splice(0).forEach((end) => end()))

/** What lasts: the database, in short. */
const makeWorld = () => ({
  state: undefined as unknown,
  events: new Map<string, RawEvent>(),
  /** Every event that was handed over, deduped or not. */
  handed: [] as Array<RawEvent>,
  refused: [] as Array<string>
})
type World = ReturnType<typeof makeWorld>

interface Life {
  /** Ends it at once: what it was in the midst of is not acknowledged. */
  readonly end: () => void
  readonly over: Promise<unknown>
  readonly connected: Promise<void>
}

/** A life of the channel. `emit` decides what becomes of an event. */
const live = (options: Options, world: World, emit = keepIn): Life => {
  const controller = new AbortController()
  const end = () => controller.abort()
  ended.push(end)
  const connected = Promise.withResolvers<void>()
  const ctx: ChannelContext = {
    log: { debug() {}, info() {}, warn() {}, error() {} },
    signal: controller.signal,
    secret: (ref) => Promise.resolve(String(ref)),
    recall: () => Promise.resolve(world.state),
    remember: (state) => {
      world.state = JSON.parse(JSON.stringify(state))
      return Promise.resolve()
    },
    reject: ({ code }) => {
      world.refused.push(code)
      return Promise.resolve()
    },
    answer: () => Promise.reject(new Error("nobody asks here")),
    connected: () => connected.resolve(),
    emit: (event) => {
      world.handed.push(event)
      return emit(world, event, end)
    }
  }
  const [channel] = partsOf(options).channels!
  const over = Promise.resolve(channel!.receive!(ctx)).then(() => undefined, (error: unknown) => error)
  return { end, over, connected: connected.promise }
}

type Keep = (world: World, event: RawEvent, end: () => void) => Promise<Emitted>

const keepIn: Keep = (world, event) => {
  const deduped = world.events.has(event.message_id!)
  if (!deduped) world.events.set(event.message_id!, event)
  return Promise.resolve({ event_id: "", trace_id: "", deduped })
}
const dies: Keep = (_, __, end) => {
  end()
  return new Promise(() => {})
}
const keepsAndDies: Keep = (world, event, end) => {
  void keepIn(world, event, end)
  return dies(world, event, end)
}

const said = ({ events }: World) => [...events.values()].map(({ structured }) => structured?.["payload"])

const toolContext = (signal = new AbortController().signal): ToolContext =>
  ({
    signal,
    secret: (ref: unknown) => Promise.resolve(String(ref))
  }) as unknown as ToolContext

/** Something between a client and the broker: `change` gets what the broker says, and may keep it to itself. */
const between = async (
  port: number,
  { answer = (bytes) => bytes, ask = () => true }: {
    readonly answer?: (bytes: Buffer) => Buffer
    readonly ask?: (bytes: Buffer, near: net.Socket) => boolean
  }
) => {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((near) => {
    const far = net.connect(port, "127.0.0.1")
    for (const one of [near, far]) sockets.add(one.on("error", () => {}).on("close", () => sockets.delete(one)))
    near.on("data", (bytes) => ask(bytes, near) && far.write(bytes)).on("close", () => far.destroy())
    far.on("data", (bytes) => {
      const left = answer(bytes)
      if (left.length > 0) near.write(left)
      else near.destroy()
    }).on("close", () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  ended.push(() => {
    server.close()
    for (const one of sockets) one.destroy()
  })
  return `mqtt://127.0.0.1:${(server.address() as net.AddressInfo).port}`
}

const lacking = missing()

describe.skipIf(lacking.length > 0)(`MQTT${loudly(lacking)}`, () => {
  let broker: Mosquitto
  let guarded: Mosquitto
  beforeAll(async () => {
    ;[broker, guarded] = await Promise.all([startMosquitto(), startMosquitto({ users: { ada: "correct horse" } })])
  })
  afterAll(() => Promise.all([broker?.close(), guarded?.close()]))

  it("brings messages in, with what they say, and words where a person writes", async () => {
    const world = makeWorld()
    await live({ url: broker.url, topics: ["in/#"], text: ["in/+/say"] }, world).connected
    await broker.publish("in/kitchen", "{\"t\":21.5}")
    await broker.publish("in/kitchen/say", "lights off", { qos: 0 })
    await broker.publish("in/big", "x".repeat(120_000))
    await until("all three", () => world.events.size === 3)
    const [first, second] = [...world.events.values()]
    assert.deepInclude(first, { channel: "mqtt", connector_id: "mqtt", actor_type: "integration" })
    assert.deepStrictEqual(first!.structured, {
      topic: "in/kitchen",
      format: "json",
      payload: { t: 21.5 },
      retain: false,
      qos: 1
    })
    assert.isUndefined(first!.text)
    assert.deepInclude(second, { text: "lights off", thread_id: "in/kitchen/say" })
    assert.deepStrictEqual(second!.structured?.["reply"], { topic: "in/kitchen/say/reply" })
  })

  it("leaves out what is too large, says so, and goes on", async () => {
    const world = makeWorld()
    const { channels, tools } = partsOf({ url: broker.url, topics: ["large"] })
    assert.deepInclude(channels![0], { name: "mqtt", trust: "trusted", exclusive: true })
    await live({ url: broker.url, topics: ["large"] }, world).connected
    await tools![0]!.run({ topic: "large", payload: "x".repeat(262_145) }, toolContext() as never)
    await broker.publish("large", "small")
    await until("the small one", () => world.events.size === 1)
    assert.deepStrictEqual(world.refused, ["mqtt.too_large"])
  })

  it("loses nothing and doubles nothing where it dies before or after an event is durable", async () => {
    const options = { url: broker.url, topics: ["stream"] }
    const world = makeWorld()
    const first = live(options, world)
    await first.connected
    first.end()
    await first.over
    const many = ["on", "on", "off", "on", "on", "on"]
    for (const payload of many) await broker.publish("stream", payload)
    // Dies at the first before it is durable, then right after; then at the second; and so on.
    let lives = 0
    for (let kept = 0; kept < many.length; lives++) {
      const life = live(options, world, async (all, event, end) => {
        if (all.events.has(event.message_id!)) return keepIn(all, event, end)
        return lives % 2 === 0 ? dies(all, event, end) : keepsAndDies(all, event, end)
      })
      await life.over
      kept = world.events.size
    }
    const last = live(options, world)
    await last.connected
    await broker.publish("stream", "last")
    await until("the last", () => said(world).includes("last"))
    assert.deepStrictEqual(said(world), [...many, "last"])
    assert.isAbove(world.handed.length, many.length * 2, "the broker gave them again")
  })

  it("red control: without what was kept, one that comes again is another one", async () => {
    const options = { url: broker.url, topics: ["control"], clientId: "control" }
    const world = makeWorld()
    const life = live(options, world, keepsAndDies)
    await life.connected
    await broker.publish("control", "once")
    await life.over
    world.state = undefined
    live(options, world)
    await until("it again", () => world.handed.length === 2)
    assert.deepStrictEqual(said(world), ["once", "once"])
  })

  it("gets what came while it was away, and what is retained once", async () => {
    const options = { url: broker.url, topics: ["away/#"] }
    await broker.publish("away/state", "kept", { retain: true })
    const world = makeWorld()
    const first = live(options, world)
    await until("what is retained", () => said(world).includes("kept"))
    first.end()
    await first.over
    await broker.publish("away/door", "open")
    await broker.stop()
    await broker.start()
    await live(options, world).connected
    await until("what came meanwhile", () => said(world).includes("open"))
    await broker.publish("away/door", "shut")
    await until("what came after", () => said(world).includes("shut"))
    assert.deepStrictEqual(said(world), ["kept", "open", "shut"])
    assert.deepInclude([...world.events.values()][0]!.structured, { retain: true })
  })

  it("says why the connection ended, and that the broker is away", async () => {
    const world = makeWorld()
    const life = live({ url: broker.url, topics: ["cut"] }, world)
    await life.connected
    await broker.kill()
    assert.match(String(await life.over), /127\.0\.0\.1:\d+ (closed|cut) the connection/)
    assert.match(
      String(await live({ url: broker.url, topics: ["cut"] }, world).over),
      /Nothing listens at 127\.0\.0\.1/
    )
    await broker.start()
  })

  it("ends the connection where an event can't be stored, and is given it again", async () => {
    const options = { url: broker.url, topics: ["full"] }
    const world = makeWorld()
    const life = live(options, world, () => Promise.reject(new Error("The disk is full.")))
    await life.connected
    await broker.publish("full", "important")
    assert.match(String(await life.over), /The disk is full\./)
    live(options, world)
    await until("it again", () => said(world).includes("important"))
  })

  it("leaves out what is no event, for good, and goes on with what comes after it", async () => {
    const world = makeWorld()
    const options = { url: broker.url, topics: ["odd/#"] }
    const life = live(options, world, (world, event, end) =>
      event.structured!["payload"] === "odd"
        ? Promise.reject(Object.assign(new Error("It is no event."), { _tag: "EventRejected" }))
        : keepIn(world, event, end))
    await life.connected
    await broker.publish("odd/one", "odd")
    await broker.publish("odd/one", "even")
    await until("the next", () => said(world).includes("even"))
    assert.deepEqual(world.refused, ["mqtt.not_taken"])
    assert.lengthOf(world.handed, 2)
    life.end()
  })

  it("says that something is no broker", async () => {
    const answering = async (does: (socket: net.Socket) => void) => {
      const server = net.createServer((socket) => does(socket.on("error", () => {})))
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      ended.push(() => server.close())
      const url = `mqtt://127.0.0.1:${(server.address() as net.AddressInfo).port}`
      return String(await live({ url, topics: ["t"] }, makeWorld()).over)
    }
    assert.match(
      await answering((socket) => socket.write("SSH-2.0-x\r\n")),
      /does not speak MQTT: check that it is a broker/
    )
    assert.match(await answering((socket) => socket.destroy()), /before it said anything in MQTT|cut the connection/)
  })

  it("says that a certificate can't be read", async () => {
    const life = live({ url: broker.url, topics: ["t"], ca: "/nowhere/ca.pem" }, makeWorld())
    assert.strictEqual(
      ((await life.over) as Error).message,
      "The certificate /nowhere/ca.pem can't be read (ENOENT): correct ca."
    )
  })

  it("speaks MQTT 3.1.1 with a broker that knows no better", async () => {
    const levels: Array<number> = []
    const url = await between(broker.port, {
      ask: (bytes, near) => {
        if (bytes[0] !== 0x10) return true
        levels.push(bytes[8]!)
        if (bytes[8] === 4) return true
        near.end(Buffer.from([0x20, 2, 0, 1]))
        return false
      }
    })
    const world = makeWorld()
    await live({ url, topics: ["old"] }, world).connected
    await broker.publish("old", "hello")
    await until("the message", () => said(world).includes("hello"))
    assert.deepStrictEqual(levels, [5, 4])
    const check = partsOf({ url, topics: [] }).channels![0]!.check!
    assert.match(String(await check(toolContext() as never)), /MQTT 3\.1\.1$/)
  })

  it("publishes, and knows what became of it", async () => {
    const tool = partsOf({ url: broker.url }).tools![0]!
    const heard = await broker.listen("out/#")
    const publish = (input: object, url?: string) => {
      const { run } = url === undefined ? tool : partsOf({ url }).tools![0]!
      return Promise.resolve(run(input, toolContext() as never) as Promise<{ readonly message: string }>)
    }
    assert.strictEqual((await publish({ topic: "out/a", payload: "on" })).message, "Published on out/a.")
    await publish({ topic: "out/b", payload: { level: 3 }, retain: true, qos: 2 })
    await until("both", () => heard.heard().length === 2)
    assert.deepStrictEqual(heard.heard().map(({ payload, topic }) => `${topic} ${payload}`), [
      "out/a on",
      "out/b {\"level\":3}"
    ])
    assert.match((await publish({ topic: "nobody", payload: "on" })).message, /where nobody listens/)
    const away = await publish({ topic: "out/c", payload: "on" }, "mqtt://127.0.0.1:1").catch((error: unknown) => error)
    assert.instanceOf(away, ToolRefused)
    assert.match(away.message, /^Nothing was published\. Nothing listens at 127\.0\.0\.1:1/)
    // The broker takes it, and its answer is lost.
    const swallowing = await between(broker.port, { answer: (bytes) => bytes[0] === 0x40 ? Buffer.alloc(0) : bytes })
    const lost = await publish({ topic: "out/d", payload: "on" }, swallowing).catch((error: unknown) => error)
    assert.instanceOf(lost, ToolUnknown)
    await until("it to be there all the same", () => heard.heard().some(({ topic }) => topic === "out/d"))
    assert.lengthOf(heard.heard().filter(({ topic }) => topic === "out/d"), 1)
  })

  it("answers where its event says", async () => {
    const send = partsOf({ url: broker.url, topics: [], text: ["say"] }).channels![0]!.send!
    const heard = await broker.listen("say/reply")
    await (send.run({ text: "Good day.", topic: "say/reply", correlation: "YQ==" }, toolContext() as never) as Promise<
      unknown
    >)
    await until("the answer", () => heard.heard().length === 1)
    assert.strictEqual(heard.heard()[0]!.payload, "Good day.")
  })

  it("finds out what is wrong", async () => {
    const check = async (options: Options) => {
      const found = partsOf(options).channels![0]!.check!(toolContext() as never)
      return await Promise.resolve(found as Promise<string>).catch((error: Error) => error.message)
    }
    const ada = { url: guarded.url, username: "ada" }
    assert.match(await check({ ...ada, password: "correct horse" }), /^connected as ada to 127\.0\.0\.1:\d+, MQTT 5$/)
    const wrong = await check({ ...ada, password: "battery staple" })
    assert.match(wrong, /correct username and password/)
    assert.notInclude(wrong, "battery")
    assert.match(await check({ url: guarded.url }), /correct username and password/)
    assert.match(await check({ url: "mqtt://127.0.0.1:1" }), /start the broker there, or correct url/)
    assert.match(await check({ url: "mqtt://no.such.host.invalid" }), /is not known: correct url/)
    const web = await between(1, { ask: (_, near) => near.end("HTTP/1.1 400 Bad Request\r\n\r\n") === undefined })
    assert.match(await check({ url: web }), /127\.0\.0\.1:\d+/)
  })

  it("refuses addresses and topics that can't be", async () => {
    const problem = (options: object) =>
      Effect.runPromise(
        Effect.flip(Schema.decodeUnknownEffect(mqtt({ url: "mqtt://x" }).spec.options!)(options))
      ).then(String)
    assert.match(await problem({ url: "http://broker", topics: [] }), /mqtt:\/\/host:1883/)
    assert.match(await problem({ url: "mqtt://me:secret@broker", topics: [] }), /without a password in it/)
    assert.match(await problem({ url: "mqtt://broker", topics: ["a/#/b"] }), /# all that follow/)
  })
})
