/** The autonomy levels in their order, and what becomes of a call at each. */
import type { Autonomy } from "syris/records"

export const levels: ReadonlyArray<Autonomy> = ["A0", "A1", "A2", "A3", "A4"]

/** By the risk of a call, before standing rules, rules of the configuration and the provenance of its words. */
export const whatItLets: Readonly<Record<Autonomy, string>> = {
  A0: "Nothing runs but reading what is low in risk. Everything else is a preview.",
  A1: "Low, medium and high risk ask you first. Critical risk is refused.",
  A2: "Low risk runs. Medium and high risk ask you first. Critical risk is refused.",
  A3: "Low and medium risk run. High risk asks you first. Critical risk is refused.",
  A4: "Low, medium and high risk run. Critical risk asks you first."
}

export const isRaise = (from: Autonomy, to: Autonomy): boolean => levels.indexOf(to) > levels.indexOf(from)
