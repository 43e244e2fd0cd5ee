/**
 * Every attempt, in every runtime that strangers get: it is held, and the same text outside of the isolate is not. Where one is
 * not held, that is said here with its reason, and in the table of `docs/isolates.md`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { readIsolate } from "../../core/plugin/IsolateSettings.ts"
import { kernel } from "../../sandbox/runtimes/Kernel.ts"
import { type Attempt, type EscapeRuntime, row, runtimes } from "./Attempt.ts"
import { attempts } from "./attempts.ts"
import { openIsolate, openOutside, type Place, writeCode } from "./Places.ts"
import { type MadeWorld, makeWorld } from "./World.ts"

let world: MadeWorld
let namespaces = false
beforeAll(async () => {
  world = await makeWorld()
  namespaces = (await kernel()).namespaces !== undefined
  if (!world.metadata) {
    console.warn("ESCAPES: NOBODY CAN ANSWER AT 169.254.169.254 HERE (IT TAKES ROOT): NO CONTROL FOR IT.")
  }
  if (!namespaces) console.warn("ESCAPES: THERE ARE NO NAMESPACES HERE: WHAT HANGS ON THEM IS NOT TRIED IN A PROCESS.")
})
afterAll(() => world?.remove())

const triedIn = (runtime: EscapeRuntime): ReadonlyArray<Attempt> =>
  attempts.filter(({ triedIn = runtimes }) => triedIn.includes(runtime))

/** Without its control, as this machine is. */
const uncontrolled = (attempt: Attempt, runtime: EscapeRuntime): boolean =>
  attempt.noControl?.[runtime] !== undefined || (attempt.name.includes("metadata") && !world.metadata)

describe.each(runtimes)("from within %s", { timeout: 60_000 }, (runtime) => {
  const shared = new Map<string, Place>()
  const codeOf = (name: string): string =>
    writeCode(path.join(world.folder, "code", `${runtime}-${name}`), triedIn(runtime), world)
  const grants = {
    offline: () => ({}),
    online: () => ({ net: [`127.0.0.1:${world.open}`, `granted.example:${world.port}`] })
  }
  // All at once, so that nobody waits for one after the other.
  beforeAll(async () => {
    await Promise.all(
      (["offline", "online", "outside"] as const).map(async (name) => shared.set(name, await open(name)))
    )
  })
  const open = async (name: "offline" | "online" | "outside", own = ""): Promise<Place> =>
    name === "outside"
      ? openOutside(runtime, codeOf(name + own))
      : openIsolate(runtime, codeOf(name + own), world, grants[name](), own === "" ? 128 : 32)
  const within = async <A>(
    name: "offline" | "online" | "outside",
    alone: boolean,
    use: (place: Place) => Promise<A>
  ) => {
    if (!alone) return use(shared.get(name)!)
    const place = await open(name, "-alone")
    try {
      return await use(place)
    } finally {
      await place.stop()
    }
  }
  afterAll(async () => {
    for (const place of shared.values()) await place.stop()
  })

  it.for(triedIn(runtime).map((attempt) => [attempt.name, attempt] as const))("%s", async ([, attempt], { skip }) => {
    const { alone = false, byNamespaces = false, notStopped, where = "offline" } = attempt
    if (runtime === "process" && byNamespaces && !namespaces) return skip()
    const inside = await within(where, alone, (place) => place.make(attempt, world))
    if (notStopped?.[runtime] === undefined) {
      assert.isNull(inside.proof, `it got out: ${attempt.what}`)
    } else if (!uncontrolled(attempt, runtime)) {
      assert.isNotNull(inside.proof, `it is held by now: say so in docs/isolates.md (${inside.denied})`)
    }
    if (uncontrolled(attempt, runtime)) return
    const outside = await within("outside", false, (place) => place.make(attempt, world))
    assert.isNotNull(outside.proof, `the control: outside it should get through (${outside.denied})`)
  })
})

describe("the table in docs/isolates.md", () => {
  const text = fs.readFileSync(path.join(import.meta.dirname, "../../docs/isolates.md"), "utf8")
  const table = new Map(
    text.slice(text.indexOf("### What each runtime stops")).split("\n").flatMap((line) => {
      const [, name, deno, process] = line.split("|").map((cell) => cell.trim())
      return name === undefined || deno === undefined || process === undefined
        ? []
        : [[name, { deno, process }] as const]
    })
  )

  it("has a row for every kind of attempt", () => {
    assert.deepStrictEqual(Object.values(row).filter((name) => !table.has(name)), [])
    assert.isAtLeast(attempts.length, 60)
    assert.lengthOf(new Set(attempts.map(({ name }) => name)), attempts.length)
  })

  it.each(runtimes)("says of %s what holds and what does not", (runtime) => {
    for (const { name, notStopped, row: of = "", triedIn = runtimes } of attempts) {
      const cell = table.get(of)?.[runtime]
      if (cell === undefined || !triedIn.includes(runtime)) continue
      if (notStopped?.[runtime] === undefined) assert.match(cell, /^(denied|ended)/, `${name}: ${of}`)
      else assert.include(cell, "not stopped", `${name}: ${of}`)
    }
  })

  it("is why a process or a thread takes no strangers", () => {
    const folder = path.join(world.folder, "node_modules", "stranger")
    fs.mkdirSync(folder, { recursive: true })
    const entry = path.join(folder, "index.mjs")
    fs.writeFileSync(entry, "")
    const read = (options: object) =>
      readIsolate({ path: entry, options } as never, 0, path.join(world.folder, "syris.config.ts"))
    const refused = (options: object): string => {
      const answer = read(options)
      return typeof answer === "string" ? answer : "it was taken"
    }
    for (const runtime of ["process", "thread"]) {
      assert.match(refused({ runtime }), /leave runtime out, so that it runs in Deno, or say trusted: true/)
      assert.match(refused({ runtime, trusted: false }), /leave runtime out/)
      assert.isObject(read({ runtime, trusted: true }))
    }
    assert.isObject(read({}))
    assert.isObject(read({ runtime: "deno", trusted: false }))
  })
})
