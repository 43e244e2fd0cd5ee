/**
 * What a tool keeps besides its output: a whole host, a tool that keeps it, and whoever fetches it over HTTP.
 */
import { afterAll, assert, beforeAll, describe, it, vi } from "vitest"
import { definePlugin, defineTool, Schema, SecretOption } from "../plugin/index.ts"
import { testHost, type TestHost } from "../testing/TestHost.ts"
import { mediaTypeOf } from "./Artifacts.ts"

describe("an artifact", () => {
  let host: TestHost
  const page = Buffer.from("<script>steal()</script>")

  beforeAll(async () => {
    const plugin = definePlugin({
      name: "camera",
      options: Schema.Struct({ key: SecretOption }),
      setup: () => ({
        tools: [defineTool({
          name: "camera.shoot",
          description: "Takes a picture.",
          input: Schema.Struct({ kind: Schema.String }),
          effect: "write",
          risk: "low",
          scopes: [],
          trust: "untrusted",
          run: async ({ kind }, ctx) => {
            if (kind === "huge") return ctx.artifact(new Uint8Array(9 * 1_048_576))
            if (kind === "many") {
              for (let i = 0; i < 40; i++) await ctx.artifact(`${i}`)
              return {}
            }
            if (kind === "secret") {
              const kept = await ctx.artifact("the key is hunter2-hunter2, yes", { name: "hunter2-hunter2.txt" })
              const claimed = await ctx.artifact(Buffer.from("hunter2-hunter2"), { mediaType: "image/png" })
              return { kept: [kept, claimed] }
            }
            return {
              kept: [
                await ctx.artifact(page, { name: "../a\u202e\"b\r\nx: y.html", mediaType: "Text/HTML; charset=utf-8" }),
                await ctx.artifact("words")
              ]
            }
          },
          preview: async (_, ctx) => {
            await ctx.artifact("x")
            return "never"
          }
        })],
        intents: [{
          name: "camera.shoot",
          patterns: [/^shoot (?<kind>\w+)$/],
          tool: "camera.shoot"
        }]
      })
    })
    host = await testHost({ http: true, plugins: [plugin({ key: "hunter2-hunter2" })] })
  }, 60_000)
  afterAll(() => host?.stop())

  const get = (path: string, token = host.http!.token) =>
    fetch(`${host.http!.url}${path}`, { headers: { authorization: `Bearer ${token}` } })
  const shoot = async (kind: string) => {
    const sent = await host.send(`shoot ${kind}`)
    const [call] = await host.sql<{ readonly output: any; readonly status: string; readonly error: any }>`
      select output, status, error from tool_calls where trace_id = ${sent.trace_id}::uuid`
    return { ...sent, call: call! }
  }

  it("is kept with its call, and is handed out to be saved and never to be run", async () => {
    const { call, trace_id } = await shoot("plain")
    const [first, second] = call.output.kept
    assert.deepEqual([first.media_type, first.bytes, second.media_type], ["text/html", page.length, "text/plain"])
    const response = await get(`/artifacts/${first.artifact_id}`)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), page)
    assert.strictEqual(response.headers.get("content-type"), "text/html")
    assert.strictEqual(response.headers.get("x-content-type-options"), "nosniff")
    assert.include(response.headers.get("content-security-policy"), "sandbox")
    assert.match(
      response.headers.get("content-disposition") ?? "",
      /^attachment; filename="[A-Za-z0-9._ -]+"; filename\*=UTF-8''/
    )
    const { items } = await (await get(`/artifacts?trace_id=${trace_id}`)).json() as {
      readonly items: ReadonlyArray<any>
    }
    assert.deepEqual(items.map(({ artifact_id }) => artifact_id), [first.artifact_id, second.artifact_id])
    assert.deepInclude(items[0], { trace_id, labels: { trust: "untrusted", confidentiality: "public" } })
    assert.isString(items[0].tool_call_id)
  })

  it("has no known secret in it, whatever it claims to be", async () => {
    const { call } = await shoot("secret")
    for (const { artifact_id } of call.output.kept) {
      const text = await (await get(`/artifacts/${artifact_id}`)).text()
      assert.include(text, "[secret ")
      assert.notInclude(text, "hunter2")
    }
    const rows = await host
      .sql`select 1 from artifacts where name like '%hunter2%' or position('hunter2'::bytea in data) > 0`
    assert.lengthOf(rows, 0)
    await vi.waitFor(async () => {
      const { items } = await (await get("/alarms?status=open")).json() as { readonly items: ReadonlyArray<any> }
      const alarm = items.find(({ type }) => type === "audit.secret")
      assert.match(alarm?.message ?? "", /^A secret was in what was to be kept as an artifact; it was taken out\./)
    }, 30_000)
  })

  it("is bounded: what is too much fails its call with the reason", async () => {
    assert.include((await shoot("huge")).call.error.message, "at most 8 MiB, and this one has 9.0")
    const many = await shoot("many")
    assert.include(many.call.error.message, "at most 32 artifacts")
  })

  it("is nobody else's: not without the token, not by a preview, and not where there is none", async () => {
    assert.strictEqual((await get("/artifacts/0193a5f0-0000-7000-8000-000000000000")).status, 404)
    assert.strictEqual((await get("/artifacts/x")).status, 400)
    const { call } = await shoot("plain")
    assert.strictEqual((await get(`/artifacts/${call.output.kept[0].artifact_id}`, "wrong")).status, 401)
    const preview = await fetch(`${host.http!.url}/tools/camera.shoot/preview`, {
      method: "POST",
      headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json" },
      body: JSON.stringify({ input: { kind: "plain" } })
    })
    assert.include(await preview.text(), "Nothing is kept here")
  })

  it("has a media type that is one", () => {
    for (
      const [said, type] of [
        ["image/PNG", "image/png"],
        ["text/html; charset=x", "text/html"],
        ["x", "text/plain"],
        ["a/b\r\nset-cookie: x", "a/b"],
        [undefined, "text/plain"],
        ["", "text/plain"],
        ["../x", "text/plain"]
      ] as const
    ) assert.strictEqual(mediaTypeOf(said, true), type, said)
    assert.strictEqual(mediaTypeOf(undefined, false), "application/octet-stream")
  })
})
