/** A value as a person is shown it, in `longest` UTF-16 units. */
export const brief = (value: unknown, longest = 200): string => {
  const text = JSON.stringify(value) ?? "nothing"
  return text.length <= longest
    ? text
    : `${text.slice(0, longest - 1).toWellFormed()}… (${text.length} characters in all)`
}
