/** For files to read: what it was not granted, and what the system shows of others. */
import { type Attempt, row } from "../Attempt.ts"

const read = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  what,
  attempt,
  row: row.read,
  ...more
})
const denoOnly = { triedIn: ["deno"] } as const

export const reading: ReadonlyArray<Attempt> = [
  read("token", "It reads the host's token.", `return known(node("fs").readFileSync(world.token, "utf8"))`),
  read(
    "token, promised",
    "It reads the token by a handle.",
    `
    const handle = await node("fs").promises.open(world.token)
    try { return known(await handle.readFile("utf8")) } finally { await handle.close() }`
  ),
  read(
    "token, streamed",
    "It reads the token as a stream.",
    `
    let text = ""
    for await (const piece of node("fs").createReadStream(world.token, "utf8")) text += piece
    return known(text)`
  ),
  read(
    "token, by Deno",
    "It reads the token with Deno's own functions.",
    `return known(await Deno.readTextFile(world.token))`,
    denoOnly
  ),
  read(
    "token, opened by Deno",
    "It opens the token with Deno's own functions.",
    `
    using file = Deno.openSync(world.token)
    const into = new Uint8Array(100)
    file.readSync(into)
    return known(new TextDecoder().decode(into))`,
    denoOnly
  ),
  read(
    "token, as bytes of a path",
    "It names the token by bytes, around where paths are compared.",
    `
    return known(node("fs").readFileSync(Buffer.from(world.granted + "/../token"), "utf8"))`
  ),
  read(
    "token, by a changed path module",
    "It changes the functions with which paths are compared.",
    `
    const path = node("path")
    const { resolve, toNamespacedPath } = path
    path.resolve = path.toNamespacedPath = () => world.granted + "/file"
    try { return known(node("fs").readFileSync(world.granted + "/../token", "utf8")) }
    finally { Object.assign(path, { resolve, toNamespacedPath }) }`
  ),
  read(
    "token, by a URL",
    "It names the token by a file: URL.",
    `return known(node("fs").readFileSync(new URL("file://" + world.token), "utf8"))`
  ),
  read(
    "token, by an encoded URL",
    "It hides the dots of a URL.",
    `
    return known(node("fs").readFileSync(new URL("file://" + world.granted + "/%2e%2e/token"), "utf8"))`
  ),
  read(
    "token, by a URL that lies",
    "It gives a URL that says another path than it has.",
    `
    class Changing extends URL {
      get pathname() { return world.token }
    }
    return known(node("fs").readFileSync(new Changing("file://" + world.granted + "/file"), "utf8"))`,
    {
      noControl: { deno: "Deno looks at the URL itself." }
    }
  ),
  read(
    "token, by dots",
    "It goes up from its own folder.",
    `
    return known(node("fs").readFileSync(node("os").tmpdir() + "/../".repeat(30) + world.token, "utf8"))`
  ),
  read(
    "token, fetched",
    "It fetches a file: URL.",
    `return known(await (await fetch("file://" + world.token)).text())`,
    {
      noControl: { process: "Node fetches no files." }
    }
  ),
  read(
    "token, as a blob",
    "It opens the token as a blob.",
    `return known(await (await node("fs").openAsBlob(world.token)).text())`
  ),
  read(
    "token, as variables",
    "It has the token read as a file of variables.",
    `
    process.loadEnvFile(world.token)
    const text = process.env.TOKEN
    delete process.env.TOKEN
    return known(text)`
  ),
  read(
    "token, after a change of folder",
    "It changes its folder and names the token alone.",
    `
    const before = process.cwd()
    process.chdir(world.outside)
    try { return known(node("fs").readFileSync("token", "utf8")) } finally { process.chdir(before) }`
  ),
  read(
    "token, copied",
    "It copies the token into its own folder.",
    `
    const into = node("os").tmpdir() + "/copied"
    node("fs").copyFileSync(world.token, into)
    return known(node("fs").readFileSync(into, "utf8"))`
  ),
  read(
    "a folder, copied",
    "It copies a whole folder into its own.",
    `
    const into = node("os").tmpdir() + "/all"
    node("fs").cpSync(world.outside + "/folder", into, { recursive: true })
    return known(node("fs").readFileSync(into + "/note", "utf8"))`
  ),
  read(
    "a folder, copied later",
    "It copies a whole folder by promises.",
    `
    const into = node("os").tmpdir() + "/all-later"
    await node("fs").promises.cp(world.outside + "/folder", into, { recursive: true })
    return known(node("fs").readFileSync(into + "/note", "utf8"))`
  ),
  read(
    "a neighbour with a longer name",
    "It reads in a folder whose name begins like one that was granted.",
    `
    return known(node("fs").readFileSync(world.granted + "-not/file", "utf8"))`
  ),
  read("users", "It reads the users of the machine.", `return some(node("fs").readFileSync("/etc/passwd", "utf8"))`),
  read(
    "a listing",
    "It lists the folder of the token.",
    `
    const names = node("fs").readdirSync(world.outside)
    return names.includes("token") ? names.join() : undefined`
  ),
  read(
    "a listing, deep",
    "It lists a folder with all below.",
    `
    const names = node("fs").readdirSync(world.outside, { recursive: true })
    return names.some((name) => name.endsWith("note")) ? names.join() : undefined`
  ),
  read(
    "a listing, opened",
    "It opens a folder and reads it entry by entry.",
    `
    const folder = node("fs").opendirSync(world.outside)
    try { return some(folder.readSync().name) } finally { folder.closeSync() }`
  ),
  read(
    "a listing by a pattern",
    "It looks for files by a pattern.",
    `
    const names = node("fs").globSync(world.outside + "/*")
    return names.some((name) => name.endsWith("token")) ? names.join() : undefined`
  ),
  read(
    "a listing of other isolates",
    "It lists where the folders of all isolates are.",
    `
    return some(node("fs").readdirSync(node("os").tmpdir() + "/../..").join())`
  ),
  read("a probe by stat", "It asks how long the token is.", `return some(node("fs").statSync(world.token).size)`),
  read("a probe by lstat", "It asks what the token is.", `return some(node("fs").lstatSync(world.token).ino)`),
  read(
    "a probe by exists",
    "It asks whether the token is there.",
    `return node("fs").existsSync(world.token) ? "there" : undefined`
  ),
  read(
    "a probe by access",
    "It asks whether it may read the token.",
    `
    node("fs").accessSync(world.token)
    return "may"`
  ),
  read(
    "a probe by realpath",
    "It asks where a link leads.",
    `return some(node("fs").realpathSync(world.outside + "/link"))`
  ),
  read(
    "a probe by realpath, native",
    "It asks the system where a link leads.",
    `
    return some(node("fs").realpathSync.native(world.outside + "/link"))`
  ),
  read("a probe by readlink", "It reads a link.", `return some(node("fs").readlinkSync(world.outside + "/link"))`),
  read(
    "a probe by statfs",
    "It asks for the file system of the token.",
    `return some(node("fs").statfsSync(world.outside).type)`
  ),
  read(
    "a watch",
    "It watches the folder of the token.",
    `
    const watcher = node("fs").watch(world.outside)
    await new Promise((resolve, reject) => {
      watcher.once("error", reject)
      setTimeout(resolve, 50)
    })
    watcher.close()
    return "watched"`
  ),
  read(
    "a watch by stat",
    "It has the token looked at again and again.",
    `
    const fs = node("fs")
    return some(await new Promise((resolve, reject) => {
      let turns = 0
      const timer = setInterval(() => {
        if (++turns > 20) { clearInterval(timer); fs.unwatchFile(world.token); reject(new Error("nothing was seen")) }
        try { fs.utimesSync(world.token, new Date(), new Date(Date.now() + turns * 1000)) } catch {}
      }, 50)
      fs.watchFile(world.token, { interval: 20 }, (now) => {
        if (now.size === 0) return
        clearInterval(timer); fs.unwatchFile(world.token); resolve(now.size)
      })
    }))`
  ),
  read(
    "a database",
    "It opens a database elsewhere.",
    `
    const { DatabaseSync } = node("sqlite")
    const all = new DatabaseSync(world.outside + "/database.db").prepare("select text from notes").all()
    return known(JSON.stringify(all))`
  ),
  read(
    "a database, attached",
    "It opens one in memory and attaches one elsewhere.",
    `
    const { DatabaseSync } = node("sqlite")
    const database = new DatabaseSync(":memory:")
    database.exec("attach '" + world.outside + "/database.db' as other")
    return known(JSON.stringify(database.prepare("select text from other.notes").all()))`
  ),
  read(
    "/proc, its own environment",
    "It reads with what variables it was started.",
    `return some(node("fs").readFileSync("/proc/self/environ", "utf8"))`
  ),
  read(
    "/proc, another's environment",
    "It reads with what variables another process was started.",
    `
    return known(node("fs").readFileSync("/proc/" + world.neighbour + "/environ", "utf8"))`,
    { row: row.environment }
  ),
  read(
    "/proc, the host's environment",
    "It reads with what variables the host was started.",
    `
    return some(node("fs").readFileSync("/proc/" + world.host + "/environ", "utf8"))`,
    { row: row.environment }
  ),
  read(
    "/proc, another's arguments",
    "It reads with what arguments another process was started.",
    `
    return known(node("fs").readFileSync("/proc/" + world.neighbour + "/cmdline", "utf8"))`
  ),
  read(
    "/proc, another's memory",
    "It reads the memory of another process.",
    `
    const fs = node("fs")
    const maps = fs.readFileSync("/proc/" + world.neighbour + "/maps", "utf8")
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) .*\\[stack\\]/m.exec(maps)
    const memory = Buffer.alloc(Number(BigInt("0x" + to) - BigInt("0x" + from)))
    const file = fs.openSync("/proc/" + world.neighbour + "/mem", "r")
    fs.readSync(file, memory, 0, memory.length, BigInt("0x" + from))
    fs.closeSync(file)
    return known(memory.toString("latin1"))`,
    { row: row.hostMemory }
  ),
  read(
    "/proc, another's folder",
    "It goes through the working folder of another process.",
    `
    return known(node("fs").readFileSync("/proc/" + world.neighbour + "/cwd/token", "utf8"))`
  ),
  read(
    "/proc, another's root",
    "It goes through the root of another process.",
    `
    return known(node("fs").readFileSync("/proc/" + world.neighbour + "/root" + world.token, "utf8"))`
  ),
  read(
    "/proc, its own root",
    "It goes through its own root.",
    `return known(node("fs").readFileSync("/proc/self/root" + world.token, "utf8"))`
  ),
  read(
    "/proc, its open files",
    "It lists its own open files.",
    `return some(node("fs").readdirSync("/proc/self/fd").join())`
  ),
  read(
    "/proc, a file behind a number",
    "It opens again what another has open.",
    `
    return known(node("fs").readFileSync("/proc/" + world.neighbour + "/fd/0", "utf8"))`
  ),
  read(
    "/dev/fd",
    "It goes through its open files by another name.",
    `return some(node("fs").readdirSync("/dev/fd").join())`
  ),
  read(
    "/proc, who runs",
    "It lists who else runs.",
    `
    return node("fs").readdirSync("/proc").includes(String(world.neighbour)) ? "seen" : undefined`
  ),
  read(
    "/sys",
    "It reads what the kernel shows.",
    `return some(node("fs").readFileSync("/sys/kernel/uevent_seqnum", "utf8"))`
  )
]
