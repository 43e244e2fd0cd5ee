import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Integration } from "../contract/Integration.ts"
import { readMcp } from "../plugin/McpSettings.ts"
import type { Kernel } from "../../sandbox/runtimes/Kernel.ts"
import { freePort } from "../../test/FreePort.ts"
import type { PluginState } from "./doctorIsolates.ts"
import { examine, type FileState, type Machine } from "./doctorChecks.ts"
import { answer, recordedHost, run, runChild } from "./RecordedHost.ts"

const now = Date.UTC(2026, 10, 22)
const file = (mode: number, over: Partial<FileState> = {}): FileState => ({
  mode,
  uid: 1000,
  folder: false,
  modified: now,
  ...over
})
const folder = (mode: number, over: Partial<FileState> = {}) => file(mode, { folder: true, ...over })

const files: Record<string, FileState> = {
  "/syris/node_modules/effect/package.json": file(0o644),
  "/syris/syris.config.ts": file(0o644),
  "/home": folder(0o700),
  "/home/token": file(0o600),
  "/home/secrets.key": file(0o600),
  "/home/secrets.json": file(0o600),
  "/home/postgres": folder(0o700)
}
const texts: Record<string, string> = {
  "/syris/package-lock.json": "{}",
  "/syris/node_modules/.syris-setup": createHash("sha256").update("{}").digest("hex"),
  "/home/token": "abc",
  "/home/secrets.key": "0".repeat(64),
  "/home/postgres/PG_VERSION": "18\n"
}

const able: Kernel = { namespaces: { pid: [], pidAndNet: [] }, proc: true, deno: { path: "/deno" } }

const well: Machine = {
  node: "24.21.0",
  uid: 1000,
  root: "/syris",
  home: "/home",
  config: "/syris/syris.config.ts",
  host: "127.0.0.1",
  port: 4747,
  url: "http://127.0.0.1:4747",
  databaseUrl: undefined,
  now: () => now,
  stat: (name) => files[name],
  read: (name) => texts[name],
  freeBytes: () => 50 * 1_024 ** 3,
  ask: () => Promise.resolve({ kind: "nobody" }),
  listen: () => Promise.resolve(undefined),
  askDatabase: () => Promise.resolve({ version: 160_004, now }),
  loadConfig: () => Promise.resolve([]),
  openSecrets: () => Promise.resolve(undefined),
  path: ["/bin", "/usr/bin"],
  servers: () => Promise.resolve([]),
  integrations: () => Promise.resolve(undefined),
  connections: () => Promise.resolve([]),
  isolates: () => Promise.resolve([]),
  kernel: () => Promise.resolve(able),
  plugins: () => Promise.resolve(undefined)
}
const having = (changes: Record<string, FileState | undefined>): Partial<Machine> => ({
  stat: (name) => name in changes ? changes[name] : files[name]
})
const servers = (mcp: Parameters<typeof readMcp>[0]): Partial<Machine> => ({
  servers: () => Promise.resolve(readMcp(mcp) as Exclude<ReturnType<typeof readMcp>, string>)
})
const connected = (change: Partial<Integration>): Partial<Machine> => ({
  ...servers({ files: { url: "http://127.0.0.1:3001/mcp" } }),
  integrations: () =>
    Promise.resolve([{
      integration_id: "files",
      kind: "mcp",
      health: "healthy",
      enabled: true,
      state: "connected",
      tools: ["mcp.files.read"],
      quarantined: [],
      refused: [],
      ...change
    }])
})
/** One plugin in Deno. */
const apart = (change: Partial<Machine>): Partial<Machine> => ({
  isolates: () =>
    Promise.resolve([{
      position: 0,
      after: 0,
      written: "./x/index.ts",
      path: "/syris/x/index.ts",
      options: {},
      runtime: "deno",
      allow: {},
      memoryMb: 128,
      timeoutMs: 30_000,
      trusted: false,
      reload: false
    }]),
  ...change
})
const saying = (change: Partial<PluginState>): Partial<Machine> =>
  apart({
    plugins: () =>
      Promise.resolve([
        { name: "noop", runtime: "inline", state: "running" },
        { name: "x", runtime: "deno", state: "running", ...change }
      ])
  })
