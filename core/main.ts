/**
 * Composes the layers of a host and runs it until it is told to stop.
 *
 * - Every mistake at the start is one sentence; nothing runs before configuration, database and plugins are well.
 * - A host that lost its lease stops its work and enters anew as soon as the database answers.
 */
import { Cause, Config, Context, Effect, Layer, Logger, Redacted, References, Schedule, Schema } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { Audit } from "./audit/Audit.ts"
import { AuditLog } from "./audit/AuditLog.ts"
import { AuditWake } from "./audit/AuditWake.ts"
import { hostFile } from "./cli/address.ts"
import { formatBanner } from "./cli/banner.ts"
import { type Connection, fromUrl, layerPartitions, layerPool, migrate } from "./database/Database.ts"
import * as EmbeddedPostgres from "./database/EmbeddedPostgres.ts"
import { Environment, explainVariable } from "./database/Environment.ts"
import * as HomeLock from "./database/HomeLock.ts"
import { Notifications } from "./database/Notifications.ts"
import * as AlarmHealth from "./health/AlarmHealth.ts"
import { Alarms } from "./health/Alarms.ts"
import * as AuditSecretAlarm from "./health/AuditSecretAlarm.ts"
import { Health } from "./health/Health.ts"
import { HostLease } from "./health/HostLease.ts"
import { HostLife } from "./health/HostLife.ts"
import { version } from "./health/Version.ts"
import { HttpAddress, layerHttpServer } from "./http/HttpServer.ts"
import { Sessions } from "./http/Sessions.ts"
import { Token } from "./http/Token.ts"
import { PluginGrants } from "./isolates/PluginGrants.ts"
import * as IsolateHost from "./isolates/IsolateHost.ts"
import { CompletionLog } from "./llm/CompletionLog.ts"
import { Completions } from "./llm/Completions.ts"
import * as Llm from "./llm/Llm.ts"
import { ChannelRecords } from "./mcp/ChannelRecords.ts"
import { Connecting } from "./mcp/Connecting.ts"
import { Integrations } from "./mcp/Integrations.ts"
import { McpServers } from "./mcp/McpServers.ts"
import * as MutedConnectors from "./mcp/MutedConnectors.ts"
import { ToolPins } from "./mcp/ToolPins.ts"
import { AskedCalls } from "./mcp/serve/AskedCalls.ts"
import { Questions } from "./mcp/Questions.ts"
import { SignIns } from "./mcp/SignIn.ts"
import { Memories } from "./memory/Memories.ts"
import { Attachments } from "./pipeline/Attachments.ts"
import { ChannelPlaces } from "./pipeline/ChannelPlaces.ts"
import * as Channels from "./pipeline/Channels.ts"
import { EventLog } from "./pipeline/EventLog.ts"
import * as LiveReplies from "./pipeline/LiveReplies.ts"
import { Executor } from "./pipeline/Executor.ts"
import * as Inbox from "./pipeline/Inbox.ts"
import * as OperatorConnectors from "./pipeline/OperatorConnectors.ts"
import * as Replies from "./pipeline/Replies.ts"
import { Intake } from "./pipeline/Intake.ts"
import { MadeCalls } from "./pipeline/MadeCalls.ts"
import { Pipeline } from "./pipeline/Pipeline.ts"
import { Preparation } from "./pipeline/Preparation.ts"
import { Rejections } from "./pipeline/Rejections.ts"
import { Router } from "./pipeline/Router.ts"
import { Settlements } from "./pipeline/Settlements.ts"
import { Traces } from "./pipeline/Traces.ts"
import { WorkQueue } from "./pipeline/WorkQueue.ts"
import * as ConfigLoader from "./plugin/ConfigLoader.ts"
import * as PluginHost from "./plugin/PluginHost.ts"
import { Registry } from "./plugin/Registry.ts"
import { ConfigError, Settings } from "./plugin/Settings.ts"
import { layerHostPlugins } from "./replay/HostTools.ts"
import * as MissingQuietHours from "./rules/MissingQuietHours.ts"
import * as OldMarks from "./rules/OldMarks.ts"
import { RuleDesk } from "./rules/RuleDesk.ts"
import { RuleExplain } from "./rules/RuleExplain.ts"
import * as RuleRunner from "./rules/RuleRunner.ts"
import { RuleSet } from "./rules/RuleSet.ts"
import { RuleStore } from "./rules/RuleStore.ts"
import { RuleStorm } from "./rules/RuleStorm.ts"
import { Admission } from "./safety/Admission.ts"
import { ApprovalCodes } from "./safety/ApprovalCodes.ts"
import { ApprovalLog } from "./safety/ApprovalLog.ts"
import { Control } from "./safety/Control.ts"
import { ControlCommands } from "./safety/ControlCommands.ts"
import { Gates } from "./safety/Gates.ts"
import { IntegrationSwitches } from "./safety/IntegrationSwitches.ts"
import { unknownPolicyTools } from "./safety/Policy.ts"
import { QuietHours } from "./safety/QuietHours.ts"
import { Standing } from "./safety/Standing.ts"
import { Scheduler } from "./scheduler/Scheduler.ts"
import { Schedules } from "./scheduler/Schedules.ts"
import { layerRedactedConsole } from "./secrets/RedactedConsole.ts"
import { Redactor } from "./secrets/Redactor.ts"
import { SecretsStore } from "./secrets/SecretsStore.ts"
import { Checkpoints } from "./tasks/Checkpoints.ts"
import { Compaction } from "./tasks/Compaction.ts"
import { ContextGather } from "./tasks/ContextGather.ts"
import * as LlmLane from "./tasks/LlmLane.ts"
import { LlmRunner } from "./tasks/LlmRunner.ts"
import { TaskCommands } from "./tasks/TaskCommands.ts"
import { TaskEngine } from "./tasks/TaskEngine.ts"
import { AlwaysAllow } from "./tools/AlwaysAllow.ts"
import { ApprovalCommands } from "./tools/ApprovalCommands.ts"
import { Artifacts } from "./tools/Artifacts.ts"
import { Binding } from "./tools/Binding.ts"
import { CallPlanner } from "./tools/CallPlanner.ts"
import { CallRecovery } from "./tools/CallRecovery.ts"
import { CodeAnswers } from "./tools/CodeAnswers.ts"
import { CallSettlement } from "./tools/CallSettlement.ts"
import { NestedCalls } from "./tools/NestedCalls.ts"
import { Previews } from "./tools/Previews.ts"
import { ToolExecutor } from "./tools/ToolExecutor.ts"
import { ToolLedger } from "./tools/ToolLedger.ts"
import { OwnWatchers } from "./watchers/OwnWatchers.ts"
import { WatcherRecords } from "./watchers/WatcherRecords.ts"
import * as Watchers from "./watchers/Watchers.ts"
import * as CalledTools from "./workers/CalledTools.ts"
import { JobCommands } from "./workers/JobCommands.ts"
import { JobDesk } from "./workers/JobDesk.ts"
import { JobIsolates } from "./workers/JobIsolates.ts"
import { Workers } from "./workers/Workers.ts"

