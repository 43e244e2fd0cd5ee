/**
 * Durable fast-lane events a second through HTTP, 64 at once, each counted when its outcome is committed. Controls in the
 * same run, on the same server: a thin server that writes the same rows by as many batched statements, and pgbench.
 */
import { spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { load } from "./HttpLoad.ts"
import type { Target } from "./HttpLoad.ts"
import { pgbenchScript } from "./NoopRows.ts"
import type { PgWire } from "./PgWire.ts"
import { figure, median, type Options, say, target, title } from "./Report.ts"
import { root, start, startHost, startPostgres, temporaryFolder, until } from "./Setup.ts"

const atOnce = 64
const clients = 8

const findPgbench = (): string | undefined => {
  const debian = "/usr/lib/postgresql"
  const folders = fs.existsSync(debian)
    ? fs.readdirSync(debian).map((version) => path.join(debian, version, "bin"))
    : []
  return [...folders, ...(process.env["PATH"] ?? "").split(path.delimiter)].map((folder) =>
    path.join(folder, "pgbench")
  )
    .find((file) => fs.existsSync(file))
}

/** A host that a control can act for: it never beats and never ends. */
export const enterHost = async (database: PgWire): Promise<string> => {
  const hostId = randomUUID()
  await database.query(
    `insert into hosts (host_id, home_id, machine, pid, pid_started, version, lease_until)
     values ($1, gen_random_uuid(), 'bench', 0, '', '', clock_timestamp() + interval '1 day')`,
    [hostId]
  )
  return hostId
}

/** Events a second until all are settled. */
const measure = async (at: Target, database: PgWire, count: number): Promise<number> => {
  const began = performance.now()
  await load(at, count, atOnce)
  await until(async () => (await database.query("select 1 from work limit 1")).length === 0 ? true : undefined, 1)
  return count / (performance.now() - began) * 1_000
}

export const throughput = async ({ quick, verbose }: Options): Promise<void> => {
  title("Throughput: events a second until settled, 64 at once over HTTP")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  for (const name of ["host", "thin", "pgbench"]) await postgres.createDatabase(name)
  const [ofHost, ofThin, ofPgbench] = await Promise.all(["host", "thin", "pgbench"].map(postgres.connect)) as [
    PgWire,
    PgWire,
    PgWire
  ]

  await using host = await startHost(path.join(folder.path, "home"), postgres.url("host"))
  const portFile = path.join(folder.path, "thin.port")
  await using _thin = start([path.join(root, "bench", "thinServer.ts")], {
    SOCKET: path.join(postgres.socketFolder, ".s.PGSQL.5432"),
    DATABASE: "thin",
    USER_NAME: postgres.user,
    HOST_ID: await enterHost(ofThin),
    PORT_FILE: portFile
  })
  const port = Number(
    await until(() => fs.existsSync(portFile) ? fs.readFileSync(portFile, "utf8") || undefined : undefined)
  )
  const thinTarget = { host: "127.0.0.1", port, token: "none" }

  const pgbench = findPgbench()
  const script = path.join(folder.path, "event.sql")
  fs.writeFileSync(script, pgbenchScript(await enterHost(ofPgbench)))
  const seconds = quick ? 2 : 4
  const runPgbench = (): number => {
    const args = [
      "-h",
      postgres.socketFolder,
      "-U",
      postgres.user,
      "-n",
      "-M",
      "prepared",
      "-c",
      String(clients),
      "-j",
      "1"
    ]
    const ran = spawnSync(pgbench ?? "", [...args, "-T", String(seconds), "-f", script, "pgbench"], {
      encoding: "utf8"
    })
    const tps = /tps = ([\d.]+)/.exec(ran.stdout)?.[1]
    if (tps === undefined || ran.status !== 0) throw new Error(`pgbench: ${ran.stderr}`)
    return Number(tps)
  }

  const count = quick ? 3_000 : 10_000
  for (let warm = 0; warm < 3; warm++) {
    await measure(host.target, ofHost, 2_000)
    await measure(thinTarget, ofThin, 2_000)
  }
  const rates = { host: [] as Array<number>, thin: [] as Array<number>, pgbench: [] as Array<number> }
  for (let round = 0; round < (quick ? 3 : 7); round++) {
    rates.host.push(await measure(host.target, ofHost, count))
    rates.thin.push(await measure(thinTarget, ofThin, count))
    if (pgbench !== undefined) rates.pgbench.push(runPgbench())
    if (verbose) say(Object.entries(rates).map(([name, all]) => `${name} ${all.at(-1)?.toFixed(0)}`).join("   "))
  }
  await Promise.all([ofHost, ofThin, ofPgbench].map((connection) => connection.close()))

  const ratio = (over: ReadonlyArray<number>) =>
    median(rates.host.map((rate, round) => rate / (over[round] ?? Number.NaN)))
  figure("host", median(rates.host), "events/s")
  figure("control a: thin server, same rows, as many statements", median(rates.thin), "events/s")
  target("host / thin server", ratio(rates.thin), "", "at least", 0.5)
  if (pgbench === undefined) {
    return say("SKIPPED: pgbench was not found (apt install postgresql). The ratio against it was NOT measured.")
  }
  figure(`control b: pgbench, one statement a transaction, ${clients} clients`, median(rates.pgbench), "events/s")
  target("host / pgbench", ratio(rates.pgbench), "", "at least", 0.5)
}
