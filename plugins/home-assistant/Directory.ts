/**
 * Who is called what, and where it is: from the states and the registries of a house.
 */
import { nameKey } from "./Words.ts"
import { domainOf, type HaState, type Registries } from "./Wire.ts"

export interface Place {
  readonly id: string
  readonly name: string
}

export interface Thing {
  readonly entity_id: string
  readonly domain: string
  /** As the house shows it. */
  readonly name: string
  readonly area: Place | undefined
  /** Hidden, or a setting of a device: meant by its own name only. */
  readonly aside: boolean
}

export interface Directory {
  readonly all: ReadonlyArray<Thing>
  readonly byId: (entityId: string) => Thing | undefined
  /** By its name, an alias, or the words of its id. */
  readonly byName: (key: string) => ReadonlyArray<Thing>
  /** What is in the areas, or on the floors, that are called so; nothing where none is. */
  readonly inPlace: (key: string) => { readonly place: Place; readonly things: ReadonlyArray<Thing> } | undefined
  readonly names: () => ReadonlyArray<readonly [key: string, things: ReadonlyArray<Thing>]>
  readonly places: () => ReadonlyArray<readonly [key: string, place: Place]>
}

/** A name on one line, of a length that can be read: it stands in questions and answers. */
const shownName = (name: unknown): string =>
  typeof name === "string"
    ? name.slice(0, 1_000).replace(/[\p{C}\p{Z}\s]+/gu, " ").trim().slice(0, longestName).toWellFormed()
    : ""
const longestName = 100
const listOf = <A>(list: ReadonlyArray<A> | undefined): ReadonlyArray<A> => Array.isArray(list) ? list : []

const add = <K, V>(map: Map<K, Array<V>>, key: K, value: V): void => {
  const there = map.get(key)
  if (there === undefined) map.set(key, [value])
  else if (!there.includes(value)) there.push(value)
}

export const makeDirectory = (registries: Registries, states: ReadonlyMap<string, HaState>): Directory => {
  const rows = new Map(registries.entities.map((row) => [row.entity_id, row]))
  const devices = new Map(registries.devices.map((row) => [row.id, row]))
  const areas = new Map(registries.areas.map((row) => [row.area_id, row]))
  const things: Array<Thing> = []
  const byId = new Map<string, Thing>()
  const byName = new Map<string, Array<Thing>>()
  const inArea = new Map<string, Array<Thing>>()

  for (const { attributes, entity_id } of states.values()) {
    const row = rows.get(entity_id)
    const device = row?.device_id == null ? undefined : devices.get(row.device_id)
    const area = areas.get(row?.area_id ?? device?.area_id ?? "")
    const friendly = attributes["friendly_name"]
    const words = entity_id.slice(entity_id.indexOf(".") + 1).replaceAll("_", " ")
    const name = shownName(friendly) || words
    const thing: Thing = {
      entity_id,
      domain: domainOf(entity_id),
      name,
      area: area === undefined ? undefined : { id: area.area_id, name: shownName(area.name) || area.area_id },
      aside: row?.hidden_by != null || row?.entity_category != null
    }
    things.push(thing)
    byId.set(entity_id, thing)
    const names = [name, words, row?.name, ...listOf(row?.aliases)].filter((one): one is string =>
      typeof one === "string" && one.length <= 500
    )
    for (const one of names) {
      const key = nameKey(one)
      if (key === "") continue
      add(byName, key, thing)
      if (area !== undefined) add(byName, nameKey(`${area.name} ${key}`), thing)
    }
    if (area !== undefined) add(inArea, area.area_id, thing)
  }

  const places = new Map<string, Array<Place & { readonly areas: ReadonlyArray<string> }>>()
  const named = (names: ReadonlyArray<string>, place: Place, ids: ReadonlyArray<string>): void => {
    for (const name of names) {
      if (typeof name === "string" && nameKey(name) !== "") add(places, nameKey(name), { ...place, areas: ids })
    }
  }
  for (const { aliases, area_id, name } of registries.areas) {
    const place = { id: area_id, name: shownName(name) || area_id }
    named([place.name, area_id.replaceAll("_", " "), ...listOf(aliases)], place, [area_id])
  }
  for (const { aliases, floor_id, name } of registries.floors) {
    const place = { id: floor_id, name: shownName(name) || floor_id }
    const ids = registries.areas.filter((area) => area.floor_id === floor_id).map((area) => area.area_id)
    named([place.name, ...listOf(aliases)], place, ids)
  }

  return {
    all: things,
    byId: (entityId) => byId.get(entityId),
    byName: (key) => byName.get(key) ?? [],
    inPlace: (key) => {
      const found = places.get(key)
      if (found === undefined) return undefined
      const ids = [...new Set(found.flatMap((place) => place.areas))]
      return { place: found[0]!, things: ids.flatMap((id) => inArea.get(id) ?? []) }
    },
    names: () => [...byName],
    places: () => [...places].map(([key, [place]]) => [key, place!])
  }
}
