/**
 * What a host costs that does nothing: memory of its Node process and of its PostgreSQL, processor time at rest. `PSS`
 * counts what processes share once. From /proc, so on Linux only.
 */
import * as path from "node:path"
import { load } from "./HttpLoad.ts"
import { family, megabytes, processorSeconds } from "./Processes.ts"
import { figure, type Options, say, target, title } from "./Report.ts"
import { startHost, temporaryFolder } from "./Setup.ts"

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
    const before = all.map((pid) => processorSeconds(pid))
    await pause(seconds)
    const used = all.map((pid, index) => processorSeconds(pid) - (before[index] ?? 0))
    const nodes = (used[0] ?? 0) / seconds * 100
    const total = used.reduce((one, other) => one + other, 0) / seconds * 100
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
