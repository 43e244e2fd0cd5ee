/** A plugin that has what can't leave the host: a tool within its transaction, a way to a language model, the operator's page. */
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
    routes: [{ method: "GET", path: "/", open: true, handle: () => new Response("a page") }],
    page: "/",
    providers: [{ name: "bound", ask: () => "nothing" } as never]
  })
})
