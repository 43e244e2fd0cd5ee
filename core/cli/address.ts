/**
 * Where the running host answers: what the operator said, else what the host wrote into its home, else the default.
 */
import { Config, Effect, Option } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"

/** The file in `SYRIS_HOME` where a running host says `{ url }`. */
export const hostFile = (home: string): string => path.join(home, "host.json")

const writtenUrl = (home: string): URL | undefined => {
  try {
    const written: unknown = JSON.parse(fs.readFileSync(hostFile(home), "utf8"))
    if (typeof written !== "object" || written === null || !("url" in written)) return undefined
    const url = URL.parse(String(written.url))
    return url !== null && /^https?:$/.test(url.protocol) ? url : undefined
  } catch {
    return undefined
  }
}

/** An address to connect to, for one to listen on. */
const reachable = (host: string): string => {
  if (host === "0.0.0.0") return "127.0.0.1"
  if (host === "::") return "[::1]"
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host
}

/** The base URL, without a slash at the end. */
export const hostUrl = Effect.gen(function*() {
  const { home, host, port } = yield* Environment
  const said = yield* Config.all({
    host: Config.option(Config.String("SYRIS_HOST")),
    port: Config.option(Config.Int("SYRIS_PORT"))
  })
  const written = writtenUrl(home)
  const portSaid = Option.getOrUndefined(Option.filter(said.port, (value) => value !== 0))
  if (written !== undefined && Option.isNone(said.host)) {
    if (
      portSaid === undefined || String(portSaid) === (written.port || (written.protocol === "https:" ? "443" : "80"))
    ) {
      return written.origin
    }
  }
  return `http://${reachable(host)}:${port === 0 ? written?.port || 4747 : port}`
})
