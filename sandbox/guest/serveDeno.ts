/**
 * The guest in Deno: frames on stdin and stdout. What would write, serve or start something is taken away before the plugin is
 * loaded.
 */
import { encodeFrame, FrameReader } from "../protocol/Frames.ts"
import { type GuestPort, makeGuest } from "./Guest.ts"

interface DenoHandle {
  readonly read: (into: Uint8Array) => Promise<number | null>
  readonly writeSync: (bytes: Uint8Array) => number
}

declare const Deno: Record<string, any> & {
  readonly stdin: DenoHandle
  readonly stdout: DenoHandle
  readonly stderr: DenoHandle
  readonly exit: (code: number) => never
  readonly addSignalListener: (signal: string, handler: () => void) => void
}

const { exit } = Deno
const { stderr, stdin, stdout } = Deno
const next = stdin.read.bind(stdin)
const write = stdout.writeSync.bind(stdout)
const say = stderr.writeSync.bind(stderr)

const writeAll = (bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) at += write(bytes.subarray(at))
}

/** Defence in depth: what the permissions do not cover, and what they deny anyway. */
const globals = [
  "localStorage",
  "sessionStorage",
  "caches",
  "Worker",
  "SharedWorker",
  "BroadcastChannel",
  "prompt",
  "alert",
  "confirm"
]
const members = [
  "serve",
  "listen",
  "listenTls",
  "listenDatagram",
  "Command",
  "run",
  "dlopen",
  "openKv",
  "createHttpClient",
  "kill",
  "exit",
  "UnsafePointer",
  "UnsafePointerView",
  "UnsafeCallback",
  "UnsafeFnPointer",
  "UnsafeWindowSurface",
  "bundle",
  "cron",
  "stdin",
  "stdout",
  "jupyter",
  "test",
  "bench"
]
const takeAway = (from: object, keys: ReadonlyArray<string>): void => {
  for (const key of keys) {
    // What can't be taken away: the permissions hold by themselves. To have it throw would take 15 ms.
    Reflect.deleteProperty(from, key)
  }
}

/** What is printed is a log, and no frame. */
const quiet = (): void => {
  const { error } = console
  for (const key of ["log", "info", "debug", "warn", "dir", "table", "group", "count", "timeEnd", "timeLog"] as const) {
    console[key] = error.bind(console)
  }
}

interface Unwaited {
  readonly reason: unknown
  readonly preventDefault: () => void
}

/** Until nobody speaks to it any more. */
export const serveDeno = async (read: GuestPort["read"]): Promise<void> => {
  takeAway(globalThis, globals)
  takeAway(Deno, members)
  quiet()
  const listen = (globalThis as unknown as {
    readonly addEventListener: (name: string, handler: (event: Unwaited) => void) => void
  }).addEventListener
  listen("unhandledrejection", (event) => {
    event.preventDefault()
    say(new TextEncoder().encode(`Nobody waited for what failed: ${String(event.reason)}\n`))
  })

  const guest = makeGuest({
    send: (message) => writeAll(encodeFrame(message)),
    end: () => exit(0),
    read
  })
  Deno.addSignalListener("SIGTERM", guest.drain)

  const reader = new FrameReader()
  const buffer = new Uint8Array(65_536)
  for (let size = await next(buffer); size !== null; size = await next(buffer)) {
    reader.push(buffer.slice(0, size))
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) guest.receive(frame.message)
  }
  exit(0)
}