/** The host can't run; the message is a sentence that says what to do. */
export class HostError extends Schema.TaggedError<HostError>()("HostError", {
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.detail
  }
}

/** Whether what is printed goes into the journal of systemd, which keeps it, and where others may read a code. */
const isJournal = (): boolean => {
  const { dev, ino } = fs.fstatSync(1)
  return process.env["JOURNAL_STREAM"] === `${dev}:${ino}`
}

/** What is secret besides the store's values. */
const layerHidden = Layer.effectDiscard(Effect.gen(function*() {
  const redactor = yield* Redactor
  const { databaseUrl } = yield* Environment
  const password = databaseUrl === undefined ? undefined : URL.parse(Redacted.value(databaseUrl))?.password
  if (password !== undefined && password !== "") {
    redactor.add("database.password", Redacted.make(decodeURIComponent(password)))
  }
}))

/** Plugins that run apart from the host. What they stand on is what the pipeline stands on. */
const layerIsolates = IsolateHost.layer.pipe(
  Layer.provideMerge(PluginGrants.layer),
  Layer.provide(Alarms.layer),
  Layer.provide(Audit.layer),
  Layer.provide([AuditWake.layer, Notifications.layer])
)

/** What the operator wrote, and what follows from it: settings, secrets, plugins. */
const layerPlugins = Layer.mergeAll(Llm.layer, layerHidden).pipe(
  Layer.provideMerge(PluginHost.layer),
  Layer.provideMerge(layerIsolates),
  Layer.provideMerge([layerHostPlugins, JobDesk.layerTools]),
  Layer.provideMerge([RuleDesk.layer, Questions.layer, SignIns.layer, JobDesk.layer]),
  Layer.provideMerge(Layer.effectDiscard(Effect.suspend(() => sayStrays))),
  Layer.provideMerge(layerRedactedConsole),
  Layer.provideMerge(Redactor.layer),
  Layer.provideMerge(SecretsStore.layer)
)

