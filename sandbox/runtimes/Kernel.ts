/**
 * What this machine can do to hold an isolate, tried once. What it can't do is left out, and `docs/isolates.md` says what
 * that means.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { denoBinary } from "./DenoBinary.ts"

export interface Kernel {
  /**
   * The command in front that gives a process namespaces of its own: `pid`, so that it sees and signals nobody else and ends
   * with all that it started; and `net`, in which nothing can be reached. None where the kernel does not let us.
   */
  readonly namespaces: { readonly pid: ReadonlyArray<string>; readonly pidAndNet: ReadonlyArray<string> } | undefined
  /** Memory, processes and processor time of a group are watched. */
  readonly proc: boolean
  /** The binary, or why there is none. */
  readonly deno: { readonly path: string } | { readonly missing: string }
}

const unshare = ["/usr/bin/unshare", "/bin/unshare"]
const own = ["--pid", "--fork", "--kill-child=KILL"]
// Without privileges a user namespace comes first; root can do without where these are switched off.
const ways = [["--user", "--map-current-user"], []]

const works = (command: ReadonlyArray<string>): Promise<boolean> =>
  new Promise((resolve) => {
    const [file, ...args] = command
    if (file === undefined) return resolve(false)
    execFile(file, [...args, "--", "/bin/sh", "-c", ":"], { timeout: 10_000 }, (error) => resolve(error === null))
  })

const findNamespaces = async (): Promise<Kernel["namespaces"]> => {
  const program = process.platform === "linux" ? unshare.find((file) => fs.existsSync(file)) : undefined
  if (program === undefined) return undefined
  for (const way of ways) {
    const pidAndNet = [program, ...way, "--net", ...own]
    if (await works(pidAndNet)) return { pid: [program, ...way, ...own], pidAndNet }
  }
  return undefined
}

let known: Promise<Kernel> | undefined

export const kernel = (): Promise<Kernel> =>
  known ??= findNamespaces().then((namespaces) => ({
    namespaces,
    proc: fs.existsSync("/proc/self/stat"),
    deno: denoBinary()
  }))
