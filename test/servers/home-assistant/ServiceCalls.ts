/**
 * A call of a service: checked, its target found, each entity moved, in the order and with the errors of Home Assistant. An
 * entity that is not there is left out without an error.
 */
import { check } from "./Fields.ts"
import type { House } from "./House.ts"
import { services } from "./Services.ts"
import { type Attributes, type Context, domainOf, listOf, ServiceError, type Target } from "./Types.ts"

/** As `get_services` lists them. */
export const described = (): object =>
  Object.fromEntries(
    Object.entries(services).map(([domain, named]) => [
      domain,
      Object.fromEntries(
        Object.entries(named).map(([service, { name, fields = {}, needs = [], move }]) => [service, {
          name,
          description: `${name}.`,
          fields: Object.fromEntries(Object.keys(fields).map((field) => [field, { required: needs.includes(field) }])),
          ...(move === undefined || domain === "homeassistant" ? {} : { target: { entity: [{ domain: [domain] }] } })
        }])
      )
    ])
  )

const targetNames = ["entity_id", "device_id", "area_id", "floor_id", "label_id"]

/** The entities of a target: those that are named, and those of a device or area that are not hidden. */
const found = (house: House, domain: string, target: Target): ReadonlyArray<string> => {
  const { registries, states } = house
  const named = listOf(target.entity_id)
  const devices = new Set(listOf(target.device_id))
  const areas = new Set(listOf(target.area_id))
  const meant = registries.all().filter((entry) =>
    entry.hidden_by === null &&
    ((entry.device_id !== null && devices.has(entry.device_id)) || areas.has(registries.areaOf(entry) ?? ""))
  ).map(({ entity_id }) => entity_id)
  const all = named.includes("all") ? [...states.keys()] : [...named, ...meant]
  return [...new Set(all)].filter((entity_id) =>
    states.has(entity_id) && (domain === "homeassistant" || domainOf(entity_id) === domain)
  )
}

/** A call that was checked: what it would move, and how to do it. */
export interface Prepared {
  readonly entity_ids: ReadonlyArray<string>
  readonly run: (context: Context, transitionMs: number) => void
}

export const prepare = (
  house: House,
  domain: string,
  name: string,
  service_data: Attributes,
  target: Target
): Prepared => {
  const service = services[domain]?.[name]
  if (service === undefined) {
    throw new ServiceError("not_found", `Service ${domain}.${name} not found.`, {
      translation_domain: "homeassistant",
      translation_key: "service_not_found",
      translation_placeholders: { domain, service: name }
    })
  }
  const targeted: Target = {
    ...Object.fromEntries(targetNames.flatMap((key) => key in service_data ? [[key, service_data[key]]] : [])),
    ...target
  }
  const data = Object.fromEntries(Object.entries(service_data).filter(([key]) => !targetNames.includes(key)))
  const { fields = {}, needs = [], whole, move, feature } = service
  if (move !== undefined && !targetNames.some((key) => key in targeted)) {
    throw new ServiceError("invalid_format", `must contain at least one of ${targetNames.join(", ")}.`)
  }
  if (domain !== "homeassistant") check(fields, data)
  if (needs.length > 0 && !needs.some((key) => key in data)) {
    throw new ServiceError(
      "invalid_format",
      needs.length === 1
        ? `required key not provided @ data['${needs[0]}']`
        : `must contain at least one of ${needs.join(", ")}.`
    )
  }
  const entity_ids = whole === undefined ? found(house, domain, targeted) : []
  const able = entity_ids.filter((entity_id) => {
    const bits = Number(house.states.get(entity_id)?.attributes["supported_features"] ?? 0)
    if (feature === undefined || (bits & feature) !== 0) return true
    if (!listOf(targeted.entity_id).includes(entity_id)) return false
    throw new ServiceError(
      "service_validation_error",
      `Validation error: Entity ${entity_id} does not support action ${domain}.${name}`,
      {
        translation_domain: "homeassistant",
        translation_key: "service_not_supported"
      }
    )
  })
  return {
    entity_ids: able,
    run: (context, transitionMs) => {
      whole?.(house, data, context)
      for (const entity_id of able) {
        const state = house.states.get(entity_id)
        if (state === undefined || state.state === "unavailable") continue
        const next = move?.(state, data, house, context)
        if (next === undefined) continue
        if (next.through === undefined || transitionMs === 0 || next.state === state.state) {
          house.set(entity_id, next.state, next.attributes, context)
          continue
        }
        house.set(entity_id, next.through, {}, context)
        setTimeout(() => house.set(entity_id, next.state, next.attributes, context), transitionMs).unref()
      }
    }
  }
}
