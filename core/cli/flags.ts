/**
 * Options that several commands have, so that they read the same everywhere.
 */
import { Config, Effect } from "effect"
import { Flag } from "effect/cli"

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON, for programs"),
  Flag.withDefault(false),
  Flag.withoutNegation
)

/** How the operator calls this command, for the next thing to try. */
export const spell = Effect.gen(function*() {
  const script = yield* Config.String("npm_lifecycle_event").pipe(Config.withDefault(""))
  return (...args: ReadonlyArray<string>) => {
    if (script !== "syris") return ["syris", ...args].join(" ")
    // npm keeps options that come before a bare `--` for itself.
    return ["npm run syris", ...(args.some((arg) => arg.startsWith("-")) ? ["--"] : []), ...args].join(" ")
  }
})
