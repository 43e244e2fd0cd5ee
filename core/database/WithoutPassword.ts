/** A database address that may be shown: user and host stay, the password (in the query too) does not. */
export const withoutPassword = (address: string): string => {
  const url = URL.parse(address)
  if (url === null) return "the given address"
  if (url.password !== "") url.password = "***"
  for (const key of Array.from(url.searchParams.keys())) {
    if (/pass|secret|key/i.test(key)) url.searchParams.set(key, "***")
  }
  return url.href
}
