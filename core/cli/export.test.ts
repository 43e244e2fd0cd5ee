import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ServerResponse } from "node:http"
import * as fs from "node:fs"
import * as path from "node:path"
import { answer, recordedHost, run, runChild } from "./RecordedHost.ts"

const one = { kind: "event", event_id: "e1", content: { text: "Grüße\u202e\u2028\u2029\r" } }
const two = { kind: "audit", seq: 7, summary: "row 7" }
const end = { kind: "end", events: 1, audit: 1 }

const play = (lines: ReadonlyArray<object>, cut = false) => (_: unknown, response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/x-ndjson" })
  response.write(
    lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
    () => cut ? response.destroy() : response.end()
  )
}

describe("syris export", () => {
  it.live(
    "writes what the host gives to standard output, or to a file that only its owner reads",
    () =>
      Effect.gen(function*() {
        const host = yield* recordedHost(play([one, two, end]))
        const piped = yield* runChild(host.env, ["export"])
        assert.deepStrictEqual(piped.out.trimEnd().split("\n").map((line) => JSON.parse(line)), [one, two, end])
        assert.deepStrictEqual([piped.code, piped.err], [0, ""])

        const file = path.join(host.home, "out.jsonl")
        const flags = "--kind audit --trace t --connector attic --actor me --thread th --task ta --risk high".split(" ")
        const since = ["--since", "2026-11-22T08:00:00Z"]
        const ran = yield* run(host.env, ["export", "--to", file, "--text", "100% & more", ...since, ...flags])
        assert.strictEqual(ran.out, `Exported 1 events and 1 audit rows to ${file}.`)
        assert.strictEqual(
          fs.readFileSync(file, "utf8"),
          [one, two, end].map((line) => `${JSON.stringify(line)}\n`).join("")
        )
        assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
        assert.deepStrictEqual(
          Object.fromEntries(new URL(host.asked.at(-1)?.url ?? "", host.url).searchParams),
          {
            kind: "audit",
            text: "100% & more",
            since: "2026-11-22T08:00:00.000Z",
            trace_id: "t",
            connector_id: "attic",
            actor_id: "me",
            thread_id: "th",
            task_id: "ta",
            risk: "high"
          }
        )
      })
  )

  it.live("keeps a file that is there, unless it is told otherwise", () =>
    Effect.gen(function*() {
      const host = yield* recordedHost(play([two, end]))
      const file = path.join(host.home, "out.jsonl")
      fs.writeFileSync(file, "mine")
      const refused = yield* run(host.env, ["export", "--to", file])
      assert.deepStrictEqual([refused.code, host.asked.length, fs.readFileSync(file, "utf8")], [1, 0, "mine"])
      assert.match(refused.err, /is there already: name another file, or write over it with --force\.$/)
      assert.strictEqual((yield* run(host.env, ["export", "--to", file, "--force"])).code, 0)
      assert.include(fs.readFileSync(file, "utf8"), "row 7")
      assert.strictEqual((yield* run(host.env, ["export", "--force"])).code, 2)
      const nowhere = yield* run(host.env, ["export", "--to", path.join(host.home, "no", "out.jsonl")])
      assert.match(nowhere.err, /there is no such folder\.$/)
      // A device or a folder is not put out of its place.
      const folder = yield* run(host.env, ["export", "--to", host.home, "--force"])
      assert.match(folder.err, /is no file: name another one; without --to it goes to standard output\.$/)
    }))

  it.live("says that an export which broke off is not whole, and leaves no file", () =>
    Effect.gen(function*() {
      for (const [lines, cut] of [[[one, two], true], [[one, two], false], [[], false]] as const) {
        const host = yield* recordedHost(play(lines, cut))
        const file = path.join(host.home, "out.jsonl")
        const ran = yield* run(host.env, ["export", "--to", file])
        assert.deepStrictEqual([ran.code, ran.out], [1, ""])
        assert.match(ran.err, /^syris: The export broke off, so it is not whole/)
        assert.deepStrictEqual(fs.readdirSync(host.home).filter((name) => name.startsWith("out")), [])
      }
      const host = yield* recordedHost((_, response) =>
        answer(response, 400, { code: "request.parameter", detail: "The parameter \"risk\" is wrong." })
      )
      assert.strictEqual(
        (yield* run(host.env, ["export", "--risk", "huge"])).err,
        "syris: The parameter \"risk\" is wrong."
      )
    }))
})
