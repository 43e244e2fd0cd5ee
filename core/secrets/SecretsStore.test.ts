import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { promisify } from "node:util"
import { toSecretsError } from "./SecretsError.ts"
import { openStore } from "./SecretsStore.ts"

const home = Effect.acquireRelease(
  Effect.sync(() => path.join(fs.mkdtempSync(path.join(os.tmpdir(), "syris-secrets-")), "home")),
  (folder) => Effect.sync(() => fs.rmSync(path.dirname(folder), { recursive: true, force: true }))
)
const make = Effect.map(home, (folder) => ({
  folder,
  store: openStore(folder),
  file: path.join(folder, "secrets.json"),
  key: path.join(folder, "secrets.key")
}))
const mode = (file: string) => fs.statSync(file).mode & 0o777
const detail = <A>(effect: Effect.Effect<A, { readonly detail: string }>) =>
  Effect.map(Effect.flip(effect), (error) => error.detail)

describe("SecretsStore", () => {
  it.effect("keeps, lists, replaces and removes", () =>
    Effect.gen(function*() {
      const { file, folder, key, store } = yield* make
      assert.deepStrictEqual(yield* store.list, [])
      assert.isFalse(fs.existsSync(key))
      yield* store.set("github", "token", Redacted.make("first-value"))
      yield* store.set("arger", "b", Redacted.make("ünïcode 🌍\nline"))
      yield* store.set("github", "token", Redacted.make("second-value"))
      assert.strictEqual(Redacted.value(yield* store.get("github", "token")), "second-value")
      assert.strictEqual(Redacted.value(yield* openStore(folder).get("arger", "b")), "ünïcode 🌍\nline")
      assert.deepStrictEqual((yield* store.list).map(({ key, name }) => [name, key]), [["arger", "b"], [
        "github",
        "token"
      ]])
      assert.deepStrictEqual([mode(file), mode(key)], [0o600, 0o600])
      assert.notInclude(fs.readFileSync(file, "utf8"), "second-value")
      assert.isFalse(JSON.stringify(store.values()).includes("second-value"))
      assert.deepStrictEqual(
        [yield* store.remove("github", "token"), yield* store.remove("github", "token")],
        [true, false]
      )
      assert.strictEqual(
        yield* detail(store.get("github", "token")),
        "The secret github token is missing. Set it with: syris secrets set github token"
      )
      assert.deepStrictEqual(fs.readdirSync(folder).sort(), ["secrets.json", "secrets.key"])
    }))

  it.effect("sees what another process set, and tells by its revision", () =>
    Effect.gen(function*() {
      const { folder, store } = yield* make
      yield* store.set("a", "b", Redacted.make("value-one"))
      const before = store.revision()
      yield* openStore(folder).set("c", "d", Redacted.make("value-two"))
      assert.strictEqual(Redacted.value(yield* store.get("c", "d")), "value-two")
      assert.isAbove(store.revision(), before)
      assert.lengthOf(store.values(), 2)
    }))

  it.effect("refuses names and values that can't be", () =>
    Effect.gen(function*() {
      const { store } = yield* make
      for (const name of ["", "a b", "../x", "-a", "a".repeat(101)]) {
        assert.match(yield* detail(store.set(name, "k", Redacted.make("value"))), /^The name of a secret takes letters/)
      }
      assert.match(yield* detail(store.set("a", "b", Redacted.make(""))), /has no value/)
      assert.match(yield* detail(store.set("a", "b", Redacted.make("x".repeat(65_537)))), /longer than 64 KiB/)
    }))

  it.effect("refuses a key that others can read, a lost key, a wrong key and damage, each in a sentence", () =>
    Effect.gen(function*() {
      const { file, folder, key, store } = yield* make
      yield* store.set("a", "b", Redacted.make("value-one"))
      yield* store.set("c", "d", Redacted.make("value-two"))
      const good = fs.readFileSync(file, "utf8")
      const goodKey = fs.readFileSync(key, "utf8")
      fs.chmodSync(key, 0o644)
      assert.strictEqual(
        yield* detail(openStore(folder).list),
        `${key} can be read by other users (mode 644): run \`chmod 600 ${key}\`.`
      )
      fs.chmodSync(key, 0o600)
      fs.writeFileSync(key, "f".repeat(64) + "\n")
      assert.match(
        yield* detail(openStore(folder).list),
        /^The secret a b in .* is damaged or was sealed with another key/
      )
      fs.writeFileSync(key, "short")
      assert.match(yield* detail(openStore(folder).list), /is not a key that SYRIS made/)
      fs.rmSync(key)
      assert.match(yield* detail(openStore(folder).list), /^The key of .* is missing/)
      assert.match(yield* detail(openStore(folder).set("e", "f", Redacted.make("value"))), /^The key of .* is missing/)
      fs.writeFileSync(key, goodKey, { mode: 0o600 })
      for (const damaged of ["", "{", "[]", good.slice(0, -30), good.replace("syris-secrets-1", "other")]) {
        fs.writeFileSync(file, damaged)
        assert.match(yield* detail(openStore(folder).list), /is damaged and can't be read: restore it/)
      }
      const entries = JSON.parse(good) as { format: string; secrets: Array<Record<string, unknown>> }
      const [first, second] = entries.secrets as [Record<string, unknown>, Record<string, unknown>]
      for (
        const change of [{ name: "x" }, { key: "x" }, { version: 2 }, { ciphertext: second["ciphertext"] }, {
          tag: "AAAA"
        }]
      ) {
        fs.writeFileSync(file, JSON.stringify({ ...entries, secrets: [{ ...first, ...change }, second] }))
        assert.match(yield* detail(openStore(folder).list), /is damaged or was sealed with another key/)
      }
      fs.writeFileSync(file, good)
      assert.lengthOf(yield* openStore(folder).list, 2)
    }))

  it.live(
    "loses none of what several processes set at once, a dead holder of the lock among them",
    () =>
      Effect.gen(function*() {
        const { file, folder, store } = yield* make
        fs.mkdirSync(folder)
        fs.writeFileSync(`${file}.lock`, "999999999")
        const source = path.join(import.meta.dirname, "SecretsStore.ts")
        const script = `
        import { Effect, Redacted } from "effect"
        import { openStore } from ${JSON.stringify(source)}
        const store = openStore(process.env.FOLDER)
        for (let i = 0; i < 5; i++) await Effect.runPromise(store.set("p" + process.env.N, "k" + i, Redacted.make("value-" + i)))`
        yield* Effect.promise(() =>
          Promise.all([1, 2, 3].map((n) =>
            promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
              cwd: path.resolve(import.meta.dirname, "../.."),
              env: { PATH: process.env["PATH"], FOLDER: folder, N: String(n) }
            })
          ))
        )
        assert.lengthOf(yield* store.list, 15)
      }),
    60_000
  )

  it.effect("says what to do about a disk that takes nothing", () =>
    Effect.gen(function*() {
      const { folder } = yield* make
      fs.mkdirSync(path.dirname(folder), { recursive: true })
      fs.writeFileSync(folder, "no folder")
      const inFile = openStore(path.join(folder, "in"), { env: {} })
      assert.match(yield* detail(inFile.set("a", "b", Redacted.make("a-value"))), /is in no folder: set SYRIS_HOME/)
      const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
      assert.match(
        toSecretsError(full).detail,
        /^The disk of the secrets is full, so nothing was changed: free some space/
      )
    }))
})
