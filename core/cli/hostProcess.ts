/**
 * The process that a host runs in.
 */
import { Cause, Exit } from "effect"

/** A host goes on without its terminal or its log; a closed terminal is a stop like any other, not a crash. */
export const outliveTerminal = (): void => {
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
  process.once("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
}

/** Being told to stop is how a host ends well. */
export const codeOfHost = <A, E>(exit: Exit.Exit<A, E>): number =>
  Exit.isSuccess(exit) ? Number(exit.value) : Cause.hasInterruptsOnly(exit.cause) ? 0 : 1
