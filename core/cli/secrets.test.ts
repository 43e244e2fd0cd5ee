import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { afterEach, beforeEach, vi } from "vitest"
import { generateX25519Identity, identityToRecipient } from "age-encryption"
import { openStore } from "../secrets/SecretsStore.ts"
import { run, runChild, temporaryHome } from "./RecordedHost.ts"

beforeEach(() => void vi.stubEnv("SYRIS_KEY_SOURCE", "file"))
afterEach(() => void vi.unstubAllEnvs())

const given = { token: "a-value-of-github", pem: "-----BEGIN\nof two lines\n-----END" }
const filled = Effect.gen(function*() {
  const home = yield* temporaryHome
  for (const [key, value] of Object.entries(given)) yield* openStore(home).set("github", key, Redacted.make(value))
  return home
})
const valueIn = (home: string, name: string, key: string) => Effect.map(openStore(home).get(name, key), Redacted.value)
const noValue = (text: string) => {
  for (const value of Object.values(given)) assert.notInclude(text, value.slice(0, 12))
}

describe("syris secrets", () => {
  it.effect("lists versions and where each comes from, and takes nothing away that is not its own", () =>
    Effect.gen(function*() {
      const home = yield* filled
      yield* openStore(home).set("github", "token", Redacted.make(given.token))
      vi.stubEnv("SYRIS_SECRET_GITHUB_PEM", "another-pem")
      vi.stubEnv("SYRIS_SECRET_MAIL_PASSWORD", "of-the-environment")
      const { out } = yield* run({ SYRIS_HOME: home }, ["secrets", "list"])
      const lines = out.split("\n")
      assert.match(
        lines[0]!,
        /^github {2}pem {4}set [\d-]+ [\d:]+ {2}version 1 {2}stored; SYRIS_SECRET_GITHUB_PEM is not used$/
      )
      assert.match(lines[1]!, /^github {2}token {2}set [\d-]+ [\d:]+ {2}version 2 {2}stored$/)
      assert.strictEqual(lines[2], "SYRIS_SECRET_MAIL_PASSWORD  from the environment")
      assert.strictEqual(lines[3], `The key that seals them is in ${path.join(home, "secrets.key")}.`)
      noValue(out)
      assert.notInclude(out, "of-the-environment")
      const json = yield* run({ SYRIS_HOME: home }, ["secrets", "list", "--json"])
      assert.deepStrictEqual(
        (JSON.parse(json.out) as ReadonlyArray<{ source: string }>).map(({ source }) => source),
        ["stored", "stored", "environment"]
      )
      const rm = yield* run({ SYRIS_HOME: home }, ["secrets", "rm", "mail", "password"])
      assert.deepStrictEqual([rm.code, rm.err], [
        1,
        "syris: mail password is not stored: it comes from the environment. Take SYRIS_SECRET_MAIL_PASSWORD out of it, " +
        "and start SYRIS again."
      ])
      const odd = yield* run({ SYRIS_HOME: home }, ["secrets", "rm", "a\u001b[2Jb", "\u202ekey"])
      assert.match(odd.err, /There is no secret a<U\+001B>\[2Jb <U\+202E>key/)
    }))

  it.effect("rotates the key, and moves it to a passphrase and back", () =>
    Effect.gen(function*() {
      const home = yield* filled
      const rotated = yield* run({ SYRIS_HOME: home }, ["secrets", "rotate"])
      assert.match(
        rotated.out,
        /^Sealed 2 secrets with a new key, which is in .*secrets-[0-9a-f]{8}\.key\. The old key is gone\.$/
      )
      assert.isFalse(fs.existsSync(path.join(home, "secrets.key")))
      const none = yield* run({ SYRIS_HOME: home }, ["secrets", "rotate", "--key-source", "passphrase"])
      assert.match(none.err, /^syris: There is no passphrase to seal the secrets with: give it in SYRIS_PASSPHRASE/)
      vi.stubEnv("SYRIS_PASSPHRASE", "several words of mine")
      const moved = yield* run({ SYRIS_HOME: home }, ["secrets", "rotate", "--key-source", "passphrase"])
      assert.strictEqual(moved.out, "Sealed 2 secrets with a new key, which is in a passphrase. The old key is gone.")
      assert.deepStrictEqual(fs.readdirSync(home).sort(), ["secrets.json", "token"])
      assert.strictEqual(yield* valueIn(home, "github", "token"), given.token)
      const empty = yield* temporaryHome
      const nothing = yield* run({ SYRIS_HOME: empty }, ["secrets", "rotate"])
      assert.match(nothing.err, /There are no secrets whose key could be changed/)
    }), 60_000)

  it.effect("carries everything to another home in a sealed file, and says what it changes there", () =>
    Effect.gen(function*() {
      const home = yield* filled
      const other = yield* temporaryHome
      const file = path.join(home, "export.age")
      const identity = yield* Effect.promise(() => generateX25519Identity())
      const recipient = yield* Effect.promise(() => identityToRecipient(identity))
      const keyFile = path.join(home, "key.txt")
      fs.writeFileSync(keyFile, `${identity}\n`)
      const exported = yield* run({ SYRIS_HOME: home }, ["secrets", "export", "--to", file, "--recipient", recipient])
      assert.strictEqual(exported.out, `Exported 2 secrets to ${file}.`)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      noValue(fs.readFileSync(file, "utf8"))
      const again = yield* run({ SYRIS_HOME: home }, ["secrets", "export", "--to", file, "--recipient", recipient])
      assert.match(again.err, /is there already/)

      yield* openStore(other).set("github", "token", Redacted.make("an old value"))
      yield* openStore(other).set("only", "here", Redacted.make("the other home's"))
      const into = ["secrets", "import", file, "--identity", keyFile]
      const dry = yield* run({ SYRIS_HOME: other }, [...into, "--dry-run"])
      assert.strictEqual(dry.out, "new       github pem\nreplaced  github token\n2 secrets would change.")
      assert.strictEqual(yield* valueIn(other, "github", "token"), "an old value")
      const imported = yield* run({ SYRIS_HOME: other }, into)
      assert.strictEqual(imported.out, "new       github pem\nreplaced  github token\n2 secrets changed.")
      noValue(imported.out + imported.err)
      for (const [key, value] of Object.entries(given)) assert.strictEqual(yield* valueIn(other, "github", key), value)
      assert.strictEqual(yield* valueIn(other, "only", "here"), "the other home's")
      const [, token] = yield* openStore(other).list
      assert.strictEqual(token?.version, 2)
      const replaced = yield* run({ SYRIS_HOME: other }, [...into, "--replace"])
      assert.strictEqual(replaced.out, "removed   only here\n1 secret changed; 2 secrets of the file are here already.")
      const without = yield* run({ SYRIS_HOME: other }, ["secrets", "import", file])
      assert.match(
        without.err,
        /was not sealed with a passphrase: give the identity of its recipient with --identity FILE/
      )
      const damaged = path.join(home, "damaged.age")
      fs.writeFileSync(damaged, fs.readFileSync(file, "utf8").slice(0, -80))
      const before = fs.readFileSync(path.join(other, "secrets.json"), "utf8")
      const refused = yield* run({ SYRIS_HOME: other }, ["secrets", "import", damaged, "--identity", keyFile])
      assert.match(refused.err, /damaged, or it is no age file/)
      assert.strictEqual(fs.readFileSync(path.join(other, "secrets.json"), "utf8"), before)
    }))

  it.live(
    "asks for the passphrase of a file, takes it from the environment, and never shows a value",
    () =>
      Effect.gen(function*() {
        const home = yield* filled
        const other = yield* temporaryHome
        const nobody = yield* runChild({ SYRIS_HOME: home }, ["secrets", "export"])
        assert.deepStrictEqual([nobody.code, nobody.out], [2, ""])
        assert.match(nobody.err, /There is nobody to ask for the passphrase: give it in SYRIS_EXPORT_PASSPHRASE/)
        const passphrase = { SYRIS_EXPORT_PASSPHRASE: "several words of mine", SYRIS_KEY_SOURCE: "file" }
        const exported = yield* runChild({ SYRIS_HOME: home, ...passphrase }, ["secrets", "export"])
        assert.match(exported.out, /^-----BEGIN AGE ENCRYPTED FILE-----\n[^]*-----END AGE ENCRYPTED FILE-----\n$/)
        const file = path.join(other, "moved.age")
        fs.writeFileSync(file, exported.out)
        const imported = yield* runChild({ SYRIS_HOME: other, ...passphrase }, ["secrets", "import", file])
        assert.deepStrictEqual([imported.out, imported.err], [
          "new       github pem\nnew       github token\n2 secrets changed.\n",
          ""
        ])
        assert.strictEqual(yield* valueIn(other, "github", "pem"), given.pem)
      }),
    90_000
  )
})
