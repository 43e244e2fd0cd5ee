/**
 * A server of the Model Context Protocol whose tools are what a file says, now and whenever that changes: `TOOLBOX` names it.
 * What it was called for is noted in the folder `NOTES`, outside of the host.
 */
import { Server } from "@modelcontextprotocol/server"
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import * as fs from "node:fs"
import { openLedger } from "../../../core/testing/OutsideLedger.ts"

const { NOTES = "", TOOLBOX = "" } = process.env
const notes = openLedger(NOTES)

interface Toolbox {
  readonly tools: ReadonlyArray<{ readonly name: string; readonly description?: string; readonly inputSchema: object }>
  /** What calls give back, by the tool. */
  readonly answers?: Readonly<Record<string, string>>
}
const toolbox = (): Toolbox => JSON.parse(fs.readFileSync(TOOLBOX, "utf8"))

serveStdio(() => {
  const server = new Server(
    { name: "toolbox", version: "1.0.0" },
    { capabilities: { tools: { listChanged: true } } }
  )
  server.setRequestHandler("tools/list", () => ({ tools: toolbox().tools as never }))
  server.setRequestHandler("tools/call", ({ params: { arguments: input, name } }) => {
    notes.note(`${name} ${JSON.stringify(input ?? {})}`)
    return { content: [{ type: "text" as const, text: toolbox().answers?.[name] ?? `${name} was done.` }] }
  })
  fs.watchFile(TOOLBOX, { interval: 50, persistent: false }, () => void server.sendToolListChanged().catch(() => {}))
  return server
})
