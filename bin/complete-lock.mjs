// Adds what npm left out of package-lock.json because the registry in use does not carry it: the optional
// packages of other platforms. `npm ci` refuses a lock without them.
import * as fs from "node:fs"
const file = process.argv[2]
const lock = JSON.parse(fs.readFileSync(file, "utf8"))
const find = (from, name) => {
  for (let at = from;; at = at.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, "")) {
    const key = `${at === "" ? "" : `${at}/`}node_modules/${name}`
    if (lock.packages[key]) return lock.packages[key]
    if (at === "") return undefined
  }
}
const systems = {
  darwin: "darwin",
  win32: "win32",
  windows: "win32",
  linux: "linux",
  android: "android",
  freebsd: "freebsd",
  openharmony: "openharmony",
  wasm32: undefined
}
const cpus = {
  arm64: "arm64",
  aarch64: "arm64",
  x64: "x64",
  ia32: "ia32",
  arm: "arm",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  wasm32: "wasm32",
  loong64: "loong64",
  mips64el: "mips64el"
}
let added = 0
for (const [key, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const found = find(key, name)
    if (!/^\d/.test(version) ? found : found?.version === version) continue
    const words = name.split("/").at(-1).split("-")
    const os = words.map((word) => systems[word]).find(Boolean)
    const cpu = words.map((word) => cpus[word]).find(Boolean)
    if (!/^\d/.test(version)) {
      console.log("skipped", key, name, version)
      continue
    }
    lock.packages[found ? `${key}/node_modules/${name}` : `node_modules/${name}`] = {
      version,
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(os ? { os: [os] } : {})
    }
    added++
  }
}
const { "": top, ...rest } = lock.packages
lock.packages = { "": top, ...Object.fromEntries(Object.entries(rest).sort(([a], [b]) => a < b ? -1 : 1)) }
fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added} added`)
