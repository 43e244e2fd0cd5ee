/**
 * A whole host for a test: real pipeline, real PostgreSQL, a database of its own that goes with it, a clock that the test
 * moves, and HTTP only where it is asked for. Everything is a Promise; a test needs no Effect.
 *
 * The server is `SYRIS_TEST_DATABASE_URL` where it is set, else a PostgreSQL of its own in a temporary folder.
 */
import { Clock, Effect, Layer, Logger, ManagedRuntime, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Audit, type Fact } from "../audit/Audit.ts"
import { AuditLog } from "../audit/AuditLog.ts"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import type { RawEvent } from "../contract/Event.ts"
import { fromUrl, layerPool } from "../database/Database.ts"
import * as EmbeddedPostgres from "../database/EmbeddedPostgres.ts"
import { Environment } from "../database/Environment.ts"
import { HttpAddress } from "../http/HttpServer.ts"
import { layerCore, layerHost } from "../main.ts"
import { type Accepted, Pipeline, type Settled } from "../pipeline/Pipeline.ts"
import type { Configuration } from "../plugin/Configuration.ts"
import { Settings } from "../plugin/Settings.ts"
import { newDatabase } from "./TestDatabase.ts"
import * as VirtualClock from "./VirtualClock.ts"

export interface TestHostOptions extends Configuration {
  /** Listen on a free port of the loopback. Default: no HTTP. */
  readonly http?: boolean
  /** `SYRIS_HOME` of the host, kept at the end. Default: a temporary folder that goes with the host. */
  readonly home?: string
  /** The database that it runs on, kept at the end: a second host, or the same one started again. Default: one of its own. */
  readonly databaseUrl?: string
  /** Show the host's log. Default: it is thrown away. */
  readonly verbose?: boolean
}

export interface Sent extends Accepted, Settled {}

export interface TestHost {
  /** Hands in a line of text on the channel `chat`, or a whole raw event, and waits until its trace is settled. */
  readonly send: (event: string | RawEvent) => Promise<Sent>
  /** The same without waiting for the end. */
  readonly submit: (event: RawEvent) => Promise<Accepted>
  readonly settled: (accepted: Accepted) => Promise<Settled>
  /** The rows of the audit of one trace, oldest first. */
  readonly audit: (traceId: string) => Promise<ReadonlyArray<AuditEvent>>
  /** Their types: `["event.ingested", "routing.decided", …]`. */
  readonly auditTypes: (traceId: string) => Promise<ReadonlyArray<string>>
  readonly appendAudit: (fact: Fact) => Promise<void>
  /** Reads the host's database: `` await host.sql`select name from schedules` ``. */
  readonly sql: <Row extends object = Record<string, unknown>>(
    strings: TemplateStringsArray,
    ...values: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Row>>
  readonly clock: Pick<VirtualClock.VirtualClock, "advance" | "now">
  /** Where it listens, and its token; only with `http: true`. */
  readonly http: { readonly url: string; readonly token: string } | undefined
  readonly stop: () => Promise<void>
}

/** What a test can ask the host for. */
type Services = Layer.Success<typeof layerCore> | SqlClient.SqlClient

const layerDatabase = (home: string, url: string | undefined) =>
  Layer.unwrap(Effect.gen(function*() {
    if (url !== undefined) return layerPool(fromUrl(Redacted.make(url)))
    if (process.env["SYRIS_TEST_DATABASE_URL"] !== undefined) return layerPool(fromUrl(yield* newDatabase))
    const running = yield* EmbeddedPostgres.start({ home })
    return layerPool(running.connection)
  }))

const layerOf = (
  { databaseUrl, http: listens = false, verbose = false, ...configuration }: Omit<TestHostOptions, "home">,
  home: string,
  clock: Clock.Clock
): Layer.Layer<Services, unknown> => {
  const host: Layer.Layer<Layer.Success<typeof layerCore>, unknown, Layer.Services<typeof layerHost>> = listens
    ? layerHost
    : layerCore
  return host.pipe(
    Layer.provideMerge([Settings.layerOf(configuration), layerDatabase(home, databaseUrl)]),
    Layer.provide(Layer.succeed(Environment, { home, host: "127.0.0.1", port: 0, config: "", databaseUrl: undefined })),
    Layer.provide([Layer.succeed(Clock.Clock, clock), verbose ? Layer.empty : Logger.layer([])])
  )
}

/** Starts a host with a configuration in memory. Call `stop` at the end, always. */
export const testHost = async (options: TestHostOptions = {}): Promise<TestHost> => {
  const { home: given, ...rest } = options
  const home = given ?? fs.mkdtempSync(path.join(os.tmpdir(), "syris-test-"))
  const clock = VirtualClock.make()
  const runtime = ManagedRuntime.make(Layer.fresh(layerOf(rest, home, clock)))
  const run = <A, E>(effect: Effect.Effect<A, E, Services>): Promise<A> =>
    runtime.runPromise(Effect.provideService(effect, Clock.Clock, clock))
  const address = await run(Effect.serviceOption(HttpAddress))
  const submit = (event: RawEvent) => run(Effect.flatMap(Pipeline, (pipeline) => pipeline.submit(event)))
  const settled = (accepted: Accepted) => run(Effect.flatMap(Pipeline, (pipeline) => pipeline.settled(accepted)))
  const audit = async (trace_id: string) =>
    (await run(Effect.flatMap(AuditLog, (log) => log.page({ trace_id }, { limit: 500 })))).items
  return {
    send: async (event) => {
      const accepted = await submit(typeof event === "string" ? { channel: "chat", text: event } : event)
      return { ...accepted, ...await settled(accepted) }
    },
    submit,
    settled,
    audit,
    auditTypes: async (traceId) => (await audit(traceId)).map((row) => row.type),
    appendAudit: (fact) => run(Effect.flatMap(Audit, (log) => log.append(fact))),
    sql: (strings, ...values) =>
      run(Effect.flatMap(SqlClient.SqlClient, (sql) => sql(strings, ...values))) as Promise<ReadonlyArray<any>>,
    clock,
    http: Option.getOrUndefined(Option.map(address, ({ url }) => ({
      url,
      token: fs.readFileSync(path.join(home, "token"), "utf8").trim()
    }))),
    stop: async () => {
      await runtime.dispose()
      if (given === undefined) fs.rmSync(home, { recursive: true, force: true })
    }
  }
}
