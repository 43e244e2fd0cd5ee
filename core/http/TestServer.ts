/**
 * For tests: the real server on a free port, a home of its own, a scripted pipeline, and a client that sends exactly
 * what it is told.
 */
import type { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import { Audit } from "../audit/Audit.ts"
import { AuditLog } from "../audit/AuditLog.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { Environment } from "../database/Environment.ts"
import { Notifications } from "../database/Notifications.ts"
import { Alarms } from "../health/Alarms.ts"
import { Health } from "../health/Health.ts"
import { PluginGrants } from "../isolates/PluginGrants.ts"
import { CompletionLog } from "../llm/CompletionLog.ts"
import { AskedCalls } from "../mcp/serve/AskedCalls.ts"
import { Memories } from "../memory/Memories.ts"
import { EventLog } from "../pipeline/EventLog.ts"
import * as LiveReplies from "../pipeline/LiveReplies.ts"
import { Integrations } from "../mcp/Integrations.ts"
import { Questions } from "../mcp/Questions.ts"
import { SignIns } from "../mcp/SignIn.ts"
import { Attachments } from "../pipeline/Attachments.ts"
import { ChannelPlaces } from "../pipeline/ChannelPlaces.ts"
import { Pipeline } from "../pipeline/Pipeline.ts"
import { Rejections } from "../pipeline/Rejections.ts"
import { Traces } from "../pipeline/Traces.ts"
import type { Configuration } from "../plugin/Configuration.ts"
import { IsolateHost, type IsolateRecord } from "../plugin/IsolateHost.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { RuleExplain } from "../rules/RuleExplain.ts"
import { RuleStore } from "../rules/RuleStore.ts"
import { ApprovalLog } from "../safety/ApprovalLog.ts"
import { Control } from "../safety/Control.ts"
import { ControlCommands } from "../safety/ControlCommands.ts"
import { QuietHours } from "../safety/QuietHours.ts"
import { Standing } from "../safety/Standing.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { TaskCommands } from "../tasks/TaskCommands.ts"
import { layerTestDatabase } from "../testing/TestDatabase.ts"
import { AlwaysAllow } from "../tools/AlwaysAllow.ts"
import { ApprovalCommands } from "../tools/ApprovalCommands.ts"
import { Artifacts } from "../tools/Artifacts.ts"
import { Binding } from "../tools/Binding.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import { CallSettlement } from "../tools/CallSettlement.ts"
import { CodeAnswers } from "../tools/CodeAnswers.ts"
import { Previews } from "../tools/Previews.ts"
import { Schedules } from "../scheduler/Schedules.ts"
import { WatcherRecords } from "../watchers/WatcherRecords.ts"
import { JobCommands } from "../workers/JobCommands.ts"
import { HttpAddress, layerHttpServer } from "./HttpServer.ts"
import { Token } from "./Token.ts"

export const layerHome = (overrides: Partial<Environment["Service"]> = {}) =>
  Layer.effect(
    Environment,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "syris-home-"))),
        (home) => Effect.sync(() => fs.rmSync(home, { recursive: true, force: true }))
      ),
      (home) => ({
        home,
        host: "127.0.0.1",
        port: 0,
        config: path.join(home, "syris.config.ts"),
        databaseUrl: undefined,
        ...overrides
      })
    )
  )

/** What the scripted pipeline was handed. */
export class Seen extends Context.Service<Seen, {
  readonly submitted: Array<unknown>
  readonly rejected: Array<{ readonly detail: ErrorDetail; readonly channel: string | undefined }>
}>()("syris/http/Seen") {}

export const ids = {
  event_id: "019a0000-0000-7000-8000-000000000001",
  trace_id: "019a0000-0000-7000-8000-000000000002"
}

/** What a channel is handed besides the pipeline. */
const layerChannels = Layer.mergeAll(
  Layer.mock(Attachments)({}),
  Layer.mock(ChannelPlaces)({}),
  Binding.layer,
  Layer.mock(CodeAnswers)({}),
  Layer.effect(
    Rejections,
    Effect.map(Seen, (seen) => ({
      reject: ({ channel, code, message }) =>
        Effect.sync(() => void seen.rejected.push({ detail: { code, message, retryable: false }, channel }))
    }))
  )
)

const layerPipeline = (overrides: Partial<Pipeline["Service"]>) =>
  Layer.effect(
    Pipeline,
    Effect.map(Seen, (seen) => ({
      submit: (raw) =>
        Effect.sync(() => {
          seen.submitted.push(raw)
          return { ...ids, deduped: false }
        }),
      reject: (detail, channel) => Effect.sync(() => void seen.rejected.push({ detail, channel })),
      settled: () => Effect.never,
      startTask: () => Effect.die("No test said what becomes of a task."),
      dryRun: () =>
        Effect.succeed({
          dry_run: true,
          events: [],
          decisions: [],
          tool_calls: [],
          approvals: [],
          tasks: [],
          replies: [],
          audit: [],
          notes: []
        }),
      ...overrides
    }))
  )

const emptyRegistry: Registry["Service"] = {
  tool: () => undefined,
  tools: () => [],
  task: () => undefined,
  tasks: () => [],
  intents: () => [],
  matchIntent: Object.assign(() => undefined, { prepare: () => [] }),
  channels: () => [],
  connector: () => undefined,
  sendOf: () => undefined,
  routes: () => [],
  page: () => undefined,
  job: () => undefined,
  jobs: () => [],
  rules: () => [],
  watchers: () => [],
  provider: () => undefined,
  providers: () => [],
  trustOf: () => "untrusted",
  plugins: () => []
}

