// Makes one file of the guest and the code of a plugin that was granted, with only what the two need: `guest-code.mjs JSON`.
//
// Code that nobody vouches for is read here and never run; it is read in a process of its own, which has limits. What rolldown
// could understand in another way than Deno is left to Deno: a plugin with any of it is answered with why not.
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { keepCache } from "./guest-cache.mjs"
import { direct, inputOptions, serve, stamp, withoutNode } from "./guest.mjs"
import { exclusive, root } from "./setup.mjs"

const boot = "\0syris:boot"
const isModule = /\.m?[jt]s$/
/** What says where a module is, loads another one by a name that is made, or is no import at all. */
const ofItsPlace = /\bimport\b\s*(?:[.(]|\/[/*])|\brequire\b/

/** It will never be otherwise for this code. */
class Unfit extends Error {}
const unfit = 2

/** `entry` and `folder`: of the granted copy. `out`: where it stays. One is made at a time. */
export const makeCode = async (wanted) => {
  if (stamp() !== wanted.stamp) throw new Error("The sources of the guest have changed.")
  const release = exclusive(path.join(path.dirname(wanted.out), ".lock"), "Another SYRIS prepares code for Deno.")
  try {
    if (!fs.existsSync(path.join(wanted.out, "fit"))) await make(wanted)
  } finally {
    release()
  }
}

const make = async ({ entry, folder, out }) => {
  const { rolldown } = await import("rolldown")
  let missing = false
  const made = await rolldown({
    ...inputOptions([code(entry, folder), direct(), withoutNode()]),
    onLog: (_, { code, message }) => {
      // The guest leaves out what it would have of Node; a plugin that imports what is not there is told so by Deno.
      if (code === "SHIMMED_EXPORT" && !message.includes("syris:none")) missing = true
    },
    input: { boot }
  })
  const next = `${out}.${process.pid}`
  try {
    const { output } = await made.generate({
      format: "esm",
      codeSplitting: false,
      // What a plugin's functions and classes are called can be seen in what it says.
      minify: { compress: true, mangle: { keepNames: true }, codegen: { removeWhitespace: true } }
    })
    if (missing) throw new Unfit("it imports what is not there")
    if (output.length !== 1) throw new Unfit("it is more than one file")
    fs.mkdirSync(next, { recursive: true, mode: 0o700 })
    fs.writeFileSync(path.join(next, "boot.mjs"), output[0].code, { mode: 0o600 })
    fs.rmSync(out, { recursive: true, force: true })
    fs.renameSync(next, out)
  } finally {
    await made.close()
    fs.rmSync(next, { recursive: true, force: true })
  }
  if (!await keepCache(path.join(out, "boot.mjs"), path.join(out, "deno"), [])) throw new Unfit("Deno can't load it")
  // The last step: what is not fit, or not whole, is not used.
  fs.writeFileSync(path.join(out, "fit"), "")
}

/** Nothing is read but the granted copy, and what it may import of ours. */
const code = (entry, folder) => {
  const real = fs.realpathSync(folder)
  const inside = (file) => file === real || file.startsWith(real + path.sep)
  const main = fs.realpathSync(entry)
  if (!inside(main)) throw new Unfit("its module is not in its folder")
  return {
    name: "syris:code",
    resolveId: {
      order: "pre",
      async handler(specifier, importer) {
        if (specifier === boot) return boot
        if (importer === boot) return { id: specifier, moduleSideEffects: true }
        if (importer === undefined || !inside(importer)) {
          return specifier === "syris" ? { id: path.join(root, "core", "plugin", "index.ts") } : null
        }
        if (specifier === "syris") return { id: path.join(root, "core", "plugin", "index.ts") }
        if (/^effect(?:\/[\w/-]+)?$/.test(specifier)) return await this.resolve(specifier, serve)
        if (!/^\.\.?\//.test(specifier)) throw new Unfit(`it imports ${specifier}`)
        const file = path.resolve(path.dirname(importer), specifier)
        if (!inside(file) || !isModule.test(file) || /[?#%]/.test(specifier)) throw new Unfit(`it imports ${specifier}`)
        if (!fs.lstatSync(file).isFile()) throw new Unfit(`it imports ${specifier}`)
        return { id: file, moduleSideEffects: true }
      }
    },
    load: {
      order: "pre",
      handler(id) {
        if (id === boot) {
          return `import { serveDeno } from ${JSON.stringify(serve)}\n`
            + `await serveDeno(() => import(${JSON.stringify(main)}))\n`
        }
        if (!inside(id)) return null
        const text = fs.readFileSync(id, "utf8")
        if (ofItsPlace.test(text)) throw new Unfit("it asks where it is, or imports by a name that is made")
        return { code: text, moduleType: /\.m?ts$/.test(id) ? "ts" : "js", moduleSideEffects: true }
      }
    }
  }
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await makeCode(JSON.parse(process.argv[2]))
  } catch (error) {
    process.stderr.write(`${error.message}\n`)
    // What rolldown says of code is said of that code.
    process.exitCode = error instanceof Unfit || Array.isArray(error.errors) ? unfit : 1
  }
}
