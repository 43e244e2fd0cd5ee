/**
 * `syris up` and nothing else: the host without the parser of the command line, so that it listens sooner. The launcher
 * takes this way for `up` and `up --verbose`; any other wording goes through `main.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Effect } from "effect"
import { runHost } from "../main.ts"
import { codeOfHost, outliveTerminal } from "./hostProcess.ts"
import { settledPaths } from "./workingFolder.ts"

const verbose = process.argv.includes("--verbose")
Object.assign(process.env, settledPaths(process.env, process.cwd()))
outliveTerminal()

runHost({ verbose }).pipe(
  Effect.catch((error) =>
    Effect.gen(function*() {
      yield* Console.error(`syris: ${error.message}`)
      if (verbose) yield* Console.error(Cause.pretty(Cause.fail(error)))
      return 1
    })
  ),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: (exit, end) => end(codeOfHost(exit)) })
)
