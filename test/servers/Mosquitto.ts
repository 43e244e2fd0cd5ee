/**
 * A real MQTT broker for a test. What is published and heard by hand goes through its own command line clients, which know
 * nothing of the host.
 */
import { execFile, execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { promisify } from "node:util"
import { freePort } from "../FreePort.ts"
import { until } from "../storms/Until.ts"
import { missingPrograms, pathOf, type ServerProcess, startServer } from "./ServerProcess.ts"

export interface MosquittoOptions {
  /** Names and passwords. Without any, everybody is let in. */
  readonly users?: Readonly<Record<string, string>>
  /** Whether sessions, what waits in them and what is retained outlast a restart. Default: yes. */
  readonly persistence?: boolean
}

export interface Published {
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
}

export interface Heard {
  readonly topic: string
  readonly payload: string
  readonly qos: number
  readonly retain: number
}

export interface Listening {
  readonly heard: () => ReadonlyArray<Heard>
  readonly close: () => Promise<void>
}

export interface Mosquitto {
  readonly url: string
  readonly port: number
  /** With `mosquitto_pub`. */
  readonly publish: (topic: string, payload: string, options?: Published) => Promise<void>
  /** Listens with `mosquitto_sub`, from when this is answered until it is closed. */
  readonly listen: (topic: string) => Promise<Listening>
  readonly stop: () => Promise<void>
  /** Again on the same port. */
  readonly start: () => Promise<void>
  /** SIGKILL, once all that it has acknowledged is in its file: it acknowledges before it writes. */
  readonly kill: () => Promise<void>
  readonly log: () => string
  /** Down, and its folder gone. */
  readonly close: () => Promise<void>
}

/** What this machine lacks to run one. */
export const missing = (): ReadonlyArray<string> =>
  missingPrograms({
    mosquitto: "mosquitto",
    mosquitto_passwd: "mosquitto",
    mosquitto_pub: "mosquitto-clients",
    mosquitto_sub: "mosquitto-clients"
  })

const run = promisify(execFile)

const configuration = (folder: string, port: number, { users, persistence }: MosquittoOptions): string =>
  [
    `listener ${port} 127.0.0.1`,
    "user root",
    "log_dest stderr",
    "log_type all",
    `pid_file ${folder}/pid`,
    ...(users === undefined
      ? ["allow_anonymous true"]
      : ["allow_anonymous false", `password_file ${folder}/passwords`]),
    ...(persistence === false ? [] : [
      "persistence true",
      `persistence_location ${folder}/`,
      // Written soon after every change.
      "autosave_on_changes true",
      "autosave_interval 1"
    ])
  ].join("\n") + "\n"

const listenTo = async (as: ReadonlyArray<string>, topic: string): Promise<Listening> => {
  let said = ""
  const listener = await startServer(
    // By the line: else what it says stays with it until it has four kilobytes.
    ["stdbuf", "-oL", pathOf("mosquitto_sub")!, ...as, "-d", "-q", "2", "-t", topic, "-F", "json %j"],
    [],
    { ready: () => said.includes("Subscribed"), hear: (text) => void (said += text) }
  )
  return {
    heard: () =>
      said.split("\n").slice(0, -1).flatMap((line) =>
        line.startsWith("json ") ? [JSON.parse(line.slice(5)) as Heard] : []
      ),
    close: listener.kill
  }
}

export const startMosquitto = async (options: MosquittoOptions = {}): Promise<Mosquitto> => {
  const lacks = missing()
  if (lacks.length > 0) throw new Error(`A broker needs ${lacks.join(", ")}.`)
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-mosquitto-"))
  const port = await freePort()
  const file = path.join(folder, "mosquitto.conf")
  fs.writeFileSync(file, configuration(folder, port, options))
  const users = Object.entries(options.users ?? {})
  fs.writeFileSync(path.join(folder, "passwords"), "", { mode: 0o600 })
  for (const [name, password] of users) {
    execFileSync(pathOf("mosquitto_passwd")!, ["-b", path.join(folder, "passwords"), name, password], { stdio: "pipe" })
  }
  const signedIn = users[0] === undefined ? [] : ["-u", users[0][0], "-P", users[0][1]]
  const as = ["-h", "127.0.0.1", "-p", `${port}`, ...signedIn]
  const listeners = new Set<Listening>()
  let server: ServerProcess | undefined
  let log = ""
  const start = async (): Promise<void> => {
    if (server?.running() !== true) server = await startServer([pathOf("mosquitto")!, "-c", file], [port])
  }
  const down = async (how: "stop" | "kill"): Promise<void> => {
    await server?.[how]()
    log += server?.said() ?? ""
    server = undefined
  }
  // What it holds is written whole, under another name first: once the file is there again, all that was acknowledged is in it.
  const saved = async (): Promise<void> => {
    if (options.persistence === false || server?.running() !== true) return
    fs.rmSync(`${folder}/mosquitto.db`, { force: true })
    process.kill(Number(fs.readFileSync(`${folder}/pid`, "utf8")), "SIGUSR1")
    await until("the broker to save", () => fs.existsSync(`${folder}/mosquitto.db`))
  }
  const close = async (): Promise<void> => {
    await Promise.all([...listeners].map((listener) => listener.close()))
    await down("kill")
    fs.rmSync(folder, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await close()
    throw error
  }
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    publish: async (topic, payload, { qos = 1, retain = false } = {}) => {
      const how = ["-q", `${qos}`, ...(retain ? ["-r"] : [])]
      await run(pathOf("mosquitto_pub")!, [...as, ...how, "-t", topic, ...(payload === "" ? ["-n"] : ["-m", payload])])
    },
    listen: async (topic) => {
      const listener = await listenTo(as, topic)
      listeners.add(listener)
      return listener
    },
    stop: () => down("stop"),
    start,
    kill: async () => {
      await saved()
      await down("kill")
    },
    log: () => log + (server?.said() ?? ""),
    close
  }
}
