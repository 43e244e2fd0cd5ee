/**
 * The stand-in for Home Assistant as a process that can be killed. What it was called and what changed is read from its
 * journal, which is there when the process is not.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import * as path from "node:path"
import type { Change, HomeAssistantOptions, HomeAssistantServer } from "./HomeAssistantServer.ts"
import { openJournal } from "./home-assistant/Journal.ts"
import type { Asked, Told } from "./home-assistant/main.ts"
import type { ServiceCall, State } from "./home-assistant/Types.ts"

const root = path.resolve(import.meta.dirname, "..", "..")

type Methods = {
  readonly [K in keyof HomeAssistantServer as HomeAssistantServer[K] extends (...args: any) => any ? K : never]:
    HomeAssistantServer[K]
}

export interface HomeAssistantProcess {
  readonly url: string
  readonly token: string
  readonly pid: () => number
  /** Any method of the server: `await ha.ask("setState", "switch.kettle", "on")`. */
  readonly ask: <K extends keyof Methods>(
    method: K,
    ...args: Parameters<Methods[K]>
  ) => Promise<Awaited<ReturnType<Methods[K]>>>
  readonly states: () => Promise<ReadonlyArray<State>>
  readonly memory: () => Promise<NodeJS.MemoryUsage>
  /** Every call of a service that ever came, oldest first. */
  readonly calls: () => ReadonlyArray<ServiceCall>
  /** Every change of a state that it ever told of. */
  readonly changes: () => ReadonlyArray<Change>
  readonly kill: () => Promise<void>
  /** A new process on the same port, with the states of the one before. */
  readonly start: () => Promise<void>
  readonly close: () => Promise<void>
}

const alive = new Set<ChildProcess>()
process.on("exit", () => alive.forEach((child) => child.kill("SIGKILL")))

const begin = () => {
  const child = fork(path.join(import.meta.dirname, "home-assistant", "main.ts"), {
    cwd: root,
    execPath: path.join(root, "node_modules", ".bin", "node"),
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })
  alive.add(child)
  const waiting = new Map<number, { readonly resolve: (value: any) => void; readonly reject: (error: Error) => void }>()
  let last = 0
  let over = false
  const ended = once(child, "exit").then(() => {
    over = true
    alive.delete(child)
    for (const { reject } of waiting.values()) reject(new Error("The stand-in for Home Assistant ended."))
    waiting.clear()
  })
  child.on("message", ({ id, value, error }: Told) => {
    const one = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) one?.resolve(value)
    else one?.reject(new Error(error))
  })
  const ask = (method: string, args: ReadonlyArray<unknown>): Promise<any> =>
    new Promise((resolve, reject) => {
      if (over) return reject(new Error("The stand-in for Home Assistant is not running."))
      const id = ++last
      waiting.set(id, { resolve, reject })
      const asked: Asked = { id, method, args }
      child.send(asked, (error) => {
        if (error !== null) reject(error)
      })
    })
  return { child, ended, ask }
}

/** `journal` is a file that it may keep. */
export const startHomeAssistantProcess = async (
  options: HomeAssistantOptions & { readonly journal: string }
): Promise<HomeAssistantProcess> => {
  let running = begin()
  const url = String(await running.ask("begin", [options]))
  const port = Number(new URL(url).port)
  const lines = () => {
    const journal = openJournal(options.journal)
    try {
      return journal.read()
    } finally {
      journal.close()
    }
  }
  const kill = async (): Promise<void> => {
    running.child.kill("SIGKILL")
    await running.ended
  }
  return {
    url,
    token: options.token,
    pid: () => running.child.pid!,
    ask: (method, ...args) => running.ask(method, args),
    states: () => running.ask("states", []),
    memory: () => running.ask("memory", []),
    calls: () => lines().flatMap((line) => "call" in line ? [line.call] : []),
    changes: () =>
      lines().flatMap((line): ReadonlyArray<Change> =>
        "state" in line
          ? [{
            entity_id: line.state.entity_id,
            state: line.state.state,
            time_fired: line.state.last_updated,
            context_id: line.state.context.id
          }]
          : []
      ),
    kill,
    start: async () => {
      await running.ended
      running = begin()
      await running.ask("begin", [{ ...options, port }])
    },
    close: kill
  }
}
