/**
 * The services of the stand-in, and what each makes of an entity.
 */
import { now } from "./Clock.ts"
import { anything, type Fields, number, oneOf, text, truth } from "./Fields.ts"
import type { House } from "./House.ts"
import { darkness, lightFields, turnedOn } from "./Lights.ts"
import { type Attributes, type Context, domainOf, listOf, ServiceError, type State } from "./Types.ts"

/** How an entity is moved: its next state, and through which it goes. */
interface Move {
  readonly state: string
  readonly attributes?: Attributes
  readonly through?: string
}

export interface Service {
  readonly name: string
  readonly fields?: Fields
  /** One of them has to be there. */
  readonly needs?: ReadonlyArray<string>
  /** Without entities: it is the house that does it. */
  readonly whole?: (house: House, data: Attributes, context: Context) => void
  readonly move?: (state: State, data: Attributes, house: House, context: Context) => Move | undefined
  /** The bit of `supported_features` that it needs. */
  readonly feature?: number
}

type Domain = Readonly<Record<string, Service>>

const to = (name: string, state: string, fields?: Fields): Service => ({
  name,
  ...(fields === undefined ? {} : { fields }),
  move: () => ({ state })
})

const onOff: Domain = {
  turn_on: to("Turn on", "on"),
  turn_off: to("Turn off", "off"),
  toggle: { name: "Toggle", move: ({ state }) => ({ state: state === "on" ? "off" : "on" }) }
}

const light: Domain = {
  turn_on: {
    name: "Turn on",
    fields: lightFields,
    move: (entity, data) => {
      const [state, attributes] = turnedOn(entity, data)
      return { state, attributes }
    }
  },
  turn_off: {
    name: "Turn off",
    fields: { transition: number(0, 6_553), flash: text },
    move: (entity) => ({ state: "off", attributes: darkness(entity) })
  },
  toggle: {
    name: "Toggle",
    fields: lightFields,
    move: (entity, data) => {
      const [state, attributes] = entity.state === "on" ? ["off", darkness(entity)] as const : turnedOn(entity, data)
      return { state, attributes }
    }
  }
}

const lock: Domain = {
  lock: { name: "Lock", fields: { code: text }, move: () => ({ state: "locked", through: "locking" }) },
  unlock: { name: "Unlock", fields: { code: text }, move: () => ({ state: "unlocked", through: "unlocking" }) },
  open: { name: "Open", fields: { code: text }, feature: 1, move: () => ({ state: "open", through: "opening" }) }
}

const at = (entity: State, position: number): Move => ({
  state: position === 0 ? "closed" : "open",
  through: position === 0 || Number(entity.attributes["current_position"] ?? 0) > position ? "closing" : "opening",
  ...("current_position" in entity.attributes ? { attributes: { current_position: position } } : {})
})

const cover: Domain = {
  open_cover: { name: "Open", move: (entity) => at(entity, 100) },
  close_cover: { name: "Close", move: (entity) => at(entity, 0) },
  stop_cover: { name: "Stop", move: () => undefined },
  set_cover_position: {
    name: "Set position",
    fields: { position: number(0, 100) },
    needs: ["position"],
    feature: 4,
    move: (entity, data) => at(entity, Number(data["position"]))
  },
  toggle: { name: "Toggle", move: (entity) => at(entity, entity.state === "closed" ? 100 : 0) }
}

const modes = oneOf("off", "heat", "cool", "heat_cool", "auto", "dry", "fan_only")

const climate: Domain = {
  set_temperature: {
    name: "Set target temperature",
    fields: {
      temperature: number(-1_000, 1_000),
      target_temp_high: number(-1_000, 1_000),
      target_temp_low: number(-1_000, 1_000),
      hvac_mode: modes
    },
    needs: ["temperature", "target_temp_high", "target_temp_low"],
    move: ({ state, attributes }, data) => {
      const temperature = Number(data["temperature"])
      const [min, max] = [Number(attributes["min_temp"] ?? 7), Number(attributes["max_temp"] ?? 35)]
      if (temperature < min || temperature > max) {
        throw new ServiceError(
          "service_validation_error",
          `Validation error: Provided temperature ${temperature} is not valid. Accepted range is ${min} to ${max}`,
          {
            translation_domain: "climate",
            translation_key: "temp_out_of_range",
            translation_placeholders: { check_temp: `${temperature}`, min_temp: `${min}`, max_temp: `${max}` }
          }
        )
      }
      return { state: typeof data["hvac_mode"] === "string" ? data["hvac_mode"] : state, attributes: { temperature } }
    }
  },
  set_hvac_mode: {
    name: "Set HVAC mode",
    fields: { hvac_mode: modes },
    needs: ["hvac_mode"],
    move: (_, data) => ({ state: String(data["hvac_mode"]) })
  },
  turn_on: to("Turn on", "heat"),
  turn_off: to("Turn off", "off")
}

