/**
 * Secrets to plant, and the search for them: in texts, in JSON, in bytes, in all that a database holds. The ways of writing
 * one that are looked for are made here by themselves, so the host's own list can be wrong.
 */
import type { Eyes } from "../storms/Databases.ts"

/** Of ordinary letters; of those that URLs, JSON, HTML and shells write otherwise; over several lines. */
export const secrets = {
  plain: "correcthorsebatterystaple7",
  odd: "pä$$ w/+rd\"'&<>~?=%\\{{x}}",
  pem: `-----BEGIN PRIVATE KEY-----\n${
    "MIIEvQIBADANBgkqhkiG9w0B+/AQEFAASC".repeat(2)
  }\nc2hvcnQgbGFzdCBsaW5l+A==\n-----END PRIVATE KEY-----`
} as const

/** No secret: where the search does not find this, it finds nothing. */
export const harmless = "a-word-that-may-be-seen"

const inUrl = (text: string): string => encodeURIComponent(text)
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** What base64 makes of a text wherever it lies in a longer one, without the letters that its neighbours have a part in. */
const inBase64 = (text: string): ReadonlyArray<string> =>
  [0, 1, 2].map((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset, "."), Buffer.from(text)]).toString("base64")
    return whole.slice(offset === 0 ? 0 : 4, -4)
  })

/** Needle to what it is. */
export const needlesOf = (name: string, value: string): ReadonlyMap<string, string> => {
  const hex = Buffer.from(value).toString("hex")
  const all: ReadonlyArray<readonly [how: string, needle: string]> = [
    ["as it is", value],
    ["in JSON", inJson(value)],
    ["in JSON in JSON", inJson(inJson(value))],
    ["in a URL", inUrl(value)],
    ["in a URL, small", inUrl(value).replaceAll(/%[0-9A-F]{2}/g, (one) => one.toLowerCase())],
    ["in a form", inUrl(value).replaceAll("%20", "+")],
    ["in hex", hex],
    ["in HEX", hex.toUpperCase()],
    ...inBase64(value).flatMap((core, offset) => [
      [`in base64 at ${offset}`, core] as const,
      [`in base64url at ${offset}`, core.replaceAll("+", "-").replaceAll("/", "_")] as const
    ]),
    ...value.split("\n").filter((line) => /^\S{16,}$/.test(line)).map((line) => ["a line of it", line] as const),
    ["visible", value.replaceAll("\n", "␊")],
    ["in small letters", value.toLowerCase()]
  ]
  return new Map(all.toReversed().map(([how, needle]) => [needle, `${name} ${how}`]))
}

/** Everything that somebody could write a secret in, in one text. */
export const wicked = [
  harmless,
  ...Object.values(secrets).flatMap((value) => [
    value,
    inUrl(value),
    Buffer.from(value).toString("hex"),
    ...["", "a", "ab"].map((before) => Buffer.from(`${before}${value}`).toString("base64")),
    Buffer.from(`user:${value}`).toString("base64url"),
    JSON.stringify({ value }),
    JSON.stringify(JSON.stringify({ value }))
  ])
].join(" | ")

const everything: ReadonlyMap<string, string> = new Map(
  Object.entries(secrets).flatMap(([name, value]) => [...needlesOf(name, value)])
)

export type Search = (text: string) => ReadonlyArray<string>

export const searchFor = (needles: ReadonlyMap<string, string>): Search => (text) =>
  [...needles].flatMap(([needle, what]) => text.includes(needle) ? [what] : [])

/** What is in a text of the secrets, in words. */
export const leaksIn = searchFor(everything)
export const harmlessIn = searchFor(new Map([[harmless, harmless]]))

/** Every string of a JSON value, keys too; what PostgreSQL writes of bytes as what they are. */
export const stringsIn = (value: unknown): ReadonlyArray<string> => {
  if (typeof value === "string") {
    return value.startsWith("\\x") ? [value, Buffer.from(value.slice(2), "hex").toString()] : [value]
  }
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => [key, ...stringsIn(child)])
}

/** Where something is in a database: `table.column: what`, each once. */
export const inDatabase = async (database: Eyes, search: Search): Promise<ReadonlyArray<string>> => {
  const tables = await database.query<{ readonly name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname not in ('pg_catalog', 'information_schema') and not c.relispartition and c.relkind in ('r', 'p')`
  )
  const found = new Set<string>()
  for (const { name } of tables) {
    for (
      const { row } of await database.query<{ readonly row: string }>(`select to_jsonb(t)::text as row from ${name} t`)
    ) {
      for (const [column, value] of Object.entries(JSON.parse(row) as object)) {
        for (const text of stringsIn(value)) for (const what of search(text)) found.add(`${name}.${column}: ${what}`)
      }
    }
  }
  return [...found].sort()
}
