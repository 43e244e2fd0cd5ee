/**
 * MQTT: messages of a broker's topics as events of the channel `mqtt` (`Listen.ts`), and messages out (`Publish.ts`).
 * Which message one is that comes again is in `Deliveries.ts`.
 */
import { randomBytes } from "node:crypto"
import { type Channel, type CheckContext, definePlugin, Schema, SecretOption } from "syris"
import { type Broker, isBroker, open } from "./Connection.ts"
import { listen } from "./Listen.ts"
import { answerTool, publishTool } from "./Publish.ts"
import { isFilter } from "./Topics.ts"

const Filters = Schema.Array(
  Schema.String.check(
    Schema.makeFilter(isFilter, { expected: "a topic, in which + is one level and # all that follow" })
  )
)

const Options = Schema.Struct({
  url: Schema.String.check(
    Schema.makeFilter(isBroker, { expected: "mqtt://host:1883, mqtts://, ws:// or wss://, without a password in it" })
  ),
  /** What it listens to. */
  topics: Schema.optionalKey(Filters),
  /** Where a person writes: what comes there is `text` besides, and is answered at `<topic>/reply`. */
  text: Schema.optionalKey(Filters),
  username: Schema.optionalKey(Schema.String),
  password: Schema.optionalKey(SecretOption),
  /** A file: the certificate of the authority that vouches for the broker. Default: those that Node trusts. */
  ca: Schema.optionalKey(Schema.String),
  /** The connector. A second broker needs one. */
  name: Schema.optionalKey(Schema.String.check(
    Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,63}$/, { expected: "lower-case letters, digits, _ and -" })
  )),
  /** Default: made at the first start, and kept. */
  clientId: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))),
  /** The field of a JSON payload that differs from message to message. Default: none. */
  idField: Schema.optionalKey(Schema.String)
})

export default definePlugin({
  name: "mqtt",
  version: "0.1.0",
  options: Options,
  instance: ({ name }) => name,
  setup: ({ options }) => {
    const { ca, clientId, idField, name = "mqtt", password, text = [], topics = [], url, username } = options
    const broker: Broker = { url, username, password, ca }
    const place = new URL(url).host
    const channel: Channel = {
      name: "mqtt",
      connector_id: name,
      trust: "trusted",
      exclusive: true,
      ...(topics.length + text.length === 0
        ? {}
        : { receive: (ctx) => listen({ broker, name, clientId, topics, text, idField }, ctx) }),
      ...(text.length === 0 ? {} : { send: answerTool(broker, place) }),
      check: (ctx) => tryOut(broker, ctx)
    }
    return { channels: [channel], tools: [publishTool(broker, name, place)] }
  }
})

/** As a guest that nobody notices: without a session, and listening to nothing. */
const tryOut = async (broker: Broker, { secret, signal }: CheckContext): Promise<string> => {
  const { client, version } = await open(broker, {
    secret,
    signal,
    options: { clean: true, clientId: `syris-${randomBytes(8).toString("hex")}` }
  })
  client.end()
  const who = broker.username === undefined ? "" : ` as ${broker.username}`
  return `connected${who} to ${new URL(broker.url).host}, MQTT ${version === 5 ? "5" : "3.1.1"}`
}
