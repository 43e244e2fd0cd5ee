/**
 * The house as the tools reach it: over the connection that listens, where this host is the one; else over one that is
 * opened for a call and closed when nobody has used it for a while.
 */
import { type Log, ToolRefused } from "syris"
import { type Link, openLink } from "./Link.ts"
import { NoConnection } from "./Trouble.ts"
import { wordsOf } from "./Wire.ts"

/** Longer than any call takes. */
const idleMs = 60_000

/** Reads the token; what has none can use a connection that is there. */
export type ReadToken = () => Promise<string>

export interface House {
  readonly url: URL
  /** Throws `ToolRefused` where there is no connection: nothing was sent. */
  readonly link: (token: ReadToken | undefined, signal: AbortSignal) => Promise<Link>
  /** The connection that there is, if there is one. */
  readonly current: () => Link | undefined
  /** The connection that listens, from then on. */
  readonly listening: (link: Link) => void
  readonly close: () => void
}

export const makeHouse = (url: URL, log: Log): House => {
  let listening: Link | undefined
  let own: Link | undefined
  let opening: Promise<Link> | undefined
  let idle: NodeJS.Timeout | undefined
  const controllers = new Set<AbortController>()

  const current = (): Link | undefined => [listening, own].find((link) => link?.isAlive() === true)
  const closeOwn = (): void => {
    clearTimeout(idle)
    own?.close()
    own = undefined
  }
  const open = async (token: ReadToken): Promise<Link> => {
    const controller = new AbortController()
    controllers.add(controller)
    try {
      own = await openLink({ url, token: await token(), signal: controller.signal, log })
      return own
    } finally {
      opening = undefined
      controllers.delete(controller)
    }
  }
  return {
    url,
    current,
    link: async (token, signal) => {
      clearTimeout(idle)
      const there = current()
      if (there !== undefined && there !== own) return there
      try {
        if (there === undefined) {
          if (token === undefined) {
            throw new NoConnection(
              `This host has no connection to Home Assistant at ${url.host} now: try it again shortly.`
            )
          }
          closeOwn()
          opening ??= open(token)
        }
        const link = there ?? await raced(opening!, signal)
        idle = setTimeout(closeOwn, idleMs)
        idle.unref()
        return link
      } catch (error) {
        throw new ToolRefused(`Nothing was done. ${wordsOf(error)}`)
      }
    },
    listening: (link) => {
      listening = link
      closeOwn()
    },
    close: () => {
      for (const controller of controllers) controller.abort()
      closeOwn()
    }
  }
}

const raced = <A>(promise: Promise<A>, signal: AbortSignal): Promise<A> =>
  new Promise((resolve, reject) => {
    const stop = () => reject(new NoConnection("It was stopped."))
    signal.addEventListener("abort", stop, { once: true })
    if (signal.aborted) stop()
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop))
  })
