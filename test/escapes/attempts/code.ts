/** For code from elsewhere, for code that has more rights than its maker, and for what outlives an isolate. */
import { type Attempt, row } from "../Attempt.ts"

const code = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  what,
  attempt,
  row: row.code,
  ...more
})

const denoOnly = { triedIn: ["deno"] } as const
const nodeOnly = { triedIn: ["process"] } as const
const noRegistry = { deno: "It needs a registry.", process: "Node imports nothing from there." }
const noRemote = { process: "Node imports nothing over the network." }

export const codes: ReadonlyArray<Attempt> = [
  code(
    "a module elsewhere",
    "It imports a module outside of its folder.",
    `return known((await import(world.outside + "/module.mjs")).default)`
  ),
  code(
    "a module elsewhere, written out",
    "It imports a module outside by an address that can be read beforehand.",
    `
    return known((await import("file://{{outside}}/module.mjs")).default)`
  ),
  code(
    "JSON elsewhere",
    "It imports JSON outside of its folder.",
    `
    return known((await import(world.outside + "/data.json", { with: { type: "json" } })).default.text)`
  ),
  code(
    "JSON elsewhere, written out",
    "It imports JSON by an address that can be read beforehand.",
    `
    return known((await import("file://{{outside}}/data.json", { with: { type: "json" } })).default.text)`
  ),
  code(
    "a text elsewhere",
    "It imports a file as a text, by an address that can be read beforehand.",
    `
    return known((await import("file://{{outside}}/token", { with: { type: "text" } })).default)`,
    {
      noControl: { process: "Node imports no texts.", deno: "Deno imports texts only with a flag." }
    }
  ),
  code(
    "a module by require",
    "It requires a module outside.",
    `
    const require = node("module").createRequire(import.meta.url)
    return known(require(world.outside + "/module.cjs"))`
  ),
  code(
    "a module by an inner door",
    "It loads a file as a module with what Node itself loads with.",
    `
    return known(node("module")._load(world.outside + "/module.cjs", null, false))`
  ),
  code(
    "a file as JSON by require",
    "It requires JSON outside.",
    `
    const require = node("module").createRequire(import.meta.url)
    return known(require(world.outside + "/data.json").text)`
  ),
  code(
    "a probe by resolve",
    "It has a file outside looked for as a module.",
    `
    return some(node("module").createRequire(import.meta.url).resolve(world.outside + "/module.cjs"))`,
    {
      row: row.exists,
      notStopped: { process: "Node looks for modules without asking for the right to." }
    }
  ),
  code(
    "hooks of modules",
    "It has a thread loaded from outside that changes what is imported.",
    `
    node("module").register("file://" + world.outside + "/hooks.mjs", { data: { drop: world.drop } })`,
    nodeOnly
  ),
  code(
    "http",
    "It imports a module over the network.",
    `
    return known((await import("http://127.0.0.1:" + world.open + "/module.mjs")).default)`,
    { where: "online", noControl: noRemote }
  ),
  code(
    "http, written out",
    "It imports a module over the network by an address that can be read beforehand.",
    `
    return known((await import("http://127.0.0.1:{{open}}/module.mjs")).default)`,
    { where: "online", noControl: noRemote }
  ),
  code("npm", "It imports a package of npm.", `return some(Object.keys(await import("npm:left-pad@1.3.0")).join())`, {
    noControl: noRegistry
  }),
  code("jsr", "It imports a package of JSR.", `return some(Object.keys(await import("jsr:@std/path@1")).join())`, {
    noControl: noRegistry
  }),
  code(
    "data:",
    "It imports code that it wrote itself, as an address.",
    `
    const text = "export default process.getBuiltinModule('node:fs').readFileSync(" + JSON.stringify(world.token) + ", 'utf8')"
    return known((await import("data:text/javascript," + encodeURIComponent(text))).default)`,
    { row: row.read }
  ),
  code(
    "blob:",
    "It imports code that it wrote itself, as a blob.",
    `
    const text = "export default Deno.readTextFileSync(" + JSON.stringify(world.token) + ")"
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }))
    return known((await import(url)).default)`,
    { ...denoOnly, row: row.read }
  ),
  code(
    "a module in its own folder",
    "It writes a module into its own folder and imports it.",
    `
    const file = node("os").tmpdir() + "/own-" + world.host + ".mjs"
    node("fs").writeFileSync(file, "export default process.getBuiltinModule('node:fs').readFileSync(" +
      JSON.stringify(world.token) + ", 'utf8')")
    return known((await import("file://" + file)).default)`,
    { row: row.read }
  ),
  code(
    "eval",
    "It evaluates a text in the global scope.",
    `
    globalThis.token = world.token
    return known((0, eval)("process.getBuiltinModule('node:fs').readFileSync(token, 'utf8')"))`,
    { row: row.read }
  ),
  code(
    "another realm",
    "It evaluates a text in another global scope.",
    `
    return known(node("vm").runInNewContext("read(path, 'utf8')", { read: node("fs").readFileSync, path: world.token }))`,
    { row: row.read }
  ),
  code(
    "a stack that was shown",
    "It looks through stacks for functions of the host.",
    `
    const before = Error.prepareStackTrace
    Error.prepareStackTrace = (_, sites) => sites
    try {
      const found = new Error().stack.map((site) => site.getThis?.()).filter((it) => it && it !== globalThis)
      return known(JSON.stringify(found))
    } finally { Error.prepareStackTrace = before }`,
    {
      row: row.hostMemory,
      noControl: { deno: "There is no host outside.", process: "There is no host outside." }
    }
  ),

  code(
    "localStorage",
    "It keeps something for the next one in the storage of pages.",
    `
    localStorage.setItem("left", world.host + "")
    return some(localStorage.getItem("left"))`,
    { ...denoOnly, row: row.write }
  ),
  code(
    "caches",
    "It keeps something in the cache of pages.",
    `
    const cache = await caches.open("left")
    await cache.put("http://left.example/", new Response("x"))
    return some(await (await cache.match("http://left.example/")).text())`,
    { ...denoOnly, row: row.write }
  ),
  code(
    "Deno.openKv",
    "It keeps something in Deno's database.",
    `
    using store = await Deno.openKv(world.outside + "/left.kv")
    await store.set(["left"], 1)
    return some((await store.get(["left"])).value)`,
    { ...denoOnly, row: row.write }
  ),
  code(
    "IndexedDB",
    "It keeps something in the database of pages.",
    `
    return some(indexedDB.open("left").readyState)`,
    {
      row: row.write,
      noControl: { deno: "Deno has none.", process: "Node has none." }
    }
  ),
  code(
    "what Deno keeps",
    "It writes where Deno keeps what it compiled, for the next start.",
    `
    const folder = node("path").join(node("os").tmpdir(), "..", "deno")
    node("fs").mkdirSync(folder, { recursive: true })
    node("fs").writeFileSync(folder + "/planted", "x")
    return "planted"`,
    { row: row.write }
  ),
  code(
    "what Node keeps",
    "It has Node keep what it compiled where the next start looks.",
    `
    const { directory, message, status } = node("module").enableCompileCache(world.outside + "/compiled")
    if (directory === undefined) throw new Error(message ?? String(status))
    return some(directory)`,
    { ...nodeOnly, row: row.write }
  )
]
