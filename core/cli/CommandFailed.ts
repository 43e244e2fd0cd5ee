/**
 * How a command ends when it does not end well: a sentence for the operator and an exit code.
 * Only `main.ts` turns one into output, so no command writes to stderr on its way out.
 */
import { Schema } from "effect"

export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  /** One plain sentence that says what to do; empty where the command has said all there is. */
  sentence: Schema.String,
  /** 1 is failed, 2 is used wrongly (for `send`: nothing acted on it). */
  exit_code: Schema.Int,
  /** What lies under it; shown with `--verbose`. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.sentence
  }
}

/** The ordinary failure. */
export const failed = (sentence: string): CommandFailed => new CommandFailed({ sentence, exit_code: 1 })

/** The command line asks for something that can't be meant. */
export const misused = (sentence: string): CommandFailed => new CommandFailed({ sentence, exit_code: 2 })
