/**
 * For the tests of the commands: a host that plays recorded answers over real HTTP and keeps what it was asked,
 * and a way to run a command against it, in this process or as a child.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Console, Effect } from "effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { runCommand } from "./command.ts"

export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: unknown
}

export type Play = (asked: Asked, response: http.ServerResponse) => void

/** Answers JSON. */
export const answer = (response: http.ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" })
  response.end(JSON.stringify(body))
}

/** A home folder with a token, gone with the scope. */
export const temporaryHome = Effect.acquireRelease(
  Effect.sync(() => {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-cli-"))
    fs.writeFileSync(path.join(home, "token"), "t0ken\n", { mode: 0o600 })
    return home
  }),
  (home) => Effect.sync(() => fs.rmSync(home, { recursive: true, force: true }))
)

/** Plays until the scope ends; `env` is what a command needs to find it. */
export const recordedHost = Effect.fnUntraced(function*(play: Play) {
  const home = yield* temporaryHome
  const asked: Array<Asked> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<http.Server>((resume) => {
      const made = http.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
          const text = Buffer.concat(chunks).toString()
          const one = {
            method: request.method ?? "",
            url: request.url ?? "",
            headers: request.headers,
            body: text === "" ? undefined : JSON.parse(text) as unknown
          }
          asked.push(one)
          play(one, response)
        })
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (made) =>
      Effect.callback<void>((resume) => {
        made.close(() => resume(Effect.void))
        made.closeAllConnections()
      })
  )
  const url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`
  fs.writeFileSync(path.join(home, "host.json"), JSON.stringify({ url }))
  return { home, url, asked, server, env: { SYRIS_HOME: home } }
})

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command in this process; `line` sees each line of output as it is printed. */
export const run = (
  env: Record<string, string>,
  args: ReadonlyArray<string>,
  line: (text: string) => void = () => {}
): Effect.Effect<Ran> =>
  Effect.suspend(() => {
    const out: Array<string> = []
    const err: Array<string> = []
    const into = (lines: Array<string>) => (...parts: ReadonlyArray<unknown>) => {
      lines.push(parts.join(" "))
      line(parts.join(" "))
    }
    const recording = { ...globalThis.console, log: into(out), error: into(err) }
    return runCommand(args).pipe(
      Effect.map((code) => ({ code, out: out.join("\n"), err: err.join("\n") })),
      Effect.provideService(Console.Console, recording),
      Effect.provide([ConfigProvider.layer(ConfigProvider.fromEnvRecord(env)), NodeServices.layer])
    )
  })

/** Runs the command as a process of its own. */
export const runChild = (
  env: Record<string, string>,
  args: ReadonlyArray<string>,
  options: { readonly input?: string | Uint8Array; readonly cwd?: string } = {}
): Effect.Effect<Ran> =>
  Effect.callback<Ran>((resume) => {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, "main.ts"), ...args], {
      cwd: options.cwd ?? os.tmpdir(),
      env: { PATH: process.env.PATH ?? "", ...env },
      stdio: ["pipe", "pipe", "pipe"]
    })
    let out = ""
    let err = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => out += text)
    child.stderr.setEncoding("utf8").on("data", (text: string) => err += text)
    child.on("close", (code) => resume(Effect.succeed({ code: code ?? -1, out, err })))
    child.stdin.on("error", () => {}).end(options.input ?? "")
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
