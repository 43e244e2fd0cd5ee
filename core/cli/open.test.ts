import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../../test/FreePort.ts"
import { localTime } from "./layout.ts"
import { answer, type Play, recordedHost, run, temporaryHome } from "./RecordedHost.ts"

const made = {
  code: "k3m9x2-80qzrt-v7n4ab-cd5efg",
  url: "http://127.0.0.1:4747/#k3m9x2-80qzrt-v7n4ab-cd5efg",
  expires_at: "2026-11-30T12:05:00.000Z"
}
const play: Play = (_, response) => answer(response, 200, made)

describe("syris open", () => {
  it.effect("prints the link alone on its line, and until when it is good", () =>
    Effect.gen(function*() {
      const { asked, env } = yield* recordedHost(play)
      const { code, out } = yield* run(env, ["open"])
      assert.strictEqual(code, 0)
      assert.deepEqual(out.split("\n"), [
        made.url,
        `Open it in a browser: it logs that one in, once, until ${localTime(made.expires_at).slice(11, 19)}.`
      ])
      assert.deepEqual(asked.map(({ headers, method, url }) => [method, url, headers.authorization]), [
        ["POST", "/login/codes", "Bearer t0ken"]
      ])
      assert.deepEqual(JSON.parse((yield* run(env, ["open", "--json"])).out), made)
    }))

  it.effect("says what to do where no plugin gives a page, and where no host runs", () =>
    Effect.gen(function*() {
      const detail = "No plugin gives a page. Add dashboard()."
      const { env } = yield* recordedHost((_, response) => answer(response, 404, { detail }))
      assert.deepEqual(yield* run(env, ["open"]), { code: 1, out: "", err: `syris: ${detail}` })
      const gone = { SYRIS_HOME: yield* temporaryHome, SYRIS_PORT: String(yield* Effect.promise(freePort)) }
      const { code, err } = yield* run(gone, ["open"])
      assert.strictEqual(code, 1)
      assert.match(err, /^syris: No SYRIS is running at .* Start it with: npm start$/)
    }))
})
