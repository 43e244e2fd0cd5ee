/**
 * A server of the Model Context Protocol whose tools are what a file says, now and whenever that changes: `TOOLBOX` names it.
 * What it was called for is noted in the folder `NOTES`, outside of the host.
 */
import { Server } from "@modelcontextprotocol/server"
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import * as fs from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { openLedger } from "../../../core/testing/OutsideLedger.ts"

const { NOTES = "", TOOLBOX = "" } = process.env
const notes = openLedger(NOTES)

interface Toolbox {
  readonly tools: ReadonlyArray<{ readonly name: string; readonly description?: string; readonly inputSchema: object }>
  /** What calls give back, by the tool. */
  readonly answers?: Readonly<Record<string, string>>
  /** Tools that are gone as soon as they are called, and answer all the same. */
  readonly vanishes?: ReadonlyArray<string>
}
const gone = new Set<string>()
let lists = 0
const toolbox = (): Toolbox => JSON.parse(fs.readFileSync(TOOLBOX, "utf8"))

serveStdio(() => {
  const server = new Server(
    { name: "toolbox", version: "1.0.0" },
    { capabilities: { tools: { listChanged: true } } }
  )
  server.setRequestHandler("tools/list", () => {
    lists++
    return { tools: toolbox().tools.filter(({ name }) => !gone.has(name)) as never }
  })
  server.setRequestHandler("tools/call", async ({ params: { arguments: input, name } }) => {
    notes.note(`${name} ${JSON.stringify(input ?? {})}`)
    const { vanishes = [] } = toolbox()
    if (vanishes.includes(name)) {
      // Gone before its answer is there; that waits until the host has asked for the list again, and a little longer.
      gone.add(name)
      const asked = lists
      await server.sendToolListChanged()
      for (let i = 0; lists === asked && i < 200; i++) await sleep(50)
      await sleep(300)
    }
    return { content: [{ type: "text" as const, text: toolbox().answers?.[name] ?? `${name} was done.` }] }
  })
  fs.watchFile(TOOLBOX, { interval: 50, persistent: false }, () => void server.sendToolListChanged().catch(() => {}))
  return server
})
