/**
 * The stand-in as a process of its own, controlled over IPC: it starts with the first message, answers each further one, and
 * ends with its parent.
 */
import { type HomeAssistantOptions, type HomeAssistantServer, startHomeAssistant } from "../HomeAssistantServer.ts"

export interface Asked {
  readonly id: number
  readonly method: string
  readonly args: ReadonlyArray<unknown>
}

export interface Told {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

let server: HomeAssistantServer | undefined

const does = async ({ method, args }: Asked): Promise<unknown> => {
  if (method === "begin") {
    server = await startHomeAssistant(args[0] as HomeAssistantOptions)
    return server.url
  }
  if (method === "memory") return process.memoryUsage()
  const part: unknown = server?.[method as keyof HomeAssistantServer]
  if (part instanceof Map) return [...part.values()]
  return typeof part === "function" ? await part(...args) : part
}

process.on("disconnect", () => process.exit(0))
process.on("message", (asked: Asked) => {
  does(asked).then(
    (value): Told => ({ id: asked.id, value }),
    (error: unknown): Told => ({ id: asked.id, error: error instanceof Error ? error.message : String(error) })
  ).then((told) => process.send?.(told), () => process.exit(1))
})
