/**
 * What `syris doctor` is told of an entry: that its secrets are there, and that something listens where messages go. Nothing is
 * posted.
 */
import * as net from "node:net"
import * as tls from "node:tls"
import type { Channel, SecretOption } from "syris"
import type { Destination } from "./Send.ts"
import { keyBytes, type Style } from "./Signature.ts"

export interface Entry {
  readonly name: string
  readonly style: Style
  readonly secrets: ReadonlyArray<SecretOption>
  readonly destination: Destination | undefined
}

/** The port is open, and with https its certificate holds. */
const connect = (url: URL, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/g, "")
    const secure = url.protocol === "https:"
    const port = url.port === "" ? secure ? 443 : 80 : Number(url.port)
    const socket = secure
      ? tls.connect({ host, port, ...(net.isIP(host) === 0 ? { servername: host } : {}) })
      : net.connect({ host, port })
    const stop = (): void => void socket.destroy(new Error("nobody answered in time"))
    const end = (settle: () => void): void => {
      signal.removeEventListener("abort", stop)
      socket.destroy()
      settle()
    }
    signal.addEventListener("abort", stop, { once: true })
    socket.once(secure ? "secureConnect" : "connect", () => end(resolve))
    socket.once("error", (error) => end(() => reject(error)))
    if (signal.aborted) stop()
  })

const wordsOf = (error: unknown): string => {
  const { code = "", message } = error as NodeJS.ErrnoException
  if (code.startsWith("ERR_SSL")) return "what is there speaks no TLS"
  const [line = ""] = message.split("\n")
  return (line || code || "no connection comes about").replace(/\.$/, "")
}

/** Shorter ones can be found by trying, by whoever has one signed message. */
const leastBytes = 12

const checkKey = (what: string, style: Style, secret: string): void => {
  const bytes = keyBytes(style, secret)
  if (bytes >= leastBytes) return
  const fault = bytes === 0 ? "holds no key" : `is too short (${bytes} bytes), so it can be guessed`
  throw new Error(
    `${what} ${fault}: set it again${
      style === "standard" ? ", as in whsec_… and base64" : ""
    } (openssl rand -hex 32 makes one).`
  )
}

export const checkOf = ({ destination, name, secrets, style }: Entry): NonNullable<Channel["check"]> => async (ctx) => {
  const said: Array<string> = []
  if (secrets.length > 0) {
    for (const secret of secrets) checkKey(`A secret of the hook /hooks/${name}`, style, await ctx.secret(secret))
    const many = secrets.length === 1 ? "a secret is set" : `${secrets.length} secrets are set`
    said.push(`listens at POST /hooks/${name} in the style ${style}, ${many}`)
  }
  if (destination !== undefined) {
    const { signingSecret, signingStyle } = destination
    if (signingSecret !== undefined) {
      checkKey(`The signingSecret of the webhook ${name}`, signingStyle, await ctx.secret(signingSecret))
    }
    const url = new URL(destination.url)
    await connect(url, ctx.signal).catch((error: unknown) => {
      throw new Error(
        `${url.host}, where messages go, can't be reached (${wordsOf(error)}): check the url, and that it is up.`
      )
    })
    said.push(`sends to ${url.host}, which is there${url.protocol === "https:" ? " with a valid certificate" : ""}`)
  }
  return said.join("; ")
}
