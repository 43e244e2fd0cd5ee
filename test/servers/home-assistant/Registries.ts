/**
 * The registries of areas, devices and entities: who is called what, and where it is. What `…/list` leaves out, it leaves
 * out here, too: the aliases of an entity are in `get` and `get_entries` only.
 */
import { randomBytes } from "node:crypto"
import type { NewArea, NewDevice, NewEntity } from "./Types.ts"

export interface AreaEntry extends NewArea {
  readonly aliases: ReadonlyArray<string>
  readonly created_at: number
  readonly modified_at: number
}

export interface DeviceEntry {
  readonly id: string
  readonly name: string
  readonly area_id: string | null
  readonly created_at: number
  readonly modified_at: number
}

export interface EntityEntry {
  readonly id: string
  readonly entity_id: string
  readonly area_id: string | null
  readonly device_id: string | null
  readonly name: string | null
  readonly original_name: string | null
  readonly aliases: ReadonlyArray<string>
  readonly hidden_by: string | null
  readonly created_at: number
  readonly modified_at: number
}

const seconds = (): number => Date.now() / 1_000

const areaRow = ({ area_id, name, aliases, created_at, modified_at }: AreaEntry) => ({
  aliases,
  area_id,
  floor_id: null,
  humidity_entity_id: null,
  icon: null,
  labels: [],
  name,
  picture: null,
  temperature_entity_id: null,
  created_at,
  modified_at
})

const deviceRow = ({ id, name, area_id, created_at, modified_at }: DeviceEntry) => ({
  area_id,
  config_entries: ["01JD0000000000000000000000"],
  config_entries_subentries: { "01JD0000000000000000000000": [null] },
  config_entry_id: "01JD0000000000000000000000",
  config_subentry_id: null,
  configuration_url: null,
  connections: [],
  created_at,
  disabled_by: null,
  entry_type: null,
  hw_version: null,
  id,
  identifiers: [["house", id]],
  labels: [],
  manufacturer: "House",
  model: "Model",
  model_id: null,
  modified_at,
  name,
  name_by_user: null,
  primary_config_entry: "01JD0000000000000000000000",
  serial_number: null,
  sw_version: null,
  via_device_id: null
})

const entityRow = (entry: EntityEntry) => ({
  area_id: entry.area_id,
  categories: {},
  config_entry_id: "01JD0000000000000000000000",
  config_subentry_id: null,
  created_at: entry.created_at,
  device_id: entry.device_id,
  disabled_by: null,
  entity_category: null,
  entity_id: entry.entity_id,
  has_entity_name: false,
  hidden_by: entry.hidden_by,
  icon: null,
  id: entry.id,
  labels: [],
  modified_at: entry.modified_at,
  name: entry.name,
  options: { conversation: { should_expose: true } },
  original_name: entry.original_name,
  platform: "house",
  translation_key: null,
  unique_id: entry.id
})

const extendedRow = (entry: EntityEntry) => ({
  ...entityRow(entry),
  aliases: entry.aliases,
  capabilities: null,
  device_class: null,
  original_device_class: null,
  original_icon: null
})

/** What an event says of a registry that changed. */
export type Changed = (
  registry: "area" | "device" | "entity",
  data: Readonly<Record<string, unknown>>
) => void

export interface Registries {
  readonly areas: () => ReadonlyArray<object>
  readonly devices: () => ReadonlyArray<object>
  readonly entities: () => ReadonlyArray<object>
  readonly extended: (entity_id: string) => object | null
  readonly entry: (entity_id: string) => EntityEntry | undefined
  readonly all: () => ReadonlyArray<EntityEntry>
  /** The entity's own area, else its device's. */
  readonly areaOf: (entry: EntityEntry) => string | null
  readonly hasArea: (area_id: string) => boolean
  readonly addArea: (area: NewArea) => void
  readonly addDevice: (device: NewDevice) => void
  readonly addEntity: (entity: NewEntity) => void
  readonly update: (
    entity_id: string,
    changes: Partial<Pick<EntityEntry, "name" | "area_id" | "aliases" | "hidden_by" | "entity_id">>
  ) => void
  readonly remove: (entity_id: string) => void
}

export const makeRegistries = (changed: Changed): Registries => {
  const areas = new Map<string, AreaEntry>()
  const devices = new Map<string, DeviceEntry>()
  const entities = new Map<string, EntityEntry>()
  const stamp = () => ({ created_at: seconds(), modified_at: seconds() })
  return {
    areas: () => [...areas.values()].map(areaRow),
    devices: () => [...devices.values()].map(deviceRow),
    entities: () => [...entities.values()].map(entityRow),
    extended: (entity_id) => {
      const entry = entities.get(entity_id)
      return entry === undefined ? null : extendedRow(entry)
    },
    entry: (entity_id) => entities.get(entity_id),
    all: () => [...entities.values()],
    areaOf: ({ area_id, device_id }) =>
      area_id ?? (device_id === null ? null : devices.get(device_id)?.area_id ?? null),
    hasArea: (area_id) => areas.has(area_id),
    addArea: (area) => {
      const action = areas.has(area.area_id) ? "update" : "create"
      areas.set(area.area_id, { aliases: [], ...area, ...stamp() })
      changed("area", { action, area_id: area.area_id })
    },
    addDevice: ({ id, name, area_id }) => {
      devices.set(id, { id, name, area_id: area_id ?? null, ...stamp() })
      changed("device", { action: "create", device_id: id })
    },
    addEntity: ({ entity_id, name, area_id, device_id, aliases, hidden }) => {
      entities.set(entity_id, {
        id: randomBytes(16).toString("hex"),
        entity_id,
        area_id: area_id ?? null,
        device_id: device_id ?? null,
        name: null,
        original_name: name ?? null,
        aliases: aliases ?? [],
        hidden_by: hidden === true ? "user" : null,
        ...stamp()
      })
      changed("entity", { action: "create", entity_id })
    },
    update: (entity_id, changes) => {
      const entry = entities.get(entity_id)
      if (entry === undefined) throw new Error(`There is no entity ${entity_id}.`)
      const next = { ...entry, ...changes, modified_at: seconds() }
      entities.delete(entity_id)
      entities.set(next.entity_id, next)
      const before = Object.fromEntries(Object.keys(changes).map((name) => [name, entry[name as keyof EntityEntry]]))
      changed("entity", {
        action: "update",
        entity_id: next.entity_id,
        changes: before,
        ...(next.entity_id === entity_id ? {} : { old_entity_id: entity_id })
      })
    },
    remove: (entity_id) => {
      if (entities.delete(entity_id)) changed("entity", { action: "remove", entity_id })
    }
  }
}
