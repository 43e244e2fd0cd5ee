/** The autonomy levels in words, as a person is told of them. */
import type { Autonomy } from "../Enums.ts"

export const autonomyInWords: Readonly<Record<Autonomy, string>> = {
  A0: "A0, it shows what it would do and does nothing",
  A1: "A1, it asks before everything that acts",
  A2: "A2, it does what is low in risk and asks before the rest",
  A3: "A3, it asks from high risk on",
  A4: "A4, it asks before the critical only"
}
