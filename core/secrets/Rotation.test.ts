import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { once } from "node:events"
import { afterAll } from "vitest"
import type { KeyRecord } from "./KeyRecord.ts"
import { makeKeyring } from "./Keyring.ts"
import { readSealed, seal, writeSealed } from "./SecretsFile.ts"
import { type OpenOptions, openStore } from "./SecretsStore.ts"
import { atEachPoint } from "./TestCrash.ts"

const root = fs.mkdtempSync(path.join(os.tmpdir(), "syris-rotation-"))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))
let homes = 0
const newHome = () => path.join(root, `home${++homes}`)
const inFile = { env: { SYRIS_KEY_SOURCE: "file" } } satisfies OpenOptions

const given = { one: "the first value", two: "the second\nvalue", three: "3".repeat(40) }
const filled = Effect.fnUntraced(function*(options: OpenOptions = inFile) {
  const home = newHome()
  const store = openStore(home, options)
  for (const [key, value] of Object.entries(given)) yield* store.set("of", key, Redacted.make(value))
  return { home, store }
})
const valuesIn = (home: string, options: OpenOptions = inFile) =>
  Effect.map(
    openStore(home, options).exported,
    (secrets) => Object.fromEntries(secrets.map(({ key, value }) => [key, Redacted.value(value)]))
  )
const keysIn = (home: string) => fs.readdirSync(home).filter((name) => name.endsWith(".key"))
const keyOf = (home: string): KeyRecord => readSealed(path.join(home, "secrets.json"))!.key
const detail = <A>(effect: Effect.Effect<A, { readonly detail: string }>) =>
  Effect.map(Effect.flip(effect), (error) => error.detail)

