/**
 * The setting `mcp` after it was checked: the servers of the Model Context Protocol, with every default in place.
 */
import { Schema } from "effect"
import { Guarantee, Risk, ToolEffect } from "../contract/Enums.ts"
import { toMillis } from "./DurationInput.ts"
import { SecretOption } from "./Secret.ts"
import { TimeoutSetting } from "./SettingChecks.ts"

/** What a tool of a server may be, by the operator's word. */
export interface McpToolTrust {
  readonly risk: Risk
  readonly effect: ToolEffect
  readonly scopes: ReadonlyArray<string>
  readonly guarantee: "none" | "native_key"
}

/** How a server is reached. */
export type McpPlace =
  | {
    readonly kind: "stdio"
    readonly command: string
    readonly args: ReadonlyArray<string>
    readonly env: Readonly<Record<string, SecretOption>>
    readonly cwd: string | undefined
  }
  | {
    readonly kind: "http"
    readonly url: string
    readonly headers: Readonly<Record<string, SecretOption>>
    readonly oauth: {
      readonly clientId: string | undefined
      readonly clientSecret: SecretOption | undefined
      readonly scope: string | undefined
    }
  }

export interface McpServerSettings {
  /** Its key in `mcp`. */
  readonly server: string
  readonly place: McpPlace
  /** Of one call, milliseconds. */
  readonly timeoutMs: number
  /** Whether a tool is used at all, by the server's own name for it. */
  readonly allows: (tool: string) => boolean
  readonly trustOf: (tool: string) => McpToolTrust
  /** Whether the operator has said what it is: then its description is no stranger's word to a model. */
  readonly vouchesFor: (tool: string) => boolean
  /** Tools that the operator has named. */
  readonly named: ReadonlyArray<string>
  /** Folders. */
  readonly roots: ReadonlyArray<string>
  readonly sampling: boolean
  readonly elicitation: boolean
}

const optional = Schema.optional
const NotBlank = Schema.String.check(Schema.isPattern(/\S/, { expected: "a string that is not empty" }))
const Scope = Schema.String.check(
  Schema.isPattern(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/, { expected: "a scope such as \"files.write\"" })
)
const HttpUrl = Schema.String.check(Schema.makeFilter((text) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" &&
    url.hash === "" && !/\s/.test(text)
}, { expected: "an http or https address without user and password, such as \"http://127.0.0.1:3001/mcp\"" }))

const trust = {
  risk: optional(Risk),
  effect: optional(ToolEffect),
  scopes: optional(Schema.Array(Scope)),
  guarantee: optional(
    Guarantee.check(Schema.makeFilter((value) => value === "none" || value === "native_key", {
      expected: "\"none\" or \"native_key\": nothing else can be promised of a tool that is not ours"
    }))
  )
}
const ToolTrustSetting = Schema.Struct(trust).annotate({ expected: "an object" })

/** One for both kinds: which of the two it is, is said in a sentence of its own. */
const ServerSetting = Schema.Struct({
  command: optional(NotBlank),
  args: optional(Schema.Array(Schema.String)),
  env: optional(Schema.Record(Schema.String, SecretOption)),
  cwd: optional(NotBlank),
  url: optional(HttpUrl),
  headers: optional(Schema.Record(Schema.String, SecretOption)),
  oauth: optional(
    Schema.Struct({
      clientId: optional(NotBlank),
      clientSecret: optional(SecretOption),
      scope: optional(NotBlank)
    }).annotate({ expected: "an object" })
  ),
  timeout: optional(TimeoutSetting),
  trust: optional(
    Schema.Struct({
      ...trust,
      allow: optional(Schema.Array(NotBlank)),
      deny: optional(Schema.Array(NotBlank)),
      tools: optional(Schema.Record(Schema.String, ToolTrustSetting))
    }).annotate({ expected: "an object" })
  ),
  roots: optional(Schema.Array(NotBlank)),
  sampling: optional(Schema.Boolean),
  elicitation: optional(Schema.Boolean)
}).annotate({ expected: "an object" })

export const McpSetting = Schema.Record(Schema.String, ServerSetting).annotate({
  expected: "an object that names servers"
})

const serverName = /^[a-z0-9][a-z0-9_-]{0,39}$/
/** What the host itself goes by in its health, where a server that is not well is named by its name alone. */
const hostNames: ReadonlySet<string> = new Set(["database", "host"])
const environmentName = /^[A-Za-z_][A-Za-z0-9_]*$/
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const defaultTimeoutMs = 30_000

