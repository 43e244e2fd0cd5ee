/**
 * The commands of HA's websocket API that the stand-in knows: what each answers.
 */
import { newContext } from "./Clock.ts"
import { compressed, difference } from "./Compressed.ts"
import type { House } from "./House.ts"
import { described } from "./ServiceCalls.ts"
import { type Context, type HaEvent, listOf, ServiceError, type State } from "./Types.ts"

export interface Command {
  readonly id: number
  readonly type: string
  readonly [field: string]: unknown
}

/** What a command may use of its connection and of the server. */
export interface Scene {
  readonly house: House
  readonly userId: string
  readonly running: () => boolean
  readonly version: string
  readonly subscriptions: Map<number, () => void>
  readonly result: (id: number, result: unknown) => void
  /** The text of one message of type `event`, made once for all connections. */
  readonly event: (id: number, event: object) => void
  readonly call: (command: Command, context: Context) => void
  readonly coalesce: () => void
}

type Handler = (command: Command, scene: Scene) => void

const requireText = (command: Command, name: string): string => {
  const value = command[name]
  if (typeof value === "string") return value
  const got = value === undefined ? "required key not provided" : "expected str for dictionary value"
  const where = `@ data['${name}']. Got ${JSON.stringify(value ?? null)}`
  throw new ServiceError("invalid_format", `Message incorrectly formatted: ${got} ${where}`)
}

/** HA tells these to nobody who listens to everything. */
const quiet = new Set(["state_reported"])

const subscribe: Handler = (command, { house, subscriptions, result, event }) => {
  const only = command["event_type"] === undefined ? undefined : requireText(command, "event_type")
  subscriptions.set(
    command.id,
    house.listen((fired) => {
      if (only === undefined ? !quiet.has(fired.event_type) : only === fired.event_type) event(command.id, fired)
    })
  )
  result(command.id, null)
}

const subscribeEntities: Handler = (command, { house, subscriptions, result, event }) => {
  const only = new Set(listOf(command["entity_ids"]))
  const wanted = (entity_id: string): boolean => only.size === 0 || only.has(entity_id)
  subscriptions.set(
    command.id,
    house.listen(({ event_type, data }: HaEvent) => {
      const { entity_id, old_state, new_state } = data as {
        entity_id: string
        old_state: State | null
        new_state: State | null
      }
      if (event_type === "state_changed" && wanted(entity_id)) {
        event(command.id, difference(entity_id, old_state, new_state))
      }
    })
  )
  result(command.id, null)
  const states = [...house.states].filter(([entity_id]) => wanted(entity_id))
  event(command.id, { a: Object.fromEntries(states.map(([entity_id, state]) => [entity_id, compressed(state)])) })
}

const config = (version: string, running: boolean): object => ({
  allowlist_external_dirs: ["/config/www"],
  allowlist_external_urls: [],
  components: ["api", "websocket_api", "light", "switch", "lock", "cover", "climate", "alarm_control_panel"],
  config_dir: "/config",
  config_source: "storage",
  country: "GB",
  currency: "GBP",
  debug: false,
  elevation: 0,
  external_url: null,
  internal_url: null,
  language: "en",
  latitude: 51.5,
  location_name: "Home",
  longitude: -0.1,
  radius: 100,
  recovery_mode: false,
  safe_mode: false,
  state: running ? "RUNNING" : "STARTING",
  time_zone: "Europe/London",
  unit_system: { length: "km", mass: "g", pressure: "Pa", temperature: "°C", volume: "L", wind_speed: "m/s" },
  version,
  whitelist_external_dirs: ["/config/www"]
})

export const commands: Readonly<Record<string, Handler>> = {
  supported_features: (command, { coalesce, result }) => {
    const features = command["features"] as Readonly<Record<string, unknown>> | undefined
    if (features?.["coalesce_messages"] === 1) coalesce()
    result(command.id, null)
  },
  "auth/current_user": ({ id }, { result, userId }) =>
    result(id, { id: userId, name: "Ada", is_owner: true, is_admin: true, credentials: [], mfa_modules: [] }),
  get_states: ({ id }, { house, result }) => result(id, [...house.states.values()]),
  get_config: ({ id }, { version, running, result }) => result(id, config(version, running())),
  get_services: ({ id }, { result }) => result(id, described()),
  "config/area_registry/list": ({ id }, { house, result }) => result(id, house.registries.areas()),
  "config/device_registry/list": ({ id }, { house, result }) => result(id, house.registries.devices()),
  "config/entity_registry/list": ({ id }, { house, result }) => result(id, house.registries.entities()),
  "config/entity_registry/get": (command, { house, result }) => {
    const entry = house.registries.extended(requireText(command, "entity_id"))
    if (entry === null) throw new ServiceError("not_found", "Entity not found")
    result(command.id, entry)
  },
  "config/entity_registry/get_entries": (command, { house, result }) => {
    const ids = listOf(command["entity_ids"])
    result(command.id, Object.fromEntries(ids.map((entity_id) => [entity_id, house.registries.extended(entity_id)])))
  },
  "config/floor_registry/list": ({ id }, { result }) => result(id, []),
  "config/label_registry/list": ({ id }, { result }) => result(id, []),
  subscribe_events: subscribe,
  subscribe_entities: subscribeEntities,
  unsubscribe_events: (command, { subscriptions, result }) => {
    const subscription = Number(command["subscription"])
    const end = subscriptions.get(subscription)
    if (end === undefined) throw new ServiceError("not_found", "Subscription not found.")
    end()
    subscriptions.delete(subscription)
    result(command.id, null)
  },
  fire_event: (command, { house, userId, result }) => {
    const context = newContext(userId)
    const data = command["event_data"] as object | undefined
    house.fire(requireText(command, "event_type"), data ?? {}, context)
    result(command.id, { context })
  },
  call_service: (command, { call, userId }) => {
    requireText(command, "domain")
    requireText(command, "service")
    call(command, newContext(userId))
  }
}
