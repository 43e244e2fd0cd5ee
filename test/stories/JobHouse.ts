/**
 * A host as its operator has it, with a plugin whose jobs a story is about, on a database that outlives it; and a look at what
 * its jobs leave behind on the machine.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { allProcesses } from "../../sandbox/runtimes/Processes.ts"
import { makeDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { until } from "../storms/Until.ts"
import { type AuditEar, listenToAudit } from "./AuditEar.ts"
import { type HostProcess, type Place, processesIn, startHost } from "./HostProcess.ts"

export const runtimes = ["thread", "process", "deno"] as const
export type Runtime = (typeof runtimes)[number]

const fixtures = path.resolve(import.meta.dirname, "../fixtures/jobs")

/** One life of a host. */
export interface JobLife {
  readonly host: HostProcess
  readonly ear: AuditEar
  /** Asks for a job, which is stored when this answers. */
  readonly start: (kind: string, input: object, more?: object) => Promise<any>
  /** The status and the body of an answer. */
  readonly post: (at: string, body?: object) => Promise<{ readonly status: number; readonly body: any }>
  readonly job: (job: { readonly job_id: string }) => Promise<any>
  /** Waits until a run says how far it is. */
  readonly progressed: (job: { readonly job_id: string }, attempt?: number) => Promise<any>
  /** What the audit tells of a job, without `worker.job_`; progress once. */
  readonly told: (job: { readonly trace_id: string; readonly job_id: string }) => Promise<ReadonlyArray<string>>
}

export interface JobHouse {
  readonly home: string
  /** Where its isolates have their folders. */
  readonly temporary: string
  readonly place: Place
  /** Starts a host in it. `begin(place)`: beside the first one, in another home. */
  readonly begin: (place?: Place) => Promise<JobLife>
  readonly database: Awaited<ReturnType<typeof makeDatabase>>
  readonly anotherPlace: () => Place
  readonly end: () => Promise<void>
}

const live = async (place: Place): Promise<JobLife> => {
  const host = await startHost(place)
  const ear = await listenToAudit(host)
  const post: JobLife["post"] = async (at, body = {}) => {
    const response = await host.request(at, { method: "POST", body: JSON.stringify(body) })
    return { status: response.status, body: await response.json() }
  }
  return {
    host,
    ear,
    post,
    start: async (kind, input, more = {}) => {
      const { body, status } = await post("/jobs", { kind, input, ...more })
      if (status !== 201) throw new Error(`The job was not stored: ${status} ${JSON.stringify(body)}`)
      return body
    },
    job: ({ job_id }) => host.get(`/jobs/${job_id}`),
    progressed: ({ job_id }, attempt = 1) =>
      ear.until(
        `progress of ${job_id}`,
        (rows) =>
          rows.find(({ data, refs, type }) =>
            type === "worker.job_progress" && refs.job_id === job_id && data.attempt === attempt
          )
      ),
    told: async ({ job_id, trace_id }) => {
      const { audit } = await host.get(`/traces/${trace_id}`)
      return (audit as ReadonlyArray<any>).filter(({ refs, type }) => refs.job_id === job_id && /job_/.test(type))
        .map(({ type }) => String(type).slice("worker.job_".length))
        .filter((type, index, all) => type !== "progress" || all[index - 1] !== "progress")
    }
  }
}

/** A plugin that runs apart: a file of `test/fixtures/jobs`, and how. */
interface Apart {
  readonly isolated: string
  readonly how: object
}

/** `plugin`: a file of `test/fixtures/jobs`. */
export const jobHouse = async (plugin: string, apart?: Apart): Promise<JobHouse> => {
  const all = folder("jobs")
  const database = await makeDatabase()
  const config = path.join(all, "syris.config.ts")
  fs.writeFileSync(
    config,
    `import { defineConfig, isolate } from "syris"
import plugin from ${JSON.stringify(path.join(fixtures, plugin))}

export default defineConfig({ timezone: "UTC", plugins: [plugin()${
      apart === undefined
        ? ""
        : `, isolate(${JSON.stringify(path.join(fixtures, apart.isolated))}, ${JSON.stringify(apart.how)})`
    }] })
`
  )
  let homes = 0
  const anotherPlace = (): Place => {
    const home = path.join(all, `home${++homes}`)
    fs.mkdirSync(home)
    return { home, config, databaseUrl: database.url }
  }
  const place = anotherPlace()
  const lives: Array<JobLife> = []
  return {
    home: place.home,
    temporary: path.join(place.home, "isolates", "temporary"),
    place,
    database,
    anotherPlace,
    begin: async (where = place) => {
      const life = await live(where)
      lives.push(life)
      return life
    },
    end: async () => {
      for (const { ear, host } of lives) {
        ear.close()
        await host.kill()
      }
      await database.close()
      fs.rmSync(all, { recursive: true, force: true })
    }
  }
}

/** All that a process has started, and what those have, as command lines. Linux only. */
const descendantsOf = (pid: number): ReadonlyArray<string> => {
  const all = allProcesses()
  const found = new Set([pid])
  for (let before = 0; before !== found.size;) {
    before = found.size
    for (const one of all) if (found.has(one.parent)) found.add(one.pid)
  }
  found.delete(pid)
  return [...found].map((one) => {
    try {
      return fs.readFileSync(`/proc/${one}/cmdline`, "utf8").replaceAll("\0", " ")
    } catch {
      return `${one}, which has ended`
    }
  })
}

const filesIn = (at: string): ReadonlyArray<string> => fs.existsSync(at) ? fs.readdirSync(at) : []

/** What jobs have left behind: processes of a host, processes that work in its home, folders of isolates. */
export const leftOf = ({ home, temporary }: Pick<JobHouse, "home" | "temporary">, pid?: number) => [
  ...pid === undefined ? [] : descendantsOf(pid),
  ...processesIn(home),
  ...filesIn(temporary)
]

/** Waits until nothing is. */
export const nothingLeft = async (
  house: Pick<JobHouse, "home" | "temporary">,
  pid?: number,
  withinMs = 30_000
): Promise<void> => {
  await until("nothing to be left", () => {
    const left = leftOf(house, pid)
    if (left.length > 0) throw new Error(left.join("\n"))
    return true
  }, withinMs)
}
