/**
 * The program on the other side: loads one plugin when it is told which, says what it brings, and serves what the host invokes
 * of it until it is told to end. One conversation has one plugin. Runs in a thread, a Node process and Deno, so it knows neither.
 */
import type { NamedHosts } from "../../core/safety/NamedHosts.ts"
import { code } from "../protocol/Messages.ts"
import { BadRequest, Peer } from "../protocol/Peer.ts"
import { type Host, plainFetch } from "./Asking.ts"
import { describe, type GuestParts } from "./Describe.ts"
import { makeGuestLog } from "./GuestLog.ts"
import { loadPlugin, NotUsable, type Wanted } from "./LoadPlugin.ts"
import { runPart } from "./Parts.ts"
import { makeProgress, type Said } from "./Progress.ts"

export interface GuestPort {
  /** Throws a `RangeError` for what is too long. */
  readonly send: (message: unknown) => void
  /** Ends the conversation: nothing is under way any more. */
  readonly end: () => void
  /** Imports the plugin's module. */
  readonly read: (url: string) => Promise<Readonly<Record<string, unknown>>>
  /** Makes the `fetch` of each run. Default: the runtime's own, which its permissions hold. */
  readonly fetch?: (named: NamedHosts) => GuestFetch
}

/** `fetch`, for as long as the signal is not aborted. */
export type GuestFetch = (signal: AbortSignal) => typeof globalThis.fetch

export interface Guest {
  readonly receive: (message: unknown) => void
  /** Aborts what runs, and ends when it has ended. */
  readonly drain: () => void
}

export interface GuestInvocation {
  readonly part: string
  readonly name: string
  readonly member: string
  readonly args: ReadonlyArray<unknown>
  readonly facts: Readonly<Record<string, unknown>>
}

export const protocolVersion = 1

export const makeGuest = (port: GuestPort): Guest => {
  let parts: GuestParts | undefined
  let makeFetch: GuestFetch = plainFetch
  let begun = false
  let draining = false
  const running = new Map<number, AbortController>()

  const log = (invocation?: number) =>
    makeGuestLog((line) => peer.notify("log", invocation === undefined ? line : { ...line, invocation }))

  const initialize = async (params: Readonly<Record<string, unknown>>): Promise<unknown> => {
    if (begun) throw new BadRequest("it was told twice what to load")
    begun = true
    if (params["protocol"] !== protocolVersion) {
      throw new NotUsable("load", [`it speaks version ${protocolVersion} of the protocol, and the host another one`])
    }
    const loaded = await loadPlugin(params as unknown as Wanted, port.read, () => log())
    const made = describe(loaded)
    parts = made.parts
    makeFetch = port.fetch?.(loaded.named()) ?? plainFetch
    return made.described
  }

  const invoke = async (id: number, params: Readonly<Record<string, unknown>>): Promise<unknown> => {
    if (parts === undefined) throw new BadRequest("it was asked for something before it was loaded")
    const controller = new AbortController()
    running.set(id, controller)
    if (draining) controller.abort()
    const tell: Host["tell"] = (method, ...args) => peer.notify("tell", { invocation: id, method, args })
    const progress = makeProgress((said) => {
      try {
        tell("progress", said)
      } catch {
        // It is longer than a message may be: nobody could read it.
      }
    })
    const host: Host = {
      ask: (method, ...args) => peer.request("ask", { invocation: id, method, args }),
      tell: (method, ...args) => method === "progress" ? progress.say(args[0] as Said) : tell(method, ...args)
    }
    try {
      return await runPart(parts, params as unknown as GuestInvocation, {
        host,
        signal: controller.signal,
        fetch: makeFetch(controller.signal),
        log: log(id)
      })
    } finally {
      progress.flush()
      running.delete(id)
      // After its answer, which leaves in a moment.
      if (draining && running.size === 0) setTimeout(port.end, 0)
    }
  }

  const peer: Peer = new Peer({
    send: port.send,
    strange: () => {},
    request: (method, params, id) => {
      const given = params as Readonly<Record<string, unknown>>
      switch (method) {
        case "initialize":
          return initialize(given)
        case "invoke":
          return invoke(id, given)
        default:
          throw new BadRequest(`there is no method ${method}`, code.notFound)
      }
    },
    notification: (method, params) => {
      if (method === "cancel") running.get((params as { readonly id: number }).id)?.abort()
      else if (method === "shutdown") drain()
    }
  })

  const drain = (): void => {
    if (draining) return
    draining = true
    for (const controller of running.values()) controller.abort()
    if (running.size === 0) port.end()
  }

  return { receive: (message) => peer.receive(message), drain }
}
