/**
 * What is typed at the terminal, or piped in, line by line, and how something is printed beside it: a line that is half
 * typed stays whole.
 */
import { Console, Context, Effect, type Scope } from "effect"
import * as readline from "node:readline"
import { liveBlock } from "./liveBlock.ts"

export interface Typing {
  /** Somebody sits there and types; else it is a pipe or a file. */
  readonly person: boolean
  /** The next line; `undefined` at the end (Ctrl-D, Ctrl-C, or all is read). */
  readonly next: Effect.Effect<string | undefined>
  readonly print: (line: string) => Effect.Effect<void>
  /**
   * Shows a text that is still being written, in the place of what it showed before; `undefined` takes it away. Does
   * nothing where nobody could see it change: in a pipe or a file.
   */
  readonly live: (text: string | undefined) => Effect.Effect<void>
  /** What is no part of a conversation: beside it for a person, on standard error for a program. */
  readonly note: (line: string) => Effect.Effect<void>
}

const fromStandardInput: Effect.Effect<Typing, never, Scope.Scope> = Effect.gen(function*() {
  const { stdin, stdout } = process
  const person = stdin.isTTY === true
  const prompts = person && stdout.isTTY === true
  let open = true
  const reader = yield* Effect.acquireRelease(
    Effect.sync(() =>
      readline.createInterface({
        input: stdin,
        crlfDelay: Number.POSITIVE_INFINITY,
        ...(prompts ? { output: stdout, prompt: "> " } : {})
      })
    ),
    (reader) => Effect.sync(() => reader.close())
  )
  const block = liveBlock(stdout)
  let writing: string | undefined
  reader.on("close", () => {
    open = false
    if (!prompts) return
    if (writing !== undefined) block.draw(undefined)
    stdout.write("\n")
  })
  reader.on("line", (line) => {
    if (writing === undefined) return
    block.typed(`> ${line}`)
    block.draw(writing)
  })
  reader.on("SIGINT", () => reader.close())
  // From the beginning: lines that nobody waits for yet are kept.
  const lines = reader[Symbol.asyncIterator]()
  const prompt = (keep: boolean) => Effect.sync(() => prompts && open ? reader.prompt(keep) : undefined)
  const print = (line: string) =>
    Effect.gen(function*() {
      if (prompts && open) {
        readline.cursorTo(stdout, 0)
        readline.clearLine(stdout, 0)
        block.draw(undefined)
      }
      yield* Console.log(line)
      if (prompts && open) block.draw(writing)
      yield* prompt(true)
    })
  const live = (text: string | undefined) =>
    Effect.suspend(() => {
      // A long line that is being typed has rows of its own: it is left alone.
      if (!prompts || !open || (text !== undefined && reader.getCursorPos().rows > 0)) return Effect.void
      writing = text
      block.draw(text)
      return prompt(true)
    })
  return {
    person,
    live,
    next: Effect.andThen(
      prompt(false),
      Effect.map(Effect.promise(() => lines.next()), (read) => read.done === true ? undefined : read.value)
    ),
    print,
    note: person ? print : (line) => Console.error(line)
  }
})

/** Where the lines come from; a test says it itself. */
export const TypedLines = Context.Reference<Effect.Effect<Typing, never, Scope.Scope>>("syris/cli/TypedLines", {
  defaultValue: () => fromStandardInput
})