const tried = (well: boolean, message: string, change: Partial<Integration> = {}): Partial<Machine> => ({
  ...connected({ integration_id: "work", kind: "channel", ...change }),
  connections: () => Promise.resolve([{ kind: "channel", name: "email.work", connector_id: "work", well, message }])
})
const unable = (change: Partial<Kernel>): Partial<Machine> => ({
  kernel: () => Promise.resolve({ ...able, ...change })
})
const noDeno = unable({ deno: { missing: "there is no Deno for this machine: run npm install" } })
const syris = { kind: "syris", status: "healthy", version: "0.1.0", degraded: [], date: now } as const
const MiB = 1_024 ** 2

const cases: ReadonlyArray<
  readonly [what: string, change: Partial<Machine>, check: string, status: string, message: RegExp]
> = [
  ["an old Node", { node: "20.19.0" }, "node", "fail", /needs 24: run it through npm/],
  ["no packages", having({ "/syris/node_modules/effect/package.json": undefined }), "packages", "fail", /npm ci/],
  ["other packages", { read: () => undefined }, "packages", "warn", /npm ci/],
  ["a disk that is nearly full", { freeBytes: () => 900 * MiB }, "disk", "warn", /Only 900 MiB are free/],
  ["a full disk", { freeBytes: () => 99 * MiB }, "disk", "fail", /free some space/],
  ["no home yet", { stat: (name) => name.startsWith("/home") ? undefined : files[name] }, "home", "ok", /first start/],
  ["an open home", having({ "/home": folder(0o755) }), "home", "warn", /chmod go-rw \/home/],
  ["somebody else's home", having({ "/home": folder(0o700, { uid: 7 }) }), "home", "fail", /another user \(uid 7\)/],
  ["an open database", having({ "/home/postgres": folder(0o755) }), "database", "fail", /chmod 700/],
  [
    "a folder that is no database",
    { read: (name) => name.endsWith("PG_VERSION") ? undefined : texts[name] },
    "database",
    "fail",
    /holds no database/
  ],
  [
    "a given database",
    { databaseUrl: "postgres://me:hunter2@db/syris" },
    "database",
    "ok",
    /PostgreSQL 16 answers at postgres:\/\/me:\*\*\*@db/
  ],
  [
    "an old database",
    { databaseUrl: "postgres://db/x", askDatabase: () => Promise.resolve({ version: 140_001, now }) },
    "database",
    "fail",
    /15 or newer/
  ],
  [
    "a database that is away",
    { databaseUrl: "postgres://db/x", askDatabase: () => Promise.reject(new Error("connection refused")) },
    "database",
    "fail",
    /connection refused\): check that it runs/
  ],
  ["a running SYRIS", { ask: () => Promise.resolve(syris) }, "port", "ok", /is healthy/],
  [
    "a SYRIS that is not well",
    { ask: () => Promise.resolve({ ...syris, status: "degraded", degraded: ["mcp"] }) },
    "port",
    "warn",
    /degraded \(mcp\)/
  ],
  [
    "another server",
    { ask: () => Promise.resolve({ kind: "other", what: "HTTP 404" }) },
    "port",
    "fail",
    /not SYRIS \(HTTP 404\): stop it/
  ],
  ["a port that is taken", { listen: () => Promise.resolve("EADDRINUSE") }, "port", "fail", /set SYRIS_PORT/],
  ["a low port", { listen: () => Promise.resolve("EACCES"), port: 80 }, "port", "fail", /above 1023/],
  [
    "a token that others can read",
    having({ "/home/token": file(0o644) }),
    "token",
    "fail",
    /mode 0644: run `chmod 600/
  ],
  ["an empty token", { read: (name) => name === "/home/token" ? "" : texts[name] }, "token", "fail", /is empty/],
  ["an open key", having({ "/home/secrets.key": file(0o640) }), "secrets", "fail", /mode 0640/],
  ["a lost key", having({ "/home/secrets.key": undefined }), "secrets", "fail", /restore/],
  [
    "a later key that is open",
    {
      stat: (name) => name === "/home/secrets-0a1b2c3d.key" ? file(0o644) : files[name],
      read: (name) =>
        name === "/home/secrets.json"
          ? "{\"key\":{\"source\":\"file\",\"file\":\"secrets-0a1b2c3d.key\"}}"
          : texts[name]
    },
    "secrets",
    "fail",
    /secrets-0a1b2c3d\.key has mode 0644/
  ],
  [
    "secrets that can't be opened",
    { openSecrets: () => Promise.resolve("The passphrase is not the one that the secrets are sealed with.") },
    "secrets",
    "fail",
    /The passphrase is not the one/
  ],
  ["no configuration", having({ "/syris/syris.config.ts": undefined }), "config", "fail", /SYRIS_CONFIG/],
  [
    "a broken configuration",
    { loadConfig: () => Promise.reject(new Error("/syris/syris.config.ts:3: it throws.")) },
    "config",
    "fail",
    /config.ts:3: it throws/
  ],
  [
    "settings that do nothing",
    { loadConfig: () => Promise.resolve(["the setting \"llm\" is ignored."]) },
    "config",
    "warn",
    /is ignored/
  ],
  ["a clock of the past", { now: () => 0 }, "clock", "fail", /years behind/],
  [
    "a clock that went back",
    having({ "/home/token": file(0o600, { modified: now + 3_600_000 }) }),
    "clock",
    "fail",
    /1 h 00 min ahead/
  ],
  [
    "two clocks",
    { databaseUrl: "postgres://db/x", askDatabase: () => Promise.resolve({ version: 160_000, now: now - 60_000 }) },
    "clock",
    "warn",
    /of the database by 1 min/
  ],
  [
    "a server whose program is nowhere",
    servers({ files: { command: "uvx" } }),
    "mcp files",
    "fail",
    /no program uvx in PATH/
  ],
  [
    "a server whose file is gone",
    servers({ files: { command: "/opt/gone" } }),
    "mcp files",
    "fail",
    /There is no \/opt\/gone: install/
  ],
  [
    "a server whose file can't be run",
    { ...servers({ files: { command: "/home/token" } }) },
    "mcp files",
    "fail",
    /can't be run: run `chmod/
  ],
  [
    "a server that is there",
    { ...servers({ files: { command: "uvx" } }), ...having({ "/usr/bin/uvx": file(0o755) }) },
    "mcp files",
    "ok",
    /^uvx is there/
  ],
  [
    "a server whose address has a key in it",
    servers({ files: { url: "http://127.0.0.1:3001/mcp?key=of-mine" } }),
    "mcp files",
    "ok",
    /^http:\/\/127\.0\.0\.1:3001\/mcp is asked/
  ],
  ["a server that is connected", connected({}), "mcp files", "ok", /^connected, 1 tool$/],
  [
    "a server that is lost",
    connected({ state: "reconnecting", health: "degraded", last_error: "Gone\u202e." }),
    "mcp files",
    "warn",
    /not connected \(reconnecting\)\. Gone<U\+202E>\./
  ],
  ["a server that asks to sign in", connected({ state: "sign_in" }), "mcp files", "warn", /asks you to sign in/],
  [
    "a server whose tools changed",
    connected({ quarantined: [{ tool: "a", reason: "", diff: "", pin: "" }] }),
    "mcp files",
    "warn",
    /1 of its tools are not what you trusted/
  ],
  ["a server that the host does not know", connected({ integration_id: "x" }), "mcp files", "warn", /restart it/],
  ["a channel that works", tried(true, "signed in as ada"), "email.work", "ok", /^signed in as ada$/],
  ["a channel that does not", tried(false, "Gone\u202e."), "email.work", "fail", /^Gone<U\+202E>\.$/],
  [
    "a channel that works, and whose host has not noticed",
    tried(true, "signed in", { health: "degraded", last_error: "It is lost." }),
    "email.work",
    "warn",
    /^signed in; but the running SYRIS says: It is lost\.$/
  ],
  ["a channel that is switched off", tried(true, "signed in", { enabled: false }), "email.work", "ok", /enable work$/],
  [
    "a channel that can't be tried and does not work",
    connected({ integration_id: "bell", kind: "channel", health: "degraded", last_error: "It is lost." }),
    "channel bell",
    "warn",
    /^It is lost\.$/
  ],
  [
    "connections that can't be tried",
    { connections: () => Promise.reject(new Error("The key is gone.")) },
    "channels",
    "fail",
    /^The connections could not be tried: The key is gone\.$/
  ],
  ["channels that run apart", apart({}), "channels", "ok", /not tried here: \.\/x\/index\.ts$/],
  ["a machine that holds isolates", {}, "isolates", "ok", /^Deno is there, and the kernel gives/],
  ["a machine without Deno", noDeno, "isolates", "warn", /^There is no Deno for this machine: run npm install\.$/],
  ["a plugin that needs Deno, and none", apart(noDeno), "isolates", "fail", /run npm install/],
  ["a kernel without namespaces", unable({ namespaces: undefined }), "isolates", "ok", /docs\/isolates\.md$/],
  [
    "a plugin on a kernel without namespaces",
    apart(unable({ namespaces: undefined })),
    "isolates",
    "warn",
    /docs\/isolates\.md: allow unprivileged user namespaces/
  ],
  ["a machine without /proc", unable({ proc: false }), "isolates", "warn", /memory of isolates can't be watched/],
  ["a plugin that runs apart", saying({}), "plugin x", "ok", /apart from the host \(deno\)/],
  ["a plugin that is held", saying({ state: "held" }), "plugin x", "warn", /see syris plugins diff x$/],
  [
    "a plugin that fails",
    saying({ state: "failed", last_error: "It threw\u202e." }),
    "plugin x",
    "warn",
    /does not run \(failed\)\. It threw<U\+202E>\. See: syris plugins x/
  ],
  [
    "a check that breaks",
    {
      freeBytes: () => {
        throw new Error("EIO")
      }
    },
    "disk",
    "fail",
    /could not be checked: EIO/
  ]
]

