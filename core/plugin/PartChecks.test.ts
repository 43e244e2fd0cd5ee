/** What is said of a plugin's provider, its channel, its routes and its page, that can't be used. */
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

const handle = () => new Response("")
const file = { method: "GET", path: "/*", open: true, handle } as const
const withPage = (name: string, routes: ReadonlyArray<unknown>, page?: unknown): NamedParts => ({
  ...named(name, undefined),
  parts: { routes, ...(page === undefined ? {} : { page }) } as PluginParts
})

describe("a plugin's page", () => {
  it("is where the host leads to, under the plugin's name", () => {
    const made = registry(withPage("a", [{ ...file, open: false }]), withPage("board.two", [file], "/start"))
    if ("mistake" in made) return assert.fail(made.mistake)
    assert.strictEqual(made.page(), "/plugins/board.two/start")
    assert.deepEqual(made.routes().map(({ open }) => open), [false, true])
    const none = registry(withPage("a", [file]))
    assert.isUndefined("mistake" in none ? none.mistake : none.page())
  })

  it.each<readonly [routes: ReadonlyArray<unknown>, page: unknown, mistake: string]>([
    [[file], "start", "its page must be a path that begins with /, of letters, digits, and _ - . ~ /"],
    [[file], "/a b", "its page must be a path that begins with /, of letters, digits, and _ - . ~ /"],
    [[{ ...file, path: "/a" }], "/", "its page is /, and no GET route of it has this path: add one"],
    [[{ ...file, method: "POST", open: false }], "/", "its page is /, and no GET route of it has this path: add one"],
    [
      [{ ...file, path: "/", open: false }, file],
      "/",
      "the route / of its page / needs open: true, or no browser could log in there"
    ]
  ])("%j with %j is refused", (routes, page, mistake) => {
    assert.deepInclude(registry(withPage("a", routes, page)), { plugin: "a", mistake })
  })

  it("is one in a host", () => {
    assert.deepInclude(registry(withPage("a", [file], "/"), withPage("b", [file], "/")), {
      plugin: "b",
      phase: "page",
      mistake: "the page is provided by plugin a already: remove one of the two"
    })
  })

  it("comes by routes that are open for reading only", () => {
    assert.deepInclude(registry(withPage("a", [{ ...file, method: "POST" }])), {
      phase: "routes",
      mistake: "route /* is open and answers POST: only GET may be open"
    })
    assert.deepInclude(registry(withPage("a", [{ ...file, open: "yes" }])), {
      phase: "routes",
      mistake: "route /* needs open: true or false"
    })
  })
})
