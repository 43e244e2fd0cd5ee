/**
 * A house whose doors open only with a yes: a host at A1, questions in either lane, and what became of them, by the ledger
 * outside, the tables, the audit and what the operator was told.
 */
import { definePlugin, defineTool, Schema, type ToolDefinition, ToolRefused } from "syris"
import { openLedger, type OutsideLedger, testHost, type TestHost, type TestHostOptions } from "syris/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert } from "vitest"
import { makeDatabase, type OwnDatabase } from "../storms/Databases.ts"
import { Hopeless, until } from "../storms/Until.ts"

export const lanes = ["fast", "task"] as const
export type Lane = typeof lanes[number]

/** A question that waits for a person. */
export interface Asked {
  readonly lane: Lane
  readonly door: string
  readonly event_id: string
  readonly trace_id: string
  readonly approval: {
    readonly approval_id: string
    readonly tool_call_id: string
    readonly task_id?: string
    readonly step_id?: string
    readonly what_hash: string
  }
}

const Door = Schema.Struct({ door: Schema.String })

/** A tool that notes the door that it opened. */
export const askedTool = (outside: OutsideLedger, name: string, change: object = {}): ToolDefinition<any> =>
  defineTool({
    name,
    description: "Open a door.",
    input: Door,
    effect: "write",
    risk: "medium",
    scopes: ["doors"],
    run: ({ door }) => outside.note(door),
    ...change
  })

type MakeTool = (outside: OutsideLedger) => ToolDefinition<any>

const houseTools: ReadonlyArray<MakeTool> = [
  (outside) => askedTool(outside, "house.open"),
  (outside) => askedTool(outside, "house.window"),
  // Asked about whatever the operator allows always.
  (outside) => askedTool(outside, "house.vault", { scopes: ["secrets.vault"] }),
  (outside) => stickyTool(outside, "house.sticky")
]

/** A tool that refuses each door once. */
export const stickyTool = (outside: OutsideLedger, name: string, change: object = {}): ToolDefinition<any> => {
  const seen = new Set<string>()
  return askedTool(outside, name, {
    run: ({ door }: typeof Door.Type) => {
      if (!seen.has(door)) {
        seen.add(door)
        throw new ToolRefused("It is stuck.")
      }
      outside.note(door)
    },
    ...change
  })
}

const plugin = (outside: OutsideLedger, tools: ReadonlyArray<MakeTool>) => {
  const made = tools.map((make) => make(outside))
  return definePlugin({
    name: "house",
    setup: () => ({
      tools: made,
      intents: made.map(({ name }) => ({
        name,
        tool: name,
        patterns: [new RegExp(`use ${name.replace(".", "\\.")} on (?<door>\\S+)`)]
      }))
    })
  })()
}

interface Answered {
  readonly status: number
  readonly body: any
}

export class AskedHouse {
  readonly folder: string
  readonly outside: OutsideLedger
  readonly database: OwnDatabase
  host: TestHost

  private constructor(folder: string, outside: OutsideLedger, database: OwnDatabase, host: TestHost) {
    this.folder = folder
    this.outside = outside
    this.database = database
    this.host = host
  }

