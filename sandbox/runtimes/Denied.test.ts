/**
 * What an isolate that is a process can't do, whatever its code tries. Each attempt is made outside of it, too, where it
 * succeeds: so it is the isolate that stops it.
 */
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { kernel } from "./Kernel.ts"
import { deniedAddresses } from "./Network.ts"
import { temporaryFolder, testWire } from "./TestWire.ts"

const AsyncFunction = (async () => undefined).constructor as new(
  ...parts: ReadonlyArray<string>
) => () => Promise<unknown>
const outside = (code: string): Promise<unknown> => new AsyncFunction(code)()

/** `"done"`, or what it was told. */
const attempts = (codes: Readonly<Record<string, string>>): string =>
  `const told = {}
${
    Object.entries(codes).map(([name, code]) =>
      `try { await (async () => { ${code} })(); told[${JSON.stringify(name)}] = "done" }
catch (error) { told[${JSON.stringify(name)}] = String(error.code ?? error.name) + ": " + error.message }`
    ).join("\n")
  }
return told`

let served: http.Server
let port = 0
beforeAll(async () => {
  served = http.createServer((request, response) => {
    if (request.url === "/elsewhere") response.writeHead(302, { location: `http://localhost:${port}/` })
    response.end("served")
  })
  await new Promise<void>((resolve) => served.listen(0, "127.0.0.1", resolve))
  port = (served.address() as AddressInfo).port
})
afterAll(() => void served.close())

const reached = (url: string): string =>
  `const answer = await fetch(${JSON.stringify(url)}); if ((await answer.text()) !== "served") throw new Error("no")`

describe.each(["process", "deno"] as const)("a %s", { timeout: 60_000 }, (runtime) => {
  it("reads, writes, starts and signals nothing that it was not granted", async () => {
    const folder = temporaryFolder()
    for (const name of ["secret", "granted/file", "granted-not/file", "written/file"]) {
      fs.mkdirSync(`${folder}/${name.split("/").slice(0, -1).join("/")}`, { recursive: true })
      fs.writeFileSync(`${folder}/${name}`, "text")
    }
    const { run } = await testWire(runtime, {
      folder,
      grant: { read: [`${folder}/granted`], write: [`${folder}/written`] }
    })
    const fsync = `const fs = process.getBuiltinModule("node:fs");`
    const hostFile = (name: string) => `${fsync} fs.readFileSync(${JSON.stringify(name)})`
    const denied: Record<string, string> = {
      passwords: hostFile("/etc/passwd"),
      "a secret": hostFile(`${folder}/secret`),
      "a way around": hostFile(`${folder}/granted/../secret`),
      "a folder with a longer name": hostFile(`${folder}/granted-not/file`),
      "its start environment": hostFile("/proc/self/environ"),
      "the host's environment": hostFile(`/proc/${process.pid}/environ`),
      "the host's files": hostFile("/proc/self/cwd/package.json").replace("self", String(process.pid)),
      "writing elsewhere": `${fsync} fs.writeFileSync(${JSON.stringify(`${folder}/new`)}, "")`,
      "writing what it may read": `${fsync} fs.appendFileSync(${JSON.stringify(`${folder}/granted/file`)}, "")`,
      "a symbolic link that leads out": `${fsync}
        fs.symlinkSync(${JSON.stringify(`${folder}/secret`)}, ${JSON.stringify(`${folder}/written/link`)})`,
      "a hard link": `${fsync}
        fs.linkSync(${JSON.stringify(`${folder}/secret`)}, ${JSON.stringify(`${folder}/written/hard`)})`,
      "a program": `const { spawnSync } = process.getBuiltinModule("node:child_process")
        const { error, status } = spawnSync("/bin/sh", ["-c", ":"]); if (error) throw error; if (status !== 0) throw new Error("no")`,
      "a database elsewhere": `const { DatabaseSync } = process.getBuiltinModule("node:sqlite"); new DatabaseSync(${
        JSON.stringify(`${folder}/new.db`)
      })`,
      "a module elsewhere": `await import("file://" + ${JSON.stringify(`${folder}/secret.mjs`)})`,
      "a native module": `process.dlopen({ exports: {} }, "/nowhere.node")`,
      "a signal to the host": `process.kill(${process.pid}, 0)`,
      "a signal to all": `process.kill(1, 0); if (process.pid === 1) throw new Error("it is alone")`,
      "an inspector":
        `const inspector = process.getBuiltinModule("node:inspector"); inspector.open(0); inspector.close()`
    }
    fs.writeFileSync(`${folder}/secret.mjs`, "")
    const { namespaces } = await kernel()
    if (runtime === "process" && namespaces === undefined) {
      delete denied["a signal to the host"]
      delete denied["a signal to all"]
    }
    const told = await run(attempts(denied)) as Record<string, string>
    assert.deepStrictEqual(Object.entries(told).filter(([, end]) => end === "done"), [])
    assert.sameMembers(Object.keys(told), Object.keys(denied))
    // The control: outside they can be done, but for what is not there, or not for us, or not in a test.
    const free = await outside(attempts(denied)) as Record<string, string>
    const barred = Object.entries(free).filter(([, end]) => end !== "done").map(([name]) => name)
    assert.isEmpty(
      barred.filter((name) => !["a native module", "a signal to all", "a module elsewhere"].includes(name))
    )
    // What was granted can be done inside.
    const granted = await run(attempts({
      read: hostFile(`${folder}/granted/file`),
      write: `${fsync} fs.writeFileSync(${JSON.stringify(`${folder}/written/file`)}, "new")`,
      own: `${fsync} const os = process.getBuiltinModule("node:os"); fs.writeFileSync(os.tmpdir() + "/own", "")`
    }))
    assert.deepStrictEqual(granted, { read: "done", write: "done", own: "done" })
  })

  it("reaches nothing without a grant", async (t) => {
    if (runtime === "process" && (await kernel()).namespaces === undefined) return t.skip()
    const { run } = await testWire(runtime)
    const hosts: Record<string, string> = {
      address: reached(`http://127.0.0.1:${port}/`),
      name: reached(`http://localhost:${port}/`),
      socket: `const net = process.getBuiltinModule("node:net"); await new Promise((resolve, reject) => {
        const socket = net.connect(${port}, "127.0.0.1"); socket.once("error", reject)
        socket.once("connect", () => { socket.destroy(); resolve() }) })`
    }
    const told = await run(attempts(hosts)) as Record<string, string>
    assert.deepStrictEqual(Object.entries(told).filter(([, end]) => end === "done"), [])
    assert.deepStrictEqual(await outside(attempts(hosts)), { address: "done", name: "done", socket: "done" })
  })
})

