/** What is said of a plugin's provider, and of its channel, that can't be used. */
import { assert, describe, it } from "vitest"
import { makeRegistry, type NamedParts } from "./CollectParts.ts"
import type { PluginParts } from "./Plugin.ts"
import type { BoundLog } from "./PluginLog.ts"

const log: BoundLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => log }
const named = (name: string, providers: unknown): NamedParts => ({
  name,
  spec: { name, setup: () => ({}) },
  parts: { providers } as PluginParts,
  log,
  own: false,
  code: "none",
  runtime: "inline"
})
const withChannel = (name: string): NamedParts => ({
  ...named("a", undefined),
  parts: { channels: [{ name, trust: "operator" }] }
})
const make = () => ({ complete: () => ({ text: "Hi." }) })
const registry = (...plugins: ReadonlyArray<NamedParts>) =>
  makeRegistry(plugins, new Map(), "UTC", () => {
    throw new Error("no jobs")
  })

describe("a plugin's provider", () => {
  it("is found by its name", () => {
    const made = registry(named("a", [{ name: "acme", make }]), named("b", [{ name: "acme.eu", make }]))
    if ("mistake" in made) return assert.fail(made.mistake)
    assert.deepEqual(made.providers().map(({ name, plugin }) => [name, plugin]), [["acme", "a"], ["acme.eu", "b"]])
    assert.strictEqual(made.provider("acme.eu")?.plugin, "b")
    assert.isUndefined(made.provider("constructor"))
  })

  it.each<readonly [providers: unknown, mistake: string]>([
    [{}, "its providers must be a list"],
    [[null], "a provider must be an object"],
    [[{ name: "A", make }], "a provider is named \"A\": use lower-case letters, digits, _, - and dots"],
    [[{ name: "openai", make }], "the provider openai is the host's own: give it another name"],
    [[{ name: "acme" }], "provider acme needs make to be a function"],
    [
      [{ name: "acme", make, complete: make }],
      "provider acme: there is no property \"complete\"; known are name, make"
    ],
    [[{ name: "acme", make }, { name: "acme", make }], "it has the provider acme twice"]
  ])("%j is refused", (providers, mistake) => {
    assert.deepInclude(registry(named("a", providers)), { plugin: "a", mistake })
  })

  it("has a name of its own", () => {
    const providers = [{ name: "acme", make }]
    assert.deepInclude(registry(named("a", providers), named("b", providers)), {
      plugin: "b",
      phase: "providers",
      mistake: "the provider acme is provided by plugin a already: remove one of the two"
    })
  })
})

describe("a plugin's channel", () => {
  it("takes no name of those by which the host itself speaks", () => {
    for (const name of ["api", "mcp", "rule_engine", "scheduler", "watcher", "worker"]) {
      assert.deepInclude(registry(withChannel(name)), {
        plugin: "a",
        phase: "channels",
        mistake: `the channel ${name} is the host's own: give it another name`
      })
    }
    assert.notProperty(registry(withChannel("workers")), "mistake")
  })
})