  static async begin(options: TestHostOptions = {}, tools = houseTools): Promise<AskedHouse> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-asked-"))
    const outside = openLedger(path.join(folder, "outside"))
    const database = await makeDatabase()
    const place = { http: true, home: path.join(folder, "home"), databaseUrl: database.url }
    const host = await testHost({ autonomy: "A1", ...place, plugins: [plugin(outside, tools)], ...options })
    return new AskedHouse(folder, outside, database, host)
  }

  /** Another life of the host, on the same home and database. */
  async restart(options: TestHostOptions, tools: ReadonlyArray<MakeTool>): Promise<void> {
    await this.host.stop()
    const place = { http: true, home: path.join(this.folder, "home"), databaseUrl: this.database.url }
    this.host = await testHost({ ...place, plugins: [plugin(this.outside, tools)], ...options })
  }

  async end(): Promise<void> {
    await this.host.stop()
    await this.database.close()
    fs.rmSync(this.folder, { recursive: true, force: true })
  }

  async request(method: string, at: string, body?: object): Promise<Answered> {
    const { token, url } = this.host.http ?? { token: "", url: "" }
    const response = await fetch(`${url}${at}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, body: await response.json() }
  }
  get(at: string): Promise<Answered> {
    return this.request("GET", at)
  }
  post(at: string, body?: object): Promise<Answered> {
    return this.request("POST", at, body)
  }
  query(text: string, values: ReadonlyArray<unknown> = []) {
    return this.database.query(text, values)
  }

  async pause(): Promise<void> {
    const { body, status } = await this.post("/controls/pause")
    assert.deepEqual([status, body.unheeded], [200, undefined])
  }
  async resume(): Promise<void> {
    assert.strictEqual((await this.post("/controls/resume")).status, 200)
  }

  async approve({ approval: { approval_id, what_hash } }: Asked): Promise<void> {
    const { body, status } = await this.post(`/approvals/${approval_id}/approve`, { what_hash })
    assert.strictEqual(status, 200, JSON.stringify(body))
  }

  /** What the law of the tables says of a statement: its SQLSTATE, or `ok`. */
  async lawOf(text: string, values: ReadonlyArray<unknown>): Promise<string> {
    try {
      await this.query(text, values)
      return "ok"
    } catch (error) {
      for (let one: any = error; one !== undefined && one !== null; one = one.cause ?? one.reason) {
        if (typeof one.code === "string") return one.code
      }
      throw error
    }
  }

  /** Does it without asking the law of the tables. */
  async lawless(text: string, values: ReadonlyArray<unknown>): Promise<void> {
    const scoped = text.replace(" where ", " from without_law where without_law.role = 'replica' and ")
    const rows = await this.query(
      `with without_law as materialized (select set_config('session_replication_role', 'replica', true) as role)
       ${scoped} returning 1`,
      values
    )
    assert.lengthOf(rows, 1, text)
  }

  /** A task's step that waits to be tried again waits no longer. */
  async again({ approval: { step_id, task_id } }: Asked): Promise<void> {
    await this.query("update steps set wake_at = clock_timestamp() where step_id = $1::uuid", [step_id])
    await this.query("update work set due_at = clock_timestamp() where work_id = $1::uuid", [task_id])
  }

  /** Its time is over, and the host looks at it. */
  async expire({ approval, event_id }: Asked): Promise<void> {
    await this.lawless("update approvals set expires_at = clock_timestamp() where approval_id = $1::uuid", [
      approval.approval_id
    ])
    await this.query("update work set due_at = clock_timestamp() where work_id = $1::uuid", [
      approval.task_id ?? event_id
    ])
  }

  private async pending(filter: string, door: string): Promise<Asked["approval"]> {
    return await until(`the question about ${door}`, async () => {
      const { body } = await this.get(`/approvals?status=pending&${filter}`)
      return body.items[0] as Asked["approval"] | undefined
    })
  }

  async askTask(door: string, body: object): Promise<Asked> {
    const { body: task, status } = await this.post("/tasks", body)
    assert.strictEqual(status, 201, JSON.stringify(task))
    const approval = await this.pending(`task_id=${task.task_id}`, door)
    return { lane: "task", door, event_id: task.trigger_event_id, trace_id: task.trace_id, approval }
  }

  async ask(lane: Lane, door: string, tool = "house.open"): Promise<Asked> {
    if (lane === "task") return await this.askTask(door, { steps: [{ name: door, tool, input: { door } }] })
    const { event_id, outcome, reply, trace_id } = await this.host.send(`use ${tool} on ${door}`)
    assert.strictEqual(outcome, "waiting", reply)
    return { lane, door, event_id, trace_id, approval: await this.pending(`trace_id=${trace_id}`, door) }
  }

  /** How it ended, and what the operator was told. */
  private async ended({ door, event_id }: Asked, outcome: string): Promise<string> {
    return await until(`${door} to end as ${outcome}`, async () => {
      const [row] = await this.query("select outcome, reply from settlements where event_id = $1::uuid", [event_id])
      if (row?.["outcome"] === outcome) return String(row["reply"])
      if (row !== undefined && row["outcome"] !== "waiting") throw new Hopeless(`${door}: ${JSON.stringify(row)}`)
      throw new Error(
        JSON.stringify([row, await this.query("select * from work where event_id = $1::uuid", [event_id])])
      )
    })
  }

  private async callOf({ approval }: Asked) {
    const [call] = await this.query("select status, attempts from tool_calls where tool_call_id = $1::uuid", [
      approval.tool_call_id
    ])
    return call
  }

  private async statusOf({ approval }: Asked): Promise<string> {
    const [row] = await this.query("select status from approvals where approval_id = $1::uuid", [approval.approval_id])
    return String(row?.["status"])
  }

  /**
   * Nothing was done, all has ended, and everybody is told why. `used`: somebody wrote that the approval was; `begun`: the
   * tool had refused it once.
   */
  async didNotRun(
    asked: Asked,
    says: RegExp,
    { begun = false, used = begun }: { readonly begun?: boolean; readonly used?: boolean } = {}
  ): Promise<void> {
    assert.match(await this.ended(asked, "failed"), says)
    assert.notInclude(this.outside.entries(), asked.door)
    assert.notInclude(this.outside.entries(), "safe")
    assert.include(["canceled", "failed"], (await this.callOf(asked))?.["status"])
    const status = await this.statusOf(asked)
    if (used) assert.strictEqual(status, "consumed")
    else assert.notStrictEqual(status, "consumed")
    const told = (await this.host.audit(asked.trace_id)).filter(({ type }) => /^(gate|tool_call|task)\./.test(type))
    assert.isTrue(told.some(({ summary }) => says.test(summary)), JSON.stringify(told.map(({ summary }) => summary)))
    assert.lengthOf(told.filter(({ type }) => type === "tool_call.attempted"), begun ? 1 : 0)
    assert.deepEqual(await this.query("select * from work where event_id = $1::uuid", [asked.event_id]), [])
  }

  /** It was done, once, and its approval is used up. */
  async ran(asked: Asked): Promise<void> {
    await this.ended(asked, "succeeded")
    assert.deepEqual(this.outside.entries().filter((door) => door === asked.door), [asked.door])
    assert.strictEqual((await this.callOf(asked))?.["status"], "succeeded")
    assert.strictEqual(await this.statusOf(asked), "consumed")
    assert.deepEqual(await this.query("select * from work where event_id = $1::uuid", [asked.event_id]), [])
  }
}
