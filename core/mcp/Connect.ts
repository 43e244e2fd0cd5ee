/**
 * Connects to one server: by its settings, for as long as the scope lives.
 *
 * Real time everywhere: processes and sockets do not know the host's clock, which a test moves.
 */
import type { OAuthClientProvider } from "@modelcontextprotocol/client"
import { Effect, Queue } from "effect"
import type { Scope } from "effect"
import { clipped } from "../contract/Visible.ts"
import type { Environment } from "../database/Environment.ts"
import { version } from "../health/Version.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import type { SecretsStore } from "../secrets/SecretsStore.ts"
import { makeCalls } from "./Calls.ts"
import { Ended, handshakeMs, type Plan, probeMs, shakeHands, type Way } from "./Handshake.ts"
import { HttpTransport } from "./HttpTransport.ts"
import { type McpConnection, McpFailed } from "./McpConnection.ts"
import { failureOf, nameOf, type Sdk, signInOf, type Speaker, wordsOf } from "./McpFailures.ts"
import { isLost, MessageFlow } from "./MessageFlow.ts"
import { type OpenPlace, openPlace } from "./Place.ts"
import { mostRounds, type ServerRequests } from "./ServerRequests.ts"
import { StdioTransport } from "./StdioTransport.ts"
import { followToolList } from "./ToolChanges.ts"
import { listTools, pageTimeoutMs } from "./ToolList.ts"

/** How long a sign of life is waited for, milliseconds. */
const pingTimeoutMs = 5_000
/** How long something that did not end the connection is told, milliseconds: a stream that broke off once is no state. */
const notedMs = 60_000
/** Of a name that the server gives itself, characters. */
const maximumName = 100

export interface ConnectOptions {
  /** Signs in where the server asks for it and the settings have no `clientSecret`. */
  readonly authProvider?: OAuthClientProvider | undefined
  /** For the whole handshake, milliseconds. */
  readonly handshakeMs?: number
}

