/**
 * A host that is killed with SIGKILL leaves no process of its servers behind.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it, onTestFinished } from "vitest"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-mcp-guard-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** The group of a process that has not ended. */
const groupOf = (pid: string): string | undefined => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return state === "Z" || state === "X" ? undefined : group
  } catch {
    return undefined
  }
}
const membersOf = (group: string): ReadonlyArray<string> =>
  fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name) && groupOf(name) === group)

const until = async (holds: () => boolean): Promise<void> => {
  const end = performance.now() + 90_000
  while (!holds()) {
    if (performance.now() > end) assert.fail("It did not come to that.")
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe("kill -9 of the host", { timeout: 90_000 }, () => {
  it("ends its server, which heeds nothing else, and the server's own child", async () => {
    const log = path.join(folder, "log")
    const host = spawn(
      process.execPath,
      ["--no-warnings", fileURLToPath(new URL("../../core/mcp/testServers/hostThatDies.ts", import.meta.url)), log],
      { stdio: ["ignore", "pipe", "inherit"] }
    )
    onTestFinished(() => void host.kill("SIGKILL"))
    const group = await new Promise<string>((resolve, reject) => {
      host.once("exit", () => reject(new Error("The host ended.")))
      host.stdout.on("data", (chunk: Buffer) => {
        const pid = /connected (\d+)/.exec(chunk.toString())?.[1]
        if (pid !== undefined) resolve(pid)
      })
    })
    const entry = () => fs.readFileSync(log, "utf8").split("\n").find((line) => line.includes("child"))
    await until(() => entry() !== undefined)
    const { child, pid } = JSON.parse(entry()!) as Record<string, number>
    const before = membersOf(group)
    assert.includeMembers([...before], [String(pid), String(child)])
    // They ignore what they can ignore.
    process.kill(-Number(group), "SIGTERM")
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepStrictEqual(membersOf(group), before)
    host.kill("SIGKILL")
    await until(() => membersOf(group).length === 0)
  })

  it("ends isolates, though they are stopped", async () => {
    const host = spawn(
      process.execPath,
      [
        "--no-warnings",
        fileURLToPath(new URL("testGuests/hostThatDies.ts", import.meta.url)),
        path.join(folder, "isolates")
      ],
      { stdio: ["ignore", "pipe", "inherit"] }
    )
    onTestFinished(() => void host.kill("SIGKILL"))
    const groups: Array<string> = []
    await new Promise<void>((resolve, reject) => {
      host.once("exit", () => reject(new Error("The host ended.")))
      host.stdout.on("data", (chunk: Buffer) => {
        groups.push(...Array.from(chunk.toString().matchAll(/started (\d+)/g), (match) => match[1]!))
        if (groups.length === 2) resolve()
      })
    })
    for (const group of groups) assert.isAtLeast(membersOf(group).length, 2)
    host.kill("SIGKILL")
    await until(() => groups.every((group) => membersOf(group).length === 0))
  })

  it("leaves one that was started without the guard: the control", async () => {
    const source =
      `const child = require("node:child_process").spawn("sleep", ["600"], { detached: true, stdio: "pipe" })
      console.log("connected " + child.pid)`
    const host = spawn(process.execPath, ["-e", source], { stdio: ["ignore", "pipe", "inherit"] })
    const group = await new Promise<string>((resolve) => {
      host.stdout.on("data", (chunk: Buffer) => resolve(/connected (\d+)/.exec(chunk.toString())![1]!))
    })
    const ended = new Promise((resolve) => host.once("exit", resolve))
    host.kill("SIGKILL")
    await ended
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.deepStrictEqual(membersOf(group), [group])
    process.kill(-Number(group), "SIGKILL")
  })
})