const layerToken = Token.layer.pipe(
  Layer.tap((services) =>
    Redactor.use((redactor) => Effect.sync(() => redactor.add("syris.token", Context.get(services, Token).value)))
  )
)

const layerControl = Layer.unwrap(Effect.map(Settings, ({ autonomy }) => Control.layer(autonomy)))

/** What the operator's settings say of when and how often. */
const layerLimits = Layer.unwrap(Effect.map(Settings, ({ safety }) =>
  Layer.mergeAll(
    QuietHours.layer(safety.quietHours),
    Admission.layer({ cooldownMs: safety.antiflapCooldownMs, notificationsPerHour: safety.notificationsPerHour })
  )))

/** What the host is connected to. */
const layerIntegrations = Integrations.layer.pipe(
  Layer.provideMerge(McpServers.layer),
  Layer.provide([ChannelRecords.layer, Connecting.layer, ToolPins.layer])
)

/** Tools and pipeline over a database whose schema is up to date. */
const layerPipeline = Attachments.layer.pipe(
  Layer.provideMerge(Pipeline.layer),
  // Above whoever serves the queue: it claims nothing any more when they end.
  Layer.provideMerge(WorkQueue.layerLoop),
  // Beneath it: the tools of servers that were trusted are there before something is claimed that names them.
  Layer.provideMerge(layerIntegrations),
  Layer.provideMerge([
    Inbox.layer,
    Replies.layer,
    OperatorConnectors.layer,
    MissingQuietHours.layer,
    OldMarks.layer,
    RuleRunner.layer,
    Workers.layer.pipe(Layer.provide(JobIsolates.layer))
  ]),
  Layer.provideMerge([Executor.layer, Preparation.layer, TaskEngine.layer]),
  Layer.provideMerge([
    Router.layer,
    CallRecovery.layer,
    Checkpoints.layer,
    LlmRunner.layer.pipe(Layer.provide([ContextGather.layer, Compaction.layer])),
    TaskCommands.layer
  ]),
  Layer.provideMerge([
    AlwaysAllow.layer,
    CodeAnswers.layer.pipe(Layer.provideMerge(ApprovalCommands.layer)),
    MadeCalls.layer
  ]),
  Layer.provideMerge([ApprovalCodes.layer, ApprovalLog.layer, CallPlanner.layer]),
  Layer.provideMerge(Binding.layer),
  Layer.provideMerge([
    MutedConnectors.layer.pipe(Layer.provide(ChannelRecords.layer)),
    RuleSet.layerRules,
    RuleStorm.layer,
    RuleExplain.layer.pipe(Layer.provideMerge(RuleStore.layer))
  ]),
  Layer.provideMerge([
    Intake.layer,
    LlmLane.layer,
    RuleSet.layer,
    Settlements.layer,
    ToolExecutor.layer,
    WorkQueue.layer
  ]),
  Layer.provideMerge([
    ToolLedger.layer,
    Artifacts.layer,
    ChannelPlaces.layer,
    Rejections.layer,
    CallSettlement.layer,
    Completions.layer,
    ControlCommands.layer,
    HostLife.layer,
    NestedCalls.layer
  ]),
  Layer.provideMerge(LiveReplies.layer),
  Layer.provideMerge([Gates.layer.pipe(Layer.provideMerge(Standing.layer)), Previews.layer]),
  Layer.provideMerge([layerLimits, IntegrationSwitches.layer]),
  Layer.provideMerge(Alarms.layer),
  Layer.provideMerge([Audit.layer, layerControl]),
  Layer.provideMerge([HostLease.layer, AuditWake.layer, Notifications.layer])
)

