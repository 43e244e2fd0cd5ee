/**
 * The tool that does something to things of the house: by their names, bound to entity ids before anything is judged.
 */
import { defineTool, type Risk, Schema, type SecretOption, type ToolContext, ToolRefused } from "syris"
import { actions } from "./Actions.ts"
import { earliestSince } from "./Begin.ts"
import { bindControl, type Bound, type Said } from "./Binding.ts"
import { callsFor, callServices, followed } from "./Calls.ts"
import { changesBetween, doneWords, previewOf, verdictOf, wishWord } from "./Difference.ts"
import { isState } from "./Heard.ts"
import type { House } from "./House.ts"
import { countOf, riskOf } from "./Risk.ts"
import { domainOf, type HaState, isEntityId } from "./Wire.ts"

const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500))

export const ControlInput = Schema.Struct({
  /** Names, areas ("kitchen"), kinds in areas ("kitchen lights", "all lights"), or entity ids. */
  target: Schema.Union([Name, Schema.Array(Name).check(Schema.isMinLength(1), Schema.isMaxLength(200))]),
  action: Schema.Literals(actions),
  /** For `dim` and `on`; for a fan its speed, for a cover its position. */
  brightness_pct: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
  /** A name ("red", "warm white") or "#ff8800". */
  color: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(40))),
  /** A white, in kelvin. */
  kelvin: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 1_000, maximum: 12_000 }))),
  /** In the unit of the house. */
  temperature: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: -50, maximum: 250 })))
})

export interface ControlOptions {
  readonly name: string
  readonly house: House
  readonly token: SecretOption
  /** For locks and alarms that ask for one. */
  readonly code: SecretOption | undefined
  readonly risk: Readonly<Record<string, Risk>>
  /** For a model: which house, where there are several. */
  readonly where: string
}

const idsOf = ({ target }: Said): ReadonlyArray<string> => typeof target === "string" ? [target] : target

const boundOf = (input: Said): Bound => {
  const ids = idsOf(input)
  const name = ids.find((id) => !isEntityId(id))
  if (name !== undefined) throw new ToolRefused(`Nothing was done: which things "${name}" means was not found out.`)
  return { ...input, target: ids }
}

const asksForCode = (state: HaState | undefined): boolean =>
  state !== undefined && ["lock", "alarm_control_panel"].includes(domainOf(state.entity_id)) &&
  typeof state.attributes["code_format"] === "string"

export const controlTool = ({ code, house, name, risk, token, where }: ControlOptions) => {
  const linkFor = (ctx: Pick<ToolContext, "secret" | "signal">) => house.link(() => ctx.secret(token), ctx.signal)
  const stateNow = (id: string): HaState | undefined => house.current()?.states.get(id)
  return defineTool({
    name,
    description:
      `Do something to lights, switches, fans, locks, covers, climate, media players, scenes, scripts, vacuums or alarms of ` +
      `the house${where}, by name, area or kind.`,
    input: ControlInput,
    output: Schema.Struct({
      message: Schema.String,
      changed: Schema.Array(Schema.Struct({ entity_id: Schema.String, from: Schema.String, to: Schema.String }))
    }),
    effect: "write",
    risk: (input) => riskOf(input.target, stateNow, risk),
    scopes: ["ha.control"],
    guarantee: "probe",
    // Without commas: what is named one by one is no group.
    target: (input) => idsOf(input).join(" "),
    action: (input) => `${input.action} ${wishWord(input)}`.trim(),
    blastRadius: (input) => countOf(idsOf(input), stateNow),
    timeout: "30 seconds",
    bind: async (input, ctx) => bindControl(input, await linkFor(ctx)),
    preview: async (input, ctx) => {
      const link = await linkFor(ctx)
      return previewOf(boundOf(input), link.states, link.directory())
    },
    probe: async (input, ctx) => {
      const bound = boundOf(input)
      const link = await linkFor(ctx)
      const [fresh, since] = await Promise.all([
        link.ask<unknown>({ type: "get_states" }),
        earliestSince(ctx.traceId, house.url, ctx.fetch)
      ])
      const states = new Map(
        (Array.isArray(fresh) ? fresh : []).filter(isState).map((state) => [state.entity_id, state])
      )
      return verdictOf(bound, (id) => states.get(id), since)
    },
    run: async (input, ctx) => {
      const bound = boundOf(input)
      const link = await linkFor(ctx)
      const stateOf = (id: string): HaState | undefined => link.states.get(id)
      const gone = bound.target.find((id) => stateOf(id) === undefined)
      if (gone !== undefined) throw new ToolRefused(`There is no ${gone} in Home Assistant any more. Nothing was done.`)
      const secret = code !== undefined && bound.target.some((id) => asksForCode(stateOf(id)))
        ? await ctx.secret(code)
        : undefined
      const calls = callsFor(bound, (id) => asksForCode(stateOf(id)) ? secret : undefined)
      const before = new Map(bound.target.map((id) => [id, stateOf(id)]))
      await callServices(link, calls)
      await followed(link, bound, ctx.signal)
      const changed = changesBetween(bound.target, before, stateOf)
      return { message: doneWords(bound, changed, stateOf, link.directory()), changed }
    }
  })
}
