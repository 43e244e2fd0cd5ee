/**
 * The small house that the stand-in starts with: two areas, and at least one of each kind that matters.
 */
import type { House } from "./House.ts"
import type { Attributes, NewArea, NewDevice, NewEntity } from "./Types.ts"

const areas: ReadonlyArray<NewArea> = [
  { area_id: "kitchen", name: "Kitchen" },
  { area_id: "living_room", name: "Living room", aliases: ["lounge"] }
]

const devices: ReadonlyArray<NewDevice> = [
  { id: "0d5e1f0a9b3c4d7e8f00000000000001", name: "Reading lamp", area_id: "living_room" }
]

const off = { brightness: null, color_mode: null, hs_color: null, rgb_color: null }

export const colourLight: Attributes = {
  ...off,
  color_temp_kelvin: null,
  min_color_temp_kelvin: 2_000,
  max_color_temp_kelvin: 6_500,
  supported_color_modes: ["color_temp", "hs"],
  supported_features: 44
}

export const dimmable: Attributes = {
  brightness: null,
  color_mode: null,
  supported_color_modes: ["brightness"],
  supported_features: 32
}

const thermostat: Attributes = {
  hvac_modes: ["off", "heat", "auto"],
  min_temp: 7,
  max_temp: 35,
  current_temperature: 19.5,
  temperature: 20,
  hvac_action: "idle",
  supported_features: 385
}

const sensor = (device_class: string, unit_of_measurement: string): Attributes => ({
  state_class: "measurement",
  unit_of_measurement,
  device_class
})

const entities: ReadonlyArray<NewEntity> = [
  { entity_id: "light.kitchen_ceiling", state: "on", area_id: "kitchen", attributes: colourLight },
  { entity_id: "light.kitchen_counter", area_id: "kitchen", attributes: dimmable },
  { entity_id: "light.living_room_ceiling", area_id: "living_room", attributes: colourLight },
  { entity_id: "light.reading_lamp", device_id: devices[0]?.id ?? "", attributes: dimmable, aliases: ["book light"] },
  { entity_id: "switch.kettle", area_id: "kitchen", attributes: { device_class: "outlet" } },
  { entity_id: "switch.coffee_machine", area_id: "kitchen", attributes: { device_class: "outlet" } },
  { entity_id: "lock.front_door", state: "locked", attributes: { supported_features: 0 } },
  {
    entity_id: "cover.garage_door",
    state: "closed",
    attributes: { device_class: "garage", supported_features: 11 }
  },
  {
    entity_id: "cover.living_room_blinds",
    state: "open",
    area_id: "living_room",
    attributes: { device_class: "blind", current_position: 100, supported_features: 15 }
  },
  { entity_id: "climate.living_room", state: "heat", area_id: "living_room", attributes: thermostat },
  {
    entity_id: "alarm_control_panel.home",
    state: "disarmed",
    name: "Home alarm",
    attributes: { code_format: "number", changed_by: null, code_arm_required: false, supported_features: 7 }
  },
  {
    entity_id: "media_player.living_room",
    state: "playing",
    area_id: "living_room",
    name: "Living room speaker",
    attributes: { volume_level: 0.4, is_volume_muted: false, device_class: "speaker", supported_features: 152_461 }
  },
  {
    entity_id: "sensor.kitchen_temperature",
    state: "21.4",
    area_id: "kitchen",
    attributes: sensor("temperature", "°C")
  },
  { entity_id: "sensor.outdoor_temperature", state: "7.9", attributes: sensor("temperature", "°C") },
  { entity_id: "binary_sensor.front_door", attributes: { device_class: "door" } },
  { entity_id: "binary_sensor.hall_motion", attributes: { device_class: "motion" } },
  {
    entity_id: "scene.movie_night",
    state: "unknown",
    attributes: { entity_id: ["light.living_room_ceiling", "light.reading_lamp"] }
  }
]

export const furnish = (house: House): void => {
  areas.forEach(house.registries.addArea)
  devices.forEach(house.registries.addDevice)
  entities.forEach(house.add)
  house.set("light.kitchen_ceiling", "on", {
    brightness: 255,
    color_mode: "color_temp",
    color_temp_kelvin: 2_700,
    hs_color: [28.395, 65.723],
    rgb_color: [255, 167, 87]
  })
}
