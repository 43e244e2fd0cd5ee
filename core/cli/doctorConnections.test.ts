import { Effect, Redacted, Schema } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Channel, definePlugin, type Plugin } from "../plugin/Plugin.ts"
import { secret, SecretOption } from "../plugin/Secret.ts"
import { readConfiguration } from "../plugin/Settings.ts"
import { openStore } from "../secrets/SecretsStore.ts"
import { tryConnections } from "./doctorConnections.ts"
import { runChild } from "./RecordedHost.ts"

const channel = (name: string, check: Channel["check"], connector_id?: string): Plugin =>
  definePlugin({
    name: `${name}${connector_id ?? ""}`,
    setup: () => ({
      channels: [{
        name,
        trust: "untrusted",
        ...(connector_id === undefined ? {} : { connector_id }),
        ...(check === undefined ? {} : { check })
      }]
    })
  })()

const mailbox = definePlugin({
  name: "mailbox",
  options: Schema.Struct({ password: SecretOption }),
  setup: ({ options: { password } }) => ({
    channels: [{
      name: "email",
      connector_id: "work",
      trust: "untrusted",
      check: async (ctx) => {
        ctx.log.error("nobody hears this")
        throw new Error(`ada and ${await ctx.secret(password)} are refused:\n  give another password.`)
      }
    }]
  })
})

describe("the connections of the channels", () => {
  let home: string
  beforeAll(async () => {
    home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-doctor-"))
    await Effect.runPromise(openStore(home).set("mail", "password", Redacted.make("correct horse")))
  })
  afterAll(() => fs.rmSync(home, { recursive: true, force: true }))

  const found = async (plugins: ReadonlyArray<Plugin>, patience?: number) =>
    (await tryConnections(await Effect.runPromise(readConfiguration({ plugins }, "config")), home, patience))
      .map(({ message, name, well }) => [name, well, message] as const)

  it("are tried, each with what it says", async () => {
    assert.deepStrictEqual(
      await found([
        channel("a", () => "signed in as ada"),
        channel("b", async () => "3 folders", "second"),
        channel("c", () => Effect.succeed("by an effect")),
        channel("d", undefined)
      ]),
      [["a", true, "signed in as ada"], ["b.second", true, "3 folders"], ["c", true, "by an effect"]]
    )
  })

  it("never show a secret, nor one that is written out in the configuration", async () => {
    assert.deepStrictEqual(await found([mailbox({ password: secret("mail", "password") })]), [
      ["email.work", false, "ada and [secret mail.password] are refused: give another password."]
    ])
    const [[, , message]] = await found([mailbox({ password: "battery staple" })]) as [
      readonly [string, boolean, string]
    ]
    assert.match(message, /^ada and \[secret .+\] are refused/)
  })

  it("that hang, or say and throw anything at all, are told as such", async () => {
    const all = await found([
      channel("hangs", () => new Promise<string>(() => {})),
      channel(
        "hears",
        ({ signal }) =>
          new Promise<string>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
      ),
      channel("nothing", () => undefined as unknown as string),
      channel("number", () => {
        throw 7
      }),
      channel("null", () => Promise.reject(null)),
      channel("long", () => "x".repeat(100_000)),
      channel("dies", () => Effect.die(new Error("It died.")))
    ], 300)
    const [hangs, hears, nothing, number, nil, long, dies] = all.map(([, , message]) => message)
    assert.match(hangs!, /does not answer within 0\.3 seconds/)
    assert.match(hears!, /does not answer within 0\.3 seconds/)
    for (const message of [nothing, number, nil]) assert.match(message!, /that is a mistake in the plugin\.$/)
    assert.lengthOf(long!, 501)
    assert.strictEqual(dies, "It died.")
  })

  it("are tried although another plugin can't be set up, and its reason is said", async () => {
    const broken = definePlugin({
      name: "broken",
      setup: () => {
        throw new Error("no such device")
      }
    })()
    const [first, second, third] = await found([
      broken,
      mailbox({ password: secret("mail", "other") }),
      channel("a", () => "well")
    ])
    assert.deepStrictEqual(first, ["broken", false, "Plugin broken, setup: no such device."])
    assert.match(second![2], /syris secrets set mail other/)
    assert.deepStrictEqual(third, ["a", true, "well"])
  })

  it("are lines of syris doctor, which ends whatever they do", async () => {
    const config = path.join(home, "syris.config.ts")
    fs.writeFileSync(
      config,
      `import { definePlugin } from "syris"
      const channel = (name, check) => ({ name, trust: "trusted", check })
      const plugin = definePlugin({ name: "x", setup: () => ({ channels: [
        channel("good", () => "signed in"),
        channel("bad", () => { setInterval(() => {}, 1000); throw new Error("The door is shut: open it.") })
      ] }) })
      export default { plugins: [plugin()] }
      `.replaceAll("(name, check)", "(name: string, check: () => string)")
    )
    const ran = await Effect.runPromise(
      runChild({ SYRIS_HOME: home, SYRIS_PORT: "0", SYRIS_CONFIG: config }, ["doctor"])
    )
    assert.match(ran.out, /^ok {4}good +signed in$/m)
    assert.match(ran.out, /^fail {2}bad +The door is shut: open it\.$/m)
    assert.strictEqual(ran.code, 1)
  })
})
