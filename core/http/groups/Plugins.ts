/**
 * `/plugins`: what is listed, where it runs and what it may do there, and granting code that changed. The routes that plugins
 * bring are in `PluginRoutes.ts`.
 */
import { Effect, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { PluginRecord } from "../../contract/PluginRecord.ts"
import { type PluginGrant, PluginNotFound } from "../../isolates/GrantRows.ts"
import { PluginGrants } from "../../isolates/PluginGrants.ts"
import { check } from "../../plugin/Explain.ts"
import { IsolateHost, type IsolateRecord } from "../../plugin/IsolateHost.ts"
import type { Permissions } from "../../plugin/Plugin.ts"
import { type PluginInfo, Registry } from "../../plugin/Registry.ts"
import type { Api } from "../Api.ts"
import { answer, optionalBody, reading } from "../Checked.ts"
import { problem, problemResponse } from "../Problem.ts"

const Plugin = PluginRecord.annotate({ identifier: "Plugin" })

const PluginList = Schema.Struct({ items: Schema.Array(Plugin) })

const name = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_-]{0,63}(?:\.[a-z0-9][a-z0-9_-]{0,63})?$/, {
    expected: "the name of a plugin, such as \"coffee\""
  })
)

const GrantBody = Schema.Struct({
  /** Of what was shown in `held`: it is refused where the code is something else by now. */
  hash: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "the hash that GET /plugins shows" }))
  )
}).annotate({ identifier: "GrantPlugin" })
const checkGrant = check(GrantBody, "field")

export class PluginsGroup extends HttpApiGroup.make("plugins").add(
  HttpApiEndpoint.get("list", "/plugins", { success: PluginList }),
  HttpApiEndpoint.post("grant", "/plugins/:name/grant", {
    params: { name },
    payload: [GrantBody, Schema.Null],
    success: Plugin,
    error: [problemResponse(404), problemResponse(409)]
  }).annotateMerge(OpenApi.annotations({
    summary: "Grants the code of an isolated plugin as it is now",
    description: "With `hash` exactly what was shown in `held` is granted, or nothing. Every host that has it loads it."
  }))
) {}

const listed = (permissions: Permissions): Record<string, ReadonlyArray<string>> =>
  Object.fromEntries(Object.entries(permissions).filter((one) => Array.isArray(one[1])))

const provided = ({ name, parts }: Pick<PluginInfo, "name" | "parts">): PluginRecord["provides"] => {
  const named = (list: ReadonlyArray<{ readonly name: string }> | undefined) => (list ?? []).map((part) => part.name)
  return {
    tools: named(parts.tools),
    tasks: named(parts.tasks),
    intents: named(parts.intents),
    channels: named(parts.channels),
    watchers: named(parts.watchers),
    rules: parts.rules?.length ?? 0,
    jobs: named(parts.jobs),
    routes: (parts.routes ?? []).map((route) => `${route.method} /plugins/${name}${route.path}`)
  }
}

const toRecord = (
  plugin: PluginInfo,
  isolate: IsolateRecord | undefined,
  grant: PluginGrant | undefined,
  held: PluginRecord["held"]
): PluginRecord => ({
  name: plugin.name,
  version: plugin.version,
  runtime: isolate?.runtime ?? plugin.runtime,
  state: isolate?.state ?? "running",
  ...(isolate?.last_error === undefined ? {} : { last_error: isolate.last_error }),
  permissions: listed(plugin.permissions),
  provides: provided(plugin),
  ...(grant?.asks === undefined ? {} : { asked: listed(grant.asks) }),
  ...(isolate === undefined ? {} : { granted: listed(isolate.allow), restarts: isolate.restarts }),
  ...(isolate === undefined || grant === undefined
    ? {}
    : { code: { hash: grant.hash, files: grant.files, bytes: grant.bytes } }),
  ...(held === undefined ? {} : { held })
})

/** One that brings nothing here: it was never loaded, or can't be. */
const unloaded = ({ name, runtime }: IsolateRecord, grant: PluginGrant | undefined): PluginInfo => ({
  name,
  version: grant?.described?.version ?? "0.0.0",
  runtime,
  permissions: grant?.asks ?? {},
  parts: {}
})

interface Apart {
  readonly isolate: IsolateRecord
  readonly grant: PluginGrant | undefined
}

const makeRecords = Effect.gen(function*() {
  const registry = yield* Registry
  const grants = yield* PluginGrants
  const isolates = yield* IsolateHost

  const heldOf = Effect.fnUntraced(function*(grant: PluginGrant | undefined) {
    if (grant?.held === undefined) return undefined
    const diff = yield* grants.diff(grant.name)
    if (diff === undefined) return undefined
    return { hash: grant.held.hash, since: grant.held.since.toISOString(), diff: diff.text, cut: diff.isCut }
  })

  /** Those of this host, by name. One that was never loaded here is known by its path alone, until its grant says who it is. */
  const apart = Effect.gen(function*() {
    const records = isolates.records()
    const granted = records.length === 0 ? [] : yield* grants.all
    return new Map(records.map((record): readonly [string, Apart] => {
      const known = granted.find((grant) => grant.name === record.name) ??
        granted.find((grant) => grant.path === record.name)
      return [known?.name ?? record.name, { isolate: { ...record, name: known?.name ?? record.name }, grant: known }]
    }))
  })

  const all = Effect.gen(function*() {
    const known = yield* apart
    const plugins = registry.plugins()
    const here = new Set(plugins.map((plugin) => plugin.name))
    const missing = [...known.values()].filter(({ isolate }) => !here.has(isolate.name))
    return yield* Effect.forEach(
      [...plugins, ...missing.map(({ grant, isolate }) => unloaded(isolate, grant))],
      (plugin) => {
        const { grant, isolate } = known.get(plugin.name) ?? {}
        return Effect.map(heldOf(grant), (held) => toRecord(plugin, isolate, grant, held))
      }
    )
  })

  const grant = Effect.fnUntraced(function*(name: string, hash: string | undefined) {
    if (!(yield* apart).has(name)) return yield* new PluginNotFound({ plugin: name })
    yield* grants.grant(name, hash)
    const record = (yield* all).find((one) => one.name === name)
    return record ?? (yield* new PluginNotFound({ plugin: name }))
  })

  return { all, grant }
})

const readHash = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const { hash }: typeof GrantBody.Type = yield* optionalBody(request, checkGrant, {})
  return hash
})

export const pluginsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "plugins",
    Effect.fnUntraced(function*(handlers) {
      const records = yield* makeRecords
      return handlers
        .handle("list", () => reading(Effect.map(records.all, (items) => answer(PluginList, { items }))))
        .handleRaw("grant", ({ params, request }) =>
          Effect.flatMap(readHash(request), (hash) =>
            reading(
              records.grant(params.name, hash).pipe(
                Effect.map((record) => answer(Plugin, record)),
                Effect.catchTags({
                  PluginNotFound: (error) => Effect.fail(problem("plugin.not_found", error.message)),
                  PluginNotHeld: (error) => Effect.fail(problem("plugin.state", error.message))
                })
              )
            )))
    })
  )