export interface TestServerOptions {
  readonly pipeline?: Partial<Pipeline["Service"]>
  readonly registry?: Partial<Registry["Service"]>
  readonly commands?: Partial<TaskCommands["Service"]>
  readonly jobs?: Partial<JobCommands["Service"]>
  readonly settlement?: Partial<CallSettlement["Service"]>
  readonly control?: Partial<Control["Service"]>
  readonly controls?: Partial<ControlCommands["Service"]>
  readonly alarms?: Partial<Alarms["Service"]>
  readonly quietHours?: Partial<QuietHours["Service"]>
  readonly rules?: Partial<RuleStore["Service"]>
  readonly explanations?: Partial<RuleExplain["Service"]>
  readonly schedules?: Partial<Schedules["Service"]>
  readonly watchers?: Partial<WatcherRecords["Service"]>
  readonly integrations?: Partial<Integrations["Service"]>
  readonly grants?: Partial<PluginGrants["Service"]>
  readonly isolates?: () => ReadonlyArray<IsolateRecord>
  readonly questions?: Partial<Questions["Service"]>
  readonly signIns?: Partial<SignIns["Service"]>
  readonly environment?: Partial<Environment["Service"]>
  readonly configuration?: Configuration
  readonly database?: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, unknown>
}

/** The server with everything that it stands on. */
export const layerTestServer = (options: TestServerOptions = {}) =>
  layerHttpServer.pipe(
    Layer.provideMerge(Layer.mergeAll(layerPipeline(options.pipeline ?? {}), layerChannels, Traces.layer, Token.layer)),
    Layer.provideMerge([ApprovalLog.layer, LiveReplies.layer]),
    Layer.provideMerge(Redactor.layerEmpty),
    Layer.provideMerge(Layer.mergeAll(
      Audit.layer.pipe(Layer.provide(Redactor.layerEmpty)),
      AuditLog.layer,
      EventLog.layer,
      Health.layer,
      Layer.succeed(Registry, { ...emptyRegistry, ...options.registry }),
      Layer.mock(TaskCommands)(options.commands ?? {}),
      Layer.mock(JobCommands)(options.jobs ?? {}),
      Layer.mock(CallSettlement)(options.settlement ?? {}),
      Layer.mock(Control)({
        current: () => ({ autonomy: "A2", paused: false, policy_version: 1 }),
        enter: () => () => {},
        ...options.control
      }),
      Layer.mock(ControlCommands)(options.controls ?? {}),
      Layer.mock(ApprovalCommands)({}),
      Layer.mock(AlwaysAllow)({}),
      Layer.mock(CallPlanner)({
        judge: () => {
          throw new Error("No test said what the gates say.")
        },
        guardedOf: () => undefined
      }),
      Layer.mock(Previews)({}),
      Layer.mock(Memories)({}),
      Artifacts.layer.pipe(Layer.provide(Redactor.layerEmpty)),
      Layer.mock(AskedCalls)({}),
      Settings.layerOf({ timezone: "Europe/Berlin", ...options.configuration }),
      CompletionLog.layer.pipe(
        Layer.provide(Settings.layerOf({ timezone: "Europe/Berlin", ...options.configuration }))
      ),
      Layer.mock(Standing)({ match: () => ({ config: undefined, standing: undefined }), version: () => 1 }),
      Layer.mock(Alarms)(options.alarms ?? {}),
      Layer.mock(RuleStore)(options.rules ?? {}),
      Layer.mock(RuleExplain)(options.explanations ?? {}),
      Layer.mock(Schedules)(options.schedules ?? {}),
      Layer.mock(WatcherRecords)(options.watchers ?? {}),
      Layer.mock(Integrations)(options.integrations ?? {}),
      Layer.mock(PluginGrants)(options.grants ?? {}),
      Layer.effect(
        IsolateHost,
        Effect.map(IsolateHost, (host) => ({ ...host, records: options.isolates ?? (() => []) }))
      ),
      Layer.mock(Questions)({ open: () => [], openOf: () => 0, add: () => () => {}, ...options.questions }),
      Layer.mock(SignIns)({ listening: () => {}, ...options.signIns }),
      Layer.mock(QuietHours)({
        now: () => ({ quiet: false }),
        holding: () => undefined,
        unknown: () => undefined,
        version: () => 1,
        ...options.quietHours
      }),
      Layer.mock(SecretsStore)({ values: () => [], revision: () => 0 }),
      Layer.sync(Seen, () => ({ submitted: [], rejected: [] }))
    )),
    Layer.provideMerge([AuditWake.layer, Notifications.layer]),
    Layer.provideMerge(layerHome(options.environment)),
    Layer.provideMerge(options.database ?? layerTestDatabase)
  )

export interface Sent {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  /** The body as JSON; `undefined` where it is none. */
  readonly json: any
}

export interface ToSend {
  readonly method?: string
  readonly headers?: Record<string, string>
  /** Sent as it is; anything but text and bytes is sent as JSON. */
  readonly body?: unknown
  /** `false`: without a token. */
  readonly token?: string | false
  readonly host?: string
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Sends one request to the test server. */
export const send = Effect.fnUntraced(function*(target: string, what: ToSend = {}) {
  const address = yield* HttpAddress
  const token = yield* Token
  const body = what.body === undefined || typeof what.body === "string" || Buffer.isBuffer(what.body)
    ? what.body
    : JSON.stringify(what.body)
  const bearer = what.token ?? Redacted.value(token.value)
  return yield* Effect.callback<Sent>((resume) => {
    const request = http.request({
      host: what.host ?? "127.0.0.1",
      port: address.port,
      path: target,
      method: what.method ?? (body === undefined ? "GET" : "POST"),
      agent: false,
      headers: {
        ...(bearer === false ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        ...what.headers
      }
    }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString()
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text, json: parse(text) }))
      })
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(body)
    return Effect.sync(() => request.destroy())
  })
})