export const connect = Effect.fnUntraced(function*(
  settings: McpServerSettings,
  requests: ServerRequests,
  options: ConnectOptions = {}
): Effect.fn.Return<McpConnection, McpFailed, Scope.Scope | SecretsStore | Redactor | Environment> {
  const place = yield* openPlace(settings)
  const redaction = yield* Redactor
  // Loaded with the first server: a host without one starts without it.
  const sdk = yield* Effect.promise(() => import("@modelcontextprotocol/client"))
  const speaker: Speaker = { sdk, settings, redaction }
  let noted: string | undefined
  let notedAt = 0
  let way: Way | undefined
  const schemas = new Map<string, unknown>()
  const calls = makeCalls(speaker, () => way!, (tool) => schemas.get(tool))
  const note = (what: string): void => {
    noted = `${nameOf(settings)} is connected, but ${wordsOf(speaker, what)}`
    notedAt = performance.now()
  }
  const authProvider = providerOf(sdk, settings, place) ?? options.authProvider
  const make = (plan: Plan): Way => {
    const flow = new MessageFlow()
    const client = new sdk.Client({ name: "syris", version }, {
      capabilities: requests.capabilities,
      inputRequired: { maxRounds: mostRounds },
      versionNegotiation: plan === "discover" || plan === "patient"
        ? { mode: "auto", probe: { timeoutMs: probeMs(plan, place.kind, options.handshakeMs) } }
        : { mode: "legacy" }
    })
    client.onerror = (error) => note(error.message)
    requests.register(client, calls.current)
    const transport = place.kind === "stdio"
      ? new StdioTransport({ ...place.start, flow, redaction, noted: note, deserialize: sdk.deserializeMessage })
      : new HttpTransport({
        ...place,
        kind: plan === "sse" ? "sse" : "streamable",
        sdk,
        authProvider,
        flow,
        noted: note
      })
    way = { client, transport, flow }
    return way
  }

  yield* Effect.addFinalizer(() => Effect.promise(() => way?.transport.close() ?? Promise.resolve()))
  const { client, transport } = yield* Effect.tryPromise({
    try: (signal) =>
      shakeHands({
        sdk,
        settings,
        make,
        signal,
        ...(options.handshakeMs === undefined ? {} : { timeoutMs: options.handshakeMs })
      }),
    catch: (error) => unconnectedFailure(speaker, error, way, options.handshakeMs ?? handshakeMs)
  })
  noted = undefined
  const { ended } = transport
  if ("established" in transport) transport.established()
  const own = new AbortController()
  void ended.then(() => own.abort())
  const changes = yield* Queue.sliding<void>(1)
  followToolList(client, own.signal, () => void Queue.offerUnsafe(changes, undefined))

  const { name = "", version: theirs = "" } = client.getServerVersion() ?? {}
  const shown = (text: string): string => clipped(redaction.redactText(text), maximumName)

  /** A request that is no call; it changes nothing. */
  const request = <A>(ask: (signal: AbortSignal) => Promise<A>, timeoutMs: number): Effect.Effect<A, McpFailed> =>
    Effect.tryPromise({
      try: (signal) => ask(AbortSignal.any([signal, own.signal])),
      catch: (error) => failureOf(speaker, error, { sent: true, timeoutMs })
    })

  const tools = Effect.tap(
    request((signal) => listTools(client, signal), pageTimeoutMs),
    (listed) =>
      Effect.sync(() => {
        schemas.clear()
        for (const tool of listed.tools) schemas.set(tool.name, tool.inputSchema)
      })
  )

  const ping = Effect.suspend(() => {
    const started = performance.now()
    return request(async (signal) => {
      const asked = { timeout: pingTimeoutMs, signal }
      // The revision of 2026 has no ping.
      await (client.getProtocolEra() === "modern" ? client.discover(asked) : client.ping(asked)).catch(
        (error: unknown) => {
          // An error of the server is a sign of life, too; one that stands for a lost answer is not.
          if (!(error instanceof sdk.ProtocolError) || isLost(error.data)) throw error
        }
      )
      return performance.now() - started
    }, pingTimeoutMs)
  })

  return {
    server: { name: shown(name), version: shown(theirs), protocol: client.getNegotiatedProtocolVersion() ?? "" },
    tools,
    call: calls.call,
    ping,
    toolsChanged: Queue.take(changes),
    closed: Effect.map(Effect.promise(() => ended), (why) => `${nameOf(settings)} is gone: ${why}.`),
    noted: () => performance.now() - notedAt < notedMs ? noted : undefined,
    stderr: () => "stderr" in transport ? transport.stderr.text() : "",
    pid: "pid" in transport ? transport.pid : undefined
  }
})

/** Signs in by itself where it has what that takes. */
const providerOf = (
  sdk: Sdk,
  { place: given }: McpServerSettings,
  place: OpenPlace
): OAuthClientProvider | undefined => {
  if (given.kind !== "http" || place.kind !== "http") return undefined
  const { clientId, scope } = given.oauth
  if (clientId === undefined || place.clientSecret === undefined) return undefined
  return new sdk.ClientCredentialsProvider({
    clientId,
    clientSecret: place.clientSecret,
    ...(scope === undefined ? {} : { scope })
  })
}

const unconnectedFailure = (
  speaker: Speaker,
  error: unknown,
  way: Way | undefined,
  timeoutMs: number
): McpFailed => {
  const { settings } = speaker
  const who = nameOf(settings)
  if (!(error instanceof Ended)) {
    const { detail, sign_in } = signInOf(speaker, error) ??
      failureOf(speaker, error, { sent: true, timeoutMs })
    return new McpFailed({
      detail: sign_in === true ? detail : `Not connected. ${detail}`,
      sent: false,
      ...(sign_in === undefined ? {} : { sign_in }),
      cause: error
    })
  }
  const last = way !== undefined && "stderr" in way.transport ? way.transport.stderr.lastLine() : undefined
  return new McpFailed({
    detail: `${who} could not be connected: ${error.message}.${
      last === undefined ? "" : ` The last that it wrote on its standard error: ${clipped(last, 300)}`
    }`,
    sent: false
  })
}