const alarmCode = "1234"

const armed = (name: string, state: string): Service => ({
  name,
  fields: { code: text },
  move: () => ({ state, through: "arming" })
})

const alarm: Domain = {
  alarm_arm_home: armed("Arm home", "armed_home"),
  alarm_arm_away: armed("Arm away", "armed_away"),
  alarm_arm_night: armed("Arm night", "armed_night"),
  alarm_disarm: {
    name: "Disarm",
    fields: { code: text },
    move: (_, data) => {
      if (data["code"] === alarmCode) return { state: "disarmed" }
      throw new ServiceError("service_validation_error", "Validation error: Invalid alarm code provided", {
        translation_domain: "alarm_control_panel",
        translation_key: "invalid_code"
      })
    }
  }
}

const media: Domain = {
  turn_on: to("Turn on", "idle"),
  turn_off: to("Turn off", "off"),
  media_play: to("Play", "playing"),
  media_pause: to("Pause", "paused"),
  media_stop: to("Stop", "idle"),
  volume_set: {
    name: "Set volume",
    fields: { volume_level: number(0, 1) },
    needs: ["volume_level"],
    move: ({ state }, data) => ({ state, attributes: { volume_level: Number(data["volume_level"]) } })
  },
  volume_mute: {
    name: "Mute",
    fields: { is_volume_muted: truth },
    needs: ["is_volume_muted"],
    move: ({ state }, data) => ({ state, attributes: { is_volume_muted: data["is_volume_muted"] } })
  }
}

const scene: Domain = {
  turn_on: {
    name: "Activate",
    fields: { transition: number(0, 6_553) },
    move: ({ attributes }, _, house, context) => {
      for (const entity_id of listOf(attributes["entity_id"])) {
        const member = house.states.get(entity_id)
        if (member === undefined) continue
        const [state, lit] = turnedOn(member, { brightness_pct: 20 })
        house.set(entity_id, state, lit, context)
      }
      return { state: now() }
    }
  }
}

const said = (
  name: string,
  fields: Fields,
  needs: ReadonlyArray<string>,
  whole: Service["whole"] = () => {}
): Service => ({
  name,
  fields,
  needs,
  whole
})

const words = (value: unknown): string => typeof value === "string" ? value : ""

const message = { message: text, title: text, data: anything, target: anything }

/** `homeassistant.turn_off` is each entity's own. */
const everyDomain = (service: string): Service => ({
  name: service,
  move: (entity, data, house, context) =>
    services[domainOf(entity.entity_id)]?.[service]?.move?.(entity, data, house, context)
})

export const services: Readonly<Record<string, Domain>> = {
  homeassistant: {
    turn_on: everyDomain("turn_on"),
    turn_off: everyDomain("turn_off"),
    toggle: everyDomain("toggle"),
    update_entity: { name: "Update entity", move: () => undefined }
  },
  light,
  switch: onOff,
  input_boolean: onOff,
  fan: onOff,
  siren: onOff,
  lock,
  cover,
  climate,
  alarm_control_panel: alarm,
  media_player: media,
  scene,
  button: { press: { name: "Press", move: () => ({ state: now() }) } },
  persistent_notification: {
    create: said(
      "Create",
      { message: text, title: text, notification_id: text },
      ["message"],
      ({ notifications }, data, { id }) => {
        const shown = { title: words(data["title"]), message: words(data["message"]) }
        notifications.set(words(data["notification_id"]) || id, shown)
      }
    ),
    dismiss: said("Dismiss", { notification_id: text }, ["notification_id"], ({ notifications }, data) => {
      notifications.delete(words(data["notification_id"]))
    })
  },
  notify: {
    notify: said("Send a notification", message, ["message"]),
    persistent_notification: said("Send a persistent notification", message, ["message"]),
    mobile_app_phone: said("Send a notification via mobile_app_phone", message, ["message"])
  }
}