/** What looks after things by itself, and tells of them. */
const layerWatchers = Layer.mergeAll(
  Watchers.layer.pipe(Layer.provide(OwnWatchers.layer)),
  WatcherRecords.layer,
  AuditSecretAlarm.layer,
  AlarmHealth.layer
)

/** The host without its HTTP server: what a test drives directly. Needs settings, environment and a database. */
export const layerCore = Layer.mergeAll(
  AskedCalls.layer,
  CalledTools.layer,
  Channels.layer,
  CompletionLog.layer,
  EventLog.layer,
  JobCommands.layer,
  Memories.layer,
  Traces.layer,
  layerPartitions,
  layerWatchers
)
  .pipe(
    // Above the work queue: nothing is fired any more when it ends.
    Layer.provideMerge(Schedules.layer.pipe(Layer.provideMerge(Scheduler.layer))),
    Layer.provideMerge(AuditLog.layer),
    Layer.provideMerge(layerPipeline),
    Layer.provideMerge(layerPlugins),
    Layer.provideMerge(Health.layer),
    Layer.provideMerge(Layer.effectDiscard(migrate))
  )

/** The whole host. */
export const layerHost = layerHttpServer.pipe(Layer.provideMerge(layerToken), Layer.provideMerge(layerCore))

interface Place {
  readonly connection: Connection
  readonly embedded: EmbeddedPostgres.Running | undefined
}

const findDatabase = Effect.fnUntraced(function*(lock: HomeLock.HomeLock) {
  const { databaseUrl } = yield* Environment
  if (databaseUrl !== undefined) return { connection: fromUrl(databaseUrl), embedded: undefined } satisfies Place
  const embedded = yield* EmbeddedPostgres.start({ home: lock.home, lock })
  return { connection: embedded.connection, embedded } satisfies Place
})

const writeBanner = Effect.fnUntraced(function*(place: Place, url: string) {
  const { databaseUrl, home } = yield* Environment
  const { autonomy, paused } = (yield* Control).current()
  const settings = yield* Settings
  const own = new Set((yield* PluginHost.HostPlugins).map(({ spec }) => spec.name))
  const registry = yield* Registry
  const page = registry.page() === undefined
    ? {}
    : { page: isJournal() ? { url } : { login: (yield* Sessions).makeCode().url } }
  const plugins = registry.plugins().filter(({ name }) => !own.has(name))
  const ruled = unknownPolicyTools(settings.policy, registry.tools().map(({ definition }) => definition.name))
  const { embedded } = place
  const banner = formatBanner({
    version,
    url,
    ...page,
    token: path.join(home, "token"),
    autonomy,
    paused,
    database: embedded === undefined
      ? { kind: "given", url: databaseUrl === undefined ? "" : Redacted.value(databaseUrl) }
      : { kind: "embedded", path: embedded.dataDir, version: embedded.version },
    plugins: plugins.map((plugin) => ({ name: plugin.name, version: plugin.version })),
    notes: [
      ...(embedded?.note === undefined ? [] : [embedded.note]),
      ...settings.warnings,
      ...ruled.map((tool) => `The policy has a rule for ${JSON.stringify(tool)}, and no plugin has such a tool.`)
    ]
  })
  yield* Effect.sync(() => process.stdout.write(`${banner}\n`))
})

/** Where the command line finds the host. */
const announceAddress = Effect.fnUntraced(function*(url: string) {
  const { home } = yield* Environment
  const file = hostFile(home)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      // Whoever reads it while it is written sees all of it or nothing.
      fs.writeFileSync(`${file}.new`, JSON.stringify({ url, pid: process.pid }), { mode: 0o600 })
      fs.renameSync(`${file}.new`, file)
    }),
    () => Effect.sync(() => fs.rmSync(file, { force: true }))
  )
})

/** The lease was lost: the host must build itself anew. */
class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { reason: Schema.String }) {}

