/**
 * A server's place with its secrets read: what its process is started with, or the headers that it is sent.
 */
import { Effect, Redacted } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import { isSecretRef, type SecretOption } from "../plugin/Secret.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import type { Guarded } from "../../sandbox/runtimes/Guard.ts"
import { McpFailed } from "./McpConnection.ts"
import { nameOf } from "./McpFailures.ts"

export type OpenPlace =
  | { readonly kind: "stdio"; readonly start: Guarded }
  | {
    readonly kind: "http"
    readonly url: URL
    readonly headers: Readonly<Record<string, string>>
    readonly clientSecret: string | undefined
  }

const searchPath = "/usr/local/bin:/usr/bin:/bin"
const secretName = /key|token|secret|passw|authorization|cookie/i

export const openPlace = Effect.fnUntraced(function*(
  settings: McpServerSettings
): Effect.fn.Return<OpenPlace, McpFailed, SecretsStore | Redactor | Environment> {
  const { place, server } = settings
  const store = yield* SecretsStore
  const redactor = yield* Redactor
  const { home } = yield* Environment

  /** The value; one that is secret is known to the redactor, also where a scheme stands before it. */
  const read = (name: string, option: SecretOption): Effect.Effect<string, McpFailed> =>
    readSecret(store, option).pipe(
      Effect.mapError(({ detail }) => new McpFailed({ detail, sent: false })),
      Effect.tap((value) =>
        Effect.sync(() => {
          if (!isSecretRef(option) && !secretName.test(name)) return
          const label = isSecretRef(option) ? `${option.name}.${option.key}` : `mcp.${server}.${name}`
          redactor.add(label, Redacted.make(value))
          const bare = /^[A-Za-z]+\s+(\S+)$/.exec(value.trim())?.[1]
          if (bare !== undefined) redactor.add(label, Redacted.make(bare))
        })
      )
    )
  const readAll = (options: Readonly<Record<string, SecretOption>>) =>
    Effect.map(
      Effect.forEach(Object.entries(options), ([name, option]) =>
        Effect.map(read(name, option), (value) => [name, value] as const)),
      (entries): Readonly<Record<string, string>> =>
        Object.fromEntries(entries)
    )
  const fail = (rest: string) => new McpFailed({ detail: `${nameOf(settings)} ${rest}`, sent: false })

  if (place.kind === "http") {
    const given = yield* readAll(place.headers)
    const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.trim()]))
    const wrong = Object.keys(headers).find((name) => !/^[\t\x20-\x7e\x80-\xff]+$/.test(headers[name]!))
    if (wrong !== undefined) {
      return yield* fail(
        `is not asked: the value of its header ${wrong} is empty or has characters that no header has.`
      )
    }
    const { clientSecret } = place.oauth
    return {
      kind: "http",
      url: new URL(place.url),
      headers,
      clientSecret: clientSecret === undefined ? undefined : yield* read("client secret", clientSecret)
    }
  }
  const env = { PATH: process.env["PATH"] ?? searchPath, ...yield* readAll(place.env) }
  const cwd = place.cwd === undefined ? path.join(home, "mcp", server) : path.resolve(place.cwd)
  yield* Effect.try({
    try: () => {
      if (place.cwd === undefined) fs.mkdirSync(cwd, { recursive: true, mode: 0o700 })
      else if (!fs.statSync(cwd).isDirectory()) throw new Error("it is no folder")
    },
    catch: (cause) => fail(`is not started: its folder ${cwd} can't be used (${(cause as Error).message}).`)
  })
  return { kind: "stdio", start: { command: place.command, args: place.args, env, cwd } }
})
