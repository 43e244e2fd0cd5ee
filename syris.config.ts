// What this SYRIS does. Every plugin is a line; the README of a plugin names its options.
import { defineConfig } from "syris"
import noop from "./plugins/noop/index.ts"
import timers from "./plugins/timers/index.ts"
import webhook from "./plugins/webhook/index.ts"

export default defineConfig({
  // timezone: "Europe/London",   // default: this computer's
  autonomy: "A2", // how much it may do by itself; taken at the first start, kept in the database from then on

  // safety: { quietHours: [{ start: "22:00", end: "07:00" }] },   // docs/safety.md
  // policy: [{ tool: "webhook.send", risk: "low", reason: "my own server" }],

  // mcp: {   // tools of other people: docs/mcp.md
  //   files: { command: "/path/to/mcp-server-filesystem", args: ["/home/you/notes"] }
  // },

  plugins: [
    timers(), // "set a timer for 5 minutes", "remind me in 2 hours to call Sam"
    noop(), // "noop": does nothing, and shows that everything works
    webhook() // takes events of the channel `webhook`; for signed hooks add, for example:
    // webhook({ name: "github", secret: secret("github", "webhook"), style: "github" })
    // somebody else's, apart from the host, with this and nothing else: docs/isolates.md
    // isolate("./plugins/weather/index.ts", { allow: { net: ["api.weather.example:443"] } })
  ]
})
