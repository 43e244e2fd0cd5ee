/**
 * What a started host says of itself. Pure; a password in an address is never in it.
 */
import { autonomyInWords } from "../contract/words/AutonomyWords.ts"
import { withoutPassword } from "../database/WithoutPassword.ts"
import { paints } from "./layout.ts"
import { visible } from "../contract/Visible.ts"

export interface BannerInfo {
  readonly version: string
  readonly url: string
  /** The file of the token. */
  readonly token: string
  /** Where there is a page: a link that logs a browser in once, or, where others may read this, the page's address. */
  readonly page?: { readonly login: string } | { readonly url: string }
  readonly autonomy: string
  readonly paused?: boolean
  readonly database:
    | { readonly kind: "embedded"; readonly path: string; readonly version: string }
    | { readonly kind: "given"; readonly url: string; readonly version?: string }
  readonly plugins: ReadonlyArray<{ readonly name: string; readonly version?: string }>
  /** What the operator should know, one sentence each. */
  readonly notes: ReadonlyArray<string>
}

export interface BannerOptions {
  readonly colour?: boolean
}

export const formatBanner = (info: BannerInfo, options: BannerOptions = {}): string => {
  const paint = paints(options.colour ?? wantsColour())
  const rows: Array<readonly [string, string]> = [
    ["address", paint.bold(visible(info.url))],
    ...(info.page === undefined ? [] : [["page", page(info.page, paint)] as const]),
    ["token", visible(info.token)],
    [
      "autonomy",
      `${autonomies[info.autonomy] ?? visible(info.autonomy)}${info.paused === true ? paint.yellow(", paused") : ""}`
    ],
    ["database", database(info.database)],
    ["plugins", info.plugins.map(plugin).join(", ") || "none"]
  ]
  return [
    "",
    `  ${paint.bold("SYRIS")} ${paint.dim(visible(info.version))}`,
    "",
    ...rows.map(([label, value]) => `  ${paint.dim(label.padEnd(10))}${value}`),
    ...info.notes.map((text) => `  ${paint.yellow("note".padEnd(10))}${visible(text)}`),
    "",
    "  Try, in another terminal:",
    "    npm run syris send \"set a timer for 5 minutes\"",
    ""
  ].join("\n")
}

const autonomies: Readonly<Record<string, string>> = autonomyInWords

const page = (given: NonNullable<BannerInfo["page"]>, { bold, dim }: ReturnType<typeof paints>): string =>
  "login" in given
    ? `${bold(visible(given.login))} ${dim("(good once, for 5 minutes)")}`
    : `${visible(given.url)}/ ${dim("(npm run syris open prints a link that logs a browser in)")}`

const plugin = ({ name, version }: BannerInfo["plugins"][number]) =>
  version === undefined ? visible(name) : `${visible(name)} ${visible(version)}`

const database = (given: BannerInfo["database"]) =>
  given.kind === "embedded"
    ? `PostgreSQL ${visible(given.version)}, embedded in ${visible(given.path)}`
    : `${given.version === undefined ? "" : `PostgreSQL ${visible(given.version)} at `}${
      visible(withoutPassword(given.url))
    }`

const wantsColour = () =>
  process.stdout.isTTY === true && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb"
