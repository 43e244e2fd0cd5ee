import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { withoutPassword } from "../database/WithoutPassword.ts"
import { type BannerInfo, formatBanner } from "./banner.ts"
import { recordedHost, run, runChild, temporaryHome } from "./RecordedHost.ts"
import { settledPaths } from "./workingFolder.ts"

describe("syris", () => {
  it.effect("says its version and its commands", () =>
    Effect.gen(function*() {
      const version = yield* run({}, ["--version"])
      assert.match(version.out, /^syris v\d+\.\d+\.\d+$/)
      const help = yield* run({}, ["--help"])
      assert.strictEqual(help.code, 0)
      for (
        const command of [
          "up",
          "open",
          "send",
          "chat",
          "trace",
          "tasks",
          "task",
          "settle",
          "audit",
          "secrets",
          "doctor"
        ]
          .concat(
            ["approvals", "approve", "deny", "edit", "autonomy", "pause", "resume"]
          )
      ) {
        assert.match(help.out, new RegExp(`^  ${command} `, "m"))
      }
    }))

  it.effect("suggests what was meant, and ends with 2", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run({}, ["sned", "hi"]), {
        code: 2,
        out: "",
        err: "syris: There is no command \"sned\". Did you mean \"send\"? See: syris --help"
      })
      assert.deepStrictEqual(yield* run({}, ["audit", "--folow"]), {
        code: 2,
        out: "",
        err: "syris: There is no option --folow. Did you mean \"--follow\"? See: syris audit --help"
      })
      assert.match((yield* run({}, ["\u001b[2J"])).err, /There is no command "<U\+001B>\[2J"/)
      assert.strictEqual(
        (yield* run({ SYRIS_HOME: "/nonexistent" }, ["send", "hi", "--wait", "9999"])).code,
        1,
        "no token comes before"
      )
    }))

  it.effect("does so as a process too, without a stack", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* runChild({}, ["statsu"]), {
        code: 2,
        out: "",
        err: "syris: There is no command \"statsu\". See: syris --help\n"
      })
    }))

  it.effect("names the environment variable that can't be used", () =>
    Effect.gen(function*() {
      const ran = yield* run({ SYRIS_PORT: "banana" }, ["send", "hi"])
      assert.deepStrictEqual([ran.code, ran.err], [
        1,
        "syris: The environment variable SYRIS_PORT takes a port number, such as 4747."
      ])
    }))

  it.effect("asks where the operator says, else where the host says it is", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) => response.end("{}"))
      const elsewhere = yield* recordedHost((_, response) => response.end("{}"))
      const port = new URL(elsewhere.url).port
      for (const env of [{}, { SYRIS_PORT: new URL(host.url).port }]) {
        yield* run({ ...host.env, ...env }, ["audit", "--limit", "1"])
      }
      assert.strictEqual(host.asked.length, 2)
      yield* run({ ...host.env, SYRIS_HOST: "0.0.0.0", SYRIS_PORT: port }, ["audit", "--limit", "1"])
      assert.strictEqual(elsewhere.asked.length, 1)
    }))

  it("takes relative paths from where npm was called, and nothing else", () => {
    const env = {
      INIT_CWD: "/home/me",
      npm_package_json: "/srv/syris/package.json",
      SYRIS_HOME: "data",
      SYRIS_CONFIG: "/etc/syris.ts"
    }
    assert.deepStrictEqual(settledPaths(env, "/srv/syris"), {
      SYRIS_HOME: "/home/me/data",
      SYRIS_CONFIG: "/etc/syris.ts"
    })
    assert.deepStrictEqual(settledPaths(env, "/tmp"), {})
    assert.deepStrictEqual(
      settledPaths({ INIT_CWD: "/home/me", npm_package_json: "/srv/syris/package.json" }, "/srv/syris"),
      {}
    )
  })
})

