/** `GET /plugins`. The routes that plugins bring are in `PluginRoutes.ts`. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { type PluginInfo, Registry } from "../../plugin/Registry.ts"
import type { Api } from "../Api.ts"
import { answer } from "../Checked.ts"

const names = Schema.Array(Schema.String)

const PluginRecord = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  runtime: Schema.String,
  permissions: Schema.Record(Schema.String, names),
  provides: Schema.Struct({
    tools: names,
    tasks: names,
    intents: names,
    channels: names,
    watchers: names,
    rules: Schema.Int,
    jobs: names,
    routes: names
  })
}).annotate({ identifier: "Plugin" })

const PluginList = Schema.Struct({ items: Schema.Array(PluginRecord) })

export class PluginsGroup extends HttpApiGroup.make("plugins").add(
  HttpApiEndpoint.get("list", "/plugins", { success: PluginList })
) {}

const toRecord = ({ name, parts, permissions, runtime, version }: PluginInfo): typeof PluginRecord.Type => {
  const named = (list: ReadonlyArray<{ readonly name: string }> | undefined) => (list ?? []).map((part) => part.name)
  return {
    name,
    version,
    runtime,
    permissions: Object.fromEntries(Object.entries(permissions).filter((one) => Array.isArray(one[1]))),
    provides: {
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
}

export const pluginsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "plugins",
    Effect.fnUntraced(function*(handlers) {
      const registry = yield* Registry
      return handlers.handle(
        "list",
        () => Effect.sync(() => answer(PluginList, { items: registry.plugins().map(toRecord) }))
      )
    })
  )