/** What outlives a life of the host. */
interface Once {
  /** Whether it ran, so that its operator has seen the banner. */
  shown: boolean
  /** The configuration as it was read at the first start. */
  settings: Settings["Service"] | undefined
}

const serve = Effect.fnUntraced(function*(place: Place, once: Once) {
  const { url } = yield* HttpAddress
  const lease = yield* HostLease
  yield* (yield* HostLife).begin
  yield* announceAddress(url)
  if (!once.shown) yield* writeBanner(place, url)
  once.shown = true
  // After the banner: nobody waits for it, and the first text need not either.
  yield* Effect.forEach((yield* Registry).matchIntent.prepare(), (problem) => Effect.logError(problem))
  const reason = yield* lease.lost
  return yield* new LeaseLost({ reason })
})

const again = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("5 seconds")])

/** One life of the host, from the lock of its home to the loss of its lease or its database. */
const live = Effect.fnUntraced(function*(once: Once) {
  yield* surviveStrays
  const environment = yield* Environment
  const configured = Effect.gen(function*() {
    once.settings ??= Context.get(yield* Layer.build(ConfigLoader.layer), Settings)
    return once.settings
  })
  // A first start reads the configuration before it makes anything; any other does both at once.
  if (!fs.existsSync(path.join(environment.home, "postgres"))) yield* configured
  const lock = yield* HomeLock.acquire(environment.home)
  const [place, settings] = yield* Effect.all([findDatabase(lock), configured], { concurrency: 2 })
  const host = Effect.provide(
    serve(place, once),
    Layer.fresh(layerHost).pipe(Layer.provideMerge([layerPool(place.connection), Layer.succeed(Settings, settings)]))
  )
  return yield* Effect.raceFirst(host, place.embedded?.lost ?? Effect.never)
}, Effect.scoped)

/** Who can say it; the last does: a host that knows its secrets says nothing of them. */
const strays: Array<(reason: unknown) => void> = []

const sayStrays = Effect.gen(function*() {
  const log = Effect.runForkWith(yield* Effect.context<never>())
  const say = (reason: unknown): void =>
    void log(Effect.logError("Something that a plugin left running failed after its run.", reason))
  yield* Effect.acquireRelease(
    Effect.sync(() => strays.push(say)),
    () => Effect.sync(() => strays.splice(strays.indexOf(say), 1))
  )
})

/** What a plugin left alone and that failed later: said, not the end of the host. */
const surviveStrays = Effect.gen(function*() {
  yield* sayStrays
  const stray = (reason: unknown): void => strays.at(-1)?.(reason)
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("unhandledRejection", stray).on("uncaughtException", stray)),
    () => Effect.sync(() => process.off("unhandledRejection", stray).off("uncaughtException", stray))
  )
})

/** Runs a host in this process until it is interrupted (SIGINT, SIGTERM). */
export const runHost = (options: { readonly verbose: boolean }): Effect.Effect<never, HostError> =>
  Effect.suspend(() => {
    const once: Once = { shown: false, settings: undefined }
    return live(once).pipe(
      Effect.tapError((error) =>
        once.shown ? Effect.logWarning(`The host starts again: ${error.message}`) : Effect.void
      ),
      // A host that ran once comes back by itself; one that never did tells its operator why.
      Effect.retry({ schedule: again, while: () => once.shown })
    )
  }).pipe(
    Effect.provide(Environment.layer),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause as Cause.Cause<never>) : Effect.fail(hostError(cause))
    ),
    Effect.provide(Layer.mergeAll(
      Logger.layer([Logger.consolePretty()]),
      Layer.succeed(References.MinimumLogLevel, options.verbose ? "Debug" : "Info")
    ))
  )

const hostError = (cause: Cause.Cause<unknown>): HostError => {
  const error = Cause.squash(cause)
  const more = error instanceof ConfigError || error instanceof PluginHost.PluginError ? error.more : []
  const detail = error instanceof Config.ConfigError
    ? explainVariable(error.message)
    : error instanceof Error
    ? error.message
    : String(error)
  return new HostError({ detail: [detail, ...more].join("\n"), cause: error })
}