describe("syris secrets", () => {
  it.effect(
    "keeps what comes on standard input without one newline, lists and removes it",
    () =>
      Effect.gen(function*() {
        const home = yield* temporaryHome
        const set = yield* runChild({ SYRIS_HOME: home }, ["secrets", "set", "github", "token"], {
          input: "s3cr3t\n\n"
        })
        assert.deepStrictEqual([set.code, set.out, set.err], [
          0,
          "Kept github token. A running SYRIS uses it from now on.\n",
          ""
        ])
        const { openStore } = yield* Effect.promise(() => import("../secrets/SecretsStore.ts"))
        const { Redacted } = yield* Effect.promise(() => import("effect"))
        assert.strictEqual(Redacted.value(yield* openStore(home).get("github", "token")), "s3cr3t\n")
        const listed = yield* run({ SYRIS_HOME: home }, ["secrets", "list"])
        assert.match(listed.out, /^github {2}token {2}set \d{4}-/)
        assert.notInclude(listed.out, "s3cr3t")
        assert.strictEqual(
          (yield* run({ SYRIS_HOME: home }, ["secrets", "rm", "github", "token"])).out,
          "Removed github token."
        )
        const gone = yield* run({ SYRIS_HOME: home }, ["secrets", "rm", "github", "token"])
        assert.deepStrictEqual([gone.code, gone.err], [
          1,
          "syris: There is no secret github token: see all with syris secrets list."
        ])
      })
  )

  it.effect("refuses no value, and what is no text", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome
      const empty = yield* runChild({ SYRIS_HOME: home }, ["secrets", "set", "a", "b"], { input: "\n" })
      assert.deepStrictEqual([empty.code, empty.out], [1, ""])
      const binary = yield* runChild({ SYRIS_HOME: home }, ["secrets", "set", "a", "b"], {
        input: new Uint8Array([0xff, 0xfe])
      })
      assert.match(binary.err, /is not UTF-8 text/)
      assert.isFalse(fs.existsSync(path.join(home, "secrets.json")))
    }))
})

describe("the banner", () => {
  it("says where things are, and never a password", () => {
    const banner = formatBanner({
      version: "0.1.0",
      url: "http://127.0.0.1:4747",
      token: "/srv/.syris/token",
      autonomy: "A2",
      database: {
        kind: "given",
        url: "postgres://me:hunter2@db:5432/syris?sslmode=require&sslpassword=hunter3",
        version: "16.4"
      },
      plugins: [{ name: "timers", version: "1.0.0" }, { name: "coffee" }],
      notes: ["1 task was interrupted; it goes on."]
    }, { colour: false })
    assert.notInclude(banner, "hunter")
    assert.strictEqual(
      banner,
      `
  SYRIS 0.1.0

  address   http://127.0.0.1:4747
  token     /srv/.syris/token
  autonomy  A2, it does what is low in risk and asks before the rest
  database  PostgreSQL 16.4 at postgres://me:***@db:5432/syris?sslmode=require&sslpassword=***
  plugins   timers 1.0.0, coffee
  note      1 task was interrupted; it goes on.

  Try, in another terminal:
    npm run syris send "set a timer for 5 minutes"
`
    )
  })

  it("shows the link that logs a browser in, where there is a page", () => {
    const url = "http://127.0.0.1:4747"
    const banner = (page: NonNullable<BannerInfo["page"]>) =>
      formatBanner({
        version: "0.1.0",
        url,
        page,
        token: "/srv/.syris/token",
        autonomy: "A2",
        database: { kind: "embedded", path: "/srv/.syris/postgres", version: "18.1" },
        plugins: [],
        notes: []
      }, { colour: false })
    assert.match(
      banner({ login: `${url}/#k3m9x2` }),
      /^ {2}page {6}http:\/\/127\.0\.0\.1:4747\/#k3m9x2 \(good once, for 5 minutes\)$/m
    )
    // In a log it is none.
    assert.match(banner({ url }), /^ {2}page {6}http:\/\/127\.0\.0\.1:4747\/ \(npm run syris open prints a link/m)
  })

  it("shows nothing of an address that it can't read", () => {
    assert.strictEqual(withoutPassword("host=db password=hunter2"), "the given address")
  })
})
