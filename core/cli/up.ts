/**
 * `syris up`: runs the host in this process until it is told to stop. Only this loads the host.
 */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { CommandFailed } from "./CommandFailed.ts"

/** What `core/main.ts` gives. */
interface HostModule {
  readonly runHost: (options: { readonly verbose: boolean }) => Effect.Effect<never, { readonly message: string }>
}

export const up = Command.make(
  "up",
  {
    verbose: Flag.Boolean("verbose").pipe(
      Flag.withDescription("Say more, and show the cause of a failure"),
      Flag.withDefault(false),
      Flag.withoutNegation
    )
  },
  Effect.fn(function*({ verbose }) {
    const { runHost }: HostModule = yield* Effect.promise(() => import("../main.ts"))
    return yield* runHost({ verbose }).pipe(
      Effect.mapError((error) =>
        new CommandFailed({ sentence: error.message, exit_code: 1, ...(verbose ? { cause: error } : {}) })
      )
    )
  })
).pipe(
  Command.withDescription(
    "Run SYRIS here until Ctrl-C. Reads syris.config.ts (SYRIS_CONFIG); keeps its data in .syris (SYRIS_HOME); listens on 127.0.0.1:4747 (SYRIS_HOST, SYRIS_PORT); uses its own PostgreSQL unless DATABASE_URL names another."
  ),
  Command.withShortDescription("Run SYRIS here until Ctrl-C")
)
