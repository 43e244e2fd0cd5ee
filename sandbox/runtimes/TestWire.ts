/** A wire to a guest that evaluates what a test tells it. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { onTestFinished } from "vitest"
import type { Runtime } from "../../core/contract/Enums.ts"
import { openWire } from "./openWire.ts"
import { evaluates, launchOf, type TestLaunch } from "./TestLaunch.ts"
import type { Wire } from "./Wire.ts"

export const temporaryFolder = (): string => {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-wire-")))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface TestWire {
  readonly wire: Wire
  readonly folder: string
  readonly log: ReadonlyArray<string>
  /** What the code gives back; rejects with what it threw. Never settles where the isolate ends. */
  readonly run: (code: string) => Promise<unknown>
}

export const testWire = async (runtime: Runtime, how: TestLaunch = {}): Promise<TestWire> => {
  const folder = how.folder ?? temporaryFolder()
  const log: Array<string> = []
  const wire = await openWire(
    launchOf(runtime, folder, how),
    { log: ({ message }) => void log.push(message) },
    how.guest ?? evaluates
  )
  onTestFinished(async () => {
    await wire.kill({ code: "stopped", reason: "the test is over" })
  })
  const asked = new Map<number, PromiseWithResolvers<unknown>>()
  let last = 0
  wire.receive((message) => {
    const { error, id, value } = message as { readonly id: number; readonly value?: unknown; readonly error?: string }
    if (error === undefined) asked.get(id)?.resolve(value)
    else asked.get(id)?.reject(new Error(error))
  })
  return {
    wire,
    folder,
    log,
    run: (code) => {
      const id = ++last
      const answer = Promise.withResolvers<unknown>()
      asked.set(id, answer)
      wire.send({ id, code })
      return answer.promise
    }
  }
}