describe("a new key for the secrets", () => {
  it.effect("seals all again, and the old key is gone", () =>
    Effect.gen(function*() {
      const { home, store } = yield* filled()
      const oldKey = fs.readFileSync(path.join(home, "secrets.key"), "utf8")
      const old = fs.readFileSync(path.join(home, "secrets.json"), "utf8")
      const before = yield* store.list
      const place = yield* store.rotate()
      assert.deepStrictEqual(keysIn(home).map((name) => path.join(home, name)), [place])
      assert.notStrictEqual(fs.readFileSync(place, "utf8"), oldKey)
      assert.strictEqual(fs.statSync(place).mode & 0o777, 0o600)
      for (const { ciphertext } of readSealed(path.join(home, "secrets.json"))!.secrets) {
        assert.notInclude(old, ciphertext)
      }
      assert.deepStrictEqual(yield* valuesIn(home), given)
      assert.deepStrictEqual(yield* openStore(home).list, before, "names, dates and versions stay")
    }))

  it.effect("opens a home that says nothing of its key, and leaves it as it is", () =>
    Effect.gen(function*() {
      const { home } = yield* filled()
      const file = path.join(home, "secrets.json")
      const { key: _, ...rest } = JSON.parse(fs.readFileSync(file, "utf8")) as Record<string, unknown>
      fs.writeFileSync(file, JSON.stringify(rest))
      assert.deepStrictEqual(yield* valuesIn(home, { env: { SYRIS_PASSPHRASE: "something else entirely" } }), given)
      assert.strictEqual(fs.readFileSync(file, "utf8"), JSON.stringify(rest))
      yield* openStore(home).set("of", "four", Redacted.make("the fourth"))
      assert.deepStrictEqual(yield* valuesIn(home), { ...given, four: "the fourth" })
      assert.deepStrictEqual(keysIn(home), ["secrets.key"])
    }))

  it.live("leaves a store that can be read, wherever it is cut off, and the next change tidies up", () =>
    Effect.gen(function*() {
      const { home, store } = yield* filled()
      const points = yield* Effect.promise(() =>
        atEachPoint(home, path.join(home, "..", "points"), () => Effect.runPromise(store.rotate()))
      )
      assert.isAbove(points.length, 8)
      for (const point of points) {
        assert.deepStrictEqual(yield* valuesIn(point), given, point)
        fs.writeFileSync(path.join(point, "secrets.json.lock"), "999999999")
        yield* openStore(point, inFile).set("of", "one", Redacted.make(given.one))
        assert.deepStrictEqual(yield* valuesIn(point), given)
        const left = fs.readdirSync(point).filter((name) => !name.endsWith(".tmp"))
        assert.lengthOf(left, 2, `${point}: ${left.join()}`)
      }
    }))

  it.effect("would leave one that nobody can read, were the key changed in its place", () =>
    Effect.gen(function*() {
      const { home, store } = yield* filled()
      yield* store.list
      const points = yield* Effect.promise(() =>
        atEachPoint(home, path.join(home, "..", "control"), () => {
          const file = path.join(home, "secrets.json")
          const key = Buffer.alloc(32, 7)
          fs.writeFileSync(path.join(home, "secrets.key"), `${key.toString("hex")}\n`)
          const { secrets, ...rest } = readSealed(file)!
          writeSealed(file, {
            ...rest,
            secrets: secrets.map(({ key: of, name, set_at, version }) =>
              seal(key, { name, key: of, set_at, version }, given[of as "one"])
            )
          })
          return Promise.resolve()
        })
      )
      const results = yield* Effect.forEach(points, (point) => Effect.result(valuesIn(point)))
      assert.include(results.map(({ _tag }) => _tag), "Failure")
      assert.strictEqual(results.at(-1)?._tag, "Success")
    }))

  it.live("survives kill -9 of who makes it, and readers never fail meanwhile", () =>
    Effect.gen(function*() {
      const { home, store } = yield* filled()
      const script = `
        import { Effect } from "effect"
        import { openStore } from ${JSON.stringify(path.join(import.meta.dirname, "SecretsStore.ts"))}
        const store = openStore(process.env.FOLDER)
        console.log("begins")
        while (true) await Effect.runPromise(store.rotate())`
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
        cwd: path.resolve(import.meta.dirname, "../.."),
        env: { PATH: process.env["PATH"], FOLDER: home, SYRIS_KEY_SOURCE: "file" },
        stdio: ["ignore", "pipe", "inherit"]
      })
      yield* Effect.promise(() => once(child.stdout, "data"))
      const keys = new Set<string>()
      let reads = 0
      while (keys.size < 12) {
        // One that has looked before, and one that has not.
        for (const reader of [store, openStore(home)]) {
          const found = yield* reader.exported
          assert.deepStrictEqual(Object.fromEntries(found.map(({ key, value }) => [key, Redacted.value(value)])), given)
          reads++
        }
        keys.add(JSON.stringify(keyOf(home)))
      }
      child.kill("SIGKILL")
      yield* Effect.promise(() => once(child, "exit"))
      assert.isAbove(reads, 12)
      assert.deepStrictEqual(yield* valuesIn(home), given)
      yield* openStore(home).rotate()
      assert.deepStrictEqual(yield* valuesIn(home), given)
      assert.lengthOf(keysIn(home), 1)
    }), 90_000)
})

