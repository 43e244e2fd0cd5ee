// What this SYRIS does. Every plugin is a line; the README of a plugin names its options.
import { defineConfig } from "syris"
// import { secret } from "syris"
import dashboard from "./plugins/dashboard/index.ts"
// import email from "./plugins/email/index.ts"
// import homeAssistant from "./plugins/home-assistant/index.ts"
// import mqtt from "./plugins/mqtt/index.ts"
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
    dashboard(), // the page: npm start prints the link, and so does npm run syris open

    // Below, take the // away from what you have, and from its import above; then: npm run syris doctor

    // the house: "turn off the kitchen lights", and rules on whatever changes in it; README in plugins/home-assistant
    // homeAssistant({
    //   url: "http://homeassistant.local:8123",
    //   token: secret("home-assistant", "token") // npm run syris secrets set home-assistant token
    // }),

    // a mailbox, read as it comes and answered in its threads; README in plugins/email
    // email({
    //   address: "you@example.org",
    //   imap: { host: "imap.example.org", password: secret("email", "password") },
    //   smtp: { host: "smtp.example.org" }
    // }),

    // somebody else's webhooks, signed, at POST /hooks/github; README in plugins/webhook
    // webhook({
    //   name: "github",
    //   secret: secret("github", "webhook"),
    //   style: "github"
    // }),

    // a broker of MQTT: its messages in, and yours out; README in plugins/mqtt
    // mqtt({
    //   url: "mqtt://127.0.0.1:1883",
    //   topics: ["zigbee2mqtt/#"]
    // }),

    // somebody else's plugin, apart from the host, with this and nothing else: docs/isolates.md
    // isolate("./plugins/weather/index.ts", { allow: { net: ["api.weather.example:443"] } }),

    webhook() // takes events of the channel `webhook`
  ]
})
