/**
 * What a host costs that does nothing: memory of its Node process and of its PostgreSQL, processor time at rest. `PSS`
 * counts what processes share once. From /proc, so on Linux only.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { load } from "./HttpLoad.ts"
import { figure, type Options, say, target, title } from "./Report.ts"
import { startHost, temporaryFolder } from "./Setup.ts"

const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return "" // it has ended
  }
}

/** A process and all that it started. */
const family = (pid: number): ReadonlyArray<number> => {
  const parents = new Map(
    fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((name) => {
      const stat = read(`/proc/${name}/stat`)
      return [Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])] as const
    })
  )
  const found = [pid]
  for (const each of found) found.push(...[...parents].flatMap(([child, parent]) => parent === each ? [child] : []))
  return found
}

const kilobytes = (pid: number, name: "Pss" | "Rss"): number =>
  Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0)

/** Clock ticks of a hundredth of a second. */
const ticks = (pid: number): number => {
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
}

const sum = (pids: ReadonlyArray<number>, of: (pid: number) => number) =>
  pids.reduce((total, pid) => total + of(pid), 0)
const megabytes = (pids: ReadonlyArray<number>, name: "Pss" | "Rss") => sum(pids, (pid) => kilobytes(pid, name)) / 1024

export const idle = async ({ quick }: Options): Promise<void> => {
  title("Idle: a host with its embedded PostgreSQL that has nothing to do")
  if (process.platform !== "linux") return say("SKIPPED: /proc is needed.")
  await using folder = temporaryFolder()
  await using host = await startHost(path.join(folder.path, "home"))
  const node = host.child.pid ?? 0
  const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
  const memory = (when: string) => {
    const postgres = family(node).slice(1)
    figure(`${when}: Node process, RSS`, megabytes([node], "Rss"), "MB")
    figure(`${when}: Node process, PSS`, megabytes([node], "Pss"), "MB")
    figure(`${when}: PostgreSQL, PSS over its ${postgres.length} processes`, megabytes(postgres, "Pss"), "MB")
  }
  const processor = async (when: string) => {
    const seconds = quick ? 10 : 20
    const all = family(node)
    const before = all.map(ticks)
    await pause(seconds)
    const used = all.map((pid, index) => ticks(pid) - (before[index] ?? 0))
    const nodes = (used[0] ?? 0) / seconds
    const total = used.reduce((one, other) => one + other, 0) / seconds
    figure(`${when}: processor at rest, Node`, nodes, "% of a core")
    target(`${when}: processor at rest, with PostgreSQL`, total, "% of a core", "at most", 1)
  }
  await pause(quick ? 5 : 10)
  memory("after the start")
  await processor("after the start")
  await load(host.target, quick ? 5_000 : 20_000, 64)
  await pause(quick ? 5 : 30)
  memory("after a burst of events")
  await processor("after a burst of events")
}
