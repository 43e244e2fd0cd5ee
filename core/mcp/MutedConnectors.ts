/**
 * The events of a channel that the operator has switched off go no further than the filters: kept, and dropped with the reason.
 * That it can't listen is nobody's trouble until it is switched on again.
 */
import { Effect, Layer } from "effect"
import { Health } from "../health/Health.ts"
import { ailmentOf } from "../pipeline/Channels.ts"
import { type Filter, Filters } from "../pipeline/Router.ts"
import { Registry } from "../plugin/Registry.ts"
import { IntegrationSwitches } from "../safety/IntegrationSwitches.ts"
import { ChannelRecords } from "./ChannelRecords.ts"

export const layer = Layer.effect(
  Filters,
  Effect.gen(function*() {
    const channels = yield* ChannelRecords
    const health = yield* Health
    const registry = yield* Registry
    const switches = yield* IntegrationSwitches
    const offId = (connector_id: string): string | undefined => {
      const id = channels.idOf(connector_id)
      return id !== undefined && switches.isOff(id) ? id : undefined
    }
    yield* health.leaveOut((name) =>
      registry.channels().some(({ connector_id }) =>
        ailmentOf(connector_id) === name && offId(connector_id) !== undefined
      )
    )
    const muted: Filter = {
      name: "muted connector",
      drops: ({ connector_id }) => {
        const id = offId(connector_id)
        return id !== undefined
          ? `the operator has switched ${id} off (syris integrations enable ${id})`
          : undefined
      }
    }
    return [muted]
  })
)
