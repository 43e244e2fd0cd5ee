/** Plugins for tests, written into a folder as an operator would have them, and what a story waits for. */
import type { Schema } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { TestHost } from "../testing/TestHost.ts"

export interface Folder {
  readonly path: string
  /** Writes a module and answers its path. */
  readonly write: (name: string, source: string) => string
  readonly remove: () => void
}

export const makeFolder = (): Folder => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-plugins-"))
  return {
    path: folder,
    write: (name, source) => {
      const file = path.join(folder, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, source)
      return file
    },
    remove: () => fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Asks again until it is so; what is asked of a host has no signal of its own. */
export const until = async <A>(ask: () => Promise<A | undefined | false>, within = 45_000): Promise<A> => {
  const end = performance.now() + within
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > end) throw new Error("It did not come to that.")
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** The rows of the audit of a type, oldest first. */
export const rowsOf = (host: TestHost, type: string) =>
  host.sql<{ readonly summary: string; readonly data: Readonly<Record<string, unknown>> }>`
    select summary, data from audit_events where type = ${type} order by seq`

/** The only call of a trace. */
export const callOf = async (host: TestHost, traceId: string) => {
  const [call] = await host.sql<{
    readonly tool: string
    readonly status: string
    readonly risk: string
    readonly output: unknown
    readonly error: { readonly code: string; readonly message: string } | null
    readonly labels: { readonly trust?: string }
  }>`select tool, status, risk, output, error, labels from tool_calls where trace_id = ${traceId} order by created_at`
  return call!
}

/** What a person reads: the intent of a tool by its name, with an input. */
export const calls = (intent: string, input: Schema.JsonObject) => ({
  channel: "chat",
  structured: { intent, input }
})
