/**
 * Listens on topics, until the connection ends: by what it throws the host connects again.
 *
 * - A message is acknowledged to the broker once its event is durable. If that fails the connection ends, and the broker
 *   gives it again.
 * - What must be known of a delivery after a crash is kept before its event is made.
 */
import type { IPublishPacket } from "mqtt"
import type { ChannelContext, RawEvent } from "syris"
import { type Broker, open } from "./Connection.ts"
import { identify, type Kept, newSession, readKept, receiveMaximum } from "./Deliveries.ts"
import { maximumPayload, type Payload, readPayload, wordsOf } from "./Payload.ts"
import { distinct, isTopic, matches } from "./Topics.ts"

export interface Listening {
  readonly broker: Broker
  /** The connector. */
  readonly name: string
  readonly clientId: string | undefined
  readonly topics: ReadonlyArray<string>
  /** Where a person writes. */
  readonly text: ReadonlyArray<string>
  readonly idField: string | undefined
}

/** How long the broker keeps what comes while no host listens; seconds. */
const week = 604_800
/** A broker that speaks MQTT 5 keeps what is larger to itself. */
const maximumPacketSize = 1_048_576

export const listen = async (listening: Listening, ctx: ChannelContext): Promise<void> => {
  const { broker, clientId, idField, text, topics } = listening
  const filters = distinct([...topics, ...text])
  let kept = readKept(await ctx.recall())
  let written: Promise<unknown> = ctx.remember(kept)
  /** One after the other: the last one stays. */
  const keep = (next: Kept): Promise<unknown> => {
    if (next === kept) return written
    kept = next
    return written = written.then(() => ctx.remember(next))
  }
  let begun: Promise<unknown> | undefined
  const begin = (resumed: boolean) => begun ??= resumed ? written : keep(newSession(kept))

  const onMessage = async (packet: IPublishPacket, resumed: boolean): Promise<void> => {
    await begin(resumed)
    const { payload, topic } = packet
    if (payload.length > maximumPayload) {
      const message = `A message of ${payload.length} bytes on ${
        shorten(topic)
      } was left out: ${maximumPayload} are taken.`
      return ctx.reject({ code: "mqtt.too_large", message, data: { topic: shorten(topic), bytes: payload.length } })
    }
    // The session may know a filter that is listed no more.
    if (!filters.some((filter) => matches(filter, topic))) return
    const read = readPayload(Buffer.from(payload))
    const delivery = identify(kept, packet, idField === undefined ? undefined : fieldOf(read, idField))
    await keep(delivery.kept)
    try {
      await ctx.emit(eventOf(listening, packet, read, delivery.message_id))
    } catch (error) {
      // What is no event today is none tomorrow: unacknowledged it would come again for ever, and nothing after it.
      if (!isRefused(error)) throw error
      const message = `A message on ${shorten(topic)} was left out: ${error.message}`
      await ctx.reject({ code: "mqtt.not_taken", message, data: { topic: shorten(topic), bytes: payload.length } })
    }
  }

  await written
  const { client, closed, resumed } = await open(broker, {
    secret: ctx.secret,
    signal: ctx.signal,
    onMessage,
    options: {
      clean: false,
      clientId: clientId ?? kept.client,
      properties: { sessionExpiryInterval: week, receiveMaximum, maximumPacketSize }
    }
  })
  try {
    await begin(resumed)
    const old = kept.filters.filter((filter) => !filters.includes(filter))
    if (old.length > 0) await client.unsubscribeAsync(old)
    // What is retained comes with a filter that is new to the session; by MQTT 3.1.1 each time.
    await client.subscribeAsync([...filters], { qos: 1, rh: 1 })
    await keep({ ...kept, filters })
  } catch (error) {
    client.end(true)
    if (ctx.signal.aborted) return
    if (!refuses(error)) throw client.connected ? error : await closed
    throw new Error(
      `The broker does not let it listen to ${
        filters.join(", ")
      }: correct topics, or what the broker allows this user.`,
      { cause: error }
    )
  }
  ctx.connected()
  const why = await closed
  if (!ctx.signal.aborted) throw why
}

/** The host says of it that it takes it never, as opposed to now. */
const isRefused = (error: unknown): error is Error =>
  error instanceof Error && "_tag" in error && error._tag === "EventRejected"

/** The event of a message. */
export const eventOf = (
  { name, text }: Pick<Listening, "name" | "text">,
  { properties, qos, retain, topic }: Pick<IPublishPacket, "properties" | "qos" | "retain" | "topic">,
  read: Payload,
  message_id: string
): RawEvent => {
  const words = text.some((filter) => matches(filter, topic)) ? wordsOf(read) : undefined
  const answerTo = properties?.responseTopic ?? (words === undefined ? undefined : `${topic}/reply`)
  const correlation = properties?.correlationData?.toString("base64")
  const reply = answerTo === undefined || !isTopic(answerTo)
    ? {}
    : { reply: { topic: answerTo, ...(correlation === undefined ? {} : { correlation }) } }
  return {
    channel: "mqtt",
    connector_id: name,
    message_id,
    actor_type: "integration",
    structured: { topic, ...read, retain, qos, ...reply },
    ...(words === undefined ? {} : { text: words }),
    ...(words === undefined || topic.length > 200 ? {} : { thread_id: topic })
  }
}

const fieldOf = ({ payload }: Payload, field: string): unknown =>
  typeof payload === "object" && payload !== null && Object.hasOwn(payload, field)
    ? (payload as Readonly<Record<string, unknown>>)[field]
    : undefined

const refuses = (error: unknown): boolean => typeof (error as { readonly code?: unknown }).code === "number"

const shorten = (topic: string): string => topic.length > 200 ? `${topic.slice(0, 199)}…` : topic
