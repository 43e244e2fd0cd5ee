/** Numbers and lists in words. Pure. */

/** `1,200`. */
export const number = (count: number): string => count.toLocaleString("en")

/** `2 approvals`, `1 approval`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${number(count)} ${count === 1 ? one : many}`

/** `never`, `once`, `3 times`. */
export const times = (count: number): string => count === 0 ? "never" : count === 1 ? "once" : `${number(count)} times`

/** `a`, `a and b`, `a, b and c`. */
export const listed = (all: ReadonlyArray<string>): string =>
  all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`

/** With a capital. */
export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
