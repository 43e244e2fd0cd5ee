/**
 * Runs the plugins that the configuration lists with `isolate(…)`, one fiber each, all at once.
 *
 * - Those that were loaded before are known from the start: what was planned with their tools finds them. Whoever is not running
 *   yet says so when it is called.
 * - The host waits for them at its start, and no longer than 10 seconds for all.
 * - One that can't be loaded leaves the host running, and is named in its health.
 * - In development (`reload`) a change of the code is taken up at once.
 */
import { Clock, Effect, Layer, Redacted } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { Audit } from "../audit/Audit.ts"
import type { AuditType } from "../contract/AuditEvent.ts"
import { visible } from "../contract/Visible.ts"
import { Environment } from "../database/Environment.ts"
import { newId } from "../database/Ids.ts"
import { Health } from "../health/Health.ts"
import { realTime } from "../health/RealTime.ts"
import { IsolateHost } from "../plugin/IsolateHost.ts"
import type { IsolateSettings } from "../plugin/IsolateSettings.ts"
import { makePluginLog } from "../plugin/PluginLog.ts"
import { Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { sweepCode } from "./CodeSnapshot.ts"
import { makeIsolatedEntry } from "./IsolatedEntry.ts"
import { makeLoad, StartIsolate } from "./IsolateLoad.ts"
import { PluginGrants } from "./PluginGrants.ts"
import { checkDescribed } from "./Proxies.ts"
import { makeRefusals } from "./Refusals.ts"

/** All of them together, at the start of the host. */
const startWithinMs = 10_000
/** After a fault of ours. */
const againAfterMs = 5_000
/** An editor writes more than once. */
const settledAfterMs = 200

export const layer = Layer.effect(IsolateHost, Effect.suspend(() => make))

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const grants = yield* PluginGrants
  const health = yield* Health
  const { home } = yield* Environment
  const logOf = yield* makePluginLog
  const redactor = yield* Redactor
  const secrets = yield* SecretsStore
  const settings = yield* Settings
  const start = yield* StartIsolate
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const listeners = new Set<() => void>()
  const configFile = path.resolve(settings.file)

  const tell = (type: AuditType, summary: string, data: Readonly<Record<string, unknown>>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      audit.append({
        type,
        trace_id: newId(),
        at: new Date(now),
        summary: redactor.redactText(summary),
        actor: "host",
        data: { ...data }
      })).pipe(
        Effect.catchCause((cause) => Effect.logWarning("What became of a plugin was not written down.", cause))
      )

  const refused = makeRefusals(realTime.now, (plugin, sentence) => {
    logOf({ plugin }).warn(visible(sentence))
    run(tell("gate.scope_violation", visible(sentence).slice(0, 300), { plugin }))
  })

  const entryOf = (one: IsolateSettings) =>
    makeIsolatedEntry({
      settings: one,
      log: logOf,
      makeLoad: (name) =>
        makeLoad({
          settings: one,
          configFile,
          home,
          timezone: settings.timezone,
          grants,
          secrets,
          start,
          name,
          hearing: {
            log: ({ fields, level, message }) =>
              logOf({ plugin: name() ?? one.written })[level](
                visible(message),
                fields === undefined ? undefined : { ...fields }
              )
          }
        }),
      degrade: (name, sentence) => health.degrade(name, redactor.redactText(sentence).slice(0, 1_000)),
      recover: (name) => health.recover(name),
      tell,
      refused,
      hide: (name, value) => redactor.add(name, Redacted.make(value)),
      changed: () => {
        for (const listener of listeners) listener()
      }
    })
  const entries = settings.isolates.map((one) => ({ settings: one, ...entryOf(one) }))

  // What they brought last, until they say it again.
  for (const entry of entries) {
    const { written } = entry.settings
    const rows = yield* grants.at(written)
    const [row] = rows
    if (rows.length !== 1 || row?.described === undefined) continue
    if (entries.filter((other) => other.settings.written === written).length !== 1) continue
    yield* Effect.try(() => entry.recall(checkDescribed(row.described), row.hash)).pipe(
      Effect.catch((error) => Effect.logWarning(`What plugin ${row.name} brought last is not known any more.`, error))
    )
  }

  if (entries.length > 0) {
    fs.mkdirSync(path.join(home, "isolates", "tmp"), { recursive: true, mode: 0o700 })
    yield* Effect.ignoreCause(
      Effect.flatMap(grants.all, (all) => sweepCode(home, new Set(all.map(({ hash }) => hash))))
    )
    yield* Effect.forkScoped(
      Effect.forEach(
        entries,
        ({ life, settings: { written } }) =>
          life.run.pipe(
            Effect.catchCause((cause) => Effect.logError(`The plugin ${written} was not looked after.`, cause)),
            Effect.andThen(realTime.sleep(againAfterMs)),
            Effect.forever
          ),
        { discard: true, concurrency: "unbounded" }
      )
    )
    for (const { life, settings: one } of entries) if (one.reload) yield* watchCode(one.path, life.reconsider)
    yield* grants.onChange(Effect.sync(() => {
      for (const { life } of entries) life.reconsider()
    }))
    yield* Effect.raceFirst(
      Effect.forEach(entries, ({ life }) => life.first, { discard: true, concurrency: "unbounded" }),
      realTime.sleep(startWithinMs)
    )
  }

  return {
    plugins: () => entries.flatMap(({ plugin }) => plugin() ?? []),
    unknown: () => entries.flatMap(({ plugin, settings: { written } }) => plugin() === undefined ? [written] : []),
    refuse: (name: string, mistake: string) =>
      Effect.forEach(entries.filter(({ plugin }) => plugin()?.name === name), ({ life }) => life.refuse(mistake), {
        discard: true
      }),
    onChange: (listener: () => void) => void listeners.add(listener),
    records: () => entries.map(({ record }) => record())
  }
})

/** Its folder, or its file alone. */
const watchCode = (module: string, changed: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const whole = /^index\.m?[jt]s$/.test(path.basename(module))
      let timer: NodeJS.Timeout | undefined
      const watcher = fs.watch(path.dirname(module), { recursive: whole }, (_, file) => {
        if (!whole && file !== null && file !== path.basename(module)) return
        clearTimeout(timer)
        timer = setTimeout(changed, settledAfterMs)
      })
      watcher.on("error", () => {})
      return () => {
        clearTimeout(timer)
        watcher.close()
      }
    }),
    (close) => Effect.sync(close)
  )
