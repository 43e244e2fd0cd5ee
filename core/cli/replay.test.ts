import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import noop from "../../plugins/noop/index.ts"
import { newDatabase } from "../testing/TestDatabase.ts"
import { testHost } from "../testing/index.ts"
import { freePort } from "../../test/FreePort.ts"
import { run, temporaryHome } from "./RecordedHost.ts"

const root = path.join(import.meta.dirname, "../..")

const config = (home: string, name: string, more = "") => {
  const file = path.join(home, name)
  fs.writeFileSync(
    file,
    `import { defineConfig } from "syris"\nimport noop from ${
      JSON.stringify(path.join(root, "plugins/noop/index.ts"))
    }\n` +
      `export default defineConfig({ timezone: "UTC", plugins: [noop()]${more} })\n`
  )
  return file
}

describe("syris replay", () => {
  it.live(
    "says whether a trace would be decided the same, and what would be another decision",
    () =>
      Effect.gen(function*() {
        const home = yield* temporaryHome
        const url = Redacted.value(yield* newDatabase)
        const host = yield* Effect.acquireRelease(
          Effect.promise(() => testHost({ timezone: "UTC", plugins: [noop()], home, databaseUrl: url })),
          (one) => Effect.promise(() => one.stop())
        )
        const { event_id, trace_id } = yield* Effect.promise(() => host.send("noop hello"))
        const env = { SYRIS_HOME: home, DATABASE_URL: url, SYRIS_CONFIG: config(home, "syris.config.ts") }
        const other = config(home, "other.config.ts", `, policy: [{ tool: "noop.run", risk: "critical" }]`)
        const [same, changed, json, unknown] = yield* Effect.all([
          run(env, ["replay", event_id.slice(-12)]),
          run(env, ["replay", trace_id, "--config", other]),
          run(env, ["replay", trace_id, "--json"]),
          run(env, ["replay", "00000000-0000-7000-8000-000000000000"])
        ])
        assert.strictEqual(same.code, 0, same.err)
        assert.match(same.out, /^=  event 1 .*fast: /)
        assert.match(same.out, /2 decisions, all the same\.$/m)
        assert.strictEqual(changed.code, 1, changed.err)
        assert.match(changed.out, /≠  event 1 .*recorded  call: .*\n.*replayed  gate.hard_blocked: .*critical/)
        assert.strictEqual(json.code, 0, json.err)
        const { lines, recorded, replayed, same: all } = JSON.parse(json.out) as Record<string, ReadonlyArray<unknown>>
        assert.deepEqual([lines?.length, recorded?.length, replayed?.length, all], [2, 2, 2, true])
        assert.strictEqual(unknown.code, 2)
        assert.match(unknown.err, /There is no trace and no event 00000000/)
      }),
    60_000
  )

  it.live("says what to do where the database does not run or is not there", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome
      const env = { SYRIS_HOME: home, SYRIS_CONFIG: config(home, "syris.config.ts") }
      const port = yield* Effect.promise(freePort)
      const [stopped, gone, nameless] = yield* Effect.all([
        run(env, ["replay", "abc"]),
        run({ ...env, DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/none` }, ["replay", "abc"]),
        run(env, ["replay"])
      ])
      assert.deepEqual([stopped.code, gone.code, nameless.code], [2, 2, 2])
      assert.match(stopped.err, /runs only while SYRIS does.*syris up/)
      assert.match(gone.err, /The database can't be reached \(.*ECONNREFUSED/)
    }), 60_000)
})
