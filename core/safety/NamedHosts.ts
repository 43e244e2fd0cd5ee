/**
 * The hosts that the operator named to a plugin: in its options, where a string is an address, a host, or a host with a port;
 * and in `allow.net`. They may be private, or this machine; nobody else's word makes such an address one that is asked.
 *
 * - Exactly these hosts, as they are written, and exactly the port where one is written with it, or beside it as `port`.
 * - An address of `http` or `ws` without a port names the two ports of the web; a host alone, as in `10.0.0.9`, all of its ports.
 * - A secret names nothing.
 */

export interface NamedHosts {
  /** `hostname` as a `URL` has it. */
  readonly has: (hostname: string, port: number) => boolean
}

/** A host as it is compared: without brackets, and without the dot of the root. */
export const plainHost = (hostname: string): string => hostname.toLowerCase().replace(/^\[|\]$|\.$/g, "")

interface Named {
  readonly host: string
  /** `undefined`: all of them. */
  readonly ports: ReadonlyArray<number> | undefined
}

const longest = 2_048
const deepest = 32
const web = [80, 443]
const scheme = /^([a-z][a-z0-9+.-]*):\/\//i
const withPort = /^(\[[0-9a-f:.]+\]|[^\s:[\]/?#@\\%]+)(?::(\d{1,5}))?$/i
const bareSix = /^[0-9a-f:]+(?:\.\d+){0,3}$/i
/** What has no letter in its last part is read as a number: taken only where it is written as an address of four. */
const labels =
  /^[\p{L}\p{N}_](?:[\p{L}\p{N}_-]*[\p{L}\p{N}_])?(?:\.[\p{L}\p{N}_](?:[\p{L}\p{N}_-]*[\p{L}\p{N}_])?)*\.?$/u
const four = /^(?:\d{1,3}\.){3}\d{1,3}$/
const isHost = (text: string): boolean =>
  text.startsWith("[") || four.test(text) || (labels.test(text) && !/(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i.test(text))

const canonical = (host: string): string | undefined => {
  const parsed = URL.parse(`http://${host}/`)
  return parsed === null || parsed.hostname === "" ? undefined : plainHost(parsed.hostname)
}

/** What a string names, where it names a host. `beside`: the port that is written next to it. */
export const namedIn = (text: string, beside?: number): Named | undefined => {
  if (text === "" || text.length > longest) return undefined
  const [whole, name = ""] = scheme.exec(text) ?? []
  if (whole !== undefined) {
    const parsed = URL.parse(`http://${text.slice(whole.length)}`)
    if (parsed === null || parsed.hostname === "") return undefined
    const ports = parsed.port !== "" ? [Number(parsed.port)] : /^(?:http|ws)s?$/i.test(name) ? web : undefined
    return { host: plainHost(parsed.hostname), ports }
  }
  const [, host = "", port] = bareSix.test(text) && text.split(":").length > 2
    ? [text, `[${text}]`]
    : withPort.exec(text) ?? []
  if (!isHost(host)) return undefined
  const found = canonical(host)
  const named = port === undefined ? beside : Number(port)
  return found === undefined ? undefined : { host: found, ports: named === undefined ? undefined : [named] }
}

/** Every string in a value, with the number that stands beside it as `port`. */
const strings = (value: unknown): ReadonlyArray<readonly [string, number | undefined]> => {
  const found: Array<readonly [string, number | undefined]> = []
  const seen = new Set<object>()
  const visit = (item: unknown, depth: number, beside?: number): void => {
    if (typeof item === "string") found.push([item, beside])
    if (typeof item !== "object" || item === null || seen.has(item) || depth > deepest) return
    seen.add(item)
    if (item instanceof URL) found.push([item.href, undefined])
    else if (Array.isArray(item) || item instanceof Set) { for (const part of item) visit(part, depth + 1, beside) }
    else if (item instanceof Map) { for (const part of item.values()) visit(part, depth + 1) }
    else if (Object.getPrototypeOf(item) === Object.prototype || Object.getPrototypeOf(item) === null) {
      const { port } = item as { readonly port?: unknown }
      const own = typeof port === "number" && Number.isInteger(port) ? port : undefined
      for (const part of Object.values(item)) visit(part, depth + 1, own)
    }
  }
  visit(value, 0)
  return found
}

/** `options` as they were validated; `secrets`: the values of those that are written out; `net`: of a grant. */
export const namedHosts = (
  options: unknown,
  { net = [], secrets = [] }: { readonly net?: ReadonlyArray<string>; readonly secrets?: ReadonlyArray<string> } = {}
): NamedHosts => {
  const hidden = new Set(secrets)
  const hosts = new Map<string, Set<number> | "all">()
  const given = [...strings(options).filter(([text]) => !hidden.has(text)), ...net.map((text) => [text] as const)]
  for (const [text, beside] of given) {
    const named = namedIn(text, beside)
    if (named === undefined) continue
    const known = hosts.get(named.host)
    if (known === "all") continue
    hosts.set(named.host, named.ports === undefined ? "all" : new Set([...known ?? [], ...named.ports]))
  }
  return {
    has: (hostname, port) => {
      const ports = hosts.get(plainHost(hostname))
      return ports === "all" || ports?.has(port) === true
    }
  }
}