/** The servers in the order of the configuration, or what is wrong: a sentence without its full stop. */
export const readMcp = (given: typeof McpSetting.Type): ReadonlyArray<McpServerSettings> | string => {
  const servers: Array<McpServerSettings> = []
  for (const [server, one] of Object.entries(given)) {
    const read = readServer(server, one)
    if (typeof read === "string") return read
    servers.push(read)
  }
  return servers
}

const readServer = (server: string, one: typeof ServerSetting.Type): McpServerSettings | string => {
  const say = (rest: string): string => `mcp.${server} ${rest}`
  if (!serverName.test(server)) {
    return `mcp has a server named ${JSON.stringify(server)}: name it in lower-case letters, digits, _ and -, ` +
      "at most 40 of them, as in files"
  }
  if (hostNames.has(server)) {
    return `mcp has a server named ${JSON.stringify(server)}, as a part of the host is named in its health: ` +
      "give it another name"
  }
  const place = placeOf(one)
  if (typeof place === "string") return say(place)
  const { trust = {} } = one
  const known = new Map(Object.entries(trust.tools ?? {}))
  const allow = trust.allow?.map(glob)
  const deny = (trust.deny ?? []).map(glob)
  const contradiction = [...known.keys()].find((tool) => deny.some((matches) => matches(tool)))
  if (contradiction !== undefined) {
    return say(`names the tool ${JSON.stringify(contradiction)} in trust.tools and denies it in trust.deny`)
  }
  return {
    server,
    place,
    timeoutMs: toMillis(one.timeout) ?? defaultTimeoutMs,
    allows: (tool) => (allow?.some((matches) => matches(tool)) ?? true) && !deny.some((matches) => matches(tool)),
    trustOf: (tool) => {
      const own = known.get(tool) ?? {}
      return {
        risk: own.risk ?? trust.risk ?? "high",
        effect: own.effect ?? trust.effect ?? "write",
        scopes: own.scopes ?? trust.scopes ?? [`mcp.${server}`],
        guarantee: (own.guarantee ?? trust.guarantee ?? "none") as McpToolTrust["guarantee"]
      }
    },
    vouchesFor: (tool) => known.has(tool) || trust.risk !== undefined,
    named: [...known.keys()],
    roots: one.roots ?? [],
    sampling: one.sampling ?? false,
    elicitation: one.elicitation ?? false
  }
}

/** Where it is, or what is wrong with that. */
const placeOf = (one: typeof ServerSetting.Type): McpPlace | string => {
  const { args = [], command, cwd, env = {}, headers = {}, oauth, url } = one
  if ((command === undefined) === (url === undefined)) {
    return "needs a command (a server that the host starts) or a url (one that runs somewhere), and not both"
  }
  if (command !== undefined) {
    const strange = Object.keys(env).find((name) => !environmentName.test(name))
    if (strange !== undefined) return `sets ${JSON.stringify(strange)}, which can't name a variable of the environment`
    if (one.headers !== undefined || oauth !== undefined) {
      return "has a command, so headers and oauth say nothing: remove them"
    }
    return { kind: "stdio", command, args, env, cwd }
  }
  if (one.args !== undefined || one.env !== undefined || cwd !== undefined) {
    return "has a url, so args, env and cwd say nothing: remove them"
  }
  const strange = Object.keys(headers).find((name) => !headerName.test(name))
  if (strange !== undefined) return `sets ${JSON.stringify(strange)}, which can't name a header`
  return {
    kind: "http",
    url: url!,
    headers,
    oauth: { clientId: oauth?.clientId, clientSecret: oauth?.clientSecret, scope: oauth?.scope }
  }
}

/** `*` stands for any text. */
const glob = (pattern: string): (tool: string) => boolean => {
  const matcher = new RegExp(
    `^${pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}/]/g, "\\$&")).join(".*")}$`,
    "su"
  )
  return (tool) => matcher.test(tool)
}

/** Secrets that were written out, as sentences without their full stop. */
export const writtenSecrets = (servers: ReadonlyArray<McpServerSettings>): ReadonlyArray<string> =>
  servers.flatMap(({ place, server }) => {
    const given = place.kind === "stdio" ? {} : { ...place.headers, "client secret": place.oauth.clientSecret }
    return Object.entries(given).flatMap(([name, value]) =>
      typeof value === "string" &&
        (name === "client secret" || /^(authorization|cookie|.*(key|token|secret).*)$/i.test(name))
        ? [
          `mcp.${server} has its ${name} written out: keep it in the secrets store instead, and write secret("${server}", "…")`
        ]
        : []
    )
  })
