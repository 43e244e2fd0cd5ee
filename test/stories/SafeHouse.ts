/**
 * A house for the stories of the gates: a tool for every risk and for each thing that the gates look at, all of them noted
 * outside of the host, and the operator's hand over HTTP.
 */
import { definePlugin, defineTool, Schema, ToolRefused } from "syris"
import { openLedger, type OutsideLedger, testHost, type TestHost, type TestHostOptions } from "syris/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert } from "vitest"
import type { Risk } from "../../core/contract/Enums.ts"

const message = Schema.Struct({ message: Schema.String })
const Input = Schema.Struct({
  id: Schema.String,
  to: Schema.optionalKey(Schema.String),
  how: Schema.optionalKey(Schema.String),
  many: Schema.optionalKey(Schema.Int)
})

const tools = (outside: OutsideLedger) => {
  const tool = (name: string, more: object = {}) =>
    defineTool<any, any, any>({
      name,
      description: `Does ${name}.`,
      input: Input,
      output: message,
      effect: "write",
      risk: "low",
      scopes: ["house"],
      run: (input: typeof Input.Type) => {
        if (input.how === "fail") throw new ToolRefused("It can't be done.")
        outside.note(`${name} ${input.id}`)
        return { message: "It is done." }
      },
      ...more
    })
  const target = ({ to = "nobody" }: typeof Input.Type) => to
  return [
    ...(["low", "medium", "high", "critical"] as const).map((risk) =>
      tool(`do.${risk}`, { risk, preview: ({ id }: typeof Input.Type) => `would do ${risk} to ${id}` })
    ),
    tool("do.look", { effect: "read" }),
    tool("do.peek", { effect: "read", risk: "medium" }),
    tool("do.gone", { effect: "irreversible" }),
    tool("do.take", { action: ({ how }: typeof Input.Type) => how ?? "put" }),
    tool("do.many", { blastRadius: ({ many }: typeof Input.Type) => many }),
    tool("do.tell", { target }),
    tool("do.note", { target, guarantee: "transactional" }),
    tool("do.scoped", { scopes: ["house", "cellar.key"] })
  ]
}

const plugin = (outside: OutsideLedger) =>
  definePlugin({
    name: "house",
    setup: () => ({
      tools: tools(outside),
      intents: [
        {
          name: "do",
          tool: "do.low",
          patterns: [/do it to (?<id>\w+)/]
        },
        ...[...tools(outside).map(({ name }) => name), "bell.send"].map((name) => ({ name, tool: name, patterns: [] }))
      ],
      channels: [
        { name: "sensor", trust: "trusted" as const },
        {
          name: "bell",
          trust: "trusted" as const,
          send: {
            description: "Ring.",
            input: Schema.Struct({ id: Schema.optionalKey(Schema.String), text: Schema.optionalKey(Schema.String) }),
            output: message,
            effect: "write",
            risk: "low",
            scopes: ["house"],
            run: ({ id, text }: { readonly id?: string; readonly text?: string }) => {
              outside.note(`bell.send ${id ?? text}`)
              return { message: "It rang." }
            }
          }
        }
      ]
    })
  })()

/** What came of an event, as it is read over HTTP. */
export interface Done {
  readonly outcome: string
  readonly reply: string
  readonly trace_id: string
  /** The rows of the gate. */
  readonly gates: ReadonlyArray<any>
  readonly types: ReadonlyArray<string>
  readonly approvals: ReadonlyArray<any>
  /** What was done outside meanwhile. */
  readonly effects: ReadonlyArray<string>
}

export interface SafeHouse {
  readonly host: TestHost
  readonly outside: OutsideLedger
  readonly request: (
    at: string,
    body?: unknown,
    method?: string,
    headers?: Readonly<Record<string, string>>
  ) => Promise<{ readonly status: number; readonly body: any }>
  /** Calls a tool by an event that names its intent; each call has an `id` of its own, which is noted outside. */
  readonly call: (tool: string, input?: object, event?: object) => Promise<Done>
  readonly level: (level: string) => Promise<void>
  readonly end: () => Promise<void>
}

export const safeHouse = async (options: TestHostOptions = {}): Promise<SafeHouse> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-gates-"))
  const outside = openLedger(path.join(folder, "outside"))
  const host = await testHost({ http: true, timezone: "UTC", plugins: [plugin(outside)], ...options })
  let calls = 0
  const request: SafeHouse["request"] = async (
    at,
    body,
    method = body === undefined ? "GET" : "POST",
    headers = {}
  ) => {
    const response = await fetch(`${host.http!.url}${at}`, {
      method,
      headers: { authorization: `Bearer ${host.http!.token}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) }
  }
  return {
    host,
    outside,
    request,
    call: async (tool, input = {}, event = {}) => {
      const id = `call${++calls}`
      const before = outside.entries().length
      const raw = { channel: "chat", structured: { intent: tool, input: { id, ...input } }, ...event }
      const { body } = await request("/events", raw, "POST", { prefer: "wait=20" })
      assert.isTrue(body.settled, JSON.stringify(body))
      const trace = (await request(`/traces/${body.trace_id}`)).body
      return {
        outcome: body.outcome,
        reply: body.reply,
        trace_id: body.trace_id,
        types: trace.audit.map((row: any) => row.type),
        gates: trace.audit.filter((row: any) => row.stage === "gate"),
        approvals: (await request(`/approvals?status=pending&trace_id=${body.trace_id}`)).body.items,
        effects: outside.entries().slice(before)
      }
    },
    level: async (level) => {
      assert.strictEqual((await request("/controls/autonomy", { level })).status, 200)
    },
    end: async () => {
      await host.stop()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}

export const risks: ReadonlyArray<Risk> = ["low", "medium", "high", "critical"]