describe("syris doctor", () => {
  it("finds nothing wrong where nothing is", async () => {
    assert.deepStrictEqual((await examine(well)).filter((check) => check.status !== "ok"), [])
  })

  for (const [what, change, name, status, message] of cases) {
    it(`sees ${what}`, async () => {
      const found = (await examine({ ...well, ...change })).find((check) => check.name === name)
      assert.strictEqual(found?.status, status, found?.message)
      assert.match(found?.message ?? "", message)
      assert.notInclude(found?.message, "hunter2")
    })
  }

  it.live("looks at the machine itself", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost((_, response) =>
        answer(response, 200, { status: "healthy", uptime_seconds: 3, version: "9.9.9", degraded: [] })
      )
      const config = path.join(host.home, "syris.config.ts")
      fs.writeFileSync(config, "export default { plugins: [] as Array<string> }\n")
      fs.chmodSync(path.join(host.home, "token"), 0o644)
      const broken = yield* runChild({ ...host.env, SYRIS_CONFIG: config }, ["doctor", "--json"])
      assert.strictEqual(broken.code, 1)
      const found = JSON.parse(broken.out) as {
        ok: boolean
        checks: ReadonlyArray<{ name: string; status: string; message: string }>
      }
      assert.deepStrictEqual(found.checks.filter((check) => check.status === "fail").map((check) => check.name), [
        "token"
      ])
      assert.match(found.checks.find((check) => check.name === "port")?.message ?? "", /SYRIS 9\.9\.9 answers/)
      assert.match(found.checks.find((check) => check.name === "config")?.message ?? "", /loads$/)
    }))

  it.live("tells a free port from one that is taken, and a database that is away", () =>
    Effect.gen(function*() {
      const other = yield* recordedHost((_, response) => response.end("hello"))
      const taken = yield* run({
        ...other.env,
        DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${yield* Effect.promise(freePort)}/x`
      }, [
        "doctor"
      ])
      assert.match(taken.out, /^fail {2}database {2}postgres:\/\/me:\*\*\*@127\.0\.0\.1:\d+\/x can't be used/m)
      assert.strictEqual(taken.code, 1)
      assert.notInclude(taken.out, "hunter2")
      const free = yield* run({
        SYRIS_HOME: path.join(other.home, "new"),
        SYRIS_PORT: String(yield* Effect.promise(freePort))
      }, [
        "doctor"
      ])
      assert.match(free.out, /^ok {4}port {6}127\.0\.0\.1:\d+ is free/m)
    }))
})
