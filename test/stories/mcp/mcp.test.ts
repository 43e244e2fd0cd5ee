/**
 * Other people's tools under the law of the house: the official servers, connected over both ways, their tools found by the
 * operator, by a line of text and by a model.
 */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { ChildProcess } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Integration } from "../../../core/contract/Integration.ts"
import { plainForm } from "../../../core/llm/WireNames.ts"
import { until } from "../../storms/Until.ts"
import { type ModelStory, modelStory } from "../ModelStory.ts"
import { everythingOverHttp, officialServer } from "./OfficialServers.ts"

describe("a host with four servers of other people", () => {
  // As the server of files sees it: it compares real paths.
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-mcp-")))
  const files = path.join(folder, "files")
  let story: ModelStory
  let remote: ChildProcess

  beforeAll(async () => {
    fs.mkdirSync(files)
    fs.writeFileSync(path.join(files, "shopping.txt"), "milk and bread")
    const { child, url } = await everythingOverHttp()
    remote = child
    story = await modelStory({
      mcp: {
        everything: {
          command: process.execPath,
          args: [officialServer("everything"), "stdio"],
          trust: { tools: { "get-sum": { risk: "low", effect: "read" }, echo: { risk: "low" } } }
        },
        files: {
          command: process.execPath,
          args: [officialServer("filesystem"), files],
          trust: { tools: { read_text_file: { risk: "low", effect: "read" }, write_file: { risk: "medium" } } }
        },
        memory: {
          command: process.execPath,
          args: [officialServer("memory")],
          env: { MEMORY_FILE_PATH: path.join(folder, "memory.json") }
        },
        remote: { url, trust: { risk: "low" } }
      }
    })
    await until("the servers to be connected", async () => {
      const items = await integrations()
      return items.filter(({ kind, state }) => kind === "mcp" && state === "connected").length === 4
    }, 30_000)
  }, 60_000)
  afterAll(async () => {
    await story?.end()
    remote?.kill("SIGKILL")
    fs.rmSync(folder, { recursive: true, force: true })
  })

  const integrations = async (): Promise<ReadonlyArray<Integration>> => (await story.get("/integrations")).items

  it("shows them, and their tools beside its own", async () => {
    const items = (await integrations()).filter(({ kind }) => kind === "mcp")
    assert.deepEqual(items.map(({ integration_id }) => integration_id), ["everything", "files", "memory", "remote"])
    for (const { health, last_error, latency_ms, quarantined } of items) {
      assert.deepEqual([health, last_error, quarantined], ["healthy", undefined, []])
      assert.isNumber(latency_ms)
    }
    const tools: ReadonlyArray<any> = (await story.get("/tools")).items
    const named = (name: string) => tools.find((tool) => tool.name === name)
    for (const { integration_id, tools: names } of items) {
      assert.isNotEmpty(names)
      for (const name of names) {
        assert.isTrue(name.startsWith(`mcp.${integration_id}.`), name)
        assert.isDefined(named(name), name)
      }
    }
    // Two servers have it, and neither stands in the other's way.
    assert.isDefined(named("mcp.everything.echo"))
    assert.isDefined(named("mcp.remote.echo"))
    assert.strictEqual(named("mcp.files.read_text_file").risk, "low")
    // Whatever it says of itself: nobody has named it.
    assert.strictEqual(named("mcp.memory.read_graph").risk, "high")
  })

  it("calls one by its name, with the whole audit trail", async () => {
    const told = await story.say("mcp.everything.echo message=\"good morning\"")
    assert.strictEqual(told.outcome, "succeeded")
    assert.include(told.reply, "good morning")
    assert.includeMembers([...told.types], [
      "event.ingested",
      "routing.decided",
      "tool_call.attempted",
      "tool_call.succeeded",
      "response.sent"
    ])
    assert.deepEqual(told.calls, ["mcp.everything.echo succeeded"])
    const [attempted] = told.rows("tool_call.attempted")
    assert.deepEqual([attempted.tool, attempted.risk], ["mcp.everything.echo", "low"])
  })

  it("takes JSON as well, and refuses what its schema does not have", async () => {
    assert.include((await story.say("mcp.remote.echo {\"message\": \"over there\"}")).reply, "over there")
    const wrong = await story.say("mcp.everything.get-sum a=1 b=many")
    assert.strictEqual(wrong.outcome, "failed")
    assert.match(wrong.reply ?? "", /"b"|number/)
    assert.notInclude(wrong.types, "tool_call.attempted")
  })

  it("asks before one that nobody has named, and does exactly what was shown", async () => {
    const input = { entities: [{ name: "Ada", entityType: "person", observations: ["likes tea"] }] }
    const ids = await story.begin(`mcp.memory.create_entities ${JSON.stringify(input)}`)
    const asked = await story.decide(ids, "approve")
    assert.deepEqual(asked.what, input)
    assert.strictEqual(asked.risk, "high")
    await until("the end", async () => (await story.read(ids)).outcome === "succeeded")
    assert.include(fs.readFileSync(path.join(folder, "memory.json"), "utf8"), "likes tea")
  })

  it("leads an ambiguous line to one of them, by way of the model", async () => {
    const told = await story.say(
      "what do I have to get from the shop?",
      { call: { tool: "mcp.files.read_text_file", input: { path: path.join(files, "shopping.txt") } } },
      { text: "Milk and bread." }
    )
    assert.strictEqual(told.reply, "Milk and bread.")
    assert.include(told.calls, "mcp.files.read_text_file succeeded")
    assert.include(story.question(), "milk and bread")
    // What it may do was told to it in the question before.
    const [first] = story.model.requests.slice(-2)
    assert.include(first?.body.tools?.map((each) => each.function.name) ?? [], plainForm("mcp.files.read_text_file"))
  })
})
