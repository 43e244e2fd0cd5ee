/** A guest that evaluates what it is sent, in every runtime, and says what came of it. */
import type { MessagePort } from "node:worker_threads"
import { encodeFrame, FrameReader } from "../../protocol/Frames.ts"

interface Asked {
  readonly id: number
  readonly code: string
}

const AsyncFunction = (async () => undefined).constructor as new(
  ...parts: ReadonlyArray<string>
) => () => Promise<unknown>

const answer = async ({ code, id }: Asked): Promise<unknown> => {
  try {
    return { id, value: (await new AsyncFunction(code)()) ?? null }
  } catch (error) {
    const { code: name, message } = error as { readonly code?: string; readonly message?: string }
    return { id, error: `${name ?? (error as Error).name}: ${message}` }
  }
}

export default ({ port }: { readonly port: MessagePort }): Promise<void> =>
  new Promise((resolve) => {
    port.on("message", (asked: Asked & { readonly method?: string }) => {
      if (asked.method === "shutdown") return resolve()
      void answer(asked).then((message) => port.postMessage(message))
    })
  })

if (import.meta.main) {
  const reader = new FrameReader()
  process.stdin.on("data", (chunk: Uint8Array) => {
    reader.push(chunk)
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      void answer(next.message as Asked).then((message) => process.stdout.write(encodeFrame(message)))
    }
  })
}
