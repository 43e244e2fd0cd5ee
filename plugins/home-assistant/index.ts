/**
 * Home Assistant: what happens in the house as events of the channel `ha_event`, and the house's things as tools.
 */
import { definePlugin, Schema, SecretOption } from "syris"
import { persistent, sendBy } from "./Answer.ts"
import { messageEvent } from "./Changes.ts"
import { controlTool } from "./Control.ts"
import { makeFilter } from "./Filter.ts"
import { makeHouse } from "./House.ts"
import { openLink } from "./Link.ts"
import { makeListening } from "./Listening.ts"
import { sentences } from "./Sentences.ts"
import { serviceTool } from "./ServiceTool.ts"
import { stateTool } from "./StateTool.ts"

const isHouse = (url: string): boolean => {
  const parsed = URL.parse(url)
  return (parsed?.protocol === "http:" || parsed?.protocol === "https:") && parsed.username === "" &&
    parsed.password === ""
}

const Url = Schema.String.check(
  Schema.makeFilter((url) => isHouse(url) || "an address such as http://homeassistant.local:8123")
)
const Name = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_-]{0,29}$/, { expected: "lower-case letters, digits, _ and -" })
)
const Pattern = Schema.String.check(Schema.isPattern(/^[a-z0-9_*?.]{1,255}$/))
const EventType = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_.-]{1,200}$/))
const RiskLevel = Schema.Literals(["low", "medium", "high", "critical"])

const Options = Schema.Struct({
  /** Where it is: `http://homeassistant.local:8123`. */
  url: Url,
  /** A long-lived access token. */
  token: SecretOption,
  /** For several houses: the connector, and a part of the tools' names. */
  name: Schema.optionalKey(Name),
  /** Types of events that become events here. Default `state_changed` and `syris_message`. */
  events: Schema.optionalKey(Schema.Array(EventType).check(Schema.isMinLength(1), Schema.isMaxLength(50))),
  /** Whose changes become events: domains, ids, patterns. Default all. */
  entities: Schema.optionalKey(Schema.Struct({
    include: Schema.optionalKey(Schema.Array(Pattern)),
    exclude: Schema.optionalKey(Schema.Array(Pattern))
  })),
  /** Another risk, by domain or entity id. */
  risk: Schema.optionalKey(Schema.Record(Schema.String, RiskLevel)),
  /** The service that shows answers. Default `persistent_notification.create`. */
  notify: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[a-z0-9_]+\.[a-z0-9_]+$/))),
  /** For locks and alarms that ask for one. */
  code: Schema.optionalKey(SecretOption)
})

/** With a path, the API is under it. */
const baseOf = (url: string): URL => new URL(url.endsWith("/") ? url : `${url}/`)

export default definePlugin({
  name: "home-assistant",
  version: "0.1.0",
  instance: ({ name }: typeof Options.Type) => name,
  options: Options,
  setup: ({ log, options }) => {
    const { code, entities, events = ["state_changed", messageEvent], name, notify = persistent, risk = {}, token } =
      options
    const url = baseOf(options.url)
    const house = makeHouse(url, log)
    const connectorId = name ?? "ha_event"
    const where = name === undefined ? "" : ` ${name}`
    const tool = (of: string) => name === undefined ? `ha.${of}` : `ha.${name}.${of}`
    const names = { control: tool("device.control"), state: tool("state"), service: tool("service.call") }
    return {
      channels: [{
        name: "ha_event",
        ...(name === undefined ? {} : { connector_id: name }),
        trust: "trusted",
        exclusive: true,
        receive: makeListening({ house, token, connectorId, events, takes: makeFilter(entities) }),
        check: async (ctx) => {
          const link = await openLink({ url, token: await ctx.secret(token), signal: ctx.signal, log: ctx.log, events })
          try {
            const { location_name, state = "RUNNING", version } = link.config
            const starting = state === "RUNNING" ? "" : ", which is still starting"
            return `Home Assistant ${version} of "${location_name}"${starting}, ${link.states.size} entities`
          } finally {
            link.close()
          }
        },
        send: sendBy({ house, notify, token, where })
      }],
      tools: [
        controlTool({ name: names.control, house, token, code, risk, where }),
        stateTool({ name: names.state, house, token, where }),
        serviceTool({ name: names.service, house, token, where })
      ],
      intents: sentences(names, name)
    }
  }
})
