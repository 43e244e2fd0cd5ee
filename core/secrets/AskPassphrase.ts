/**
 * Asks for a passphrase on the terminal of this process, and does not show it. Where there is none nobody is asked.
 */
import { Effect, Redacted } from "effect"
import type { AskPassphrase } from "./Passphrase.ts"

export const askPassphrase: AskPassphrase = (what) =>
  Effect.gen(function*() {
    if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined
    const first = yield* askHidden(
      what === "new" ? "New passphrase of the secrets: " : "Passphrase of the secrets: "
    )
    if (what === "known" || first === "") return first === "" ? undefined : Redacted.make(first)
    while (first !== (yield* askHidden("The same again: "))) {
      yield* Effect.sync(() => process.stderr.write("That was another one.\n"))
    }
    return Redacted.make(first)
  })

/** One line of the terminal, which does not show it. Ctrl-C ends the process, as elsewhere. */
export const askHidden = (prompt: string): Effect.Effect<string> =>
  Effect.callback<string>((resume) => {
    const { stderr, stdin } = process
    let line = ""
    const stop = () => {
      stdin.off("data", read).setRawMode(false).pause()
      stderr.write("\n")
    }
    const read = (typed: string) => {
      for (const character of typed) {
        if (character === "\r" || character === "\n" || character === "\u0004") {
          stop()
          return resume(Effect.succeed(line))
        }
        if (character === "\u0003") {
          stop()
          process.kill(process.pid, "SIGINT")
          return resume(Effect.never)
        }
        if (character === "\u007f" || character === "\b") line = line.replace(/.$/su, "")
        else if (character >= " ") line += character
      }
    }
    stderr.write(prompt)
    stdin.setRawMode(true).setEncoding("utf8").resume().on("data", read)
    return Effect.sync(stop)
  })
