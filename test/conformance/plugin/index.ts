/**
 * A plugin that uses the whole API, and answers the same wherever it runs. Its folder is its code: it reaches for nothing
 * outside of it but `syris`.
 */
import { definePlugin, Schema, SecretOption } from "syris"
import { entry } from "./entry.ts"
import { channels, routes, rules, watchers } from "./doors.ts"
import { intents, tools } from "./tools.ts"
import { jobs, tasks } from "./work.ts"

export default definePlugin({
  name: "same",
  version: "1.0.0",
  options: Schema.Struct({
    key: SecretOption,
    plain: SecretOption,
    since: Schema.FiniteFromString,
    port: Schema.Int,
    hosts: Schema.Array(Schema.String)
  }),
  permissions: { net: ["api.example.org:443"], secrets: ["other.key"] },
  setup: ({ log, name, options, secret, timezone }) => {
    log.info("set up", { timezone })
    const told = {
      name,
      timezone,
      since: options.since,
      key: String(options.key),
      extra: String(secret("other", "key"))
    }
    const made = [...tools(options), entry, ...jobs.map(({ name }) => ({ name: `job.run.${name}` }))]
    return {
      tools: [...tools(options), entry],
      intents: [...intents, ...made.map(({ name }) => ({ name, tool: name, patterns: [] }))],
      channels,
      watchers,
      rules,
      jobs,
      tasks,
      routes: routes(told)
    }
  }
})
