/**
 * The console of a host: known secrets are taken out of everything that the host logs, whoever threw it and however deep
 * in a cause it lies. A layer, so that what is built above it and every fiber of that prints through it.
 */
import { Console, Effect, Layer } from "effect"
import { inspect } from "node:util"
import { Redactor } from "./Redactor.ts"

export const layerRedactedConsole = Layer.effect(
  Console.Console,
  Effect.gen(function*() {
    const console = yield* Console.Console
    const { redactText, watched } = yield* Redactor
    const hidden = (text: string): string => watched(text, redactText(text), () => ({ where: "what was to be logged" }))
    const colors = process.stdout.isTTY === true
    const hide = (values: ReadonlyArray<unknown>): ReadonlyArray<string> =>
      values.map((value) => hidden(typeof value === "string" ? value : inspect(value, { colors, depth: 8 })))
    return Object.assign(Object.create(console) as Console.Console, {
      debug: (...values: ReadonlyArray<unknown>) => console.debug(...hide(values)),
      error: (...values: ReadonlyArray<unknown>) => console.error(...hide(values)),
      info: (...values: ReadonlyArray<unknown>) => console.info(...hide(values)),
      log: (...values: ReadonlyArray<unknown>) => console.log(...hide(values)),
      warn: (...values: ReadonlyArray<unknown>) => console.warn(...hide(values))
    })
  })
)
