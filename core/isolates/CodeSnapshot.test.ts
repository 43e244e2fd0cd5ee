/** What was granted is what runs: nobody changes the copy unseen, and nothing leads out of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { codeFolder, findCopy, maximumBytes, sweepCode, takeCode } from "./CodeSnapshot.ts"

const world = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-code-")))),
    (root) => Effect.sync(() => fs.rmSync(root, { recursive: true, force: true }))
  ),
  (root) => {
    const at = (name: string): string => path.join(root, name)
    const put = (name: string, text: string | Uint8Array): void => {
      fs.mkdirSync(path.dirname(at(name)), { recursive: true })
      fs.writeFileSync(at(name), text)
    }
    put("syris.config.ts", "export default {}")
    put("plugins/x/index.ts", "export default 1\n")
    put("plugins/x/lib/more.ts", "export const more = 2\n")
    const home = at(".syris")
    const place = (given: string) => ({ path: given, configFile: at("syris.config.ts"), home })
    const take = (given = "./plugins/x/index.ts", afterRead?: (file: string) => Promise<void>) =>
      takeCode(place(given), afterRead)
    const refusal = (given?: string, afterRead?: (file: string) => Promise<void>) =>
      Effect.map(Effect.flip(take(given, afterRead)), ({ detail }) => detail)
    return { at, put, home, take, refusal }
  }
)

const mode = (file: string): number => fs.statSync(file).mode & 0o777

describe("the code of an isolate", () => {
  it.effect("is its whole folder but .git, copied to where only the host gets at it", () =>
    Effect.gen(function*() {
      const { at, home, put, take } = yield* world
      put("plugins/x/.git/HEAD", "ref")
      put("plugins/x/node_modules/dep/index.js", "module.exports = 3")
      fs.chmodSync(at("plugins/x/lib/more.ts"), 0o755)
      const code = yield* take()
      assert.deepEqual(code.files.map((file) => file.path), [
        "index.ts",
        "lib/more.ts",
        "node_modules/dep/index.js"
      ])
      assert.strictEqual(code.folder, path.join(codeFolder(home), code.hash))
      assert.strictEqual(fs.readFileSync(code.entry, "utf8"), "export default 1\n")
      assert.deepEqual([mode(code.folder), mode(code.entry), mode(path.join(code.folder, "lib/more.ts"))], [
        0o700,
        0o400,
        0o500
      ])
      // Neither times nor modes nor what git keeps are the code.
      fs.utimesSync(at("plugins/x/index.ts"), 1, 1)
      fs.chmodSync(at("plugins/x/index.ts"), 0o700)
      put("plugins/x/.git/HEAD", "other")
      assert.strictEqual((yield* take()).hash, code.hash)
      put("plugins/x/lib/more.ts", "export const more = 3\n")
      assert.notStrictEqual((yield* take()).hash, code.hash)
      assert.strictEqual(fs.readFileSync(path.join(code.folder, "lib/more.ts"), "utf8"), "export const more = 2\n")
      assert.deepEqual(fs.readdirSync(codeFolder(home)).filter((name) => name.startsWith(".")), [])
    }))

  it.effect("is one file where that is no index, and what is beside it does not matter", () =>
    Effect.gen(function*() {
      const { put, take } = yield* world
      put("plugins/one.ts", "export default 1")
      const code = yield* take("plugins/one.ts")
      assert.deepEqual(code.files.map((file) => file.path), ["one.ts"])
      put("plugins/other.ts", "export default 2")
      assert.strictEqual((yield* take("plugins/one.ts")).hash, code.hash)
    }))

  it.effect("moves no byte from a name into a content unseen", () =>
    Effect.gen(function*() {
      const { put, take } = yield* world
      put("a/index.ts", "")
      put("a/ab", "c")
      put("b/index.ts", "")
      put("b/a", "bc")
      assert.notStrictEqual((yield* take("a/index.ts")).hash, (yield* take("b/index.ts")).hash)
    }))

  it.effect("is refused with what to do about it", () =>
    Effect.gen(function*() {
      const { at, put, refusal } = yield* world
      assert.include(yield* refusal("./gone.ts"), "There is no file ./gone.ts")
      assert.include(yield* refusal("./plugins/x"), "name a .ts, .mts, .js or .mjs file")
      put("index.ts", "")
      assert.include(yield* refusal("./index.ts"), "holds the configuration: move the plugin to a folder of its own")
      put("elsewhere/secret", "s3cret")
      fs.symlinkSync(at("elsewhere/secret"), at("plugins/x/link"))
      assert.include(yield* refusal(), "link in the code of ./plugins/x/index.ts is a symbolic link")
      fs.rmSync(at("plugins/x/link"))
      fs.symlinkSync(at("elsewhere"), at("plugins/x/lib/folder"))
      assert.include(yield* refusal(), "lib/folder in the code of ./plugins/x/index.ts is a symbolic link")
      fs.rmSync(at("plugins/x/lib/folder"))
      fs.symlinkSync(at("plugins/x/index.ts"), at("plugins/index.ts"))
      assert.include(yield* refusal("./plugins/index.ts"), "is a symbolic link: name the file")
      spawnSync("mkfifo", [at("plugins/x/pipe")])
      assert.include(yield* refusal(), "pipe in the code of ./plugins/x/index.ts is neither a file nor a folder")
      fs.rmSync(at("plugins/x/pipe"))
      fs.truncateSync(at("plugins/x/lib/more.ts"), maximumBytes + 1)
      assert.include(yield* refusal(), "more than 32 MiB")
      fs.rmSync(at("plugins/x/lib/more.ts"))
      for (let i = 0; i < 2_000; i++) fs.writeFileSync(at(`plugins/x/lib/${i}`), "")
      assert.include(yield* refusal(), "more than 2,000 files")
    }))

  it.effect("that holds SYRIS_HOME is refused, also by another way to it", () =>
    Effect.gen(function*() {
      const { at, put } = yield* world
      put("inside/index.ts", "")
      put("inside/home/token", "t0ken")
      fs.symlinkSync(at("inside"), at("way"))
      const { detail } = yield* Effect.flip(
        takeCode({ path: "inside/index.ts", configFile: at("syris.config.ts"), home: at("way/home") })
      )
      assert.include(detail, "holds SYRIS_HOME")
    }))

  it.effect("that was tampered with in its copy is copied anew", () =>
    Effect.gen(function*() {
      const { home, take } = yield* world
      const code = yield* take()
      const more = path.join(code.folder, "lib/more.ts")
      const tampered: ReadonlyArray<() => void> = [
        () => {
          fs.chmodSync(more, 0o600)
          fs.writeFileSync(more, "export const more = 666\n")
        },
        () => fs.rmSync(more),
        () => fs.writeFileSync(path.join(code.folder, "extra.ts"), "1", { mode: 0o400 }),
        () => {
          fs.mkdirSync(path.join(code.folder, ".git"), { mode: 0o700 })
          fs.writeFileSync(path.join(code.folder, ".git", "x.js"), "1", { mode: 0o400 })
        },
        () => fs.symlinkSync("/etc/hostname", path.join(code.folder, "link")),
        () => fs.chmodSync(more, 0o666)
      ]
      for (const tamper of tampered) {
        assert.isDefined(yield* findCopy(home, code.hash, "index.ts"))
        tamper()
        assert.isUndefined(yield* findCopy(home, code.hash, "index.ts"))
        const again = yield* take()
        assert.strictEqual(again.hash, code.hash)
        assert.deepEqual(fs.readdirSync(code.folder).toSorted(), ["index.ts", "lib"])
        assert.deepEqual([fs.readFileSync(more, "utf8"), mode(more)], ["export const more = 2\n", 0o400])
      }
      assert.deepEqual(fs.readdirSync(codeFolder(home)), [code.hash])
    }))

  it.effect("that changes while it is read is read again: what is hashed is one state of it", () =>
    Effect.gen(function*() {
      const { at, put, take } = yield* world
      let reads = 0
      const code = yield* take(undefined, (file) => {
        reads++
        // It was read already, and is not what was read any more.
        if (reads === 1) put("plugins/x/index.ts", "export default 'new'\n")
        if (file === "lib/more.ts" && reads === 2) put("plugins/x/lib/third.ts", "3")
        return Promise.resolve()
      })
      assert.deepEqual(code.files.map((file) => file.path), ["index.ts", "lib/more.ts", "lib/third.ts"])
      assert.strictEqual(fs.readFileSync(code.entry, "utf8"), "export default 'new'\n")
      // The same in peace is the same.
      assert.strictEqual((yield* take()).hash, code.hash)
      assert.isAbove(reads, 3)
      fs.rmSync(at("plugins/x/lib/third.ts"))
    }))

  it.effect("that never rests, or in which links come and go, is refused", () =>
    Effect.gen(function*() {
      const { at, put, refusal } = yield* world
      let n = 0
      const restless = yield* refusal(undefined, () => {
        put("plugins/x/index.ts", `export default ${n++}\n`)
        return Promise.resolve()
      })
      assert.include(restless, "Somebody is writing in the code of ./plugins/x/index.ts")
      // After it was listed, a folder becomes a way out.
      put("elsewhere/more.ts", "s3cret")
      const swapped = yield* refusal(undefined, (file) => {
        if (file === "index.ts") {
          fs.rmSync(at("plugins/x/lib"), { recursive: true, force: true })
          fs.symlinkSync(at("elsewhere"), at("plugins/x/lib"))
        }
        return Promise.resolve()
      })
      assert.include(swapped, "is a symbolic link")
    }))

  it.effect("is kept for as long as it is named, and the newest copies besides", () =>
    Effect.gen(function*() {
      const { home, put, take } = yield* world
      const hashes: Array<string> = []
      for (let i = 0; i < 7; i++) {
        put("plugins/x/index.ts", `export default ${i}\n`)
        const { folder, hash } = yield* take()
        fs.utimesSync(folder, 1_000 + i, 1_000 + i)
        hashes.push(hash)
      }
      yield* sweepCode(home, new Set([hashes[0]!]))
      const left = [hashes[0]!, ...hashes.slice(3)]
      assert.deepEqual(fs.readdirSync(codeFolder(home)).toSorted(), left.toSorted())
    }))
})
