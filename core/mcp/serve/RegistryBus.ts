/**
 * Tells clients that listen for it that the tools have changed. The registry keeps one list until something changes, so
 * looking is a comparison of two references, twice a second, and only while somebody listens.
 */
import type { ServerEvent, ServerEventBus } from "@modelcontextprotocol/server"
import type { Registry } from "../../plugin/Registry.ts"

// Real time: whoever listens is a real connection.
const lookEvery = 500

export const makeRegistryBus = (registry: Pick<Registry["Service"], "tools">): ServerEventBus => {
  const listeners = new Set<(event: ServerEvent) => void>()
  let seen = registry.tools()
  let timer: NodeJS.Timeout | undefined
  const publish = (event: ServerEvent): void => listeners.forEach((listener) => listener(event))
  const look = (): void => {
    const now = registry.tools()
    if (now === seen) return
    seen = now
    publish({ kind: "tools_list_changed" })
  }
  return {
    publish,
    subscribe: (listener) => {
      if (listeners.size === 0) {
        seen = registry.tools()
        timer = setInterval(look, lookEvery).unref()
      }
      listeners.add(listener)
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) clearInterval(timer)
      }
    }
  }
}
