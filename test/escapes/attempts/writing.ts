/** For files to write: links that lead out, files of others, and its own code. */
import { type Attempt, row } from "../Attempt.ts"

const write = (name: string, what: string, attempt: string, more: Partial<Attempt> = {}): Attempt => ({
  name,
  what,
  attempt,
  row: row.write,
  ...more
})

const denoOnly = { triedIn: ["deno"] } as const
const nodeOnly = { triedIn: ["process"] } as const

export const writing: ReadonlyArray<Attempt> = [
  // The first of all: Node fails over the handles that others leave behind.
  write(
    "a heap",
    "It has its heap written elsewhere.",
    `return some(node("v8").writeHeapSnapshot(world.outside + "/heap.heapsnapshot"))`,
    // Deno asks for the right only when it has the heap at hand, which no isolate's memory survives.
    nodeOnly
  ),
  write(
    "a link",
    "It makes a link to the token in its own folder, and reads that.",
    `
    const link = node("os").tmpdir() + "/link"
    node("fs").symlinkSync(world.token, link)
    return known(node("fs").readFileSync(link, "utf8"))`,
    { row: row.makeLink }
  ),
  write(
    "a link to a folder",
    "It makes a link to a folder, and reads below it.",
    `
    const link = node("os").tmpdir() + "/folder"
    node("fs").symlinkSync(world.outside, link, "dir")
    return known(node("fs").readFileSync(link + "/token", "utf8"))`,
    { row: row.makeLink }
  ),
  write(
    "a relative link",
    "It makes a link that goes up.",
    `
    const link = node("os").tmpdir() + "/relative"
    node("fs").symlinkSync("../".repeat(30) + world.token.slice(1), link)
    return known(node("fs").readFileSync(link, "utf8"))`,
    { row: row.makeLink }
  ),
  write(
    "a link that is moved",
    "It makes a link that leads nowhere, and moves it to where it leads out.",
    `
    const fs = node("fs")
    const own = node("os").tmpdir()
    const up = "../".repeat(own.split("/").length - 1)
    fs.mkdirSync(own + "/deep" + "/x".repeat(3), { recursive: true })
    fs.symlinkSync(up + world.token.slice(1), own + "/deep/x/x/x/moved")
    fs.renameSync(own + "/deep/x/x/x/moved", own + "/moved")
    return known(fs.readFileSync(own + "/moved", "utf8"))`,
    { row: row.makeLink }
  ),
  write(
    "a hard link",
    "It makes a hard link to the token in its own folder.",
    `
    const link = node("os").tmpdir() + "/hard"
    node("fs").linkSync(world.token, link)
    return known(node("fs").readFileSync(link, "utf8"))`,
    { row: row.makeLink }
  ),
  write(
    "a link that was there",
    "It follows a link in a folder that was granted.",
    `return known(node("fs").readFileSync(world.granted + "/link", "utf8"))`,
    {
      row: row.followLink,
      notStopped: {
        deno: "Deno compares the path as it is written, and then follows it.",
        process: "Node compares the path as it is written, and then follows it."
      }
    }
  ),
  write(
    "a file",
    "It writes a file next to the token.",
    `
    node("fs").writeFileSync(world.outside + "/written", "x")
    return "written"`
  ),
  write(
    "a file, by Deno",
    "It writes with Deno's own functions.",
    `
    await Deno.writeTextFile(world.outside + "/written-by-deno", "x")
    return "written"`,
    denoOnly
  ),
  write(
    "a file, appended",
    "It appends to a file that it may read.",
    `
    node("fs").appendFileSync(world.granted + "/file", "")
    return "appended"`
  ),
  write(
    "a file, opened to read and write",
    "It opens a file that it may read for both.",
    `
    node("fs").closeSync(node("fs").openSync(world.granted + "/file", "r+"))
    return "opened"`
  ),
  write(
    "a file, cut",
    "It cuts a file of others.",
    `
    node("fs").truncateSync(world.outside + "/scratch", 0)
    return "cut"`
  ),
  write(
    "a file, moved in",
    "It moves a file of others into its own folder.",
    `
    node("fs").writeFileSync(world.outside + "/movable", "x")
    node("fs").renameSync(world.outside + "/movable", node("os").tmpdir() + "/moved-in")
    return "moved"`
  ),
  write(
    "a file, moved out",
    "It moves a file of its own out.",
    `
    node("fs").writeFileSync(node("os").tmpdir() + "/own", "x")
    node("fs").renameSync(node("os").tmpdir() + "/own", world.outside + "/moved-out")
    return "moved"`
  ),
  write(
    "a file, taken away",
    "It deletes a file of others.",
    `
    node("fs").rmSync(world.outside + "/deletable-" + world.runtime)
    return "deleted"`
  ),
  write(
    "a folder",
    "It makes a folder elsewhere.",
    `
    node("fs").mkdirSync(world.outside + "/made", { recursive: true })
    return "made"`
  ),
  write(
    "a folder with a name of its own",
    "It makes a temporary folder elsewhere.",
    `return some(node("fs").mkdtempSync(world.outside + "/made-"))`
  ),
  write(
    "rights",
    "It changes who may read the token.",
    `
    node("fs").chmodSync(world.token, 0o644)
    return "changed"`
  ),
  write(
    "times",
    "It changes when the token was written.",
    `
    node("fs").utimesSync(world.outside + "/scratch", new Date(), new Date())
    return "changed"`
  ),
  write(
    "rights by a handle",
    "It changes the rights of a file that it may only read, by its handle.",
    `
    const fs = node("fs")
    const file = fs.openSync(world.granted + "/file", "r")
    try { fs.fchmodSync(file, 0o600) } finally { fs.closeSync(file) }
    return "changed"`,
    { row: row.handle, notStopped: { deno: "Deno asks nothing of who has a file open." } }
  ),
  write(
    "times by a handle",
    "It changes the times of a file that it may only read, by its handle.",
    `
    const fs = node("fs")
    const file = fs.openSync(world.granted + "/file", "r")
    try { fs.futimesSync(file, new Date(), new Date()) } finally { fs.closeSync(file) }
    return "changed"`,
    { row: row.handle, notStopped: { deno: "Deno asks nothing of who has a file open." } }
  ),
  write(
    "an owner by a handle",
    "It gives away a file that it may only read, by its handle.",
    `
    const fs = node("fs")
    const file = fs.openSync(world.granted + "/file", "r")
    try { fs.fchownSync(file, fs.fstatSync(file).uid, fs.fstatSync(file).gid) } finally { fs.closeSync(file) }
    return "changed"`,
    { row: row.handle, notStopped: { deno: "Deno asks nothing of who has a file open." } }
  ),
  write(
    "a length by a handle",
    "It cuts a file that it may only read, by its handle.",
    `
    const fs = node("fs")
    const file = fs.openSync(world.granted + "/file", "r")
    try { fs.ftruncateSync(file, 0) } finally { fs.closeSync(file) }
    return "changed"`,
    { noControl: { deno: "The kernel allows it nobody.", process: "The kernel allows it nobody." } }
  ),
  write(
    "/dev/shm",
    "It writes where all processes share memory.",
    `
    const file = "/dev/shm/syris-escape-" + world.host
    node("fs").writeFileSync(file, "x")
    node("fs").rmSync(file)
    return "written"`
  ),
  write(
    "beside its code",
    "It writes a module beside its own code.",
    `
    node("fs").writeFileSync(import.meta.dirname + "/planted.mjs", "")
    return "written"`
  ),
  write(
    "its own code",
    "It changes the code that is loaded the next time.",
    `
    node("fs").appendFileSync(import.meta.filename, "\\n")
    return "changed"`
  ),
  write(
    "the host's code",
    "It changes what the next isolate of all is made of.",
    `
    node("fs").accessSync(world.root, node("fs").constants.W_OK)
    node("fs").writeFileSync(world.root + "/sandbox/.planted", "x")
    node("fs").rmSync(world.root + "/sandbox/.planted")
    return "changed"`
  ),
  write(
    "a report",
    "It has a report of itself written elsewhere.",
    `
    process.report.excludeNetwork = true
    return some(process.report.writeReport(world.outside + "/report.json"))`,
    {
      noControl: { deno: "Deno writes no reports." }
    }
  ),
  write(
    "a report into its folder",
    "It has reports written into a folder elsewhere.",
    `
    process.report.excludeNetwork = true
    process.report.directory = world.outside
    return some(process.report.writeReport("report-too.json"))`,
    { ...nodeOnly }
  )
]
