import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"
import { variableOf } from "./EnvironmentSecrets.ts"
import { Redactor } from "./Redactor.ts"
import { openStore, SecretsStore } from "./SecretsStore.ts"

const root = fs.mkdtempSync(path.join(os.tmpdir(), "syris-environment-"))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

const env = {
  SYRIS_KEY_SOURCE: "file",
  SYRIS_SECRET_HOME_ASSISTANT_TOKEN: "of-the-environment",
  SYRIS_SECRET_EMPTY_ONE: "",
  SYRIS_SECRETS: "no secret",
  PATH: "/bin"
}
const detail = <A>(effect: Effect.Effect<A, { readonly detail: string }>) =>
  Effect.map(Effect.flip(effect), (error) => error.detail)

describe("a secret of the environment", () => {
  it("has the variable of its name and key", () => {
    assert.strictEqual(variableOf({ name: "home-assistant", key: "token" }), "SYRIS_SECRET_HOME_ASSISTANT_TOKEN")
    assert.strictEqual(
      variableOf({ name: "mail.work", key: "imap.Password2" }),
      "SYRIS_SECRET_MAIL_WORK_IMAP_PASSWORD2"
    )
  })

  it.effect("is given, listed by its variable, not written anywhere, and yields to a stored one", () =>
    Effect.gen(function*() {
      const home = path.join(root, "home")
      const store = openStore(home, { env })
      const asked = { name: "home-assistant", key: "token" }
      assert.strictEqual(Redacted.value(yield* store.get("home-assistant", "token")), "of-the-environment")
      assert.deepStrictEqual(yield* store.missing([asked, { name: "empty", key: "one" }]), [{
        name: "empty",
        key: "one"
      }])
      assert.deepStrictEqual(yield* store.list, [])
      assert.deepStrictEqual(yield* store.variables, [
        { source: "environment", variable: "SYRIS_SECRET_HOME_ASSISTANT_TOKEN" }
      ])
      assert.isFalse(fs.existsSync(home))
      yield* store.set("home-assistant", "token", Redacted.make("of-the-store"))
      assert.strictEqual(Redacted.value(yield* store.get("home-assistant", "token")), "of-the-store")
      const [listed] = yield* store.list
      assert.deepInclude(listed, { source: "stored", version: 1, overrides: "SYRIS_SECRET_HOME_ASSISTANT_TOKEN" })
      assert.deepStrictEqual(yield* store.variables, [])
      yield* store.remove("home-assistant", "token")
      assert.strictEqual(Redacted.value(yield* store.get("home-assistant", "token")), "of-the-environment")
    }))

  it.effect("is given as one secret only, however many have its variable", () =>
    Effect.gen(function*() {
      const store = openStore(path.join(root, "clash"), { env })
      assert.strictEqual(Redacted.value(yield* store.get("home-assistant", "token")), "of-the-environment")
      assert.strictEqual(
        yield* detail(store.get("home", "assistant.token")),
        "SYRIS_SECRET_HOME_ASSISTANT_TOKEN is used as the secret home-assistant token, so it is not given as home " +
          "assistant.token too. Set that with: syris secrets set home assistant.token"
      )
      assert.lengthOf(yield* store.missing([{ name: "home", key: "assistant.token" }]), 1)
      yield* store.set("home", "assistant.token", Redacted.make("another one"))
      assert.strictEqual(Redacted.value(yield* store.get("home", "assistant.token")), "another one")
      assert.strictEqual(Redacted.value(yield* store.get("home-assistant", "token")), "of-the-environment")
    }))

  it.effect("is hidden like any other, whoever asks for it", () =>
    Effect.gen(function*() {
      const store = openStore(path.join(root, "hidden"), { env })
      yield* store.list
      const { redactText } = yield* Redactor.use(Effect.succeed).pipe(
        Effect.provide(Redactor.layer.pipe(Layer.provide(Layer.succeed(SecretsStore, store))))
      )
      assert.strictEqual(
        redactText(`Bearer of-the-environment, ${Buffer.from("of-the-environment").toString("base64")}`),
        "Bearer [secret environment.SYRIS_SECRET_HOME_ASSISTANT_TOKEN], " +
          "[secret environment.SYRIS_SECRET_HOME_ASSISTANT_TOKEN]"
      )
    }))
})
