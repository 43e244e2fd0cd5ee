/**
 * Somebody who listens to the chat of a host, as any client of the stream would.
 */

/** What came: a message, or what a model is writing. */
export interface Heard {
  readonly id: string
  readonly event: string
  readonly data: any
}

export interface ChatEar {
  readonly heard: ReadonlyArray<Heard>
  /** What was shown of an answer, all that was taken back included. */
  readonly written: () => string
  /** Waits until something has come that is asked for. */
  readonly until: <A>(found: (heard: ReadonlyArray<Heard>) => A | undefined | false) => Promise<A>
  /** Waits for the reply to an event. */
  readonly reply: (to: { readonly event_id: string }) => Promise<Heard>
  readonly close: () => void
}

/** Listens from now on, or from after a message. */
export const listenTo = async (
  { token, url }: { readonly token: string; readonly url: string },
  { after, thread }: { readonly after?: string; readonly thread?: string } = {}
): Promise<ChatEar> => {
  const heard: Array<Heard> = []
  const closing = new AbortController()
  let changed = () => {}
  const response = await fetch(`${url}/chat/stream${thread === undefined ? "" : `?thread_id=${thread}`}`, {
    headers: { authorization: `Bearer ${token}`, ...(after === undefined ? {} : { "last-event-id": after }) },
    signal: closing.signal
  })
  const read = async () => {
    let text = ""
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const frames = text.split("\n\n")
      text = frames.pop() ?? ""
      for (const frame of frames) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1] ?? ""
        if (field("data") === "") continue
        heard.push({ id: field("id"), event: field("event"), data: JSON.parse(field("data")) })
      }
      changed()
    }
  }
  read().catch(() => {})
  const until: ChatEar["until"] = (found) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`It did not come; heard: ${JSON.stringify(heard)}`)), 15_000)
      changed = () => {
        const now = found(heard)
        if (now === undefined || now === false) return
        clearTimeout(late)
        resolve(now)
      }
      changed()
    })
  return {
    heard,
    written: () => heard.filter(({ event }) => event === "delta").map(({ data }) => data.text).join(""),
    until,
    reply: ({ event_id }) => until((all) => all.find(({ data, event }) => event === "" && data.event_id === event_id)),
    close: () => closing.abort()
  }
}
