/**
 * The host from outside: its environment variables, read once at the start.
 */
import { Config, Context, Effect, Layer, Option, type Redacted, Schema } from "effect"
import * as path from "node:path"

const Port = Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 65_535 }))

export class Environment extends Context.Service<Environment, {
  /** `SYRIS_HOME`, absolute. Default `.syris` in the working folder. Database, token, secrets, artifacts. */
  readonly home: string
  /** `SYRIS_HOST`. Default `127.0.0.1`. */
  readonly host: string
  /** `SYRIS_PORT`, 0 for any free one. Default 4747. */
  readonly port: number
  /** `SYRIS_CONFIG`, absolute. Default `syris.config.ts` in the working folder. */
  readonly config: string
  /** `DATABASE_URL`. Without it an embedded PostgreSQL is used. */
  readonly databaseUrl: Redacted.Redacted | undefined
}>()("syris/database/Environment") {
  static readonly layer = Layer.effect(
    Environment,
    Effect.gen(function*() {
      const env = yield* Config.all({
        home: Config.NonEmptyString("SYRIS_HOME").pipe(Config.withDefault(".syris")),
        host: Config.NonEmptyString("SYRIS_HOST").pipe(Config.withDefault("127.0.0.1")),
        port: Config.schema(Port, "SYRIS_PORT").pipe(Config.withDefault(4747)),
        config: Config.NonEmptyString("SYRIS_CONFIG").pipe(Config.withDefault("syris.config.ts")),
        databaseUrl: Config.option(Config.Redacted("DATABASE_URL"))
      })
      return {
        home: path.resolve(env.home),
        host: env.host,
        port: env.port,
        config: path.resolve(env.config),
        databaseUrl: Option.getOrUndefined(env.databaseUrl)
      }
    })
  )
}

/** `Expected a port … at ["SYRIS_PORT"]`, as a sentence. */
export const explainVariable = (message: string): string => {
  const named = /\bat \["(\w+)"\]/.exec(message)?.[1]
  const why = message.replace(/^SchemaError\(?/, "").split("\n")[0] ?? ""
  if (named === "SYRIS_PORT") return "The environment variable SYRIS_PORT takes a port number, such as 4747."
  return named === undefined
    ? `An environment variable can't be used: ${message.replaceAll(/\s+/g, " ")}`
    : `The environment variable ${named} can't be used: ${why}.`
}
