/**
 * `syris secrets`: the secrets of this home folder, without a running host. A value is read from standard input,
 * never from the command line, and never shown.
 */
import { Console, Effect, Redacted } from "effect"
import { Argument, Command, Prompt } from "effect/cli"
import { Environment } from "../database/Environment.ts"
import { failed } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { localTime, table } from "./layout.ts"
import { visible, visibleJson } from "../contract/Visible.ts"

const name = Argument.String("name").pipe(Argument.withDescription("Whose it is, such as github"))
const key = Argument.String("key").pipe(Argument.withDescription("Which one, such as token"))

const store = Effect.gen(function*() {
  const { home } = yield* Environment
  const { openStore } = yield* Effect.promise(() => import("../secrets/SecretsStore.ts"))
  return openStore(home)
}).pipe(Effect.provide(Environment.layer))

const set = Command.make(
  "set",
  { name, key },
  Effect.fn(function*({ key, name }) {
    const secrets = yield* store
    yield* secrets.set(name, key, yield* readValue(name, key))
    yield* Console.log(`Kept ${visible(name)} ${visible(key)}. A running SYRIS uses it from now on.`)
  })
).pipe(
  Command.withDescription(
    "Keep a value, read from standard input or asked for; a newline at its end is not part of it"
  ),
  Command.withShortDescription("Keep a value"),
  Command.withExamples([
    { command: "syris secrets set github token", description: "Asks for it, and does not show it" },
    { command: "pass show github | syris secrets set github token" }
  ])
)

const list = Command.make(
  "list",
  { json },
  Effect.fn(function*({ json }) {
    const secrets = yield* (yield* store).list
    if (json) return yield* Console.log(visibleJson(secrets, 2))
    if (secrets.length === 0) {
      return yield* Console.log("No secrets are kept. Keep one with: syris secrets set NAME KEY")
    }
    const rows = secrets.map((secret) =>
      [secret.name, secret.key, `set ${localTime(secret.set_at).slice(0, 16)}`].map(visible)
    )
    for (const line of table(rows)) yield* Console.log(line)
  })
).pipe(Command.withDescription("Show the names of all secrets, never a value"))

const rm = Command.make(
  "rm",
  { name, key },
  Effect.fn(function*({ key, name }) {
    if (!(yield* (yield* store).remove(name, key))) {
      return yield* failed(`There is no secret ${visible(name)} ${visible(key)}: see all with syris secrets list.`)
    }
    yield* Console.log(`Removed ${visible(name)} ${visible(key)}.`)
  })
).pipe(Command.withDescription("Remove a secret"))

export const secrets = Command.make("secrets").pipe(
  Command.withDescription("Keep, list and remove the secrets that plugins need"),
  Command.withSubcommands([set, list, rm])
)

const readValue = Effect.fn("secrets.readValue")(function*(name: string, key: string) {
  if (process.stdin.isTTY) {
    return yield* Prompt.run(Prompt.Hidden({ message: `Value of ${visible(name)} ${visible(key)}:` }))
  }
  const bytes = yield* Effect.promise(async () => {
    const chunks: Array<Buffer> = []
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  })
  return yield* Effect.try({
    try: () =>
      Redacted.make(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, "")),
    catch: () => failed("The value on standard input is not UTF-8 text: encode it first, as with `base64`.")
  })
})
