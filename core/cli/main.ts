/**
 * The entry of the `syris` command: runs it in this process and ends with its exit code.
 * It loads little, so that a command that only asks the host is quick; `up` and `doctor` load what they need.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Layer } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { runCommand } from "./command.ts"
import { settledPaths } from "./workingFolder.ts"

const args = process.argv.slice(2)
Object.assign(process.env, settledPaths(process.env, process.cwd()))

const isHost = args[0] === "up"

// `syris audit | head` closes the pipe when it has enough. A host goes on without its terminal or its log.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (isHost) return
  if (error.code === "EPIPE") process.exit(0)
  throw error
})
if (isHost) {
  process.stderr.on("error", () => {})
  // A closed terminal is a stop like any other, not a crash.
  process.once("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
}

/** Being told to stop is how a host ends well; for any other command it is 130, as shells have it. */
const codeOf = <A, E>(exit: Exit.Exit<A, E>): number =>
  Exit.isSuccess(exit) ? Number(exit.value) : Cause.hasInterruptsOnly(exit.cause) ? isHost ? 0 : 130 : 1

runCommand(args).pipe(
  Effect.provide(TerminalCapabilities.layer.pipe(Layer.provideMerge(NodeServices.layer))),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: (exit, end) => end(codeOf(exit)) })
)
