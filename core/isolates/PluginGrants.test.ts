/**
 * What was granted is what runs, on a real PostgreSQL with two hosts: code that changed is held in every host until the operator
 * grants what was shown.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Described } from "../../sandbox/protocol/Described.ts"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { Notifications } from "../database/Notifications.ts"
import { Alarms } from "../health/Alarms.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { takeCode } from "./CodeSnapshot.ts"
import { PluginGrants } from "./PluginGrants.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "syris-grants-"))),
  (root) => Effect.sync(() => fs.rmSync(root, { recursive: true, force: true }))
)

/** A host with a plugin of its own beside its configuration. */
const startHost = Effect.fnUntraced(function*(root: string) {
  const home = path.join(root, ".syris")
  const configFile = path.join(root, "syris.config.ts")
  const file = path.join(root, "x", "index.ts")
  const environment = { home, host: "127.0.0.1", port: 0, config: configFile, databaseUrl: undefined }
  const services = yield* Layer.build(Layer.fresh(
    PluginGrants.layer.pipe(
      Layer.provide(Alarms.layer),
      Layer.provide(Audit.layer),
      Layer.provide([AuditWake.layer, Notifications.layer, Layer.succeed(Environment, environment)]),
      Layer.provideMerge(Redactor.layerEmpty)
    )
  ))
  return {
    grants: Context.get(services, PluginGrants),
    redactor: Context.get(services, Redactor),
    write: (text: string) => {
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, text)
      return takeCode({ path: "./x/index.ts", configFile, home })
    }
  }
})
const aHost = Effect.flatMap(folder, startHost)

const aName = Effect.map(Effect.sync(newId), (id) => `p${id.slice(-12)}`)

const told = (plugin: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly type: string }>`
        select type from audit_events
        where data ->> 'plugin' = ${plugin} or data ->> 'dedupe_key' = ${`plugin.${plugin}.held`} order by seq`,
      (rows) => rows.map(({ type }) => type)
    ))

const describes = (permissions: Described["permissions"]): Described => ({
  plugin: "x",
  version: "1.2.3",
  permissions,
  tools: [],
  intents: [],
  channels: [],
  watchers: [],
  rules: [],
  jobs: [],
  tasks: [],
  routes: []
})

