/**
 * Asks the host. What it refuses is a `Problem` with the host's own sentence; a session that is over is told to the whole page.
 */
import { listenersOf } from "../live/listeners.ts"

export class Problem extends Error {
  readonly status: number
  /** Stable and dotted; `page.not_connected` where nobody answered. */
  readonly code: string

  constructor(status: number, code: string, detail: string) {
    super(detail)
    this.status = status
    this.code = code
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

const target = (path: string, query?: Query): string => {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== "")
  if (given.length === 0) return path
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()}`
}

const ends = listenersOf<[]>()

/** Says when the host does not know this session; answers how to stop listening. */
export const onSessionOver = ends.add

export const sessionIsOver = (): void => ends.tell()

/** The host's sentence of a refusal. */
export const problemOf = async (response: Response): Promise<Problem> => {
  try {
    const body = await response.json() as {
      readonly code?: unknown
      readonly detail?: unknown
      readonly title?: unknown
    }
    const detail = typeof body.detail === "string" ? body.detail : typeof body.title === "string" ? body.title : ""
    if (detail !== "") {
      return new Problem(response.status, typeof body.code === "string" ? body.code : "page.refused", detail)
    }
  } catch {
    // not a problem document: said below
  }
  return new Problem(response.status, "page.refused", `The host answered ${response.status}.`)
}

const ask = async <A>(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<A> => {
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal })
    })
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new Problem(0, "page.not_connected", "The host does not answer.")
  }
  if (response.status === 401 && path !== "/login") sessionIsOver()
  // `GET /health` answers 503 with its record where the host is down.
  if (!response.ok && path !== "/health") throw await problemOf(response)
  if (response.status === 204) return undefined as A
  try {
    return await response.json() as A
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw error instanceof SyntaxError
      ? new Problem(response.status, "page.not_json", "Something else than SYRIS answers at this address.")
      : new Problem(0, "page.not_connected", "The host has ended the connection in the midst of its answer.")
  }
}

export const get = <A>(path: string, query?: Query, signal?: AbortSignal): Promise<A> =>
  ask<A>("GET", target(path, query), undefined, signal)
export const post = <A = unknown>(path: string, body?: unknown): Promise<A> => ask<A>("POST", path, body)
export const put = <A = unknown>(path: string, body: unknown): Promise<A> => ask<A>("PUT", path, body)
export const patch = <A = unknown>(path: string, body: unknown): Promise<A> => ask<A>("PATCH", path, body)
export const remove = <A = unknown>(path: string): Promise<A> => ask<A>("DELETE", path, undefined)
/** The address of a file to be saved. */
export const addressOf = target
