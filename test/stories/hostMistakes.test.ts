/**
 * Whatever hinders a start is one plain sentence that says what to do, exit code 1 and nothing left running; what it
 * rests on is told with `--verbose`.
 *
 * The short form makes one in three of the mistakes that nothing but a start is needed for, others each time (SYRIS_TEST_SEED
 * repeats them); SYRIS_TEST_LONG=1 makes all.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { folder } from "../storms/Hosts.ts"
import { long, seed, until } from "../storms/Until.ts"
import { type Ended, type Place, processesIn, refused, startHost } from "./HostProcess.ts"

const linux = process.platform === "linux"

/** One line, a sentence, with nothing of a stack trace; the code is 1. */
const isOneSentence = ({ code, err, out }: Ended, expected: RegExp): void => {
  assert.match(err, expected)
  assert.strictEqual(err.trimEnd().split("\n").length, 1, err)
  assert.match(err, /^syris: .+([.?]|: syris secrets set \w+ \w+)\n$/)
  assert.notMatch(err + out, /^\s+at /m)
  assert.notInclude(out, "address")
  assert.strictEqual(code, 1)
}

describe("a start that can't be", { timeout: 60_000 }, () => {
  const place = folder("mistakes")
  const home = path.join(place, "home")
  let database: OwnDatabase
  let known: Place

  beforeAll(async () => {
    database = await makeDatabase()
    known = { home, databaseUrl: database.url }
  })
  afterAll(async () => {
    await database.close()
    fs.rmSync(place, { recursive: true, force: true })
  })

  /** A configuration of its own for a test. */
  const configured = (name: string, body: string): string => {
    const file = path.join(place, `${name}.config.ts`)
    fs.writeFileSync(
      file,
      `import { defineConfig, definePlugin, secret, Schema, SecretOption } from "syris"\n${body}\n`
    )
    return file
  }
  const plugin = (name: string, setup: string) => `definePlugin({ name: "${name}", setup: ${setup} })()`

  const configurations: ReadonlyArray<readonly [mistake: string, config: string, sentence: RegExp]> = [
    [
      "an unknown setting",
      "export default defineConfig({ plugin: [] } as any)",
      /unknown\.config\.ts: .*"plugin".*"plugins"/
    ],
    [
      "a setting of the wrong type",
      "export default defineConfig({ autonomy: 3 } as any)",
      /wrong\.config\.ts: .*"?autonomy"?.*A0/
    ],
    [
      "two plugins of one name",
      `export default defineConfig({ plugins: [${plugin("twin", "() => ({})")}, ${plugin("twin", "() => ({})")}] })`,
      /Plugin twin, options: it is listed twice/
    ],
    [
      "a plugin that throws",
      `export default defineConfig({ plugins: [${plugin("sour", "() => { throw new Error(\"the milk is off\") }")}] })`,
      /Plugin sour, setup: the milk is off\./
    ],
    [
      "a missing secret",
      `export default defineConfig({ plugins: [definePlugin({
        name: "bank", options: Schema.Struct({ key: SecretOption }), setup: () => ({})
      })({ key: secret("bank", "key") })] })`,
      /Plugin bank, secrets: The secret bank key is missing\. Set it with: syris secrets set bank key/
    ],
    ["a syntax error", "export default defineConfig({ plugins: [ }", /syntax\.config\.ts:2: syntax error: /],
    ["no default export", "defineConfig({})", /default\.config\.ts has no default export/]
  ]
  const nameOf = (mistake: string) => /unknown|wrong|default|syntax|twin|two|throws|secret/.exec(mistake)![0]

  let made = 0
  /** A mistake of which the short form makes one in three. */
  const mistake = (name: string, make: () => Promise<void>): void => {
    if (long || (made++ + seed) % 3 === 0) it(name, make)
  }

  for (const [name, body, sentence] of configurations) {
    mistake(name, async () => {
      const end = await refused({ ...known, config: configured(nameOf(name), body) })
      isOneSentence(end, sentence)
    })
  }

  mistake("no configuration", async () => {
    isOneSentence(
      await refused({ ...known, config: path.join(place, "none.ts") }),
      /There is no configuration at .+none\.ts/
    )
  })

  it("with --verbose the cause follows, where there is one", async () => {
    const config = configured(
      "verbose",
      `export default defineConfig({ plugins: [${plugin("sour", "() => { throw new Error(\"off\") }")}] })`
    )
    const { code, err } = await refused({ ...known, config, args: ["--verbose"] })
    assert.match(err, /^syris: Plugin sour, setup: off\.$/m)
    assert.match(err, /^\s+at .+verbose\.config\.ts/m)
    assert.strictEqual(code, 1)
  })

  it("another program has the port, and no PostgreSQL stays behind", async () => {
    const taken = net.createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => taken.once("listening", resolve))
    const { port } = taken.address() as net.AddressInfo
    const own = path.join(place, "embedded")
    const end = await refused({ home: own, env: { SYRIS_PORT: String(port) } })
    await new Promise((resolve) => taken.close(resolve))
    isOneSentence(end, new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is taken by another program\\. .*SYRIS_PORT`))
    assert.isTrue(fs.existsSync(path.join(own, "postgres", "PG_VERSION")))
    assert.isFalse(fs.existsSync(path.join(own, "postgres", "postmaster.pid")))
    assert.isFalse(fs.existsSync(path.join(own, "host.json")))
    if (linux) await until("nobody to be left", () => processesIn(own).length === 0)
  })

  it("a host lives in this home already, and goes on", async () => {
    const first = await startHost(known)
    isOneSentence(
      await refused(known),
      /SYRIS is already running in .+home \(process \d+\)\. Stop it first, or set SYRIS_HOME/
    )
    assert.strictEqual((await first.get("/health")).status, "healthy")
    first.signal("SIGTERM")
    assert.strictEqual((await first.ended).code, 0)
  })

  mistake("an address that others can reach", async () => {
    isOneSentence(
      await refused({ ...known, env: { SYRIS_HOST: "0.0.0.0" } }),
      /SYRIS_HOST is 0\.0\.0\.0, .*not encrypted/
    )
  })

  mistake("a port that is none", async () => {
    isOneSentence(await refused({ ...known, env: { SYRIS_PORT: "http" } }), /SYRIS_PORT takes a port number/)
  })

  it("a database that can't be reached, whose password is not told", async () => {
    const end = await refused({
      home,
      databaseUrl: "postgres://syris:h0rse-battery@127.0.0.1:1/none",
      args: ["--verbose"]
    })
    assert.match(end.err, /^syris: The database can't be reached \(connect ECONNREFUSED .+DATABASE_URL\.$/m)
    assert.notInclude(end.err + end.out, "h0rse-battery")
    assert.strictEqual(end.code, 1)
    isOneSentence(
      await refused({ home, databaseUrl: "postgres://syris@127.0.0.1:1/none" }),
      /The database can't be reached/
    )
  })

  mistake("a DATABASE_URL that is none", async () => {
    isOneSentence(await refused({ home, databaseUrl: "not a url" }), /DATABASE_URL/)
  })

  mistake("a home that is a file", async () => {
    const file = path.join(place, "file")
    fs.writeFileSync(file, "")
    isOneSentence(await refused({ ...known, home: file }), /file is not a folder: set SYRIS_HOME to another one/)
  })

  mistake("a home that can't be written", async () => {
    const closed = process.getuid?.() === 0 ? "/sys" : path.join(place, "closed")
    if (closed !== "/sys") fs.mkdirSync(closed, { mode: 0o500 })
    isOneSentence(
      await refused({ ...known, home: path.join(closed, "syris") }),
      /This user can't write .+syris: start SYRIS as its owner/
    )
  })

  it("a database that a newer SYRIS has used", async () => {
    await database.query("insert into migrations (migration_id, name) values (9000, 'tomorrow')")
    isOneSentence(await refused(known), /used by a newer SYRIS \(schema 9000, .+Update this SYRIS/)
  })
})
