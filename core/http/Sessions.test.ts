/**
 * Codes and sessions by the clock, and what lies in the place of their file.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import { EventEmitter } from "node:events"
import * as fs from "node:fs"
import type { ServerResponse } from "node:http"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import { maximumSessions } from "./SessionFile.ts"
import { Sessions } from "./Sessions.ts"
import { layerHome } from "./TestServer.ts"

/** A host's sessions; what it warned of goes into `said`. */
const started = Effect.fnUntraced(function*(said: Array<string> = []) {
  const logger = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
  const context = yield* Layer.build(Layer.fresh(Sessions.layer).pipe(Layer.provide(logger)))
  const sessions = yield* Effect.provide(Sessions, context)
  sessions.listening({ url: "http://127.0.0.1:4747", port: 4747 })
  return sessions
})

const nameOf = (setCookie: string): string => setCookie.split(";")[0]!

const answering = (): ServerResponse & { readonly isBroken: () => boolean } => {
  let broken = false
  return Object.assign(new EventEmitter(), {
    destroy: () => void (broken = true),
    isBroken: () => broken
  }) as unknown as ServerResponse & { readonly isBroken: () => boolean }
}

describe("codes and sessions", () => {
  it.effect("a code is good for five minutes, a session for thirty days; then what it listens to breaks off", () =>
    Effect.gen(function*() {
      const sessions = yield* started()
      const [first, second] = [sessions.makeCode(), sessions.makeCode()]
      yield* TestClock.adjust("299 seconds")
      assert.isDefined(sessions.takeCode(first.code))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(sessions.takeCode(second.code))

      const { cookie, session } = yield* sessions.begin()
      const stream = answering()
      sessions.hold(session, stream)
      yield* TestClock.adjust("2591999 seconds")
      assert.strictEqual(sessions.named(nameOf(cookie)), session)
      assert.isFalse(stream.isBroken())
      yield* TestClock.adjust("1 second")
      assert.isUndefined(sessions.named(nameOf(cookie)))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(stream.isBroken())
      // Nor after a start.
      assert.isEmpty((yield* started()).all())
    }).pipe(Effect.provide(layerHome())))

  it.effect("of a hundred and one sessions the oldest is over, of twenty-one codes the first", () =>
    Effect.gen(function*() {
      const sessions = yield* started()
      const cookies: Array<string> = []
      for (let i = 0; i <= maximumSessions; i++) {
        yield* TestClock.adjust("1 second")
        cookies.push(nameOf((yield* sessions.begin()).cookie))
      }
      for (const host of [sessions, yield* started()]) {
        assert.isUndefined(host.named(cookies[0]))
        assert.isDefined(host.named(cookies[1]))
        assert.isDefined(host.named(cookies.at(-1)))
      }
      const codes = Array.from({ length: 21 }, () => sessions.makeCode().code)
      assert.deepEqual(codes.map((code) => sessions.takeCode(code) !== undefined), codes.map((_, i) => i > 0))
    }).pipe(Effect.provide(layerHome())))
})

describe("a file of sessions", () => {
  const one = JSON.stringify({
    version: 1,
    sessions: [{ hash: "a".repeat(43), begun_at: 0, expires_at: Number.MAX_SAFE_INTEGER }]
  })
  const cases: ReadonlyArray<readonly [name: string, put: (file: string) => void, says: RegExp]> = [
    ["10 MB", (file) => fs.writeFileSync(file, Buffer.alloc(10_000_000, 0x20), { mode: 0o600 }), /larger than 64 KiB/],
    ["garbage", (file) => fs.writeFileSync(file, "\0\ufffd{]", { mode: 0o600 }), /not one that a host wrote/],
    ["half of one", (file) => fs.writeFileSync(file, one.slice(0, -9), { mode: 0o600 }), /not one that a host wrote/],
    [
      "a later host's",
      (file) => fs.writeFileSync(file, one.replace("1", "2"), { mode: 0o600 }),
      /not one that a host wrote/
    ],
    [
      "a link to somebody's",
      (file) => {
        fs.writeFileSync(`${file}.theirs`, one, { mode: 0o600 })
        fs.symlinkSync(`${file}.theirs`, file)
      },
      /symbolic link/
    ],
    ["a pipe", (file) => void spawnSync("mkfifo", [file]), /not a plain file/],
    ["one that others may write", (file) => {
      fs.writeFileSync(file, one)
      fs.chmodSync(file, 0o622)
    }, /other users could write/]
  ]
  for (const [name, put, says] of cases) {
    it.effect(`${name}: a sentence, nobody is logged in, and the next login puts a good one there`, () =>
      Effect.gen(function*() {
        const { home } = yield* Environment
        const file = path.join(home, "sessions")
        put(file)
        const said: Array<string> = []
        const sessions = yield* started(said)
        assert.isEmpty(sessions.all())
        assert.strictEqual(said.length, 1)
        assert.match(said[0]!, says)
        assert.match(said[0]!, /syris open/)
        const { cookie } = yield* sessions.begin()
        assert.isTrue(fs.lstatSync(file).isFile())
        assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
        assert.isDefined((yield* started(said)).named(nameOf(cookie)))
        assert.strictEqual(said.length, 1)
        if (name.startsWith("a link")) assert.strictEqual(fs.readFileSync(`${file}.theirs`, "utf8"), one)
      }).pipe(Effect.provide(layerHome())))
  }

  it.effect("the control: a good one is read, whoever else could read it is kept out, and no date is believed", () =>
    Effect.gen(function*() {
      const { home } = yield* Environment
      const file = path.join(home, "sessions")
      fs.writeFileSync(file, one, { mode: 0o644 })
      const said: Array<string> = []
      const sessions = yield* started(said)
      assert.deepEqual(said, [])
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(sessions.all().length, 1)
      yield* TestClock.adjust("30 days")
      assert.isEmpty(sessions.all())
    }).pipe(Effect.provide(layerHome())))

  it.effect("that can't be written: no login, a logout all the same, and it is written as soon as it can be", () =>
    Effect.gen(function*() {
      const { home } = yield* Environment
      const file = path.join(home, "sessions")
      const sessions = yield* started()
      const { cookie, session } = yield* sessions.begin()
      const before = fs.readFileSync(file)
      fs.rmSync(file)
      fs.mkdirSync(path.join(file, "in the way"), { recursive: true })
      const failed = yield* Effect.flip(sessions.begin())
      assert.match(failed.message, /can't be written.*try again/)
      assert.strictEqual(sessions.all().length, 1)
      yield* Effect.flip(sessions.end([session]))
      assert.isUndefined(sessions.named(nameOf(cookie)))
      fs.rmSync(file, { recursive: true })
      fs.writeFileSync(file, before, { mode: 0o600 })
      assert.strictEqual((yield* started()).all().length, 1, "the control: the old file would log it in again")
      yield* TestClock.adjust("1 minute")
      assert.isEmpty((yield* started()).all())
    }).pipe(Effect.provide(layerHome())))
})
