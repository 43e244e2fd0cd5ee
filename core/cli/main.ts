/**
 * The entry of the `syris` command: runs it in this process and ends with its exit code.
 * It loads little, so that a command that only asks the host is quick; `up` and `doctor` load what they need.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Layer } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { runCommand } from "./command.ts"
import { codeOfHost, outliveTerminal } from "./hostProcess.ts"
import { settledPaths } from "./workingFolder.ts"

const args = process.argv.slice(2)
Object.assign(process.env, settledPaths(process.env, process.cwd()))

const isHost = args[0] === "up"

if (isHost) {
  outliveTerminal()
} else {
  // `syris audit | head` closes the pipe when it has enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })
}

/** A command that was told to stop ends with 130, as shells have it. */
const codeOf = <A, E>(exit: Exit.Exit<A, E>): number =>
  !isHost && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? 130 : codeOfHost(exit)

runCommand(args).pipe(
  Effect.provide(TerminalCapabilities.layer.pipe(Layer.provideMerge(NodeServices.layer))),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: (exit, end) => end(codeOf(exit)) })
)
