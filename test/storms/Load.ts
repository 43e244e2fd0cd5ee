/**
 * A client that keeps many requests in flight, notes every answer, and sends again what was not answered: an event under
 * the same message_id, as a careful client does, what has no such id as another one.
 */
import type { Answer, Host } from "./Hosts.ts"
import { type Kind, eventOf } from "./StormPlugin.ts"
import { long, moment } from "./Until.ts"

/** The short form sends no more than it has to: what happens under a blow counts, not how much is done. */
export const light = long ? {} : { inFlight: 12, pause: 10 }

export interface Acknowledged<What extends string = Kind> {
  readonly id: string
  readonly kind: What
  readonly event_id: string
  readonly trace_id: string
}

export interface Load<What extends string = Kind> {
  readonly acknowledged: ReadonlyArray<Acknowledged<What>>
  /** Requests that got no answer, or 503. */
  readonly unanswered: () => number
  /** Answers of one message that did not agree. */
  readonly contradictions: ReadonlyArray<string>
  /** What ended it. */
  readonly failed: () => unknown
  /** Begins nothing new; resolves when everything that was begun is acknowledged. */
  readonly finish: () => Promise<void>
}

/** What is sent. */
export interface Sending<What extends string = Kind> {
  readonly kind: What
  readonly id: string
  /** How often it was sent before. */
  readonly again: number
}

/** Sends one; answers the id under which it is now known, where that is another. */
export type Send<What extends string> = (
  host: Host,
  sending: Sending<What>,
  signal: AbortSignal
) => Promise<Answer & { readonly id?: string }>

export interface LoadOptions<What extends string = Kind> {
  /** The host to send to now; waits while it starts, and is asked again when that fails. */
  readonly host: () => Promise<Host>
  readonly next: (n: number) => What
  /** Default: an event that calls the tool of its kind. */
  readonly send?: Send<What>
  readonly inFlight?: number
  /** Sent at the same time to this one, too. */
  readonly twin?: (n: number) => (() => Promise<Host>) | undefined
  /** Prefix of all message ids. */
  readonly name?: string
  /** Milliseconds that each of those in flight waits before its next event. Default none. */
  readonly pause?: number
  /** Waited for before each. */
  readonly room?: () => Promise<void>
}

const sendEvent: Send<string> = (host, { id, kind }, signal) => host.send(eventOf(kind as Kind, id), { signal })

export const startLoad = <What extends string = Kind>({
  host,
  inFlight = 32,
  name = "m",
  next,
  pause = 0,
  room = async () => {},
  send: post = sendEvent,
  twin
}: LoadOptions<What>): Load<What> => {
  const acknowledged: Array<Acknowledged<What>> = []
  const contradictions: Array<string> = []
  const failures: Array<unknown> = []
  let unanswered = 0
  let begun = 0
  let finishing = false

  const send = async (kind: What, id: string, to: () => Promise<Host>) => {
    for (let again = 0;; again++) {
      try {
        const current = await to()
        const answer = await post(current, { kind, id, again }, AbortSignal.timeout(20_000))
        if ([200, 201, 202].includes(answer.status)) return answer
        if (answer.status !== 503) throw new Refused(`${id}: ${JSON.stringify(answer)}`)
      } catch (error) {
        if (error instanceof Refused) throw error
      }
      unanswered++
      await moment(10)
    }
  }

  const client = async () => {
    while (!finishing) {
      await room()
      const n = begun++
      const kind = next(n)
      const id = `${name}-${n}`
      const [first, ...others] = await Promise.all(
        [host, twin?.(n)].flatMap((to) => to === undefined ? [] : [send(kind, id, to)])
      )
      if (first === undefined) return
      for (const other of others) {
        if (other.event_id !== first.event_id || (other.status === 202 && first.status === 202)) {
          contradictions.push(`${id}: ${JSON.stringify([first, other])}`)
        }
      }
      acknowledged.push({ id: first.id ?? id, kind, event_id: first.event_id, trace_id: first.trace_id })
      if (pause > 0) await moment(pause)
    }
  }

  const clients = Array.from({ length: inFlight }, () =>
    client().catch((error: unknown) => {
      failures.push(error)
      finishing = true
    }))
  return {
    acknowledged,
    contradictions,
    unanswered: () => unanswered,
    failed: () => failures[0],
    finish: async () => {
      finishing = true
      await Promise.all(clients)
      if (failures.length > 0) throw failures[0]
    }
  }
}

class Refused extends Error {}
