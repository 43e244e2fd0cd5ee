/**
 * Messages out: each by a connection of its own, so that it is told from what is sent before and waits behind nothing that
 * comes in.
 *
 * - Succeeded: the broker has acknowledged it (QoS 1 or 2). Whether anybody listens is another matter; a broker that
 *   speaks MQTT 5 says where nobody does.
 * - Refused: there was no connection, or the broker said no. Unknown: the connection ended before the answer.
 * - Nothing is sent again by itself: MQTT has no key by which a broker would know it.
 */
import { createHash, randomBytes } from "node:crypto"
import type { IClientPublishOptions } from "mqtt"
import { type Channel, Schema, type ToolContext, type ToolDefinition, ToolRefused, ToolUnknown } from "syris"
import { type Broker, open } from "./Connection.ts"
import { isTopic } from "./Topics.ts"

const Topic = Schema.String.check(Schema.makeFilter(isTopic, { expected: "a topic without + and #" }))
const Published = Schema.Struct({ message: Schema.String, topic: Schema.String })

const Message = Schema.Struct({
  topic: Topic,
  /** A text goes out as it is, anything else as JSON. */
  payload: Schema.Json,
  /** The broker keeps it for whoever subscribes later. */
  retain: Schema.optionalKey(Schema.Boolean),
  qos: Schema.optionalKey(Schema.Literals([1, 2]))
})
type Message = typeof Message.Type

const Answer = Schema.Struct({
  text: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(8_000)),
  topic: Topic,
  /** What tells whoever asked which question it answers; base64. */
  correlation: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(10_000)))
})
type Answer = typeof Answer.Type

const bytesOf = ({ payload }: Message): string => typeof payload === "string" ? payload : JSON.stringify(payload)

/** `mqtt.publish`, or `mqtt.<name>.publish`. */
export const publishTool = (broker: Broker, name: string, place: string): ToolDefinition<Message> => ({
  name: `${name === "mqtt" ? "" : "mqtt."}${name}.publish`,
  description: `Publish a message to a topic of the MQTT broker at ${place}.`,
  input: Message,
  output: Published,
  effect: "write",
  risk: "medium",
  scopes: ["mqtt.publish"],
  guarantee: "none",
  target: ({ topic }) => topic,
  // Another payload is another thing to do: on is not off.
  action: (message) => `publish ${createHash("sha256").update(bytesOf(message)).digest("hex").slice(0, 16)}`,
  timeout: "30 seconds",
  preview: (message) =>
    `would publish to ${message.topic}${message.retain === true ? ", retained" : ""}: ${bytesOf(message)}`,
  run: ({ qos = 1, retain = false, topic, ...rest }, ctx) =>
    publish(broker, topic, bytesOf({ topic, ...rest }), { qos, retain }, ctx)
})

/** The `send` of a channel on which a person writes: an answer goes where its event says. */
export const answerTool = (broker: Broker, place: string): NonNullable<Channel["send"]> => ({
  description: `Answer on a topic of the MQTT broker at ${place}.`,
  input: Answer,
  output: Published,
  effect: "write",
  risk: "low",
  scopes: ["mqtt.send"],
  guarantee: "none",
  target: ({ topic }: Answer) => topic,
  timeout: "30 seconds",
  preview: ({ text, topic }: Answer) => `would answer on ${topic}: ${text}`,
  run: ({ correlation, text, topic }: Answer, ctx: ToolContext) =>
    publish(broker, topic, text, {
      qos: 1,
      ...(correlation === undefined ? {} : { properties: { correlationData: Buffer.from(correlation, "base64") } })
    }, ctx)
})

const publish = async (
  broker: Broker,
  topic: string,
  payload: string,
  options: IClientPublishOptions,
  ctx: ToolContext
): Promise<typeof Published.Type> => {
  const { client, closed } = await open(broker, {
    secret: ctx.secret,
    signal: ctx.signal,
    options: { clean: true, clientId: `syris-${randomBytes(8).toString("hex")}` }
  }).catch((error: unknown) => {
    throw new ToolRefused(`Nothing was published. ${error instanceof Error ? error.message : String(error)}`)
  })
  try {
    const lost = closed.then((why): never => {
      throw new ToolUnknown(`Whether the message was published on ${topic} is not known. ${why.message}`)
    })
    let nobody = false
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "puback" || packet.cmd === "pubrec") nobody = packet.reasonCode === 16
    })
    await Promise.race([client.publishAsync(topic, payload, options), lost])
    return { message: `Published on ${topic}${nobody ? ", where nobody listens" : ""}.`, topic }
  } catch (error) {
    if (error instanceof ToolUnknown) throw error
    const { code, message } = error as Error & { readonly code?: unknown }
    if (typeof code === "number") throw new ToolRefused(`The broker refused the message for ${topic} (${message}).`)
    throw new ToolUnknown(`Whether the message was published on ${topic} is not known. ${message}.`)
  } finally {
    client.end()
  }
}
