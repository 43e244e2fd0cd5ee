/**
 * Plugins on the wire, over scripted services: what is shown of one that runs apart from the host, and granting what it is now.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type PluginGrant, PluginNotFound, PluginNotHeld } from "../isolates/GrantRows.ts"
import type { IsolateRecord } from "../plugin/IsolateHost.ts"
import { layerTestServer, send } from "./TestServer.ts"

const [old, now, other] = ["ab", "cd", "ef"].map((two) => two.repeat(32)) as [string, string, string]
const since = new Date("2026-11-30T12:00:00.000Z")
const mail: PluginGrant = {
  name: "mail",
  path: "./plugins/mail/index.ts",
  hash: old,
  entry: "index.ts",
  files: 2,
  bytes: 345,
  asks: { net: ["mail.example:993", "tracker.example:443"], env: ["HOME"] },
  described: undefined,
  granted_at: since,
  granted_by: "configuration",
  held: { hash: now, since, here: true }
}
const records: Array<IsolateRecord> = [
  { name: "mail", state: "held", runtime: "deno", restarts: 2, pid: 42, allow: { net: ["mail.example:993"] } },
  { name: "./broken.ts", state: "failed", last_error: "It threw: no.", runtime: "process", restarts: 0, allow: {} }
]
let held = true
const told: Array<unknown> = []
const provides = { tools: [], tasks: [], intents: [], channels: [], watchers: [], rules: 0, jobs: [], routes: [] }

layer(
  layerTestServer({
    registry: {
      // It would like to answer for the host.
      routes: () => [{
        plugin: "mail",
        method: "POST",
        path: "/:anything",
        handle: () => new Response(JSON.stringify({ code: "the plugin's" }), { status: 202 })
      }],
      plugins: () => [
        { name: "noop", version: "1.0.0", runtime: "inline", permissions: {}, parts: {} },
        { name: "mail", version: "2.0.0", runtime: "deno", permissions: mail.asks ?? {}, parts: {} }
      ]
    },
    isolates: () => records,
    grants: {
      all: Effect.sync(() => [held ? mail : { ...mail, hash: now, held: undefined }]),
      diff: () => Effect.succeed({ text: "-a\n+b", isCut: true }),
      grant: Effect.fnUntraced(function*(name, hash) {
        if (name !== "mail") return yield* new PluginNotFound({ plugin: name })
        if (!held) return yield* new PluginNotHeld({ detail: "There is nothing to decide." })
        if (hash !== undefined && hash !== now) {
          return yield* new PluginNotHeld({ detail: "It is not what you were shown." })
        }
        told.push(hash)
        held = false
        return mail
      })
    }
  }),
  { excludeTestServices: true, timeout: "60 seconds" }
)("over HTTP", (it) => {
  it.effect("plugins are listed with where they run, what they ask for, what they were granted, and what is held", () =>
    Effect.gen(function*() {
      held = true
      const { json, status } = yield* send("/plugins")
      assert.strictEqual(status, 200)
      assert.deepEqual(json.items, [
        { name: "noop", version: "1.0.0", runtime: "inline", state: "running", permissions: {}, provides },
        {
          name: "mail",
          version: "2.0.0",
          runtime: "deno",
          state: "held",
          permissions: mail.asks,
          provides,
          asked: mail.asks,
          granted: { net: ["mail.example:993"] },
          restarts: 2,
          code: { hash: old, files: 2, bytes: 345 },
          held: { hash: now, since: "2026-11-30T12:00:00.000Z", diff: "-a\n+b", cut: true }
        },
        {
          name: "./broken.ts",
          version: "0.0.0",
          runtime: "process",
          state: "failed",
          last_error: "It threw: no.",
          permissions: {},
          provides,
          granted: {},
          restarts: 0
        }
      ])
      assert.strictEqual((yield* send("/plugins", { token: false })).status, 401)
    }))

  it.effect("one that was never loaded here is known by its path, and granted by its name", () =>
    Effect.gen(function*() {
      held = true
      const [record, ...rest] = records
      records.splice(0, records.length, { ...record!, name: mail.path }, ...rest)
      const { json } = yield* send("/plugins")
      assert.deepEqual(json.items.map((one: { name: string }) => one.name), ["noop", "mail", "./broken.ts"])
      assert.strictEqual(json.items[1].held.hash, now)
      assert.strictEqual((yield* send("/plugins/mail/grant", { body: { hash: now } })).status, 200)
      records.splice(0, records.length, record!, ...rest)
      told.splice(0)
    }))

  it.effect("code that changed is granted as it was shown, or not at all", () =>
    Effect.gen(function*() {
      held = true
      const grant = (name: string, body?: unknown) =>
        send(`/plugins/${name}/grant`, { method: "POST", ...(body === undefined ? {} : { body }) })
      assert.strictEqual((yield* send("/plugins/mail/other", { method: "POST" })).status, 202)
      const late = yield* grant("mail", { hash: other })
      assert.deepEqual([late.status, late.json.code, late.json.detail], [
        409,
        "plugin.state",
        "It is not what you were shown."
      ])
      const granted = yield* grant("mail", { hash: now })
      assert.deepEqual([granted.status, granted.json.code.hash, granted.json.held], [200, now, undefined])
      const again = yield* grant("mail")
      assert.deepEqual([again.status, again.json.code], [409, "plugin.state"])
      held = true
      assert.strictEqual((yield* grant("mail")).status, 200)
      assert.deepEqual(told.splice(0), [now, undefined])
    }))

  it.effect("a wrong request is told what is wrong with it", () =>
    Effect.gen(function*() {
      held = true
      const grant = (name: string, body: unknown) => send(`/plugins/${name}/grant`, { method: "POST", body })
      // One that runs in the host was never granted anything.
      for (const name of ["nobody", "noop"]) {
        const missing = yield* grant(name, {})
        assert.deepEqual([missing.status, missing.json.code], [404, "plugin.not_found"])
      }
      for (const body of [{ hash: "abc" }, { hash: now, allow: { net: ["*"] } }]) {
        const wrong = yield* grant("mail", body)
        assert.deepEqual([wrong.status, wrong.json.code], [400, "request.field"])
      }
      const path = yield* grant("a%20b", {})
      assert.deepEqual([path.status, path.json.code], [400, "request.path"])
      assert.deepEqual(told, [])
    }))
})
