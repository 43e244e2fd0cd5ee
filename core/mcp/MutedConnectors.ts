/**
 * The events of a channel that the operator has switched off go no further than the filters: kept, and dropped with the reason.
 */
import { Effect, Layer } from "effect"
import { type Filter, Filters } from "../pipeline/Router.ts"
import { IntegrationSwitches } from "../safety/IntegrationSwitches.ts"
import { ChannelRecords } from "./ChannelRecords.ts"

export const layer = Layer.effect(
  Filters,
  Effect.gen(function*() {
    const channels = yield* ChannelRecords
    const switches = yield* IntegrationSwitches
    const muted: Filter = {
      name: "muted connector",
      drops: ({ connector_id }) => {
        const id = channels.idOf(connector_id)
        return id !== undefined && switches.isOff(id)
          ? `the operator has switched ${id} off (syris integrations enable ${id})`
          : undefined
      }
    }
    return [muted]
  })
)
