/**
 * `syris doctor`: what is wrong around SYRIS, and what to do about it. Works with and without a running host.
 */
import { Console, Effect } from "effect"
import { Command, TerminalCapabilities } from "effect/cli"
import { CommandFailed } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { paints } from "./layout.ts"
import { visibleJson } from "../contract/Visible.ts"

export const doctor = Command.make(
  "doctor",
  { json },
  Effect.fn(function*({ json }) {
    const { examine, thisMachine } = yield* Effect.promise(async () => ({
      ...await import("./doctorChecks.ts"),
      ...await import("./doctorMachine.ts")
    }))
    const machine = yield* thisMachine
    const checks = yield* Effect.promise(() => examine(machine))
    const broken = checks.some((check) => check.status === "fail")
    if (json) yield* Console.log(visibleJson({ ok: !broken, checks }, 2))
    else {
      const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
      const paint = paints(canColor)
      const mark = { ok: paint.green("ok  "), warn: paint.yellow("warn"), fail: paint.red("fail") }
      const width = Math.max(9, ...checks.map(({ name }) => name.length))
      for (const { message, name, status } of checks) {
        yield* Console.log(`${mark[status]}  ${name.padEnd(width)} ${message}`)
      }
    }
    if (broken) return yield* new CommandFailed({ sentence: "", exit_code: 1 })
  })
).pipe(
  Command.withDescription(
    "Look for what is wrong around SYRIS, and say what to do. Exit code 1 where something must be mended."
  ),
  Command.withShortDescription("Look for what is wrong, and say what to do")
)
