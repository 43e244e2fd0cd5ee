/**
 * What the benches say: medians, ratios against a control of the same run, PASS or below target. Never an assertion.
 */
export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

export const percentile = (values: ReadonlyArray<number>, p: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}

const round = (value: number): string =>
  value >= 1_000
    ? Math.round(value).toLocaleString("en")
    : value >= 100
    ? value.toFixed(0)
    : value >= 10
    ? value.toFixed(1)
    : value.toFixed(2)

export const title = (text: string): void => console.log(`\n${text}`)

export const figure = (name: string, value: number, unit: string, note = ""): void =>
  console.log(`  ${name.padEnd(58)} ${round(value).padStart(9)} ${unit}${note === "" ? "" : `   ${note}`}`)

/** A figure with a target: `at_least` or `at_most`. */
export const target = (
  name: string,
  value: number,
  unit: string,
  kind: "at least" | "at most",
  bound: number
): void => {
  const met = kind === "at least" ? value >= bound : value <= bound
  figure(name, value, unit, `${met ? "PASS" : "below target"} (${kind} ${bound})`)
}

export const say = (text: string): void => console.log(`  ${text}`)

export interface Options {
  /** Fewer rounds and rows. */
  readonly quick: boolean
  /** Plans and single rounds, too. */
  readonly verbose: boolean
}
