/**
 * The guest in a Node process of its own: frames on stdin and stdout. What a plugin prints goes to stderr, whose lines are logs.
 */
import { Console } from "node:console"
import * as fs from "node:fs"
import { installModuleHooks } from "../../core/plugin/ModuleHooks.ts"
import { encodeFrame, FrameReader } from "../protocol/Frames.ts"
import { makeGuest } from "./Guest.ts"
import { guestFetch } from "./guestFetch.ts"

const { stderr, stdin, stdout } = process
const exit = process.exit.bind(process)

/** Whole, however slowly it is read: a frame that is cut is the end. */
const writeAll = (bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(1, bytes, at)
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== "EAGAIN") exit(1)
      Atomics.wait(pause, 0, 0, 1)
    }
  }
}
const pause = new Int32Array(new SharedArrayBuffer(4))

stdout.write = stderr.write.bind(stderr) as typeof stdout.write
globalThis.console = new Console(stderr, stderr)
installModuleHooks()

const guest = makeGuest({
  send: (message) => writeAll(encodeFrame(message)),
  end: () => exit(0),
  read: (url) => import(url) as Promise<Record<string, unknown>>,
  fetch: guestFetch
})
const reader = new FrameReader()
stdin.on("data", (chunk: Uint8Array) => {
  reader.push(chunk)
  for (let next = reader.next(); next !== undefined; next = reader.next()) guest.receive(next.message)
})
stdin.on("end", () => exit(0))
process.on("SIGTERM", guest.drain)
// What nobody waits for must not end what others wait for.
process.on("unhandledRejection", (reason) => stderr.write(`Nobody waited for what failed: ${String(reason)}\n`))
