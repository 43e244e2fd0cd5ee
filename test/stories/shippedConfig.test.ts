/**
 * The configuration that comes with SYRIS: what it has commented out works once the comments are taken away.
 */
import { Effect, Redacted } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { openStore } from "../../core/secrets/SecretsStore.ts"

const root = path.resolve(import.meta.dirname, "..", "..")
const shipped = fs.readFileSync(path.join(root, "syris.config.ts"), "utf8")

/** Without the // of the imports, and of the plugins from `name({` to `}),`. */
const uncommented = (text: string): string => {
  let inside = false
  return text.split("\n").map((line) => {
    const [, indent, code] = /^(\s*)\/\/ (.*)$/.exec(line) ?? []
    if (code === undefined) return line
    if (/^[a-zA-Z]+\(\{$/.test(code)) inside = true
    if (!inside && !code.startsWith("import ")) return line
    if (code === "}),") inside = false
    return `${indent}${code}`
  }).join("\n")
}

const driver = `
  import { Effect, Layer } from "effect"
  import { loadConfiguration } from "./core/plugin/ConfigLoader.ts"
  import * as PluginHost from "./core/plugin/PluginHost.ts"
  import { Registry } from "./core/plugin/Registry.ts"
  import { Settings } from "./core/plugin/Settings.ts"
  import { Redactor } from "./core/secrets/Redactor.ts"
  import { openStore, SecretsStore } from "./core/secrets/SecretsStore.ts"
  const settings = await Effect.runPromise(loadConfiguration(process.env.FILE))
  const layer = PluginHost.layer.pipe(
    Layer.provide(Layer.succeed(Settings, settings)),
    Layer.provide(Redactor.layer),
    Layer.provide(Layer.sync(SecretsStore, () => openStore(process.env.HOME_FOLDER)))
  )
  const registry = await Effect.runPromise(Registry.use(Effect.succeed).pipe(Effect.provide(layer)))
  process.stdout.write(JSON.stringify({
    plugins: registry.plugins().map(({ name }) => name),
    connectors: registry.channels().map(({ connector_id }) => connector_id)
  }))
  process.exit()
`

describe("the configuration that comes with SYRIS", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-shipped-"))
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  const load = (text: string) => {
    const file = path.join(folder, "syris.config.ts")
    fs.writeFileSync(file, text.replaceAll("\"./plugins/", `"${root}/plugins/`))
    return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", driver], {
      cwd: root,
      env: { PATH: process.env["PATH"], FILE: file, HOME_FOLDER: folder },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"]
    })) as { readonly plugins: ReadonlyArray<string>; readonly connectors: ReadonlyArray<string> }
  }

  it("works with every integration that it shows", async () => {
    const text = uncommented(shipped)
    const store = openStore(folder)
    const secrets = [...text.matchAll(/secret\("([^"]+)", "([^"]+)"\)/g)]
    assert.isNotEmpty(secrets)
    for (const [, name, key] of secrets) await Effect.runPromise(store.set(name!, key!, Redacted.make("a-long-value")))
    const { connectors, plugins } = load(text)
    assert.includeMembers([...plugins], ["home-assistant", "email", "webhook.github", "mqtt", "timers"])
    assert.includeMembers([...connectors], ["email", "mqtt", "github"])
  }, 60_000)

  it("shows each in about five lines", () => {
    const lines = shipped.split("\n").map((line) => line.trim())
    for (const name of ["homeAssistant", "email", "webhook", "mqtt"]) {
      const begins = lines.indexOf(`// ${name}({`)
      assert.isAtLeast(begins, 0, name)
      assert.isAtMost(lines.indexOf("// }),", begins) - begins, 5, name)
    }
  })
})
