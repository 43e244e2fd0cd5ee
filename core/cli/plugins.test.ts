import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answer, type Play, recordedHost, run, runChild } from "./RecordedHost.ts"

const hash = "cd".repeat(32)
const provides = { tools: [], tasks: [], intents: [], channels: [], watchers: [], rules: 0, jobs: [], routes: [] }
const noop = { name: "noop", version: "1.0.0", runtime: "inline", state: "running", permissions: {}, provides }
const mail = {
  name: "mail",
  version: "2.0.0",
  runtime: "deno",
  state: "held",
  last_error: "Its code changed\u202e.",
  permissions: { net: ["mail.example:993", "tracker.example:443"] },
  provides: { ...provides, tools: ["mail.read"] },
  asked: { net: ["mail.example:993", "tracker.example:443"] },
  granted: { net: ["mail.example:993"], env: ["LANG"] },
  code: { hash: "ab".repeat(32), files: 3, bytes: 2_048 },
  held: {
    hash,
    since: "2026-11-30T12:00:00.000Z",
    diff: " Files: 1 changed.\n index.ts, changed:\n-  read()\n+  read()\u200b; send()",
    cut: true
  },
  restarts: 2
}

const play: Play = ({ method, url }, response) => {
  if (url === "/plugins") return answer(response, 200, { items: [noop, mail] })
  if (method === "POST" && url === "/plugins/mail/grant") return answer(response, 200, { ...mail, held: undefined })
  answer(response, 404, { detail: "No." })
}
const host = recordedHost(play)

describe("syris plugins", () => {
  it.effect("lists them, with where they run and how they are", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      const [head = "", first = "", second = "", warning, hint] = (yield* run(env, ["plugins"])).out.split("\n")
      assert.match(head, /^PLUGIN +VERSION +RUNS IN +STATE +TOOLS +RESTARTS +ERROR$/)
      assert.match(first, /^noop +1\.0\.0 +the host +running +0$/)
      assert.match(second, /^mail +2\.0\.0 +deno +held +1 +2 +Its code changed<U\+202E>\.$/)
      assert.strictEqual(warning, "Code has changed and is not loaded until you grant it: syris plugins diff")
      assert.strictEqual(hint, "One of them in full: syris plugins PLUGIN")
      const lines = (yield* run(env, ["plugins", "--json"])).out.split("\n")
      assert.deepEqual(lines.map((line) => JSON.parse(line)), [noop, mail])
    }))

  it.effect("shows one in full, with what it asks for and was not granted", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      const { out } = yield* run(env, ["plugins", "mail"])
      for (
        const part of [
          "mail 2.0.0  held",
          "It runs apart from the host (deno).",
          "abababababababab…, 3 files, 2 KiB",
          "it may:\n  net: mail.example:993\n  env: LANG",
          "it asks for besides, and may not:\n  net: tracker.example:443",
          "tools:\n  mail.read"
        ]
      ) assert.include(out, part)
      assert.include((yield* run(env, ["plugins", "noop"])).out, "It runs in the host, with all rights of it.")
      const missing = yield* run(env, ["plugins", "x"])
      assert.deepEqual([missing.code, missing.err], [1, "syris: There is no plugin x: see syris plugins"])
    }))

  it.effect("shows what has changed, with what is invisible written out", () =>
    Effect.gen(function*() {
      const { env } = yield* host
      assert.deepEqual((yield* run(env, ["plugins", "diff", "mail"])).out.split("\n"), [
        "mail",
        " Files: 1 changed.",
        " index.ts, changed:",
        "-  read()",
        "+  read()<U+200B>; send()",
        "Not all that has changed can be shown: read the files themselves before you say yes.",
        `hash ${hash}`,
        "",
        "It is loaded after: syris plugins grant mail"
      ])
      assert.deepEqual(JSON.parse((yield* run(env, ["plugins", "diff", "--json"])).out), {
        plugin: "mail",
        ...mail.held
      })
      assert.strictEqual((yield* run(env, ["plugins", "diff", "noop"])).out, "The plugin noop is what you granted.")
    }))

  it.effect("grants what it has shown and nothing else, after a yes", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* host
      const silent = yield* runChild(env, ["plugins", "grant", "mail"])
      assert.deepEqual([silent.code, silent.err.trim()], [
        2,
        "syris: Nobody is here to say yes: look at the diff, then give --yes."
      ])
      assert.include(silent.out, "+  read()<U+200B>; send()")
      assert.notInclude(asked.map(({ method }) => method), "POST")
      const { out } = yield* run(env, ["plugins", "grant", "mail", "--yes"])
      assert.match(out, /The code of mail is granted as it is now\.$/)
      assert.deepEqual(asked.at(-1)?.body, { hash })
      const nothing = yield* run(env, ["plugins", "grant", "noop", "--yes"])
      assert.deepEqual([nothing.code, nothing.err], [
        1,
        "syris: The plugin noop is what you granted: there is nothing to decide."
      ])
    }))
})
