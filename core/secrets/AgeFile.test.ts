import { assert, describe, it } from "@effect/vitest"
import { Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption"
import { Effect, Redacted } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"
import { identitiesIn, isForPassphrase, openExport, sealExport } from "./AgeFile.ts"
import type { ExportedSecret } from "./SecretsStore.ts"

const root = fs.mkdtempSync(path.join(os.tmpdir(), "syris-age-"))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

/** What `age 1.1.1 -p -a` made of an export of one secret. */
const madeByAge = `-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCB4alRPK3RyRU1DQzYvUmZK
bjUwczl3IDE4CmdvN1ZnOTRRanNGUFNFbThtR3NsL28vdzVpWFcyQmE5OU1tWVhO
RFIzUHcKLS0tIGR3am5FMzd1ZXpKQjlFNmUwb3MrZXladWNweG4rZTVkUHJsTWo1
VXE0U2sKIcpx0HIv13YtAND+RNHafXJZs39jraSmcL5Cnuq1UuY5BECufMfXdBR+
Apega3Xl1MeZDvSLwJUXg5UlPWpyLarpIBGXCzkt7n8TMmsiqnwh4Os/MatU7YHx
hCLVarlDuhG/5ox1He2nWwnQN5yjsFOdiJaPNKYCYrojL3Y+Qml+O5ictVG1xF+K
HA==
-----END AGE ENCRYPTED FILE-----
`
const passphrase = Redacted.make("several words of mine")
const secrets: ReadonlyArray<ExportedSecret> = [
  { name: "github", key: "token", value: Redacted.make("ghp_0123456789") },
  { name: "mail", key: "key.pem", value: Redacted.make("-----BEGIN\nünïcode 🌍\n-----END\n") }
]
const shown = (given: ReadonlyArray<ExportedSecret>) =>
  given.map(({ key, name, value }) => [name, key, Redacted.value(value)])
const detail = <A>(effect: Effect.Effect<A, { readonly detail: string }>) =>
  Effect.map(Effect.flip(effect), (error) => error.detail)
const newIdentity = Effect.promise(async () => {
  const identity = await generateX25519Identity()
  return { identity, recipient: await identityToRecipient(identity) }
})

const hasAge = (process.env["PATH"] ?? "").split(path.delimiter).some((folder) =>
  fs.existsSync(path.join(folder, "age"))
)
if (!hasAge) console.warn("SKIPPED: no test with the age tool, for want of age (Debian: apt-get install age).")

describe("an export", () => {
  it.live("that age made opens with its passphrase, and with no other", () =>
    Effect.gen(function*() {
      const file = Buffer.from(madeByAge)
      assert.isTrue(isForPassphrase(file))
      assert.deepStrictEqual(shown(yield* openExport(file, { kind: "passphrase", passphrase })), [
        ["github", "token", "from-the-age-tool"]
      ])
      // One that costs less to try.
      const easy = yield* Effect.promise(() => {
        const encrypter = new Encrypter()
        encrypter.setScryptWorkFactor(8)
        encrypter.setPassphrase(Redacted.value(passphrase))
        return encrypter.encrypt("{}")
      })
      assert.match(yield* detail(openExport(easy, { kind: "passphrase", passphrase })), /is no export of secrets/)
      assert.match(
        yield* detail(openExport(easy, { kind: "passphrase", passphrase: Redacted.make("other words of mine") })),
        /can't be opened with this passphrase/
      )
    }), 60_000)

  it.live("for recipients opens for each of them, and for nobody else", () =>
    Effect.gen(function*() {
      const [one, two, other] = [yield* newIdentity, yield* newIdentity, yield* newIdentity]
      const armored = Buffer.from(
        yield* sealExport(secrets, { kind: "recipients", recipients: [one.recipient, two.recipient] })
      )
      assert.match(armored.toString(), /^-----BEGIN AGE ENCRYPTED FILE-----\n/)
      assert.isFalse(isForPassphrase(armored))
      for (const { identity } of [one, two]) {
        const identities = identitiesIn(`# created: today\n# public key: age1\n${identity}\n`)
        assert.deepStrictEqual(shown(yield* openExport(armored, { kind: "identities", identities })), shown(secrets))
      }
      assert.match(
        yield* detail(openExport(armored, { kind: "identities", identities: identitiesIn(other.identity) })),
        /was not sealed for this identity/
      )
      assert.match(yield* detail(sealExport(secrets, { kind: "recipients", recipients: ["age1nobody"] })), /public key/)
    }))

  it.live("that is damaged, or holds what can't be kept, gives nothing", () =>
    Effect.gen(function*() {
      const { identity, recipient } = yield* newIdentity
      const seal = (given: ReadonlyArray<ExportedSecret>) =>
        sealExport(given, { kind: "recipients", recipients: [recipient] })
      const open = (armored: string | Uint8Array) =>
        openExport(Buffer.from(armored), { kind: "identities", identities: [Redacted.make(identity)] })
      const good = yield* seal(secrets)
      for (const damaged of ["", "hello", good.slice(0, -60), good.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA")]) {
        assert.match(yield* detail(open(damaged)), /damaged, or it is no age file/, damaged.slice(0, 40))
      }
      const value = Redacted.make("some value")
      for (
        const [given, why] of [
          [[...secrets, { name: "../x", key: "k", value }], /secret 3 of it: The name of a secret/],
          [[...secrets, ...secrets], /secret 3 of it: The secret github token is there twice/],
          [[{ name: "a", key: "b", value: Redacted.make("") }], /has no value/]
        ] as const
      ) assert.match(yield* detail(open(yield* seal(given))), why)
    }))

  it.live.skipIf(!hasAge)("opens with the age tool, and takes what the age tool sealed", () =>
    Effect.gen(function*() {
      const keyFile = path.join(root, "key.txt")
      execFileSync("age-keygen", ["-o", keyFile], { stdio: "ignore" })
      const text = fs.readFileSync(keyFile, "utf8")
      const recipient = /age1\w+/.exec(text)![0]
      const armored = yield* sealExport(secrets, { kind: "recipients", recipients: [recipient] })
      const plain = execFileSync("age", ["-d", "-i", keyFile], { input: armored, encoding: "utf8" })
      assert.include(plain, "ghp_0123456789")
      const identities = identitiesIn(text)
      for (const options of [["-r", recipient], ["-a", "-r", recipient]]) {
        const again = execFileSync("age", options, { input: plain })
        assert.deepStrictEqual(shown(yield* openExport(again, { kind: "identities", identities })), shown(secrets))
      }
    }))
})