describe("a passphrase", () => {
  const passphrase = "several words of mine"
  // What is quick; `core/cli/secrets.test.ts` takes what an operator gets.
  const work = 2 ** 12
  const withPassphrase = { work, env: { SYRIS_PASSPHRASE: passphrase } } satisfies OpenOptions

  it.effect(
    "seals a new home where the environment has one, and nothing on the disk opens it",
    () =>
      Effect.gen(function*() {
        const { home, store } = yield* filled(withPassphrase)
        assert.strictEqual(keyOf(home).source, "passphrase")
        assert.deepStrictEqual(fs.readdirSync(home), ["secrets.json"])
        assert.notInclude(fs.readFileSync(path.join(home, "secrets.json"), "utf8"), passphrase)
        const file = path.join(root, "passphrase")
        fs.writeFileSync(file, `${passphrase}\n`)
        assert.deepStrictEqual(yield* valuesIn(home, { env: { SYRIS_PASSPHRASE_FILE: file } }), given)
        assert.strictEqual(
          yield* detail(openStore(home, { env: {} }).list),
          "The secrets are sealed with a passphrase: give it in SYRIS_PASSPHRASE, or in a file that SYRIS_PASSPHRASE_FILE names."
        )
        assert.match(yield* detail(openStore(home, { env: { SYRIS_PASSPHRASE: "x" } }).list), /is not the one/)
        assert.match(
          yield* detail(openStore(home, { env: { SYRIS_PASSPHRASE_FILE: "/nowhere" } }).list),
          /can't be read \(ENOENT.*: check SYRIS_PASSPHRASE_FILE\./
        )
        assert.include(
          store.values().map(({ key, name, value }) => `${name}.${key} ${Redacted.value(value)}`),
          `syris.passphrase ${passphrase}`
        )
      }),
    30_000
  )

  it.effect(
    "takes the place of a file, and a host that read before goes on with what it read",
    () =>
      Effect.gen(function*() {
        const { home } = yield* filled()
        const notes: Array<string> = []
        const host = openStore(home, {
          env: {},
          ask: () => Effect.succeed(undefined),
          note: (said) => void notes.push(said)
        })
        yield* host.list
        const asked: Array<string> = []
        const operator = openStore(home, {
          work,
          env: {},
          ask: (what) => Effect.sync(() => (asked.push(what), Redacted.make(passphrase)))
        })
        assert.strictEqual(yield* operator.rotate("passphrase"), "a passphrase")
        assert.deepStrictEqual(asked, ["new"])
        assert.deepStrictEqual(keysIn(home), [])
        for (let i = 0; i < 2; i++) {
          assert.strictEqual(Redacted.value(yield* host.get("of", "one")), given.one)
        }
        assert.lengthOf(notes, 1)
        assert.match(
          notes[0]!,
          /^The secrets were changed and can't be read; those of before are used\. .*SYRIS_PASSPHRASE/
        )
        // What it does not know it does not change.
        assert.match(yield* detail(host.set("of", "one", Redacted.make("another one"))), /sealed with a passphrase/)
        assert.match(yield* detail(openStore(home, inFile).rotate("file")), /sealed with a passphrase/)
        yield* openStore(home, withPassphrase).rotate("file")
        assert.strictEqual(Redacted.value(yield* host.get("of", "one")), given.one)
        assert.deepStrictEqual(yield* valuesIn(home), given)
      }),
    30_000
  )

  it.effect("is not taken where it is short, nor parameters that never end", () =>
    Effect.gen(function*() {
      assert.match(
        yield* detail(
          openStore(newHome(), { env: { SYRIS_PASSPHRASE: "short" } }).set("a", "b", Redacted.make("value"))
        ),
        /at least 12/
      )
      const { home } = yield* filled()
      const file = path.join(home, "secrets.json")
      const document = JSON.parse(fs.readFileSync(file, "utf8")) as object
      for (
        const key of [
          { source: "file", file: "../other.key" },
          { source: "passphrase", salt: "A".repeat(24), check: "", n: 2 ** 30, r: 8, p: 1 },
          { source: "cloud" }
        ]
      ) {
        fs.writeFileSync(file, JSON.stringify({ ...document, key }))
        assert.match(yield* detail(openStore(home).list), /is damaged and can't be read/)
      }
    }))
})

const has = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(path.delimiter).some((folder) => fs.existsSync(path.join(folder, program)))

describe("a keyring", () => {
  const programs = ["dbus-run-session", "gnome-keyring-daemon", "secret-tool"]
  const missing = programs.filter((program) => !has(program))
  if (missing.length > 0) console.warn(`SKIPPED: no test with a real keyring, for want of ${missing.join(", ")}.`)

  it.live.skipIf(missing.length > 0)(
    "of this machine holds the key, gives it back, and forgets it",
    () =>
      Effect.sync(() => {
        const home = newHome()
        const script = `
        import { Effect, Redacted } from "effect"
        import * as fs from "node:fs"
        import { openStore } from ${JSON.stringify(path.join(import.meta.dirname, "SecretsStore.ts"))}
        const home = process.env.FOLDER
        const run = Effect.runPromise
        await run(openStore(home).set("of", "one", Redacted.make("in the ring")))
        const read = () => run(Effect.map(openStore(home).get("of", "one"), Redacted.value))
        const first = [openStore(home).keyPlace() ?? fs.readdirSync(home).join(), await read()]
        const second = [await run(openStore(home).rotate()), await read()]
        const { account } = JSON.parse(fs.readFileSync(home + "/secrets.json", "utf8")).key
        const third = [await run(openStore(home).rotate("file")), await read()]
        console.log(JSON.stringify({ first, second, third, account }))`
        const answer = execFileSync("dbus-run-session", [
          "--",
          "sh",
          "-c",
          "echo test | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; " +
          `"$NODE" --input-type=module -e "$SCRIPT"; ` +
          "secret-tool search --all service syris 2>&1 | grep -c label; exit 0"
        ], {
          cwd: path.resolve(import.meta.dirname, "../.."),
          encoding: "utf8",
          timeout: 60_000,
          env: {
            PATH: process.env["PATH"],
            HOME: path.join(root, "operator"),
            XDG_RUNTIME_DIR: root,
            FOLDER: home,
            NODE: process.execPath,
            SCRIPT: script
          }
        })
        const [said, left] = answer.trim().split("\n")
        const { first, second, third } = JSON.parse(said!) as Record<string, ReadonlyArray<string>>
        assert.deepStrictEqual(first, ["secrets.json", "in the ring"])
        assert.match(second![0]!, /^the OS keyring/)
        assert.strictEqual(second![1], "in the ring")
        assert.match(third![0]!, /\.key$/)
        assert.strictEqual(third![1], "in the ring")
        assert.strictEqual(left, "0", "both keys are out of the ring")
      }),
    90_000
  )

  const fake = (body: string) => {
    const folder = fs.mkdtempSync(path.join(root, "bin-"))
    fs.writeFileSync(path.join(folder, "secret-tool"), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
    const env = { PATH: `${folder}:${process.env["PATH"]}`, DBUS_SESSION_BUS_ADDRESS: "unix:path=/nowhere" }
    return { env, keyring: makeKeyring({ env, platform: "linux", patienceMs: 300 }) }
  }

  it.live("is asked by a program that gets nothing of the environment but what it needs", () =>
    Effect.gen(function*() {
      const home = newHome()
      const seen = path.join(root, "seen")
      const { env } = fake(`env > ${seen}; exit 1`)
      const secret = { SYRIS_SECRET_A_B: "a-secret-value", SYRIS_PASSPHRASE: "a long passphrase", DATABASE_URL: "x" }
      const keyring = makeKeyring({ env: { ...env, ...secret }, platform: "linux", patienceMs: 5_000 })
      yield* openStore(home, { env: {}, keyring }).set("of", "one", Redacted.make(given.one))
      const told = fs.readFileSync(seen, "utf8")
      assert.include(told, "DBUS_SESSION_BUS_ADDRESS")
      for (const [name, value] of Object.entries(secret)) assert.notInclude(told, `${name}=${value}`)
    }))

  it.live("that is locked holds nobody up: the key goes into a file, and a sentence says so", () =>
    Effect.gen(function*() {
      const home = newHome()
      const notes: Array<string> = []
      const store = openStore(home, { ...fake("exec sleep 30"), note: (said) => void notes.push(said) })
      yield* store.set("of", "one", Redacted.make(given.one))
      assert.deepStrictEqual(keysIn(home), ["secrets.key"])
      assert.match(
        notes.join(),
        /^The OS keyring did not take the key of the secrets \(it did not answer within 0.3 seconds; it may be locked\), so it is in .*secrets\.key\.$/
      )
    }))

  it.live("that lost the key, is locked or is not there says what to do, and keeps nothing by halves", () =>
    Effect.gen(function*() {
      const { home } = yield* filled()
      const file = path.join(home, "secrets.json")
      const before = fs.readFileSync(file, "utf8")
      assert.match(
        yield* detail(openStore(home, { ...fake("cat >/dev/null; exit 0") }).rotate("keyring")),
        /keyring can't be used .*it has no key of this home/
      )
      assert.deepStrictEqual(JSON.parse(fs.readFileSync(file, "utf8")), JSON.parse(before))
      assert.deepStrictEqual(yield* valuesIn(home), given)
      fs.writeFileSync(
        file,
        JSON.stringify({ ...JSON.parse(before) as object, key: { source: "keyring", account: "0-0" } })
      )
      for (
        const [body, why] of [["exec sleep 30", /did not answer/], ["exit 1", /no key of this home/], [
          "echo no >&2; exit 1",
          /it says: no\)/
        ]] as const
      ) {
        assert.match(yield* detail(openStore(home, fake(body)).list), why)
      }
      assert.match(
        yield* detail(openStore(home, { keyring: makeKeyring({ env: { PATH: "/nowhere" }, platform: "linux" }) }).list),
        /no secret-tool.*libsecret-tools.*rotate --key-source file/
      )
      assert.match(
        yield* detail(openStore(home, { keyring: makeKeyring({ env: {}, platform: "win32" }) }).list),
        /knows none on win32/
      )
    }))
})
