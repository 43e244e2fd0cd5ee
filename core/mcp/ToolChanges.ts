/**
 * Hears that a server's tools have changed: from what it sends by itself, or over a subscription where the revision wants
 * one. The subscription is taken up again when it ends; what was missed meanwhile counts as a change.
 */
import type { Client } from "@modelcontextprotocol/client"

/** Changes within this time are one, milliseconds. */
const togetherMs = 200
const acknowledgedMs = 10_000
const againMs = 1_000
const latestAgainMs = 60_000

export const followToolList = (client: Client, over: AbortSignal, changed: () => void): void => {
  let timer: NodeJS.Timeout | undefined
  const note = (): void => {
    // The first one counts: a server that says it without end would never be heard.
    timer ??= setTimeout(() => {
      timer = undefined
      if (!over.aborted) changed()
    }, togetherMs)
  }
  over.addEventListener("abort", () => clearTimeout(timer), { once: true })
  client.setNotificationHandler("notifications/tools/list_changed", note)
  if (client.getProtocolEra() === "modern" && client.getServerCapabilities()?.tools?.listChanged === true) {
    void subscribe(client, over, note)
  }
}

const subscribe = async (client: Client, over: AbortSignal, note: () => void): Promise<void> => {
  let waitMs = againMs
  for (let first = true; !over.aborted; first = false) {
    const opened = performance.now()
    try {
      const subscription = await client.listen({ toolsListChanged: true }, { timeout: acknowledgedMs, signal: over })
      if (!first) note()
      await subscription.closed
    } catch {
      // Tried again, later each time.
    }
    waitMs = performance.now() - opened > latestAgainMs ? againMs : Math.min(waitMs * 2, latestAgainMs)
    await sleep(waitMs, over)
  }
}

const sleep = (ms: number, over: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (over.aborted) return resolve()
    const end = (): void => {
      clearTimeout(timer)
      over.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    over.addEventListener("abort", end, { once: true })
  })
