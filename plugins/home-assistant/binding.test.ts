/**
 * What is meant by what was said, in one house: a table of sentences, and what holds for all of them.
 */
import * as fc from "fast-check"
import { ToolRefused } from "syris"
import { assert, describe, it } from "vitest"
import { actions } from "./Actions.ts"
import { bindControl, type Said } from "./Binding.ts"
import { makeDirectory } from "./Directory.ts"
import { findAsked } from "./StateTool.ts"
import type { EntityRow, HaState, Registries } from "./Wire.ts"

const moment = "2026-11-30T10:00:00.123456+00:00"
const state = (entity_id: string, value: string, name: string, attributes: object = {}): HaState => ({
  entity_id,
  state: value,
  attributes: { friendly_name: name, ...attributes },
  last_changed: moment,
  last_updated: moment,
  context: { id: "c" }
})
const all = [
  state("light.kitchen", "on", "Kitchen", { supported_color_modes: ["brightness"] }),
  state("light.kitchen_counter", "off", "Counter", { supported_color_modes: ["onoff"] }),
  state("light.kitchen_all", "on", "All kitchen", { entity_id: ["light.kitchen", "light.kitchen_counter"] }),
  state("light.hall", "off", "Hall lamp", { supported_color_modes: ["hs", "color_temp"] }),
  state("light.kuche", "off", "Küche Decke"),
  state("light.attic", "unavailable", "Attic"),
  state("switch.heater", "off", "Heater"),
  state("lock.front_door", "locked", "Front door"),
  state("binary_sensor.front_door", "off", "Front door", { device_class: "door" }),
  state("cover.garage", "closed", "Garage door", { device_class: "garage" }),
  state("cover.kitchen_blind", "open", "Kitchen blind", { device_class: "blind" }),
  state("climate.hall", "heat", "Hall", { min_temp: 7, max_temp: 30 }),
  state("media_player.tv", "off", "TV"),
  state("sensor.kitchen_temperature", "21", "Kitchen temperature", { device_class: "temperature" }),
  state("scene.movie", "scening", "Movie night"),
  state("light.desk", "on", "Desk"),
  state("switch.desk", "on", "Desk"),
  state("light.status_led", "on", "Status LED")
]
const row = (entity_id: string, area_id: string | null, more: Partial<EntityRow> = {}): EntityRow => ({
  entity_id,
  area_id,
  ...more
})
const registries: Registries = {
  areas: [{ area_id: "kitchen", name: "Kitchen", floor_id: "down" }, {
    area_id: "hall",
    name: "The Hall",
    aliases: ["corridor"]
  }],
  floors: [{ floor_id: "down", name: "Downstairs" }],
  devices: [{ id: "d1", area_id: "hall" }],
  entities: [
    row("light.kitchen", "kitchen"),
    row("light.kitchen_counter", "kitchen"),
    row("light.kitchen_all", "kitchen"),
    row("light.hall", null, { device_id: "d1", aliases: ["night light"] }),
    row("cover.kitchen_blind", "kitchen"),
    row("sensor.kitchen_temperature", "kitchen"),
    row("climate.hall", "hall"),
    row("light.status_led", "kitchen", { entity_category: "config" })
  ]
}
const states = new Map(all.map((one) => [one.entity_id, one]))
const view = { states, directory: () => makeDirectory(registries, states) }
const bind = (said: Said) => bindControl(said, view)

const meant: ReadonlyArray<readonly [action: Said["action"], target: Said["target"], ids: string]> = [
  ["off", "Kitchen", "light.kitchen"],
  ["off", "the kitchen lights", "light.kitchen light.kitchen_counter"],
  ["off", "lights in the kitchen", "light.kitchen light.kitchen_counter"],
  ["off", "KITCHEN   Lights!", "light.kitchen light.kitchen_counter"],
  ["off", "downstairs lights", "light.kitchen light.kitchen_counter"],
  ["off", "hall lamp", "light.hall"],
  ["off", "the hall light", "light.hall"],
  ["off", "corridor", "light.hall"],
  ["off", "night light", "light.hall"],
  ["off", "die Küche Decke", "light.kuche"],
  ["off", "kuche decke", "light.kuche"],
  ["off", "counter", "light.kitchen_counter"],
  ["off", "kitchen counter", "light.kitchen_counter"],
  ["off", "light.hall", "light.hall"],
  ["off", ["light.hall", "Kitchen"], "light.hall light.kitchen"],
  ["off", "kitchen and hall lights", "light.hall light.kitchen light.kitchen_counter"],
  ["off", "counter, hall lamp and heater", "light.hall light.kitchen_counter switch.heater"],
  ["off", "all the lights", "light.desk light.hall light.kitchen light.kitchen_counter light.kuche"],
  ["off", "status led", "light.status_led"],
  ["off", "desk", "light.desk"],
  ["lock", "front door", "lock.front_door"],
  ["unlock", "the front door lock", "lock.front_door"],
  ["open", "garage", "cover.garage"],
  ["open", "the garage door", "cover.garage"],
  ["close", "kitchen blinds", "cover.kitchen_blind"],
  ["on", "tv", "media_player.tv"],
  ["run", "movie night", "scene.movie"]
]

