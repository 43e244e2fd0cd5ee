/**
 * Durations as an operator or an author writes them: `"30 seconds"`, a number of milliseconds, an Effect duration.
 */
import { Duration, Option } from "effect"

/** In milliseconds; `undefined` for what is not a duration. */
export const toMillis = (given: unknown): number | undefined => {
  try {
    return Option.getOrUndefined(Option.map(Duration.fromInput(given as Duration.Input), Duration.toMillis))
  } catch {
    return undefined
  }
}
