/**
 * A plugin as the operator sees it: where it runs, what it brings, and what it may do.
 */
import { Schema } from "effect"

const optional = Schema.optionalKey
const names = Schema.Array(Schema.String)
const permissions = Schema.Record(Schema.String, names)

export const PluginRecord = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  /** `inline`: in the host itself. */
  runtime: Schema.String,
  /** `held`: its code changed and waits for a grant; what was granted may run all the same. */
  state: Schema.Literals(["starting", "running", "held", "failed", "stopping"]),
  last_error: optional(Schema.String),
  /** What the plugin says that it needs. */
  permissions,
  provides: Schema.Struct({
    tools: names,
    tasks: names,
    intents: names,
    channels: names,
    watchers: names,
    rules: Schema.Int,
    jobs: names,
    routes: names
  }),
  /** What it asks for; only in an isolate, and once it was loaded. */
  asked: optional(permissions),
  /** What it may do, and nothing else; only in an isolate. */
  granted: optional(permissions),
  /** The code that was granted. */
  code: optional(Schema.Struct({ hash: Schema.String, files: Schema.Int, bytes: Schema.Int })),
  /** What it is now, where that was not granted. `cut`: not all of it can be shown, and it is granted by its hash alone. */
  held: optional(
    Schema.Struct({ hash: Schema.String, since: Schema.String, diff: Schema.String, cut: Schema.Boolean })
  ),
  /** How often it was started again since the host started. */
  restarts: optional(Schema.Int)
})
export type PluginRecord = typeof PluginRecord.Type
