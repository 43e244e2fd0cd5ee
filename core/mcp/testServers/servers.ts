/**
 * Servers for tests, as the setting `mcp` has them: the official ones, and one that does as it is told (`hostile.ts`).
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { freePort } from "../../../test/FreePort.ts"

const require = createRequire(import.meta.url)
const program = (name: string): string => {
  const file = require.resolve(`@modelcontextprotocol/${name}/package.json`)
  const { bin } = JSON.parse(fs.readFileSync(file, "utf8")) as { readonly bin: Readonly<Record<string, string>> }
  return path.join(path.dirname(file), Object.values(bin)[0]!)
}
const node = (...args: ReadonlyArray<string>) => ({ command: process.execPath, args })

/** What it can be told is at the head of its file. */
export const hostile = (...words: ReadonlyArray<string>) =>
  node("--no-warnings", fileURLToPath(new URL("hostile.ts", import.meta.url)), ...words)

/** Of the revision of 2026. */
export const modern = () => node("--no-warnings", fileURLToPath(new URL("modern.ts", import.meta.url)))

export const everything = () => node(program("server-everything"))
export const filesystem = (...folders: ReadonlyArray<string>) => node(program("server-filesystem"), ...folders)
export const memory = (file: string) => ({ ...node(program("server-memory")), env: { MEMORY_FILE_PATH: file } })

export interface Served {
  readonly url: string
  readonly pid: number
  readonly stop: () => Promise<void>
}

/** The server "everything" over HTTP. */
export const serveEverything = async (kind: "streamableHttp" | "sse"): Promise<Served> => {
  const port = await freePort()
  const child = spawn(process.execPath, [program("server-everything"), kind], {
    env: { PATH: process.env["PATH"] ?? "", PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"]
  })
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error("The server did not start.")))
    child.stderr.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes(String(port))) resolve()
    })
  })
  return {
    url: `http://127.0.0.1:${port}/${kind === "sse" ? "sse" : "mcp"}`,
    pid: child.pid!,
    stop: () => {
      child.kill("SIGKILL")
      return exited
    }
  }
}
