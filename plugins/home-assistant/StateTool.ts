/**
 * The tool that reads: how things of the house are, for a question in words.
 */
import { defineTool, Schema, type SecretOption, type ToolContext, ToolRefused } from "syris"
import type { Directory, Thing } from "./Directory.ts"
import { stateWord } from "./Difference.ts"
import type { House } from "./House.ts"
import { findThings } from "./Targets.ts"
import { kindWord, listed } from "./Words.ts"
import { domainOf, type HaState } from "./Wire.ts"

const most = 50
const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500))

export const StateInput = Schema.Struct({
  /** Names, areas, kinds in areas, or entity ids. */
  target: Schema.Union([Name, Schema.Array(Name).check(Schema.isMinLength(1), Schema.isMaxLength(50))]),
  /** The question: whether they are so ("on", "locked", "open"). */
  is: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(40)))
})

/** How a binary sensor's `on` is said, by its class. */
const said: Readonly<Record<string, readonly [on: string, off: string]>> = {
  door: ["open", "closed"],
  garage_door: ["open", "closed"],
  window: ["open", "closed"],
  opening: ["open", "closed"],
  lock: ["unlocked", "locked"],
  motion: ["motion", "no motion"],
  occupancy: ["occupied", "clear"],
  presence: ["home", "away"],
  moisture: ["wet", "dry"],
  smoke: ["smoke", "no smoke"],
  connectivity: ["connected", "disconnected"],
  battery: ["low", "normal"],
  problem: ["problem", "OK"]
}

/** The state as it is said: `open` for a door's `on`, `21.5 °C`. */
export const sayState = (state: HaState): string => {
  const { attributes: { device_class, unit_of_measurement }, entity_id } = state
  const pair = domainOf(entity_id) === "binary_sensor" ? said[String(device_class)] : undefined
  if (pair !== undefined && (state.state === "on" || state.state === "off")) return pair[state.state === "on" ? 0 : 1]
  return typeof unit_of_measurement === "string" ? `${state.state} ${unit_of_measurement}` : stateWord(state)
}

const isSo = (state: HaState, wanted: string): boolean => {
  const word = wanted.trim().toLowerCase()
  return state.state === word || sayState(state).toLowerCase() === word ||
    (word === "on" && domainOf(state.entity_id) === "media_player" &&
      !["off", "standby", "unavailable"].includes(state.state))
}

/** Words that answer the question; without one, what is so. */
export const answerFor = (
  things: ReadonlyArray<Thing>,
  states: ReadonlyArray<HaState>,
  wanted: string | undefined
): string => {
  const sentence = (thing: Thing, i: number) => `${thing.name} is ${sayState(states[i]!)}`
  if (wanted === undefined) {
    const lines = things.slice(0, 20).map(sentence)
    return lines.length === 1
      ? `${lines[0]}.`
      : lines.map((line) => `${line}.`).join("\n") + (things.length > 20 ? `\nAnd ${things.length - 20} more.` : "")
  }
  if (things.length === 1) return `${isSo(states[0]!, wanted) ? "Yes" : "No"}, ${sentence(things[0]!, 0)}.`
  const so = things.filter((_, i) => isSo(states[i]!, wanted))
  const kinds = new Set(things.map((thing) => thing.domain))
  const what = kinds.size === 1 ? kindWord([...kinds][0]!, things.length) : "things"
  if (so.length === things.length) return `Yes, all ${things.length} ${what} are ${wanted}.`
  if (so.length === 0) return `No, none of the ${things.length} ${what} is ${wanted}.`
  return `${so.length} of ${things.length} ${what} ${so.length === 1 ? "is" : "are"} ${wanted}: ${
    listed(so.map(({ name }) => name))
  }.`
}

/** What a question is about: with `is`, only things that can be so, where a name says several. */
export const findAsked = (
  input: typeof StateInput.Type,
  directory: Directory,
  stateOf: (entityId: string) => HaState | undefined
): ReadonlyArray<Thing> => {
  const look = (can: (thing: Thing) => boolean, meant?: ReadonlyArray<string>) =>
    findThings(input.target, { directory, stateOf, can, done: "read", ...(meant === undefined ? {} : { meant }) })
  const { is } = input
  if (is === undefined) return look(() => true)
  try {
    return look(({ domain, entity_id }) => {
      const state = stateOf(entity_id)
      return /^(un)?locked$/.test(is)
        ? domain === "lock" || state?.attributes["device_class"] === "lock"
        : /^(open|closed)$/.test(is)
        ? ["cover", "valve"].includes(domain) || Object.hasOwn(said, String(state?.attributes["device_class"]))
        : /^(on|off)$/.test(is)
        ? !["sensor", "binary_sensor", "lock", "cover", "scene", "button", "event"].includes(domain)
        : true
    }, is === "on" || is === "off" ? ["light"] : undefined)
  } catch (error) {
    if (!(error instanceof ToolRefused)) throw error
    return look(() => true)
  }
}

export const stateTool = ({ house, name, token, where }: {
  readonly name: string
  readonly house: House
  readonly token: SecretOption
  readonly where: string
}) =>
  defineTool({
    name,
    description: `Read how things of the house${where} are: by name, area or kind; with "is", whether they are so.`,
    input: StateInput,
    output: Schema.Struct({
      message: Schema.String,
      states: Schema.Array(Schema.Struct({
        entity_id: Schema.String,
        name: Schema.String,
        state: Schema.String,
        unit: Schema.optionalKey(Schema.String),
        changed_at: Schema.String
      })),
      left_out: Schema.Int
    }),
    effect: "read",
    risk: "low",
    scopes: ["ha.read"],
    run: async (input, ctx: ToolContext) => {
      const link = await house.link(() => ctx.secret(token), ctx.signal)
      const things = findAsked(input, link.directory(), (id) => link.states.get(id))
      const states = things.map(({ entity_id }) => link.states.get(entity_id)!)
      return {
        message: answerFor(things, states, input.is),
        states: things.slice(0, most).map(({ entity_id, name }, i) => {
          const { attributes: { unit_of_measurement: unit }, last_changed, state } = states[i]!
          return { entity_id, name, state, ...(typeof unit === "string" ? { unit } : {}), changed_at: last_changed }
        }),
        left_out: Math.max(0, things.length - most)
      }
    }
  })
