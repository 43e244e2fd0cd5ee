// Builds the operator's page, plugins/dashboard/page, into plugins/dashboard/dist, once per state of its sources. A host
// has read the page into its memory when it started, so a build never changes what it serves.
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { contentStamp, statStamp } from "./build.mjs"
import { exclusive, root } from "./setup.mjs"

const page = path.join(root, "plugins", "dashboard", "page")
const out = path.join(root, "plugins", "dashboard", "dist")
const stampFile = path.join(out, "stamp")

/** Whether the built page is that of the sources as they are. */
export const isPageCurrent = () => {
  try {
    const built = JSON.parse(fs.readFileSync(stampFile, "utf8"))
    const now = sources()
    if (built.stat === statStamp(now)) return true
    if (built.id !== contentStamp(now)) return false
  } catch {
    return false
  }
  try {
    writeStamp(stampOf(sources())) // touched, not changed
  } catch {
    // read-only: compared by content again next time
  }
  return true
}

/** Builds what is not current. Two at once build one after the other. */
export const buildPage = async () => {
  fs.mkdirSync(out, { recursive: true })
  const release = exclusive(path.join(out, ".lock"), "Another SYRIS builds its page; waiting for it.")
  try {
    if (isPageCurrent()) return
    const wanted = stampOf(sources())
    const { build } = await import("vite")
    const next = path.join(out, "next")
    // Whoever builds, a test as well: a page for development is slower, and names the folders of this machine.
    const { NODE_ENV } = process.env
    process.env.NODE_ENV = "production"
    await build({
      configFile: path.join(page, "vite.config.ts"),
      root: page,
      logLevel: "error",
      build: { outDir: next, emptyOutDir: true }
    }).finally(() => {
      if (NODE_ENV === undefined) delete process.env.NODE_ENV
      else process.env.NODE_ENV = NODE_ENV
    })
    for (const file of fs.readdirSync(next, { recursive: true })) {
      const from = path.join(next, file)
      if (/\.(html|js|css|svg)$/.test(file)) {
        fs.writeFileSync(`${from}.gz`, gzipSync(fs.readFileSync(from), { level: 9 }))
      }
    }
    fs.rmSync(path.join(out, "files"), { recursive: true, force: true })
    fs.renameSync(next, path.join(out, "files"))
    writeStamp(wanted)
  } finally {
    release()
  }
}

const stampOf = (files) => ({ id: contentStamp(files), stat: statStamp(files) })

const writeStamp = (stamp) => {
  const next = `${stampFile}.${process.pid}`
  fs.writeFileSync(next, `${JSON.stringify(stamp)}\n`)
  fs.renameSync(next, stampFile)
}

// What the page is made from, as paths relative to the root, always in one order.
const sources = () =>
  [
    ...fs.readdirSync(page, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))),
    "package-lock.json",
    "core/contract/RuleChannel.ts",
    "core/contract/Visible.ts",
    ...fs.readdirSync(path.join(root, "core/contract/words")).map((file) => `core/contract/words/${file}`),
    "bin/build-page.mjs"
  ].sort()

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await buildPage()
  } catch (error) {
    process.stderr.write(
      `The page could not be built: ${error.message}\n` +
        "SYRIS runs without it, or with the one that was built before. Mend that, then: npm run build:page\n"
    )
    process.exitCode = error.code === "EACCES" || error.code === "EROFS" || error.code === "EPERM" ? 3 : 1
  }
}
