// Bundles what runs inside of Deno: the guest, and `syris` and `effect` for the plugin. One folder, minified, without anything
// of Node that Deno would have to load.
//
// - `boot.mjs` is the main module, `import-map.json` hands `syris`, `effect` and `effect/*` on to the plugin: one copy of each.
// - A host that runs from its sources makes it once for each state of them, in `dist/guest/<hash>/`.
// - `deno/` beside them holds what Deno made of them when they were tried (`guest-cache.mjs`).
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { keepCache } from "./guest-cache.mjs"
import { exclusive, root } from "./setup.mjs"

const out = path.resolve(process.env.SYRIS_BUILD_OUT || path.join(root, "dist"), "guest")
const entry = path.join(root, "sandbox", "guest", "denoBoot.ts")
/** Of the main module alone: it can be loaded in Deno only. */
export const serve = path.join(root, "sandbox", "guest", "serveDeno.ts")

/** The folder for the sources as they are; made where it is missing. Two at once make it one after the other. */
export const guestFolder = async () => {
  const folder = path.join(out, stamp())
  if (isWhole(folder)) return folder
  fs.mkdirSync(out, { recursive: true })
  const release = exclusive(path.join(out, ".lock"), "Another SYRIS builds what runs in Deno; waiting for it.")
  try {
    if (!isWhole(folder)) {
      const next = `${folder}.${process.pid}`
      try {
        await bundleGuest(next)
        fs.rmSync(folder, { recursive: true, force: true })
        fs.renameSync(next, folder)
        await keepGuestCache(folder)
      } finally {
        fs.rmSync(next, { recursive: true, force: true })
      }
      sweep(folder)
    }
    return folder
  } finally {
    release()
  }
}

/** Of a guest that is where it stays. */
export const keepGuestCache = (folder) =>
  keepCache(path.join(folder, "boot.mjs"), path.join(folder, "deno"), [
    `--import-map=${path.join(folder, "import-map.json")}`
  ])

const isWhole = (folder) => fs.existsSync(path.join(folder, "import-map.json"))

/** Writes the bundle into a folder that is not there yet. The map is written last. */
export const bundleGuest = async (dir) => {
  const { rolldown } = await import("rolldown")
  const effect = JSON.parse(fs.readFileSync(path.join(root, "node_modules", "effect", "package.json"), "utf8"))
  // All but what documents a server: five megabytes of pages.
  const barrels = Object.entries(effect.exports).flatMap(([name, target]) =>
    typeof target === "string" && target.endsWith("/index.js") && !name.includes("*") && name !== "./http-api"
      ? [path.posix.join("effect", name)]
      : []
  )
  const input = { boot: entry, syris: path.join(root, "core", "plugin", "index.ts") }
  for (const name of barrels) input[name] = name
  const options = inputOptions([direct(), withoutNode()])
  // What every plugin loads, in one file.
  const base = await reached(rolldown, options, { boot: input.boot, syris: input.syris })
  const made = await rolldown({ ...options, input })
  try {
    await made.write({
      dir,
      minify: true,
      format: "esm",
      codeSplitting: { groups: [{ name: "base", test: (id) => base.has(id), priority: 1 }] },
      entryFileNames: "[name].mjs",
      chunkFileNames: "chunks/[name]-[hash].mjs"
    })
  } finally {
    await made.close()
  }
  const imports = { syris: "./syris.mjs" }
  for (const barrel of barrels) {
    imports[barrel] = `./${barrel}.mjs`
    await writeModules(dir, barrel, imports)
  }
  fs.writeFileSync(path.join(dir, "stamp"), stamp())
  fs.writeFileSync(path.join(dir, "import-map.json"), JSON.stringify({ imports }))
}

/** Of rolldown, for what runs in Deno. */
export const inputOptions = (plugins) => ({
  cwd: root,
  platform: "neutral",
  tsconfig: false,
  resolve: {
    modules: [path.join(root, "node_modules")],
    mainFields: ["module", "main"],
    conditionNames: ["deno", "import", "default"]
  },
  shimMissingExports: true,
  plugins,
  onLog: () => {}
})

const reached = async (rolldown, options, input) => {
  const made = await rolldown({ ...options, input })
  try {
    const { output } = await made.generate({ format: "esm" })
    const entries = new Set([...Object.values(input), serve])
    return new Set(
      output.flatMap((one) => one.type === "chunk" ? one.moduleIds : []).filter((id) => !entries.has(id))
    )
  } finally {
    await made.close()
  }
}

