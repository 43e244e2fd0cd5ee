/**
 * Does nothing, durably: the shortest way through the whole pipeline, for a first success and for measuring.
 */
import { definePlugin, defineTool, Schema } from "syris"

export default definePlugin({
  name: "noop",
  version: "0.1.0",
  setup: () => ({
    tools: [
      defineTool({
        name: "noop.run",
        description: "Do nothing and say so.",
        input: Schema.Struct({ text: Schema.optionalKey(Schema.String) }),
        output: Schema.Struct({ message: Schema.String }),
        effect: "write",
        risk: "low",
        scopes: ["noop"],
        guarantee: "transactional",
        concurrency: 10_000,
        preview: () => "would do nothing",
        run: ({ text }) => ({ message: text === undefined ? "Did nothing." : `Did nothing: ${text}` })
      })
    ],
    intents: [{
      name: "noop",
      patterns: [/noop/, /noop (?<text>.+)/],
      tool: "noop.run",
      input: ({ text }) => text === undefined ? {} : { text }
    }]
  })
})
