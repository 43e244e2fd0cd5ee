/**
 * Why there is no connection, as a sentence for the operator that says what to do.
 */

/** Nothing was sent, or nothing comes any more: the message says which. */
export class NoConnection extends Error {
  override readonly name = "NoConnection"
}

const certificate =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|ERR_SSL_|EPROTO|ERR_TLS_)/

export const wrongToken = (where: string): NoConnection =>
  new NoConnection(
    `Home Assistant at ${where} does not take the token. Make a long-lived access token (your profile, Security, ` +
      `at the bottom), and keep it with: syris secrets set home-assistant token.`
  )

/** From the code of a failed connection. */
const sentenceFor = (url: URL, code: string, message: string): string => {
  const { host, hostname } = url
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return `There is no machine called ${hostname}: check the url of Home Assistant, or the DNS.`
  }
  if (code === "ECONNREFUSED") {
    return `${host} refuses the connection: is Home Assistant running, and is that its port?`
  }
  if (code === "EHOSTUNREACH" || code === "ENETUNREACH") return `There is no way to ${host}: check the network.`
  if (/TIMEDOUT|TIMEOUT/.test(code)) {
    return `${host} does not answer: check the address, and that nothing is in between.`
  }
  if (code === "ECONNRESET" || code === "UND_ERR_SOCKET" || code === "EPIPE") {
    return url.protocol === "https:"
      ? `${host} ended the connection: does it speak https? If not, write http:// in the url.`
      : `${host} ended the connection: if it speaks https only, write https:// in the url.`
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH/.test(code)) return `${host} does not speak https: write http:// in the url.`
  if (certificate.test(code)) {
    return `The certificate of ${host} is not trusted (${code}): give Node its authority with NODE_EXTRA_CA_CERTS, ` +
      `or use the name that is in the certificate.`
  }
  if (code.startsWith("HPE_") || /\bHTTP\/\d/.test(message)) {
    return `What answers at ${host} does not speak HTTP: check the port of Home Assistant (8123, if it was not changed).`
  }
  return `No connection to Home Assistant at ${host}: ${message.slice(0, 200)}.`
}

/** A websocket does not say why it can't be opened; a plain request to the same place does. */
export const whyNot = async (url: URL, signal: AbortSignal): Promise<NoConnection> => {
  const { host } = url
  try {
    const response = await fetch(new URL("api/websocket", url), {
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)])
    })
    await response.body?.cancel().catch(() => {})
    const { status } = response
    if (status >= 502 && status <= 504) {
      return new NoConnection(`${host} answers ${status}: Home Assistant behind it is not up yet. It is tried again.`)
    }
    if (status >= 300 && status < 400) {
      return new NoConnection(`${host} sends elsewhere (${status}): write the address that it sends to into the url.`)
    }
    if (status === 403) {
      return new NoConnection(`${host} forbids it (403): see ip_bans.yaml, or the proxy's settings.`)
    }
    return new NoConnection(
      status === 404
        ? `There is no Home Assistant at ${host}: it answers 404 for ${new URL("api/websocket", url).pathname}.`
        : `${host} answers, but opens no websocket (${status}): a proxy in between must let websockets pass.`
    )
  } catch (error) {
    const cause: unknown = error instanceof Error ? error.cause ?? error : error
    const { code, message = "" } = cause as { readonly code?: unknown; readonly message?: string }
    const name = error instanceof Error ? error.name : ""
    return new NoConnection(
      sentenceFor(url, typeof code === "string" ? code : name === "TimeoutError" ? "TIMEOUT" : "", message)
    )
  }
}
