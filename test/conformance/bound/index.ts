/** A plugin that has what can't leave the host: a tool within its transaction, and a way to a language model. */
import { definePlugin, defineTool, Schema } from "syris"

export default definePlugin({
  name: "bound",
  setup: () => ({
    tools: [
      defineTool({
        name: "bound.note",
        description: "Notes it in the host's own transaction.",
        input: Schema.Struct({}),
        effect: "write",
        risk: "low",
        scopes: [],
        guarantee: "transactional",
        run: () => "noted"
      })
    ],
    providers: [{ name: "bound", ask: () => "nothing" } as never]
  })
})
