/**
 * The tool for what the others have no words for: any service of Home Assistant, named outright. It is always asked first.
 */
import { defineTool, Schema, type SecretOption } from "syris"
import { callServices } from "./Calls.ts"
import type { House } from "./House.ts"

const Word = Schema.String.check(Schema.isPattern(/^[a-z0-9_]+$/), Schema.isMaxLength(100))
const EntityId = Schema.String.check(Schema.isPattern(/^[a-z0-9_]+\.[a-z0-9_]+$/), Schema.isMaxLength(255))

export const ServiceInput = Schema.Struct({
  domain: Word,
  service: Word,
  data: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  entity_id: Schema.optionalKey(Schema.Array(EntityId).check(Schema.isMaxLength(200)))
})

export const serviceTool = ({ house, name, token, where }: {
  readonly name: string
  readonly house: House
  readonly token: SecretOption
  readonly where: string
}) =>
  defineTool({
    name,
    description:
      `Call any service of Home Assistant${where}, such as notify.mobile_app_phone or vacuum.locate. Asked first.`,
    input: ServiceInput,
    output: Schema.Struct({ message: Schema.String }),
    effect: "write",
    risk: "critical",
    scopes: ["ha.service"],
    target: ({ domain, entity_id = [], service }) => [`${domain}.${service}`, ...entity_id].join(" "),
    action: ({ domain, service }) => `${domain}.${service}`,
    blastRadius: ({ data = {}, entity_id = [] }) =>
      // What is named in the data in another way may be any number of things.
      ["entity_id", "area_id", "device_id", "floor_id", "label_id"].some((key) => key in data)
        ? Infinity
        : Math.max(1, entity_id.length),
    timeout: "30 seconds",
    preview: ({ data = {}, domain, entity_id = [], service }) =>
      `would call ${domain}.${service}${entity_id.length === 0 ? "" : ` for ${entity_id.join(", ")}`} with ${
        JSON.stringify(data)
      }`,
    run: async ({ data = {}, domain, entity_id = [], service }, ctx) => {
      const link = await house.link(() => ctx.secret(token), ctx.signal)
      await callServices(link, [{ domain, service, data, entityIds: entity_id }])
      return { message: `Called ${domain}.${service}.` }
    }
  })
