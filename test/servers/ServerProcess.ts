/**
 * A server of somebody else's as a child of the test: on ports of the loopback that stay its own over restarts, ended as a
 * group with all its children, by the test or by the test's death.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import { until } from "../storms/Until.ts"

export interface ServerProcess {
  /** Its group: the guard and everything of the server. */
  readonly group: number
  /** What it said last. */
  readonly said: () => string
  readonly running: () => boolean
  /** SIGTERM, and SIGKILL to what is left of it after 30 seconds. */
  readonly stop: () => Promise<void>
  /** SIGKILL to all of it at once. */
  readonly kill: () => Promise<void>
}

// The reader's input ends when the test's process does. What the server leaves behind goes with the group.
const guard = `exec 3<&0
trap : TERM
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
while kill -0 "$server" 2>/dev/null; do wait "$server"; done
kill -KILL 0`

const alive = new Set<ChildProcess>()
const signalGroup = ({ pid }: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // gone already
  }
}
process.on("exit", () => alive.forEach((child) => signalGroup(child, "SIGKILL")))

/** Starts a server that stays in the foreground, and waits until all its ports answer. */
export const startServer = async (
  command: ReadonlyArray<string>,
  ports: ReadonlyArray<number>,
  options: { readonly cwd?: string; readonly ready?: () => boolean; readonly hear?: (text: string) => void } = {}
): Promise<ServerProcess> => {
  const child = spawn("/bin/sh", ["-c", guard, "guard", ...command], {
    cwd: options.cwd,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"]
  })
  alive.add(child)
  let said = ""
  let over = false
  const hear = (text: string): void => {
    said = (said + text).slice(-200_000)
    options.hear?.(text)
  }
  child.stdout.setEncoding("utf8").on("data", hear)
  child.stderr.setEncoding("utf8").on("data", hear)
  const ended = new Promise<void>((resolve) =>
    child.on("exit", () => {
      over = true
      alive.delete(child)
      resolve()
    })
  )
  // The last of its group may hold a port for a moment longer than the guard lives.
  const closed = async (): Promise<void> => {
    await ended
    await until(`${command[0]} to leave its ports`, async () => !(await Promise.all(ports.map(answers))).includes(true))
  }
  const kill = (): Promise<void> => {
    if (!over) signalGroup(child, "SIGKILL")
    return closed()
  }
  const stop = async (): Promise<void> => {
    const late = setTimeout(() => void kill(), 30_000)
    if (!over) signalGroup(child, "SIGTERM")
    await ended
    clearTimeout(late)
    await closed()
  }
  try {
    await until(`${command[0]} to answer`, async () => {
      if (over) return true
      for (const port of ports) if (!await answers(port)) return false
      return options.ready?.() ?? true
    })
  } catch (error) {
    await kill()
    throw new Error(`${command[0]} did not get ready:\n${said}`, { cause: error })
  }
  if (over) throw new Error(`${command[0]} ended at once:\n${said}`)
  return { group: child.pid!, said: () => said, running: () => !over, stop, kill }
}

/** Whether somebody listens there. */
export const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1")
    const end = (heard: boolean) => () => {
      socket.destroy()
      resolve(heard)
    }
    socket.once("connect", end(true)).once("error", end(false))
  })

/** Which of these programs, named with the Debian package that brings each, are not on this machine. */
export const missingPrograms = (programs: Readonly<Record<string, string>>): ReadonlyArray<string> => [
  ...new Set(Object.entries(programs).filter(([program]) => pathOf(program) === undefined).map(([, name]) => name))
]

/** Where a program is; servers are in `sbin`, which is not on everybody's path. */
export const pathOf = (program: string): string | undefined =>
  [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"]
    .map((folder) => `${folder}/${program}`)
    .find((file) => file.startsWith("/") && fs.existsSync(file))

/** What the name of a test that is skipped ends with, and a line that nobody overlooks. */
export const loudly = (missing: ReadonlyArray<string>): string => {
  if (missing.length === 0) return ""
  const said = `NOT TESTED: this machine lacks ${missing.join(", ")}`
  console.warn(`\n${said} (on Debian, .ci/run installs it).\n`)
  return `: ${said}`
}
