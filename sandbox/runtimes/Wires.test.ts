/**
 * How an isolate lives and ends, in each runtime: it answers, keeps within its limits, and nothing of it is left.
 */
import * as fs from "node:fs"
import { assert, describe, it } from "vitest"
import type { IsolateEnd } from "../Isolate.ts"
import { kernel } from "./Kernel.ts"
import { boundedLines } from "./Lines.ts"
import { maximumUnread, openPiped } from "./PipedWire.ts"
import { allProcesses, processLine } from "./Processes.ts"
import { evaluates } from "./TestLaunch.ts"
import { temporaryFolder, testWire } from "./TestWire.ts"

const graceMs = 200
const codeOf = ({ code }: IsolateEnd): string => code
const leftOf = (group: number | undefined) => allProcesses().filter((line) => line.group === group)

describe.each(["thread", "process", "deno"] as const)("in a %s", { timeout: 90_000 }, (runtime) => {
  it("it answers, has no variables but its own, and is told to end while it spins", async () => {
    const { folder, run, wire } = await testWire(runtime, { env: { GRANTED: "yes" } })
    assert.strictEqual(await run("return 1 + 1"), 2)
    const own = runtime === "thread" ? [] : ["TMPDIR"]
    assert.sameMembers(await run("return Object.keys(process.env)") as Array<string>, ["GRANTED", ...own])
    await run("setTimeout(() => { for (;;); }, 0)")
    // How long it takes is measured by the bench. One that could not be ended would spin until this test is given up.
    assert.strictEqual(codeOf(await wire.stop(graceMs)), "stopped")
    assert.deepStrictEqual(leftOf(wire.pid), [])
    if (runtime !== "thread") assert.deepStrictEqual(fs.readdirSync(`${folder}/temporary`), [])
  })

  it("it ends for its heap, and the host goes on", async () => {
    const { run, wire } = await testWire(runtime, { limits: { memoryMb: 32 } })
    void run("const all = []; for (;;) all.push({ text: String(all.length) })")
    assert.strictEqual(codeOf(await wire.ended), "memory")
  })

  it("it ends by itself", async () => {
    const { run, wire } = await testWire(runtime)
    void run("process.exit(3)")
    assert.strictEqual(codeOf(await wire.ended), "exited")
    wire.send({ id: 0, code: "" })
  })
})

