/**
 * From the start of the process to the first `GET /health` that is answered, warm: bundle and compile cache are there and
 * the database has its schema. The control is a bare Effect HttpApi server, bundled and started by the same launcher.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import { freePort } from "../test/FreePort.ts"
import { figure, median, type Options, say, target, title } from "./Report.ts"
import { root, start as startProcess, startPostgres, temporaryFolder, until } from "./Setup.ts"

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    http.get({ host: "127.0.0.1", port, path: "/health", agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on("error", () => resolve(false))
  })

/** Milliseconds from the spawn to the first answer. The process is ended after it. */
const timed = async (
  command: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  lingerMs = 0
): Promise<number> => {
  const port = await freePort()
  const began = performance.now()
  await using started = startProcess(args, { ...env, SYRIS_PORT: String(port) }, command)
  while (!(await answers(port))) {
    if (started.child.exitCode !== null) throw new Error("It ended before it answered.")
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const took = performance.now() - began
  await new Promise((resolve) => setTimeout(resolve, lingerMs))
  return took
}

export const start = async ({ quick, verbose }: Options): Promise<void> => {
  title("Start: process spawned to first /health answered, warm")
  await using folder = temporaryFolder()
  await using postgres = await startPostgres(path.join(folder.path, "postgres-home"))
  await postgres.createDatabase("host")

  const bundle = {
    SYRIS_BUILD_OUT: path.join(root, "dist", "bench"),
    SYRIS_BUILD_CLI: path.join(root, "bench", "bareServer.ts")
  }
  const built = spawnSync(process.execPath, ["bin/build.mjs"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...bundle }
  })
  if (built.status !== 0) throw new Error(built.stderr)

  const config = path.join(root, "syris.config.ts")
  const node = process.execPath
  const nodeFolder = path.dirname(fs.realpathSync(node))
  const given = { SYRIS_HOME: path.join(folder.path, "home"), SYRIS_CONFIG: config, DATABASE_URL: postgres.url("host") }
  const own = { SYRIS_HOME: path.join(folder.path, "own-home"), SYRIS_CONFIG: config }
  const subjects = {
    host_given: (linger?: number) => timed(node, ["bin/syris.mjs", "up"], given, linger),
    bare: (linger?: number) => timed(node, ["bin/syris.mjs"], bundle, linger),
    host_embedded: (linger?: number) => timed(node, ["bin/syris.mjs", "up"], own, linger),
    bare_embedded: (linger?: number) =>
      timed(node, ["bin/syris.mjs"], { ...bundle, BENCH_POSTGRES_HOME: path.join(folder.path, "bare-home") }, linger),
    npm_start: async () => {
      const took = await timed("npm", ["start", "--silent"], {
        ...own,
        PATH: `${nodeFolder}${path.delimiter}${process.env["PATH"] ?? ""}`
      })
      // npm ends before the host that it started.
      await until(() => fs.existsSync(path.join(own.SYRIS_HOME, "host.lock")) ? undefined : true)
      return took
    }
  }
  type Name = keyof typeof subjects
  const names = Object.keys(subjects) as ReadonlyArray<Name>
  // Long enough for the launcher to write what it compiled.
  for (const name of names) await subjects[name](4_000)
  const rounds: Array<Record<Name, number>> = []
  for (let round = 0; round < (quick ? 5 : 11); round++) {
    const own: Partial<Record<Name, number>> = {}
    for (const name of names) own[name] = await subjects[name]()
    rounds.push(own as Record<Name, number>)
    if (verbose) say(Object.entries(own).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join("   "))
  }
  const of = (name: Name) => median(rounds.map((round) => round[name]))
  const ratio = (over: Name, under: Name) => median(rounds.map((round) => round[over] / round[under]))
  figure("host, DATABASE_URL given", of("host_given"), "ms")
  figure("control: bare HttpApi server, no database", of("bare"), "ms")
  target("host / control, no database to start in either", ratio("host_given", "bare"), "", "at most", 1.5)
  figure("host with its embedded PostgreSQL", of("host_embedded"), "ms")
  figure("control: bare HttpApi server that starts the same", of("bare_embedded"), "ms")
  target("host / control, both start PostgreSQL", ratio("host_embedded", "bare_embedded"), "", "at most", 1.5)
  target("npm start", of("npm_start") / 1_000, "s", "at most", 2)
}
