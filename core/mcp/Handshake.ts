/**
 * From a place to a connection: which revision of the protocol, over which transport.
 *
 * - New servers are asked with `server/discover`, old ones with `initialize`. Old ones that end or fall silent at the first
 *   are started again and asked with the second alone, and over HTTP the oldest transport is the last resort.
 * - What has worked is remembered for the next time, as long as the settings live; what failed is forgotten.
 * - The whole is bounded in time, whatever the server does.
 */
import type { Client } from "@modelcontextprotocol/client"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import { unconnected } from "./BoundedFetch.ts"
import type { HttpTransport } from "./HttpTransport.ts"
import { seconds, type Sdk } from "./McpFailures.ts"
import type { MessageFlow } from "./MessageFlow.ts"
import type { StdioTransport } from "./StdioTransport.ts"

/** `discover` first; with patience, for one that is slow to start; `initialize` alone; the transport of 2024. */
export type Plan = "discover" | "patient" | "initialize" | "sse"

export interface Way {
  readonly client: Client
  readonly transport: StdioTransport | HttpTransport
  readonly flow: MessageFlow
}

export interface Handshake {
  readonly sdk: Sdk
  readonly settings: McpServerSettings
  /** A new client and a new transport, which is not started. */
  readonly make: (plan: Plan) => Way
  readonly signal: AbortSignal
  /** For all attempts together, milliseconds. */
  readonly timeoutMs?: number
}

export const handshakeMs = 30_000

/** How much of the whole time an answer to `server/discover` is waited for, milliseconds. */
export const probeMs = (
  plan: Plan,
  kind: McpServerSettings["place"]["kind"],
  timeoutMs: number = handshakeMs
): number => Math.round(timeoutMs / (kind === "http" ? 3 : plan === "patient" ? 2 : 6))

/** The connection ended, or was ended, before it stood. */
export class Ended extends Error {}

const remembered = new WeakMap<McpServerSettings, Plan>()

export const shakeHands = async (
  { make, sdk, settings, signal, timeoutMs = handshakeMs }: Handshake
): Promise<Way> => {
  const until = performance.now() + timeoutMs
  const { kind } = settings.place
  const tried = new Set<Plan>()
  const errors: Array<unknown> = []
  let plan = remembered.get(settings) ?? "discover"
  while (true) {
    tried.add(plan)
    const way = make(plan)
    // Something is left for a second attempt.
    const left = until - performance.now()
    const ms = plan === "discover" ? Math.min(left, timeoutMs * 0.4) : left
    const started = performance.now()
    try {
      await connectWithin(way, ms, timeoutMs, signal)
      const isOld = way.client.getProtocolEra() === "legacy"
      const wasSilent = isOld && performance.now() - started > probeMs(plan, kind, timeoutMs)
      if (plan === "sse" || plan === "initialize" || wasSilent) {
        remembered.set(settings, plan === "sse" ? plan : "initialize")
      }
      return way
    } catch (error) {
      remembered.delete(settings)
      await way.transport.kill()
      errors.push(error)
      const next = nextPlan(sdk, kind, plan, error)
      if (next === undefined || tried.has(next) || performance.now() > until || signal.aborted) {
        // Over HTTP the first says what is wrong with the address; of a process the last says how it ended.
        throw kind === "http" ? errors[0] : error
      }
      plan = next
    }
  }
}

const nextPlan = (
  sdk: Sdk,
  kind: McpServerSettings["place"]["kind"],
  plan: Plan,
  error: unknown
): Plan | undefined => {
  if (kind === "stdio") {
    if (plan !== "discover" || (error instanceof Ended && !isWorthAgain(error))) return undefined
    // It speaks, and does not know `initialize`: it was slow to answer the question before.
    return error instanceof sdk.ProtocolError ? "patient" : "initialize"
  }
  if (plan === "sse" || unconnected(error) !== undefined || error instanceof sdk.UnauthorizedError) return undefined
  if (error instanceof sdk.SdkHttpError) {
    if (error.status === 401 || error.status === 403) return undefined
    // As the specification has it: these say that nobody takes a POST here.
    if (error.status === 400 || error.status === 404 || error.status === 405) return "sse"
  }
  return plan === "discover" ? "initialize" : undefined
}

/** A command that is not there is not there the second time. */
const isWorthAgain = (error: Ended): boolean => !/its command|can't be started/.test(error.message)

const connectWithin = async (
  { client, transport }: Way,
  ms: number,
  timeoutMs: number,
  signal: AbortSignal
): Promise<void> => {
  let over = false
  const stop = (): void => void transport.kill("the host gave it up")
  const timer = setTimeout(() => void transport.kill(`it did not answer within ${seconds(timeoutMs)}`), ms)
  signal.addEventListener("abort", stop, { once: true })
  if (signal.aborted) stop()
  // The timer above comes first: it knows what to say.
  const connected = client.connect(transport, { timeout: Math.ceil(ms) + 1_000 })
  // The loser of the race fails unseen.
  connected.catch(() => {})
  try {
    await Promise.race([
      connected,
      transport.ended.then((why) => {
        // The SDK closes what it could not connect, and says the moment after why: the operator has to sign in, perhaps.
        if (why === "the host closed it") return connected
        if (!over) throw new Ended(why)
      })
    ])
  } catch (error) {
    throw await explained(transport, error)
  } finally {
    over = true
    clearTimeout(timer)
    signal.removeEventListener("abort", stop)
  }
}

/** How a process ended says more than that its connection was closed; it may be known a moment later. */
const explained = async (transport: Way["transport"], error: unknown): Promise<unknown> => {
  if (error instanceof Ended || !("stderr" in transport)) return error
  const why = await Promise.race([
    transport.ended,
    new Promise<undefined>((resolve) => setTimeout(resolve, 20, undefined))
  ])
  return why === undefined || why === "the host closed it" ? error : new Ended(why)
}
