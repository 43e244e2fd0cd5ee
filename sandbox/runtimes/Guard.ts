/**
 * Starts a server in a process group of its own, and sees to it that the group ends with the host, whatever ends the host.
 *
 * `/bin/sh` first leaves a guard behind in the group: it reads a pipe that nobody writes to, and whose other end only the
 * host has. When the host is gone the kernel closes that end, the guard reads the end of it, and kills its group. Then the
 * shell becomes the server, without that pipe. The guard outlives every signal but SIGKILL, so as long as it lives no other
 * group can have this one's number.
 *
 * A process of the server that makes a session of its own (`setsid`) has left the group and is not reached.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as os from "node:os"

export interface Guarded {
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** All of it: nothing else is handed on. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Arguments of the shell's `ulimit`, for it and not for the guard; one that the kernel refuses is left out. */
  readonly limits?: ReadonlyArray<string>
}

// The shell adds variables of its own.
const added = ["PWD", "OLDPWD", "SHLVL"]

const script = (env: Guarded["env"], limits: ReadonlyArray<string>): string =>
  `( ( trap "" HUP INT TERM QUIT PIPE ALRM USR1 USR2; read -r line <&3; kill -9 0 ) </dev/null >/dev/null 2>&1 & )
unset ${added.filter((name) => !(name in env)).join(" ")}
${limits.map((limit) => `ulimit ${limit} 2>/dev/null || :\n`).join("")}exec "$@" 3<&-`

/** Servers stand back behind the host and its database where the processor is short. */
const niceness = 5

/** Its pid is that of the server and the number of its group. */
export const startGuarded = ({ args, command, cwd, env, limits = [] }: Guarded): ChildProcess => {
  const child = spawn("/bin/sh", ["-c", script(env, limits), "sh", command, ...args], {
    cwd,
    env,
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe"]
  })
  try {
    if (child.pid !== undefined) os.setPriority(child.pid, niceness)
  } catch {
    // It has ended already, or the system has no such thing.
  }
  return child
}

/** To every process of its group that is left; harmless where none is. */
export const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // None is left.
  }
}