describe("the network of a deno", { timeout: 90_000 }, () => {
  it("is what was granted, to the port and the address", async () => {
    const { run } = await testWire("deno", { grant: { net: [`127.0.0.1:${port}`] } })
    const told = await run(attempts({
      granted: reached(`http://127.0.0.1:${port}/`),
      port: reached(`http://127.0.0.1:${port === 80 ? 81 : 80}/`),
      name: reached(`http://localhost:${port}/`),
      neighbour: reached(`http://127.0.0.2:${port}/`),
      redirect: reached(`http://127.0.0.1:${port}/elsewhere`),
      listen: `const net = process.getBuiltinModule("node:net"); await new Promise((resolve, reject) => {
        const server = net.createServer(); server.once("error", reject); server.listen(0, () => { server.close(); resolve() }) })`
    })) as Record<string, string>
    assert.deepStrictEqual(Object.keys(told).filter((name) => told[name] === "done"), ["granted"])
  })

  it("is not this machine by another name", async () => {
    const names = fs.readFileSync("/etc/hosts", "utf8").split("\n").flatMap((line) => {
      const [address, ...rest] = line.replace(/#.*/, "").trim().split(/\s+/)
      return address === "127.0.0.1" ? rest.filter((name) => name !== "localhost") : []
    })
    const name = names[0] ?? "ip6-localhost"
    const { run } = await testWire("deno", { grant: { net: [`${name}:${port}`] } })
    const told = await run(attempts({ name: reached(`http://${name}:${port}/`) })) as Record<string, string>
    assert.notStrictEqual(told["name"], "done")
    if (names.length > 0) {
      assert.deepStrictEqual(await outside(attempts({ name: reached(`http://${name}:${port}/`) })), { name: "done" })
    }
    const localhost = await testWire("deno", { grant: { net: [`localhost:${port}`] } })
    assert.deepStrictEqual(await localhost.run(attempts({ name: reached(`http://localhost:${port}/`) })), {
      name: "done"
    })
  })

  it("is denied in all ranges but for the addresses that were granted", () => {
    const none = deniedAddresses(["api.example.org:443"], [])
    assert.includeMembers([...none], ["127.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16", "203.0.113.0/24", "[::1]"])
    const some = deniedAddresses(["127.0.0.1:4747", "[::1]:80", "10.0.0.9"], ["9.9.9.9", "10.0.0.9"])
    assert.notIncludeMembers([...some], ["127.0.0.0/8"])
    assert.includeMembers([...some], ["127.0.0.0", "127.0.0.2/31", "127.128.0.0/9", "9.9.9.9"])
    for (const address of ["127.0.0.1", "10.0.0.9", "[::1]"]) assert.notInclude(some, address)
    // As many pieces stand for all others of the range.
    assert.lengthOf(some.filter((range) => range.startsWith("127.")), 24)
  })
})
