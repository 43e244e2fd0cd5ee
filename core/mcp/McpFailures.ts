/**
 * What went wrong with a server, as one `McpFailed`: whether a call can have reached it, and a sentence for the operator.
 * The server's own words are redacted, made visible and short.
 */
import { clipped } from "../contract/Visible.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { Redaction } from "../secrets/Redactor.ts"
import { TooLarge, unconnected } from "./BoundedFetch.ts"
import { McpFailed } from "./McpConnection.ts"
import { isLost } from "./MessageFlow.ts"
import { RefreshedTooOften } from "./RefreshedTooOften.ts"
import { RequestRefused } from "./RequestRefused.ts"

export type Sdk = typeof import("@modelcontextprotocol/client")

export interface Speaker {
  readonly sdk: Sdk
  readonly settings: McpServerSettings
  readonly redaction: Redaction
}

/** Of a server's own words, characters. */
const maximumWords = 300

/** Errors of the protocol that say that nothing was done. Every other one may have come up in the middle. */
const notDone: ReadonlySet<number> = new Set([
  -32_700,
  -32_600,
  -32_601,
  -32_602,
  // Headers that do not fit, what the client has not got, a version that it does not speak, a page that has to be opened.
  -32_020,
  -32_021,
  -32_022,
  -32_042
])

/** Those of them with which the host refuses what a server asks: a server may pass one on as its own, after half of the work. */
const passedOn: ReadonlySet<number> = new Set([-32_600, -32_601, -32_602])

/** Statuses with which a server refuses a request before it does anything with it. */
const refusals: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 406, 411, 413, 415, 421, 422, 426, 429, 431])

export const wordsOf = ({ redaction }: Pick<Speaker, "redaction">, text: string): string =>
  clipped(redaction.redactText(text.slice(0, 65_536)), maximumWords)

export const nameOf = (settings: McpServerSettings): string => `The MCP server "${settings.server}"`

export const seconds = (ms: number): string => ms === 1000 ? "1 second" : `${ms / 1000} seconds`

/** Ends a sentence that has the words of somebody else in it. */
const full = (text: string): string => /[.?!…]$/.test(text) ? text : `${text}.`

export interface FailureContext {
  /** Whether it was handed to the way to the server. */
  readonly sent: boolean
  readonly timeoutMs: number
  /** The one who asked has given it up. */
  readonly canceled?: boolean
  /** The server has asked something of the host meanwhile. */
  readonly wasAsked?: boolean
}

/** Of a request on a connection that stands, or has just ended. */
export const failureOf = (
  speaker: Speaker,
  error: unknown,
  { canceled = false, sent, timeoutMs, wasAsked = false }: FailureContext
): McpFailed => {
  const { sdk, settings } = speaker
  const who = nameOf(settings)
  const made = (detail: string, more: { readonly sent?: boolean; readonly refused?: true } = {}): McpFailed =>
    new McpFailed({
      detail: full(detail),
      sent: more.sent ?? sent,
      ...(more.refused === undefined ? {} : { refused: true }),
      cause: error
    })
  const signIn = signInOf(speaker, error)
  if (signIn !== undefined) return signIn
  if (canceled) return made(sent ? `The call to ${who} was given up` : `The call was given up before ${who} got it`)
  if (error instanceof sdk.ProtocolError) {
    if (isLost(error.data)) return made(`The answer of ${who} is lost: ${error.data.lost}`)
    const said = wordsOf(speaker, error.message)
    return notDone.has(error.code) && !(wasAsked && passedOn.has(error.code))
      ? made(`${who} refused it (${error.code}): ${said}`, { refused: true })
      : made(`${who} answered with an error (${error.code}): ${said}`)
  }
  // In the newer revision it asks by its answer to a call, which is then not done.
  if (
    error instanceof RequestRefused ||
    (error instanceof sdk.SdkError && error.code === sdk.SdkErrorCode.CapabilityNotSupported)
  ) {
    return made(`${who} asked for what it does not get: ${wordsOf(speaker, error.message)}`, { refused: true })
  }
  const code = unconnected(error)
  if (code !== undefined) return made(`${who} can't be reached at ${addressOf(settings)} (${code})`, { sent: false })
  if (error instanceof sdk.SdkHttpError) {
    if (error.status >= 300 && error.status < 400) {
      return made(
        `${who} points elsewhere (${error.status}), which is not followed: put the right address into its url`,
        { refused: true }
      )
    }
    const said = typeof error.data.text === "string" ? wordsOf(speaker, error.data.text) : ""
    const detail = `${who} answered with the status ${error.status}${said === "" ? "" : `: ${said}`}`
    return refusals.has(error.status) ? made(detail, { refused: true }) : made(detail)
  }
  if (error instanceof TooLarge) return made(`The answer of ${who} is lost: ${error.message}`)
  if (error instanceof sdk.SdkError && error.code === sdk.SdkErrorCode.RequestTimeout) {
    return made(`${who} did not answer within ${seconds(timeoutMs)}`)
  }
  if (error instanceof sdk.SdkError && error.code === sdk.SdkErrorCode.ConnectionClosed) {
    return made(`The connection to ${who} ended before its answer`)
  }
  if (!sent && /^(Not connected|The connection is over|The server has ended)/.test(messageOf(error))) {
    return made(`${who} is not connected: this was not sent`)
  }
  if (!sent) return made(`${who} was not asked: ${wordsOf(speaker, messageOf(error))}`)
  return made(`The answer of ${who} can't be used: ${wordsOf(speaker, messageOf(error))}`)
}

/** The operator has to sign in, or what is configured for it is wrong. */
export const signInOf = (speaker: Speaker, error: unknown): McpFailed | undefined => {
  const { sdk, settings } = speaker
  const { place } = settings
  if (place.kind !== "http") return undefined
  const who = nameOf(settings)
  const unauthorized = error instanceof sdk.UnauthorizedError ||
    (error instanceof sdk.SdkHttpError && error.status === 401)
  if (unauthorized) {
    const ours = place.oauth.clientSecret !== undefined
      ? "takes no sign-in with the configured oauth.clientId and clientSecret: check them"
      : Object.keys(place.headers).some((name) => name.toLowerCase() === "authorization")
      ? "does not take the configured Authorization header: put the right one into its headers"
      : undefined
    return new McpFailed({
      detail: `${who} ${ours ?? "asks for a sign-in: open the address that \"syris integrations\" shows"}.`,
      sent: false,
      ...(ours === undefined ? { sign_in: true } : {}),
      cause: error
    })
  }
  if (error instanceof RefreshedTooOften) {
    return new McpFailed({ detail: `${who} ${error.message}`, sent: false, cause: error })
  }
  if (error instanceof sdk.OAuthError || error instanceof sdk.OAuthClientFlowError) {
    return new McpFailed({
      detail: full(`The sign-in at ${who} failed: ${wordsOf(speaker, error.message)}`),
      sent: false,
      cause: error
    })
  }
  return undefined
}

/** Where it is, without what may be a secret in it. */
export const addressOf = ({ place }: McpServerSettings): string => {
  if (place.kind === "stdio") return place.command
  const url = new URL(place.url)
  return `${url.origin}${url.pathname}`
}

export const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)