// `import { Effect } from "effect"` becomes `import * as Effect from "effect/Effect"`: the barrel loads all of it.
export const direct = () => ({
  name: "syris:direct",
  transform: {
    filter: { id: /\.ts$/, code: /from "effect"/ },
    handler(code, id) {
      if (!isOwn(id) || id.includes("/node_modules/")) return null
      return {
        code: code
          .replace(
            /^import \{([^}]*)\} from "effect"/gm,
            (_, list) => names(list).map(([name, as]) => `import * as ${as} from "effect/${name}"`).join(";")
          )
          .replace(
            /^export \{([^}]*)\} from "effect"/gm,
            (_, list) => names(list).map(([name, as]) => `export * as ${as} from "effect/${name}"`).join(";")
          ),
        map: null
      }
    }
  }
})

const own = ["core", "sandbox", "node_modules"].map((name) => path.join(root, name) + path.sep)

/** Ours, and no plugin's: nobody changes the words of a plugin. */
const isOwn = (id) => own.some((folder) => id.startsWith(folder))

const names = (list) =>
  list.split(",").map((item) => item.trim()).filter((item) => item !== "" && !item.startsWith("type ")).map((item) => {
    const [name, as = name] = item.split(/\s+as\s+/)
    return [name, as]
  })

// In Deno, to name one of Node's globals is to load all that stands behind it: 70 ms.
export const withoutNode = () => ({
  name: "syris:without-node",
  transform: {
    filter: { code: /globalThis\.process|Buffer\.byteLength|"setImmediate" in globalThis/ },
    handler(code, id) {
      if (!isOwn(id)) return null
      return {
        code: code.replaceAll("globalThis.process", "undefined")
          .replaceAll("Buffer.byteLength(", "((text) => new TextEncoder().encode(text).length)(")
          .replaceAll("\"setImmediate\" in globalThis", "false"),
        map: null
      }
    }
  },
  // The guest asks for no hash and no file: what does lies beside what it needs, and is left out.
  resolveId: {
    filter: { id: /^node:/ },
    handler: (_, importer) =>
      importer === undefined || isOwn(importer) ? { id: "\0syris:none", moduleSideEffects: false } : null
  },
  load: { filter: { id: /syris:none$/ }, handler: () => ({ code: "export {}", map: null }) }
})

// `effect/Effect` and its like: the same objects as the barrel's.
const writeModules = async (dir, barrel, imports) => {
  const all = await import(pathToFileURL(path.join(dir, `${barrel}.mjs`)).href)
  fs.mkdirSync(path.join(dir, barrel), { recursive: true })
  for (const [name, module] of Object.entries(all)) {
    if (
      typeof module !== "object" || module === null || module[Symbol.toStringTag] !== "Module" || !/^[A-Z]/.test(name)
    ) continue
    const keys = Object.keys(module)
    const up = path.posix.relative(path.posix.dirname(`${barrel}/${name}`), `${barrel}.mjs`)
    fs.writeFileSync(
      path.join(dir, barrel, `${name}.mjs`),
      `import { ${name} as m } from "${up.startsWith(".") ? up : `./${up}`}"\n`
        + `${keys.map((key, i) => `const v${i} = m[${JSON.stringify(key)}]`).join("\n")}\n`
        + `export { ${keys.map((key, i) => `v${i} as ${key}`).join(", ")} }\n`
    )
    imports[`${barrel}/${name}`] = `./${barrel}/${name}.mjs`
  }
}

/** Of the sources as they are. */
export const stamp = () => {
  const hash = createHash("sha256")
  for (const file of sources()) hash.update(`${file}\0`).update(fs.readFileSync(path.join(root, file))).update("\0")
  return hash.digest("hex").slice(0, 12)
}

const sources = () => {
  const found = ["package-lock.json", "bin/guest.mjs", "bin/guest-code.mjs", "bin/guest-cache.mjs"]
  for (const folder of ["core/contract", "core/plugin", "sandbox/protocol", "sandbox/guest"]) {
    for (const name of fs.readdirSync(path.join(root, folder)).sort()) {
      if (name.endsWith(".ts") && !name.endsWith(".test.ts")) found.push(`${folder}/${name}`)
    }
  }
  return found
}

// Another host may run on an older one: the last few stay.
const kept = 4
const sweep = (folder) => {
  // Left by one that was ended while it built: the lock says that nobody else does.
  for (const name of fs.readdirSync(out)) {
    if (/^[0-9a-f]{12}\.\d+$/.test(name)) fs.rmSync(path.join(out, name), { recursive: true, force: true })
  }
  const old = fs.readdirSync(out).filter((name) => /^[0-9a-f]{12}$/.test(name) && name !== path.basename(folder))
    .map((name) => ({ name, at: fs.statSync(path.join(out, name)).mtimeMs })).sort((a, b) => b.at - a.at)
  for (const { name } of old.slice(kept)) fs.rmSync(path.join(out, name), { recursive: true, force: true })
}
