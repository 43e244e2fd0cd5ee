/** `GET /settings`: what is in force, to be looked at. It is changed in the configuration. */
import { Effect, Redacted } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import * as path from "node:path"
import { longestSearch, SearchBounds } from "../../audit/Search.ts"
import { SettingsRecord } from "../../contract/SettingsRecord.ts"
import { Environment } from "../../database/Environment.ts"
import { withoutPassword } from "../../database/WithoutPassword.ts"
import { version } from "../../health/Version.ts"
import { defaultLocale } from "../../pipeline/Normaliser.ts"
import { Registry } from "../../plugin/Registry.ts"
import { Settings } from "../../plugin/Settings.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import { SecretsStore } from "../../secrets/SecretsStore.ts"
import type { Api } from "../Api.ts"
import { answer, maximumBody } from "../Checked.ts"
import { maximumStreams } from "../EventStreams.ts"
import { maximumLimit } from "../Query.ts"
import { shownIsolate, shownLlm, shownMcp, shownSafety, shownTools } from "../SettingsShown.ts"

const Record = SettingsRecord.annotate({ identifier: "Settings" })

export class SettingsGroup extends HttpApiGroup.make("settings").add(
  HttpApiEndpoint.get("get", "/settings", { success: Record }).annotateMerge(OpenApi.annotations({
    summary: "What is in force of the configuration, without its secrets",
    description: "It was read when the host started: what changes in the file holds from the next start on."
  }))
) {}

/** Channels that the host has without a plugin, and the entry of all that have none. */
const ownChannels = ["*", "api", "chat", "rule_engine", "scheduler", "watcher", "webhook"]

export const settingsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "settings",
    Effect.fnUntraced(function*(handlers) {
      const settings = yield* Settings
      const environment = yield* Environment
      const registry = yield* Registry
      const secrets = yield* SecretsStore
      const redactor = yield* Redactor
      const bounds = yield* SearchBounds
      const { databaseUrl } = environment

      const current = (): SettingsRecord => ({
        version,
        home: environment.home,
        config: {
          path: settings.file,
          loaded_at: settings.loadedAt.toISOString(),
          warnings: settings.warnings
        },
        database: databaseUrl === undefined
          ? { kind: "embedded", place: path.join(environment.home, "postgres") }
          : { kind: "given", place: withoutPassword(Redacted.value(databaseUrl)) },
        timezone: settings.timezone,
        locale: defaultLocale,
        first_autonomy: settings.autonomy,
        safety: shownSafety(settings, [...ownChannels, ...registry.channels().map(({ channel }) => channel.name)]),
        tools: shownTools(settings),
        llm: settings.llm === undefined ? null : shownLlm(settings.llm),
        mcp: settings.mcp.map(shownMcp),
        plugins: registry.plugins().map(({ name, version }) => ({ name, version })),
        isolates: settings.isolates.map(shownIsolate),
        policies: settings.policy.length,
        rules: settings.rules.length,
        secrets: [...new Set(secrets.values().map(({ key, name }) => `${name}.${key}`))].sort(),
        retention: "forever",
        limits: {
          body_bytes: maximumBody,
          page_items: maximumLimit,
          streams: maximumStreams,
          search_rows: bounds.rows,
          search_characters: longestSearch
        }
      })

      return handlers.handle("get", () => Effect.sync(() => answer(Record, redactor.redactJson(current()))))
    })
  )