describe.each(["process", "deno"] as const)("a %s", { timeout: 90_000 }, (runtime) => {
  it("ends for memory that is not its heap", async () => {
    const { run, wire } = await testWire(runtime)
    void run(`const all = []
      for (;;) {
        try { all.push(new Uint8Array(4 << 20).fill(1)) } catch { await new Promise((resolve) => setTimeout(resolve, 50)) }
      }`)
    const end = await wire.ended
    assert.deepStrictEqual(end, { code: "memory", reason: "it took more memory than its 128 MiB" })
  })

  it("ends for its processor time", async () => {
    const { run, wire } = await testWire(runtime, { limits: { cpuSeconds: 2 } })
    void run("for (;;);")
    assert.strictEqual(codeOf(await wire.ended), "cpu")
  })

  it("ends for what is no frame, and one of a gigabyte is not kept", async () => {
    const junk = await testWire(runtime)
    void junk.run("process.stdout.write('hello, this is no frame'); await new Promise(() => {})")
    assert.strictEqual(codeOf(await junk.wire.ended), "protocol")
    const large = await testWire(runtime)
    const before = process.memoryUsage.rss()
    void large.run(`const size = new Uint8Array([0x40, 0, 0, 0])
      process.stdout.write(size)
      for (;;) if (!process.stdout.write(new Uint8Array(1 << 20))) await new Promise((go) => process.stdout.once("drain", go))`)
    assert.deepStrictEqual(await large.wire.ended, {
      code: "protocol",
      reason: "it sent a frame of 1073741824 bytes, and 1048576 are the most"
    })
    assert.isBelow(process.memoryUsage.rss() - before, 200 * 1_048_576)
  })

  it("waits while the host does not read", async () => {
    const { run, wire } = await testWire(runtime)
    await run(`const body = new TextEncoder().encode(JSON.stringify({ id: 0, value: "x".repeat(1e6) }))
      const frame = new Uint8Array(4 + body.length)
      new DataView(frame.buffer).setUint32(0, body.length)
      frame.set(body, 4)
      globalThis.frame = frame`)
    const come: Array<number> = []
    const all = new Promise<void>((resolve) =>
      wire.receive((_message, bytes) => {
        come.push(bytes)
        if (come.length === 1) wire.pause()
        if (come.length === 65) resolve()
      })
    )
    const before = process.memoryUsage.rss()
    void run(`for (let i = 0; i < 64; i++) {
      if (!process.stdout.write(frame)) await new Promise((go) => process.stdout.once("drain", go))
    }`)
    while (come.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.lengthOf(come, 1)
    assert.isBelow(process.memoryUsage.rss() - before, 40 * 1_048_576)
    wire.resume()
    await all
  })

  it("is ended where it does not read what it is sent", async () => {
    const { run, wire } = await testWire(runtime)
    await run("setTimeout(() => { for (;;); }, 0)")
    const code = " ".repeat(1_000_000)
    for (let i = 0; i <= maximumUnread / 1_000_000 + 1; i++) wire.send({ id: 0, code })
    assert.strictEqual(codeOf(await wire.ended), "protocol")
  })

  it("has its lines heard, so many of them", async () => {
    const { log, run } = await testWire(runtime)
    await run(
      `const { stderr } = process; stderr.write("one\\ntwo\\n" + "x".repeat(20_000) + "\\n" + "y\\n".repeat(3_000))`
    )
    while (log.length < 1_000) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.deepStrictEqual(log.slice(0, 2), ["one", "two"])
    assert.strictEqual(log[2], `${"x".repeat(8_192)}…`)
    // How many in a second: with a clock of our own.
    let now = 0
    const told: Array<string> = []
    const lines = boundedLines((line) => told.push(line), () => now)
    lines.push("y\n".repeat(3_000))
    assert.lengthOf(told, 1_000)
    now = 1_000
    lines.push("z\n")
    assert.deepStrictEqual(told.slice(1_000), ["… 2000 more lines were left out: more than 1000 in a second.", "z"])
  })
})

describe("what an isolate leaves", { timeout: 90_000 }, () => {
  /** A process without its permissions, which can start others. */
  const loose = async (apart: ReadonlyArray<string>) => {
    const folder = temporaryFolder()
    fs.mkdirSync(`${folder}/tmp`)
    const [command = "", ...args]: ReadonlyArray<string> = [...apart, process.execPath, evaluates.entry]
    const wire = openPiped({
      runtime: "process",
      guarded: { command, args, env: { TMPDIR: `${folder}/tmp`, PATH: process.env["PATH"] ?? "" }, cwd: folder },
      folder,
      limits: { memoryMb: 256 },
      baseMb: 200,
      hearing: { log: () => undefined }
    })
    const answers: Array<{ readonly value?: unknown }> = []
    const answered = new Promise<unknown>((resolve) =>
      wire.receive((message) => resolve(answers.push(message as object)))
    )
    wire.send({
      id: 1,
      code: `const { spawn } = await import("node:child_process")
        process.on("SIGTERM", () => {})
        const [near, far] = [false, true].map((detached) => spawn("sleep", ["600"], { detached, stdio: "inherit" }))
        return [near.pid, far.pid]`
    })
    await answered
    return { wire, pids: answers[0]?.value as ReadonlyArray<number> }
  }

  it("is gone with it: its children, and one that made a session of its own", async () => {
    const { pids, wire } = await loose([])
    for (const pid of pids) assert.isDefined(processLine(pid))
    assert.strictEqual(codeOf(await wire.stop(graceMs)), "stopped")
    for (const pid of pids) assert.isUndefined(processLine(pid))
  })

  it("is gone by the kernel's own doing where it has a namespace", async (t) => {
    const { namespaces } = await kernel()
    if (namespaces === undefined) return t.skip()
    const { pids, wire } = await loose([...namespaces.pidAndNet, "--"])
    assert.isBelow(Math.max(...pids), 100)
    const before = allProcesses().filter(({ parent }) => parent === wire.pid)
    assert.lengthOf(before, 1)
    await wire.kill({ code: "memory", reason: "a test" })
    assert.deepStrictEqual(before.flatMap(({ pid }) => processLine(pid) ?? []), [])
  })

  it("is nothing, though it forks without end", async () => {
    const folder = temporaryFolder()
    fs.mkdirSync(`${folder}/tmp`)
    const wire = openPiped({
      runtime: "process",
      guarded: {
        command: "/bin/sh",
        args: ["-c", "while :; do sleep 600 & done"],
        env: { TMPDIR: `${folder}/tmp`, PATH: process.env["PATH"] ?? "" },
        cwd: folder
      },
      folder,
      limits: { memoryMb: 4_096 },
      baseMb: 0,
      hearing: { log: () => undefined }
    })
    assert.deepStrictEqual(await wire.ended, { code: "signal", reason: "it had more than 64 processes and threads" })
    assert.deepStrictEqual(leftOf(wire.pid), [])
  })
})
