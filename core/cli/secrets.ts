/**
 * `syris secrets`: the secrets of this home folder, without a running host. A value is read from standard input,
 * never from the command line, and never shown.
 */
import { Console, Effect, Option, Redacted } from "effect"
import { Argument, Command, Flag, Prompt } from "effect/cli"
import { visible, visibleJson } from "../contract/Visible.ts"
import { keySources } from "../secrets/KeyRecord.ts"
import { failed } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { localTime, table } from "./layout.ts"
import { exportSecrets, importSecrets } from "./secretsTransfer.ts"
import { openSecrets, sayNotes } from "./secretsHome.ts"

const name = Argument.String("name").pipe(Argument.withDescription("Whose it is, such as github"))
const key = Argument.String("key").pipe(Argument.withDescription("Which one, such as token"))

const set = Command.make(
  "set",
  { name, key },
  Effect.fn(function*({ key, name }) {
    const { notes, store } = yield* openSecrets
    yield* store.set(name, key, yield* readValue(name, key))
    yield* Console.log(`Kept ${visible(name)} ${visible(key)}. A running SYRIS uses it from now on.`)
    yield* sayNotes(notes)
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
    const { notes, store } = yield* openSecrets
    const secrets = yield* store.list
    const variables = yield* store.variables
    if (json) return yield* Console.log(visibleJson([...secrets, ...variables], 2))
    if (secrets.length + variables.length === 0) {
      return yield* Console.log("No secrets are kept. Keep one with: syris secrets set NAME KEY")
    }
    const rows = secrets.map((secret) =>
      [
        secret.name,
        secret.key,
        `set ${localTime(secret.set_at).slice(0, 16)}`,
        `version ${secret.version}`,
        secret.overrides === undefined ? "stored" : `stored; ${secret.overrides} is not used`
      ].map(visible)
    )
    for (const line of table(rows)) yield* Console.log(line)
    for (const { variable } of variables) yield* Console.log(`${visible(variable)}  from the environment`)
    const place = store.keyPlace()
    if (secrets.length > 0 && place !== undefined) {
      yield* Console.log(`The key that seals them is in ${visible(place)}.`)
    }
    yield* sayNotes(notes)
  })
).pipe(
  Command.withDescription(
    "Show the names of all secrets, with their versions and where they come from; never a value"
  ),
  Command.withShortDescription("Show the names of all secrets, never a value")
)

const rm = Command.make(
  "rm",
  { name, key },
  Effect.fn(function*({ key, name }) {
    const { notes, store } = yield* openSecrets
    if (!(yield* store.remove(name, key))) {
      const variable = yield* store.variableWith(name, key)
      return yield* failed(
        variable === undefined
          ? `There is no secret ${visible(name)} ${visible(key)}: see all with syris secrets list.`
          : `${visible(name)} ${
            visible(key)
          } is not stored: it comes from the environment. Take ${variable} out of it, and ` +
            "start SYRIS again."
      )
    }
    yield* Console.log(`Removed ${visible(name)} ${visible(key)}.`)
    yield* sayNotes(notes)
  })
).pipe(Command.withDescription("Remove a secret"))

const rotate = Command.make(
  "rotate",
  {
    source: Flag.Literals("key-source", keySources).pipe(
      Flag.withDescription("Keep the new key there from now on; without it, where the old one was"),
      Flag.optional
    )
  },
  Effect.fn(function*({ source }) {
    const { notes, store } = yield* openSecrets
    const place = yield* store.rotate(Option.getOrUndefined(source))
    const count = (yield* store.list).length
    yield* Console.log(
      `Sealed ${count === 1 ? "1 secret" : `${count} secrets`} with a new key, which is in ${visible(place)}.` +
        (notes.length === 0 ? " The old key is gone." : "")
    )
    yield* sayNotes(notes)
  })
).pipe(
  Command.withDescription(
    "Make a new key and seal every secret with it, all or none; then destroy the old key. A running SYRIS goes on. " +
      "A new passphrase is asked for, or read from SYRIS_NEW_PASSPHRASE or SYRIS_NEW_PASSPHRASE_FILE."
  ),
  Command.withShortDescription("Seal every secret with a new key"),
  Command.withExamples([
    { command: "syris secrets rotate" },
    { command: "syris secrets rotate --key-source passphrase", description: "Nothing on this disk opens them then" }
  ])
)

export const secrets = Command.make("secrets").pipe(
  Command.withDescription("Keep, list, move and remove the secrets that plugins need"),
  Command.withSubcommands([set, list, rm, rotate, exportSecrets, importSecrets])
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
