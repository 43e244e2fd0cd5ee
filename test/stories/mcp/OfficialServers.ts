/** The official servers that the stories connect to, as packages of this project. */
import { type ChildProcess, spawn } from "node:child_process"
import { createRequire } from "node:module"
import * as path from "node:path"
import { freePort } from "../../FreePort.ts"

const require = createRequire(import.meta.url)

/** The file that starts it. */
export const officialServer = (name: "everything" | "filesystem" | "memory"): string =>
  path.join(path.dirname(require.resolve(`@modelcontextprotocol/server-${name}/package.json`)), "dist", "index.js")

/** `server-everything` over streamable HTTP, and how it is ended. */
export const everythingOverHttp = async (): Promise<{ readonly url: string; readonly child: ChildProcess }> => {
  const port = await freePort()
  const child = spawn(process.execPath, [officialServer("everything"), "streamableHttp"], {
    env: { PATH: process.env["PATH"] ?? "", PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"]
  })
  let said = ""
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text
      if (said.includes("listening")) resolve()
    })
    child.once("exit", () => reject(new Error(`It ended: ${said}`)))
  })
  return { url: `http://127.0.0.1:${port}/mcp`, child }
}
