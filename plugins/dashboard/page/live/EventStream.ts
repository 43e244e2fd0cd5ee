/**
 * One stream of server-sent events, for as long as somebody looks.
 *
 * - A lost stream is opened again after the id of its last event, so none is missing and none comes twice; until then
 *   `connection` says so.
 * - A tab that nobody sees closes it after half a minute, since a browser has few connections to one host. When it is seen
 *   again it goes on where it was, or, after a long time, begins anew.
 */
import { createParser } from "eventsource-parser"
import { problemOf, sessionIsOver } from "../api/client.ts"

export type Connection =
  | { readonly is: "connecting" }
  | { readonly is: "live" }
  /** `why` is a sentence. */
  | { readonly is: "lost"; readonly since: Date; readonly why: string }

/** Of 15 s pings two are missing: nobody is there. */
const silenceMs = 35_000
const hiddenMs = 30_000
/** After so long the events between are not asked for, everything is. */
const anewMs = 5 * 60_000
const firstRetryMs = 500
const longestRetryMs = 5_000

export interface Streamed {
  readonly id?: string | undefined
  /** Its type; nothing for a plain message. */
  readonly event?: string | undefined
  readonly data: string
}

export interface EventStreamOptions {
  readonly path: string
  readonly onEvent: (event: Streamed) => void
  /** `connection` answers something else. */
  readonly onChange: () => void
  /**
   * What is shown may be old, and is to be asked for again. `missed`: not all events between have come, so that what was made of
   * them has a hole.
   */
  readonly onAnew: (missed: boolean) => void
}

export interface EventStream {
  readonly start: () => void
  readonly stop: () => void
  readonly connection: () => Connection
}

export const makeEventStream = ({ onAnew, onChange, onEvent, path }: EventStreamOptions): EventStream => {
  let connection: Connection = { is: "connecting" }
  let lastId: string | undefined
  let retryMs = firstRetryMs
  let running: AbortController | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let hiding: ReturnType<typeof setTimeout> | undefined
  let hiddenSince: number | undefined
  let wasLost = false

  const become = (next: Connection): void => {
    if (next.is === connection.is && next.is !== "lost") return
    connection = next.is === "lost" && connection.is === "lost" ? { ...next, since: connection.since } : next
    onChange()
  }

  /** What it waits for, or the end of the connection where nothing comes for long. */
  const unlessSilent = async <A>(control: AbortController, wait: Promise<A>): Promise<A> => {
    const silence = setTimeout(() => control.abort(new Error("The host is silent.")), silenceMs)
    try {
      return await wait
    } finally {
      clearTimeout(silence)
      // What comes when it was stopped already is nobody's.
      control.signal.throwIfAborted()
    }
  }

  const read = async (control: AbortController): Promise<void> => {
    const response = await unlessSilent(
      control,
      fetch(path, {
        headers: { accept: "text/event-stream", ...(lastId === undefined ? {} : { "last-event-id": lastId }) },
        signal: control.signal,
        cache: "no-store"
      })
    )
    if (response.status === 401) return sessionIsOver()
    // The id is of another host or another time: the next one begins without it.
    if (response.status === 400) lastId = undefined
    if (!response.ok || response.body === null) throw await problemOf(response)
    become({ is: "live" })
    retryMs = firstRetryMs
    // What changed by other ways than events while nobody was there.
    if (wasLost) onAnew(lastId === undefined)
    wasLost = false
    const parser = createParser({
      onEvent: ({ data, event, id }) => {
        if (id !== undefined) lastId = id
        onEvent({ id, event, data })
      }
    })
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    while (true) {
      const { done, value } = await unlessSilent(control, reader.read())
      if (done) throw new Error("The host has ended the connection.")
      parser.feed(value)
    }
  }

  const open = (): void => {
    clearTimeout(retry)
    const control = new AbortController()
    running = control
    void read(control).catch((error: unknown) => {
      if (running !== control) return
      running = undefined
      wasLost = true
      const why = error instanceof Error && !(error instanceof TypeError) ? error.message : "The host does not answer."
      become({ is: "lost", since: new Date(), why })
      retry = setTimeout(open, retryMs)
      retryMs = Math.min(retryMs * 2, longestRetryMs)
    })
  }

  const close = (): void => {
    clearTimeout(retry)
    const control = running
    running = undefined
    control?.abort()
  }

  const onVisibility = (): void => {
    clearTimeout(hiding)
    if (document.hidden) {
      hiddenSince ??= Date.now()
      hiding = setTimeout(() => {
        close()
        connection = { is: "connecting" }
      }, hiddenMs)
      return
    }
    const away = hiddenSince === undefined ? 0 : Date.now() - hiddenSince
    hiddenSince = undefined
    if (running !== undefined) return
    if (away > anewMs) lastId = undefined
    // Nothing to go on after: what came meanwhile has to be asked for.
    if (lastId === undefined) wasLost = true
    retryMs = firstRetryMs
    open()
  }

  const now = (): void => {
    if (running !== undefined || document.hidden) return
    retryMs = firstRetryMs
    open()
  }

  return {
    start: () => {
      document.addEventListener("visibilitychange", onVisibility)
      addEventListener("online", now)
      // Of a tab that was opened behind others it is not said that it is hidden.
      if (document.hidden) onVisibility()
      open()
    },
    stop: () => {
      document.removeEventListener("visibilitychange", onVisibility)
      removeEventListener("online", now)
      clearTimeout(hiding)
      hiddenSince = undefined
      close()
    },
    connection: () => connection
  }
}
