/**
 * A connection to the broker: one attempt, MQTT 5, or 3.1.1 where the broker knows no better. It ends once and is not made
 * again here, so nothing that was published is ever sent again by itself. Failures are sentences that say what to do.
 */
import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt"
import { readFileSync } from "node:fs"
import type { SecretOption } from "syris"

export interface Broker {
  readonly url: string
  readonly username: string | undefined
  readonly password: SecretOption | undefined
  /** A file with the certificate of the authority that vouches for the broker. */
  readonly ca: string | undefined
}

export interface Connection {
  readonly client: MqttClient
  readonly version: 4 | 5
  /** The broker had kept the session. */
  readonly resumed: boolean
  /** Why it ended; rejects never. */
  readonly closed: Promise<Error>
}

export interface Asked {
  readonly secret: (option: SecretOption) => Promise<string>
  readonly signal: AbortSignal
  readonly options: IClientOptions
  /** The broker gets its acknowledgement once this is done. Where it fails the connection ends. */
  readonly onMessage?: (packet: IPublishPacket, resumed: boolean) => Promise<void>
}

/** Which version each broker was found to speak. */
const versions = new Map<string, 4 | 5>()

/** An address of a broker, without a name and password in it. */
export const isBroker = (url: string): boolean => {
  const parsed = URL.parse(url)
  return /^(?:mqtts?|wss?):$/.test(parsed?.protocol ?? "") && parsed?.hostname !== "" && parsed?.username === "" &&
    parsed.password === ""
}

export const open = async (broker: Broker, asked: Asked): Promise<Connection> => {
  const password = broker.password === undefined ? undefined : await asked.secret(broker.password)
  asked.signal.throwIfAborted()
  const ca = broker.ca === undefined ? undefined : readCertificate(broker.ca)
  const known = versions.get(broker.url) ?? 5
  try {
    return await attempt({ ...broker, password, ca }, known, asked)
  } catch (error) {
    if (known === 4 || !(error instanceof OtherVersion)) throw error
    const connection = await attempt({ ...broker, password, ca }, 4, asked)
    if (error.said) versions.set(broker.url, 4)
    return connection
  }
}

/** The broker does not take MQTT 5, or seems not to: many old ones say nothing and hang up. */
class OtherVersion extends Error {
  readonly said: boolean
  constructor(why: Error, said: boolean) {
    super(why.message, { cause: why })
    this.said = said
  }
}

const readCertificate = (file: string): Buffer => {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Error(`The certificate ${file} can't be read (${String(codeOf(error as Error))}): correct ca.`, {
      cause: error
    })
  }
}

/** With what was read for it. */
interface Ready extends Pick<Broker, "url" | "username"> {
  readonly password: string | undefined
  readonly ca: Buffer | undefined
}

const attempt = (broker: Ready, version: 4 | 5, asked: Asked): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const { properties, ...options } = asked.options
    const client = connect(broker.url, {
      keepalive: 10,
      connectTimeout: 10_000,
      reconnectPeriod: 0,
      resubscribe: false,
      protocolVersion: version,
      ...(broker.username === undefined ? {} : { username: broker.username }),
      ...(broker.password === undefined ? {} : { password: broker.password }),
      ...(broker.ca === undefined ? {} : { ca: broker.ca }),
      ...(version === 4 || properties === undefined ? {} : { properties }),
      ...options
    })
    let failure: Error | undefined
    let answered = false
    let resumed = false
    const end = () => void client.end(true)
    const closed = new Promise<Error>((over) =>
      client.once("close", () => {
        asked.signal.removeEventListener("abort", end)
        const why = failure ?? new Error(answered ? `${placeOf(broker)} closed the connection.` : silent(broker))
        const code = codeOf(why)
        const said = code === 1 || code === 132
        const older = version === 5 && !asked.signal.aborted &&
          (said || (!answered && (failure === undefined || code === "ECONNRESET")))
        reject(older ? new OtherVersion(why, said) : explain(broker, why))
        over(explain(broker, why))
      })
    )
    asked.signal.addEventListener("abort", end, { once: true })
    client.on("packetreceive", (packet) => {
      if (packet.cmd !== "connack") return
      answered = true
      resumed = packet.sessionPresent
    })
    client.on("disconnect", ({ reasonCode }) => failure ??= coded(reasonCode))
    client.on("error", (error) => failure ??= error)
    // Called before the acknowledgement of each message, one at a time; it is sent by `done`.
    client.handleMessage = (packet, done) =>
      void (asked.onMessage?.(packet, resumed) ?? Promise.resolve()).then(() => done(), (error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error))
        end()
      })
    client.once("connect", () => resolve({ client, version, resumed, closed }))
  })

const codeOf = (error: Error): unknown => (error as Error & { readonly code?: unknown }).code

const coded = (code: number | undefined): Error =>
  Object.assign(new Error("The broker ended the connection."), { code })

const placeOf = ({ url }: Pick<Broker, "url">): string => new URL(url).host

/** It took the connection, and ended it without a word of MQTT. */
const silent = (broker: Pick<Broker, "url">): string =>
  `${placeOf(broker)} closed the connection before it said anything in MQTT: check that it is a broker, and its port${
    broker.url.startsWith("ws") ? " and path" : ""
  }.`

/** What the parser of packets says of anything else than packets. */
const noPackets = /packet|header flag|remaining length|protocol/i

/** As a sentence for the operator. */
const explain = (broker: Pick<Broker, "url">, error: Error): Error => {
  const at = `The broker at ${placeOf(broker)}`
  const code = codeOf(error)
  const message = ((): string => {
    switch (code) {
      case "ECONNREFUSED":
        return `Nothing listens at ${placeOf(broker)}: start the broker there, or correct url.`
      case "ENOTFOUND":
      case "EAI_AGAIN":
        return `The name ${new URL(broker.url).hostname} is not known: correct url, or check the network.`
      case "EHOSTUNREACH":
      case "ENETUNREACH":
      case "ETIMEDOUT":
        return `${placeOf(broker)} can't be reached (${code}): check the network, or correct url.`
      case "ECONNRESET":
      case "EPIPE":
        return `${at} cut the connection: see its log.`
      case 2:
      case 133:
        return `${at} does not take this client id: give another clientId.`
      case 4:
      case 134:
        return `${at} does not take this user name and password: correct username and password.`
      case 5:
      case 135:
        return `${at} lets this user do nothing: correct username and password, or what the broker allows it.`
      case 139:
        return `${at} is shutting down.`
      case 142:
        return `Somebody else connects to ${
          placeOf(broker)
        } with the same client id: give one of the two another clientId.`
    }
    if (/^connack timeout$/.test(error.message)) {
      return `${placeOf(broker)} does not answer in MQTT within 10 seconds: check that it is a broker, and its port.`
    }
    if (code === undefined && noPackets.test(error.message)) {
      return `What answers at ${placeOf(broker)} does not speak MQTT: check that it is a broker, and its port.`
    }
    if (/^Keepalive timeout$/.test(error.message)) return `${at} does not answer any more.`
    if (typeof code === "string" && /CERT|SIGNATURE|ALTNAME|^ERR_(TLS|SSL)|WRONG_VERSION/.test(code)) {
      return `TLS with ${placeOf(broker)} fails (${code}): check url, and give the certificate of its authority as ca.`
    }
    return /[.!]$/.test(error.message) ? error.message : `${at}: ${error.message}.`
  })()
  return new Error(message, { cause: error })
}