const refused: ReadonlyArray<readonly [Partial<Said>, RegExp]> = [
  [{ target: "kitchn light" }, /^There is no light called kitchn: did you mean Kitchen \(light\.kitchen\)/],
  [{ target: "kitchn" }, /^There is nothing called kitchn: did you mean Kitchen \(light\.kitchen\)/],
  [{ target: "ballroom" }, /^There is nothing called ballroom in Home Assistant\.$/],
  [
    { target: "light.kitchn" },
    /^There is no light\.kitchn in Home Assistant: did you mean Kitchen \(light\.kitchen\)\?$/
  ],
  [{ target: "the light" }, /^"the light" may be .+: say which/],
  [
    { target: "front door" },
    /^Front door \(lock\.front_door\) and Front door \(binary_sensor\.front_door\) can't be turned off/
  ],
  [{ target: "sensor.kitchen_temperature" }, /can't be turned off: it is a sensor\.$/],
  [{ target: "attic" }, /^Attic \(light\.attic\) is not available/],
  [{ target: "kitchen", action: "lock" }, /^There is nothing in Kitchen that can be locked/],
  [{ target: "counter", action: "dim", brightness_pct: 20 }, /^Counter \(light\.kitchen_counter\) can't be dimmed\.$/],
  [{ target: "kitchen", action: "color", color: "red" }, /has no colours/],
  [{ target: "hall lamp", action: "color", color: "reddish" }, /"reddish" is no colour/],
  [{ target: "hall lamp", action: "dim" }, /to how much/],
  [{ target: "hall", action: "temperature", temperature: 60 }, /takes 30 degrees at most/],
  [{ target: "kitchen lights", action: "toggle" }, /not all in the same state/],
  [{ target: "  " }, /nothing called/]
]

describe("binding", () => {
  it.each(meant)("%s %j", (action, target, ids) => {
    const bound = bind({ target, action })
    assert.deepStrictEqual(bound.target, ids.split(" "))
    assert.deepStrictEqual(bind(bound), bound)
  })

  it.each(refused)("refuses %j", (said, words) => {
    try {
      assert.fail(JSON.stringify(bind({ target: "", action: "off", ...said })))
    } catch (error) {
      assert.instanceOf(error, ToolRefused)
      assert.match(error.message, words)
    }
  })

  it("says one action for each wish", () => {
    assert.deepInclude(bind({ target: "hall lamp", action: "toggle" }), { action: "on" })
    assert.deepInclude(bind({ target: "front door", action: "toggle" }), { action: "unlock" })
    assert.deepInclude(bind({ target: "kitchen", action: "dim", brightness_pct: 0 }), { action: "off" })
    assert.deepInclude(bind({ target: "hall lamp", action: "color", color: "Warm White" }), {
      action: "kelvin",
      kelvin: 2700
    })
    assert.deepInclude(bind({ target: "hall lamp", action: "color", color: "#F80" }), { color: "#ff8800" })
  })

  it("reads what can be asked about", () => {
    const asked = (target: string, is?: string) =>
      findAsked({ target, ...(is === undefined ? {} : { is }) }, view.directory(), (id) => states.get(id)).map((one) =>
        one.entity_id
      )
    assert.deepStrictEqual(asked("front door", "locked"), ["lock.front_door"])
    assert.deepStrictEqual(asked("front door", "open"), ["binary_sensor.front_door"])
    assert.deepStrictEqual(asked("kitchen temperature"), ["sensor.kitchen_temperature"])
    assert.deepStrictEqual(asked("kitchen lights", "on"), ["light.kitchen", "light.kitchen_counter"])
  })

  it("gives back ids that are there, sorted, each once, and the same of what it gave; or refuses", () => {
    const words = [
      "kitchen",
      "hall",
      "light",
      "lights",
      "the",
      "front",
      "door",
      "and",
      "all",
      "light.kitchen",
      "x",
      "desk",
      "in",
      "Küche"
    ]
    fc.assert(fc.property(
      fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 6 }),
      fc.constantFrom(...actions),
      (said, action) => {
        let bound
        try {
          bound = bind({ target: said.join(" "), action, brightness_pct: 40, temperature: 20 })
        } catch (error) {
          assert.instanceOf(error, ToolRefused)
          return
        }
        assert.deepStrictEqual([...bound.target], [...new Set(bound.target)].sort())
        assert.ok(bound.target.length > 0 && bound.target.every((id) => states.has(id)))
        assert.deepStrictEqual(bind(bound), bound)
      }
    ))
  })

  it("takes a house without areas by the beginnings of its names", () => {
    const states = new Map(
      [
        state("light.a", "on", "Kitchen ceiling"),
        state("light.b", "off", "Kitchen counter"),
        state("light.c", "on", "Hall kitchen side"),
        state("switch.d", "on", "Kitchen fan")
      ].map((one) => [one.entity_id, one])
    )
    const none: Registries = { areas: [], floors: [], devices: [], entities: [] }
    const bare = { states, directory: () => makeDirectory(none, states) }
    const off = (target: string) => bindControl({ action: "off", target }, bare).target
    assert.deepStrictEqual(off("the kitchen lights"), ["light.a", "light.b"])
    assert.throws(() => off("the cellar lights"), ToolRefused)
    assert.throws(() => off("the kitchen light"), ToolRefused)
  })
})
