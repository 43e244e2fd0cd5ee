/**
 * A client that keeps many requests in flight, notes every answer, and sends again what was not answered, under the same
 * message_id, as a careful client does.
 */
import type { Answer, Host } from "./Hosts.ts"
import { type Kind, eventOf } from "./StormPlugin.ts"
import { moment } from "./Until.ts"

export interface Acknowledged {
  readonly id: string
  readonly kind: Kind
  readonly event_id: string
  readonly trace_id: string
}

export interface Load {
  readonly acknowledged: ReadonlyArray<Acknowledged>
  /** Requests that got no answer, or 503. */
  readonly unanswered: () => number
  /** Answers of one message that did not agree. */
  readonly contradictions: ReadonlyArray<string>
  /** Begins nothing new; resolves when everything that was begun is acknowledged. */
  readonly finish: () => Promise<void>
}

export interface LoadOptions {
  /** The host to send to now; waits while it starts, and is asked again when that fails. */
  readonly host: () => Promise<Host>
  readonly next: (n: number) => Kind
  readonly inFlight?: number
  /** Sent at the same time to this one, too. */
  readonly twin?: (n: number) => (() => Promise<Host>) | undefined
  /** Prefix of all message ids. */
  readonly name?: string
  /** Milliseconds that each of those in flight waits before its next event. Default none. */
  readonly pause?: number
}

export const startLoad = ({ host, inFlight = 32, name = "m", next, pause = 0, twin }: LoadOptions): Load => {
  const acknowledged: Array<Acknowledged> = []
  const contradictions: Array<string> = []
  const failures: Array<unknown> = []
  let unanswered = 0
  let begun = 0
  let finishing = false

  const send = async (kind: Kind, id: string, to: () => Promise<Host>): Promise<Answer> => {
    while (true) {
      try {
        const current = await to()
        const answer = await current.send(eventOf(kind, id), { signal: AbortSignal.timeout(20_000) })
        if (answer.status === 202 || answer.status === 200) return answer
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
      acknowledged.push({ id, kind, event_id: first.event_id, trace_id: first.trace_id })
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
    finish: async () => {
      finishing = true
      await Promise.all(clients)
      if (failures.length > 0) throw failures[0]
    }
  }
}

class Refused extends Error {}
