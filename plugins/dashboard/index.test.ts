/**
 * How the page's files are handed out. What the page does is in `test/browser/`.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { afterAll, assert, describe, it } from "vitest"
import { partsOf, policyOf } from "./index.ts"

describe("the files of the page", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-page-"))
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))
  const write = (name: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    fs.writeFileSync(path.join(folder, name), text)
    fs.writeFileSync(path.join(folder, `${name}.gz`), gzipSync(text))
  }
  write("index.html", "<!doctype html>")
  write("assets/main-1a2b.js", "console.log(1)")
  fs.writeFileSync(path.join(folder, "secret.txt"), "not of the page")

  const get = (given: ReturnType<typeof partsOf>, where: string, headers: Record<string, string> = {}) => {
    const pathname = `/plugins/dashboard${where}`
    const route = given.routes?.find((one) =>
      new URLPattern({ pathname: `/plugins/dashboard${one.path}` }).test({ pathname })
    )
    assert.isTrue(route?.open)
    return route?.handle(new Request(`http://127.0.0.1:4747${pathname}`, { headers })) as Response
  }

  it("are the same page at every address of a screen, under a policy that lets in nothing else", async () => {
    for (const where of ["/", "/approvals", "/trace/0198"]) {
      const answer = get(partsOf(folder), where)
      assert.strictEqual(await answer.text(), "<!doctype html>")
      assert.strictEqual(answer.headers.get("content-security-policy"), policyOf("http://127.0.0.1:4747"))
      assert.strictEqual(answer.headers.get("cache-control"), "no-cache")
    }
    const policy = policyOf("http://127.0.0.1:4747")
    assert.notMatch(policy, /unsafe|\*/)
    // What a stranger has kept here (GET /artifacts) is no script of the page.
    assert.match(policy, /script-src http:\/\/127\.0\.0\.1:4747\/plugins\/dashboard\/assets\/;/)
    // A browser leaves out a source with an address of IPv6, and would run nothing.
    assert.match(policyOf("http://[::1]:4747"), /script-src 'self'; style-src 'self'; img-src 'self';/)
    assert.notInclude(policyOf("http://[::1]:4747"), "[")
  })

  it("are packed for whoever takes that, and kept for ever where their name says what they are", async () => {
    const packed = get(partsOf(folder), "/assets/main-1a2b.js", { "accept-encoding": "br, gzip" })
    assert.strictEqual(packed.headers.get("content-encoding"), "gzip")
    assert.match(packed.headers.get("cache-control") ?? "", /immutable/)
    assert.strictEqual(gunzipSync(await packed.arrayBuffer()).toString(), "console.log(1)")
    const plain = get(partsOf(folder), "/assets/main-1a2b.js")
    assert.isNull(plain.headers.get("content-encoding"))
    assert.strictEqual(await plain.text(), "console.log(1)")
  })

  it("are no others than those of the page", () => {
    for (const where of ["/assets/secret.txt", "/assets/..%2Findex.ts", "/assets/%2e%2e%2f%2e%2e%2fpackage.json"]) {
      assert.strictEqual(get(partsOf(folder), where).status, 404, where)
    }
  })

  it("are those of the start: a build beside a running host changes nothing", async () => {
    const running = partsOf(folder)
    write("index.html", "<!doctype html><title>later</title>")
    assert.strictEqual(await get(running, "/").text(), "<!doctype html>")
    write("index.html", "<!doctype html>")
  })

  it("are missed with a sentence", async () => {
    const answer = get(partsOf(path.join(folder, "nowhere")), "/")
    assert.strictEqual(answer.status, 503)
    assert.match(await answer.text(), /npm run build:page/)
  })
})
