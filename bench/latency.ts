/**
 * One event alone, from the first byte of the request to the answer that says it is settled (`Prefer: wait`). Controls in
 * the same run, on the same server: the host's own statements for the same rows, back to back on a bare connection; and
 * two commits of one small row each, the least that "intent before, outcome after" can cost.
 */
import * as path from "node:path"
import { hostStatements } from "./HostStatements.ts"
import { connect, noopEvent } from "./HttpLoad.ts"
import { figure, median, type Options, percentile, say, target, title } from "./Report.ts"
import { startHost, startPostgres, temporaryFolder } from "./Setup.ts"

export const latency = async ({ quick, verbose }: Options): Promise<void> => {
  title("Latency: one event alone, HTTP in to settled")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  for (const name of ["host", "bare"]) await postgres.createDatabase(name)
  await using host = await startHost(path.join(folder.path, "home"), postgres.url("host"))
  const bare = await postgres.connect("bare")
  const replay = await hostStatements(path.join(folder.path, "noted-home"), postgres.url("bare"), bare)
  await bare.query("create table small (id bigint generated always as identity primary key, at timestamptz, note text)")

  const http = await connect(host.target.host, host.target.port)
  let sent = 0
  const subjects = {
    host: async () => {
      const answer = await http.send(
        noopEvent(host.target, `${process.pid}-${Date.now()}-${sent++}`, "Prefer: wait=10\r\n")
      )
      if (answer.status !== 200) throw new Error(`It was answered ${answer.status}: ${answer.body}`)
    },
    statements: () => replay.run(bare),
    commits: async () => {
      for (const note of ["intent", "outcome"]) {
        await bare.query("insert into small (at, note) values (clock_timestamp(), $1)", [note])
      }
    }
  }
  const times = { host: [] as Array<number>, statements: [] as Array<number>, commits: [] as Array<number> }
  const rounds: Array<Record<keyof typeof times, number>> = []
  const each = quick ? 100 : 250
  for (let round = -1; round < (quick ? 4 : 12); round++) {
    const medians = { host: 0, statements: 0, commits: 0 }
    for (const name of ["host", "statements", "commits"] as const) {
      const own: Array<number> = []
      for (let i = 0; i < each; i++) {
        const began = performance.now()
        await subjects[name]()
        own.push(performance.now() - began)
      }
      medians[name] = median(own)
      if (round >= 0) times[name].push(...own)
    }
    if (round >= 0) rounds.push(medians)
    if (verbose) say(Object.entries(medians).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`).join("   "))
  }
  http.close()
  await bare.close()

  figure("host p50", median(times.host), "ms")
  figure("host p99", percentile(times.host, 0.99), "ms")
  figure("control: the host's statements on a bare connection, p50", median(times.statements), "ms")
  figure("the same, p99", percentile(times.statements, 0.99), "ms")
  figure("control: two single-row insert commits, p50", median(times.commits), "ms")
  target(
    "host p50 / the commits it needs",
    median(rounds.map((round) => round.host / round.statements)),
    "",
    "at most",
    2.5
  )
  figure("host p50 / two single-row insert commits", median(rounds.map((round) => round.host / round.commits)), "")
}
