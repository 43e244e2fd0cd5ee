/**
 * The `syris` command: its tree, and how what goes wrong in it is said.
 */
import { Cause, Console, Effect } from "effect"
import { CliConfig, type CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { explainVariable } from "../database/Environment.ts"
import { version } from "../health/Version.ts"
import { alarms } from "./alarms.ts"
import { approvals } from "./approvals.ts"
import { approve, deny, edit } from "./approve.ts"
import { audit } from "./audit.ts"
import { chat } from "./chat.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { autonomy, pause, resume } from "./controls.ts"
import { costs } from "./costs.ts"
import { doctor } from "./doctor.ts"
import { exportRecords } from "./export.ts"
import { integrations } from "./integrations.ts"
import { jobs } from "./jobs.ts"
import { mcp } from "./mcpServe.ts"
import { memory } from "./memory.ts"
import { open } from "./open.ts"
import { plugins } from "./plugins.ts"
import { policy } from "./policy.ts"
import { replay } from "./replay.ts"
import { schedules } from "./schedules.ts"
import { rules } from "./rules.ts"
import { secrets } from "./secrets.ts"
import { send } from "./send.ts"
import { settle } from "./settle.ts"
import { task } from "./task.ts"
import { tasks } from "./tasks.ts"
import { trace } from "./trace.ts"
import { up } from "./up.ts"
import { visible } from "../contract/Visible.ts"
import { watchers } from "./watchers.ts"
import { why } from "./why.ts"

export const syris = Command.make("syris").pipe(
  Command.withDescription(
    "An automation control plane for one operator. Through npm, options come after `--`: npm run syris -- audit --follow"
  ),
  Command.withExamples([
    { command: "syris up" },
    { command: "syris send \"set a timer for 5 minutes\"" },
    { command: "syris trace", description: "What the newest event led to" },
    { command: "syris doctor", description: "When something does not work" }
  ]),
  Command.withSubcommands([
    up,
    open,
    send,
    chat,
    trace,
    why,
    replay,
    tasks,
    task,
    jobs,
    settle,
    audit,
    exportRecords,
    approvals,
    approve,
    deny,
    edit,
    autonomy,
    pause,
    resume,
    memory,
    costs,
    policy,
    rules,
    schedules,
    watchers,
    plugins,
    integrations,
    mcp,
    alarms,
    secrets,
    doctor
  ])
)

/** Runs the command and answers its exit code; everything there is to say has been said. */
export const runCommand = (args: ReadonlyArray<string>) =>
  Command.runWith(syris, { version })(args).pipe(
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provideService(CliConfig.CliConfig, {
      builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
    }),
    Effect.as(0),
    Effect.catch((error) => complain(error, args)),
    Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), (cause) => complainOfDefect(cause, args))
  )

// A wrong command line gets one line and the way to the help, not a page of it.
const presenter: CliOutput.Presenter = {
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const help = event.errors.some((error) => error._tag === "UnknownSubcommand")
      ? event.commandPath.slice(0, 1)
      : event.commandPath
    return Console.error(`syris: ${event.errors.map(wrong).join(" ")} See: ${help.join(" ")} --help`)
  }
}

const wrong = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnknownSubcommand":
      return `There is no command "${visible(error.subcommand)}".${meant(error.subcommand, error.suggestions)}`
    case "UnrecognizedOption":
      return `There is no option ${visible(error.option)}.${meant(error.option, error.suggestions)}`
    default:
      return `${visible(error.message.replaceAll(/\s+/g, " ").replace(/\.$/, ""))}.`
  }
}

// To a very short word everything short is near.
const meant = (given: string, suggestions: ReadonlyArray<string>) =>
  suggestions.length === 0 || given.length < 3
    ? ""
    : ` Did you mean ${suggestions.map((one) => `"${one}"`).join(" or ")}?`

const complain = (error: { readonly _tag: string; readonly message: string }, args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    if (error._tag === "ShowHelp") return (error as CliError.ShowHelp).errors.length > 0 ? 2 : 0
    const sentence = error._tag === "ConfigError" ? visible(explainVariable(error.message)) : error.message
    if (sentence !== "") yield* Console.error(`syris: ${sentence}`)
    if (error instanceof CommandFailed) {
      if (error.cause !== undefined && args.includes("--verbose")) {
        yield* Console.error(Cause.pretty(Cause.fail(error.cause)))
      }
      return error.exit_code
    }
    return 1
  })

const complainOfDefect = (cause: Cause.Cause<unknown>, args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const defect = Cause.squash(cause)
    const message = visible(defect instanceof Error ? defect.message : String(defect)).slice(0, 1_000)
    yield* Console.error(
      `syris: This is a fault in SYRIS or its set-up, not yours (${message}). See what is wrong with: syris doctor`
    )
    if (args.includes("--verbose")) yield* Console.error(Cause.pretty(cause))
    return 1
  })