layer(layerTestDatabase, { excludeTestServices: true, timeout: "60 seconds" })("what a plugin was granted", (it) => {
  it.effect("is its code as it was listed first, and the same again is no news", () =>
    Effect.gen(function*() {
      const { grants, write } = yield* aHost
      const name = yield* aName
      const code = yield* write("export default 1\n")
      assert.deepEqual(yield* grants.judge(name, code, undefined, { net: ["a:443"] }), {
        state: "granted",
        first: true
      })
      yield* grants.described(name, code.hash, describes({ net: ["a:443"] }))
      assert.deepEqual(yield* grants.judge(name, code, { net: ["a:443"] }, { net: ["a:443"] }), {
        state: "granted",
        first: false
      })
      const [grant] = (yield* grants.at("./x/index.ts")).filter((one) => one.name === name)
      assert.deepInclude(grant, {
        hash: code.hash,
        entry: "index.ts",
        files: 1,
        bytes: 17,
        asks: { net: ["a:443"] },
        granted_by: "configuration",
        held: undefined
      })
      assert.strictEqual(grant?.described?.version, "1.2.3")
      assert.deepEqual(yield* told(name), ["operator.plugin_granted"])
      // What the operator writes in `allow` is no change of the code, and is written down.
      assert.deepEqual(yield* grants.judge(name, code, { net: ["a:443"] }, {}), { state: "granted", first: false })
      assert.deepEqual(yield* told(name), ["operator.plugin_granted", "operator.plugin_granted"])
      const missing = yield* Effect.flip(grants.grant("nobody"))
      assert.include(missing.message, "No plugin nobody runs in an isolate")
    }))

  it.effect("goes on until the operator has seen what it is now and grants exactly that", () =>
    Effect.gen(function*() {
      const { grants, redactor, write } = yield* aHost
      const name = yield* aName
      redactor.add("mail.password", Redacted.make("hunter2-hunter2"))
      const old = yield* write("export default 10\n")
      yield* grants.judge(name, old, undefined, {})
      yield* grants.described(name, old.hash, describes({}))
      const nothing = yield* Effect.flip(grants.grant(name))
      assert.include(nothing.message, "there is nothing to decide")

      const bad = yield* write("export default 10\nsteal(\"hunter2-hunter2\")\n")
      const held = yield* grants.judge(name, bad, undefined, {})
      assert.strictEqual(held.state, "held")
      if (held.state !== "held") return
      assert.strictEqual(held.granted.hash, old.hash)
      assert.strictEqual(held.granted.described?.version, "1.2.3")
      assert.deepInclude(held.granted.held, { hash: bad.hash, here: true })
      const diff = yield* grants.diff(name)
      assert.include(diff?.text, "\n   export default 10\n+  steal(")
      assert.notInclude(diff?.text, "hunter2")
      // Seen again it is no news; another change is not what was shown.
      yield* grants.judge(name, bad, undefined, {})
      const worse = yield* write("export default 666\n")
      yield* grants.judge(name, worse, undefined, {})
      const late = yield* Effect.flip(grants.grant(name, bad.hash))
      assert.include(late.message, "not what you were shown any more")
      const granted = yield* grants.grant(name, worse.hash)
      assert.deepInclude(granted, { hash: worse.hash, granted_by: "operator", held: undefined, described: undefined })
      assert.deepEqual(yield* grants.judge(name, worse, undefined, {}), { state: "granted", first: false })
      assert.isUndefined(yield* grants.diff(name))
      assert.deepEqual(yield* told(name), [
        "operator.plugin_granted",
        "worker.plugin_held",
        "alarm.opened",
        "worker.plugin_held",
        "operator.plugin_granted",
        "alarm.resolved"
      ])
      // Texts of code that nobody names are gone.
      const sql = yield* SqlClient.SqlClient
      const kept = yield* sql`select hash from plugin_code where ${sql.in("hash", [old.hash, bad.hash, worse.hash])}`
      assert.deepEqual(kept, [{ hash: worse.hash }])
    }))

  it.effect("is the old code again where that comes back", () =>
    Effect.gen(function*() {
      const { grants, write } = yield* aHost
      const name = yield* aName
      yield* grants.judge(name, yield* write("1"), undefined, {})
      yield* grants.judge(name, yield* write("2"), undefined, {})
      assert.deepEqual(yield* grants.judge(name, yield* write("1"), undefined, {}), { state: "granted", first: false })
      assert.isUndefined(yield* grants.diff(name))
      assert.deepEqual((yield* told(name)).slice(-1), ["alarm.resolved"])
    }))

  it.effect("does not grow with what it asks for", () =>
    Effect.gen(function*() {
      const { grants, write } = yield* aHost
      const name = yield* aName
      const code = yield* write("same")
      yield* grants.judge(name, code, undefined, {})
      yield* grants.described(name, code.hash, describes({ net: ["a:443"] }))
      const more = { net: ["a:443", "evil.example:443"] }
      assert.strictEqual((yield* grants.judge(name, code, more, {})).state, "held")
      const diff = yield* grants.diff(name)
      assert.deepEqual(diff?.text.split("\n"), [
        " What it asks for:",
        "   net: a:443",
        "+  net: evil.example:443",
        " Its code is the same."
      ])
      // Before it is asked again nobody knows that it is over.
      yield* grants.judge(name, code, undefined, {})
      assert.isDefined(yield* grants.diff(name))
      yield* grants.grant(name)
      assert.deepEqual(yield* grants.judge(name, code, more, {}), { state: "granted", first: false })
      // Less is no reason to ask.
      assert.deepEqual(yield* grants.judge(name, code, {}, {}), { state: "granted", first: false })
    }))

  it.effect("follows the code at once while it is being written", () =>
    Effect.gen(function*() {
      const { grants, write } = yield* aHost
      const name = yield* aName
      yield* grants.judge(name, yield* write("1"), undefined, {})
      yield* grants.judge(name, yield* write("2"), undefined, {})
      const three = yield* write("3")
      assert.deepEqual(yield* grants.judge(name, three, undefined, {}, { reload: true }), {
        state: "granted",
        first: false
      })
      assert.isUndefined(yield* grants.diff(name))
      assert.deepEqual((yield* told(name)).slice(-2), ["operator.plugin_granted", "alarm.resolved"])
      // Without it nothing is taken up: the control.
      assert.strictEqual((yield* grants.judge(name, yield* write("4"), undefined, {})).state, "held")
    }))

  it.effect("that can't be shown whole is granted by its hash alone", () =>
    Effect.gen(function*() {
      const { grants, write } = yield* aHost
      const name = yield* aName
      yield* grants.judge(name, yield* write("1"), undefined, {})
      const long = yield* write(Array.from({ length: 2_000 }, (_, i) => `line ${i}`).join("\n"))
      yield* grants.judge(name, long, undefined, {})
      assert.isTrue((yield* grants.diff(name))?.isCut)
      const refused = yield* Effect.flip(grants.grant(name))
      assert.include(refused.message, "granted by its hash alone")
      assert.strictEqual((yield* grants.grant(name, long.hash)).hash, long.hash)
    }))

  it.effect("is the same in two hosts: one shows what the other holds, and its grant is heard there", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* aHost, yield* aHost]
      const name = yield* aName
      yield* one.grants.judge(name, yield* one.write("1\n"), undefined, {})
      const same = yield* two.grants.judge(name, yield* two.write("1\n"), undefined, {})
      assert.deepEqual(same, { state: "granted", first: false })
      const changed = yield* one.write("2\n")
      assert.strictEqual((yield* one.grants.judge(name, changed, undefined, {})).state, "held")
      // The other has no copy of it, and shows it line by line.
      assert.include((yield* two.grants.diff(name))?.text, "-  1\n+  2")
      // That the other still has what was granted does not end the hold.
      yield* two.grants.judge(name, yield* two.write("1\n"), undefined, {})
      const [seen] = (yield* two.grants.all).filter((each) => each.name === name)
      assert.deepInclude(seen?.held, { hash: changed.hash, here: false })

      const heard = yield* Deferred.make<void>()
      yield* one.grants.onChange(Effect.asVoid(Deferred.succeed(heard, undefined)))
      yield* two.grants.grant(name, changed.hash)
      yield* Deferred.await(heard)
      assert.deepEqual(yield* one.grants.judge(name, changed, undefined, {}), { state: "granted", first: false })
      // Now it is the other that has what nobody granted.
      assert.strictEqual((yield* two.grants.judge(name, yield* two.write("1\n"), undefined, {})).state, "held")
    }))

  it.effect("to many hosts at once is one grant", () =>
    Effect.gen(function*() {
      const hosts = [yield* aHost, yield* aHost, yield* aHost]
      const name = yield* aName
      const judged = yield* Effect.forEach(
        hosts,
        ({ grants, write }) => Effect.flatMap(write("1\n"), (code) => grants.judge(name, code, undefined, {})),
        { concurrency: "unbounded" }
      )
      assert.deepEqual(judged.filter((one) => one.state === "granted" && one.first).length, 1)
      assert.deepEqual(yield* told(name), ["operator.plugin_granted"])
    }))
})
