/**
 * Runs the official conformance suite of the Model Context Protocol as it is published, offline, and reads what it found.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

export interface Scenario {
  readonly name: string
  /** What it has against us, a sentence each; none where it is content. */
  readonly faults: ReadonlyArray<string>
}

interface Check {
  readonly name: string
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "INFO" | "SKIPPED"
  readonly description: string
  readonly errorMessage?: string
}

const program = path.join(
  import.meta.dirname,
  "../../node_modules/@modelcontextprotocol/conformance/dist/index.js"
)

const run = (args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    // Apart, since pieces of the one may come in the middle of a line of the other.
    let [said, complained] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => said += text)
    child.stderr.setEncoding("utf8").on("data", (text: string) => complained += text)
    child.on("error", reject).on("close", () => resolve(`${said}\n${complained}`))
  })

/** Runs one side of the suite, or one scenario of it, and answers those that it says it ran, with what it checked. */
const runIt = async (side: "server" | "client", args: ReadonlyArray<string>): Promise<ReadonlyArray<Scenario>> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-conformance-"))
  try {
    const said = await run([side, "-o", folder, ...args])
    const checked = new Map(
      fs.globSync("**/checks.json", { cwd: folder }).map((file) => [
        path.dirname(file).replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, ""),
        JSON.parse(fs.readFileSync(path.join(folder, file), "utf8")) as ReadonlyArray<Check>
      ])
    )
    const names = new Set(Array.from(
      said.matchAll(/^(?:Starting scenario: |=== Running scenario: )(\S+)/gm),
      ([, name = ""]) => name
    ))
    return Array.from(names, (name) => {
      const checks = checked.get(name)
      return { name, faults: checks === undefined ? [`it did not end: ${said.slice(-500)}`] : faultsOf(checks) }
    })
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs all scenarios of one side; `args` say against what. */
export const runSuite = (side: "server" | "client", args: ReadonlyArray<string>) =>
  runIt(side, ["--suite", "all", ...args])

export const runScenario = async (side: "server" | "client", name: string, args: ReadonlyArray<string>) =>
  (await runIt(side, ["--scenario", name, ...args])).find((one) => one.name === name)

/** A warning counts: the suite itself does not pass a client that has one. */
const faultsOf = (checks: ReadonlyArray<Check>): ReadonlyArray<string> =>
  checks.length === 0
    ? ["nothing was checked"]
    : checks.filter(({ status }) => status === "FAILURE" || status === "WARNING").map(
      ({ description, errorMessage, name }) => `${name}: ${errorMessage ?? description}`
    )

/** The score as a line, and what is not as the table has it. */
export const reckon = (
  side: string,
  scenarios: ReadonlyArray<Scenario>,
  expected: Readonly<Record<string, string>>
): { readonly score: string; readonly surprises: ReadonlyArray<string> } => {
  const passed = scenarios.filter(({ faults }) => faults.length === 0)
  const names = new Set(scenarios.map(({ name }) => name))
  return {
    score: `MCP conformance, ${side}: ${passed.length} of ${scenarios.length} scenarios pass, ${
      Object.keys(expected).length
    } are explained`,
    surprises: [
      ...scenarios.filter(({ faults, name }) => faults.length > 0 && expected[name] === undefined).map(
        ({ faults, name }) => `${name} fails: ${faults.join("; ")}`
      ),
      ...passed.filter(({ name }) => expected[name] !== undefined).map(({ name }) =>
        `${name} passes now: take it out of the table`
      ),
      ...Object.keys(expected).filter((name) => !names.has(name)).map((name) => `${name} is no scenario of the suite`)
    ]
  }
}
