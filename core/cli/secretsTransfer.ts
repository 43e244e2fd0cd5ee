/**
 * `syris secrets export` and `import`: the secrets on their way to another home, as a file in age format. It is sealed with a
 * passphrase that is asked for (or read from SYRIS_EXPORT_PASSPHRASE, or SYRIS_EXPORT_PASSPHRASE_FILE), or for recipients
 * of age.
 */
import { Console, Effect, Option, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as fs from "node:fs"
import * as path from "node:path"
import { visible } from "../contract/Visible.ts"
import { CommandFailed, failed, misused } from "./CommandFailed.ts"
import { openSecrets, sayNotes } from "./secretsHome.ts"

const variable = "SYRIS_EXPORT_PASSPHRASE"
const minimumLength = 12

const ageFile = Effect.promise(() => import("../secrets/AgeFile.ts"))

export const exportSecrets = Command.make(
  "export",
  {
    to: Flag.String("to").pipe(
      Flag.withDescription("Write this file, which must not be there yet; without it, standard output"),
      Flag.optional
    ),
    recipients: Flag.String("recipient").pipe(
      Flag.withDescription(
        "Seal for this public key of age (age1…) and not with a passphrase; may be given several times"
      ),
      Flag.atLeast(0)
    )
  },
  Effect.fn(function*({ recipients, to }) {
    const { notes, store } = yield* openSecrets
    const secrets = yield* store.exported
    if (secrets.length === 0) {
      return yield* failed("There are no secrets to export. Keep one with: syris secrets set NAME KEY")
    }
    const file = Option.getOrUndefined(to)
    if (file !== undefined && fs.existsSync(file)) {
      return yield* failed(`${visible(file)} is there already: name another file, or remove it.`)
    }
    const { sealExport } = yield* ageFile
    const armored = yield* sealExport(
      secrets,
      recipients.length > 0
        ? { kind: "recipients", recipients }
        : { kind: "passphrase", passphrase: yield* passphraseFor("new") }
    )
    if (file === undefined) {
      yield* Effect.sync(() => process.stdout.write(armored.endsWith("\n") ? armored : `${armored}\n`))
      return yield* sayNotes(notes)
    }
    const { writeWhole } = yield* Effect.promise(() => import("../secrets/WholeFile.ts"))
    yield* Effect.try({
      try: () => writeWhole(path.resolve(file), `${armored.trimEnd()}\n`, { existing: "refuse" }),
      catch: (cause) => failedFile(file, "written", cause)
    })
    const variables = yield* store.variables
    yield* Console.log(
      `Exported ${counted(secrets.length)} to ${visible(file)}.` +
        (variables.length === 0 ? "" : ` Those of the environment are not in it (${variables.length}).`)
    )
    yield* sayNotes(notes)
  })
).pipe(
  Command.withDescription(
    "Write every stored secret to a file that only the passphrase, or the recipients, can open; `age` opens it too. The " +
      `passphrase is asked for, or read from ${variable} or ${variable}_FILE.`
  ),
  Command.withShortDescription("Write all secrets to a sealed file"),
  Command.withExamples([
    { command: "syris secrets export --to secrets.age" },
    { command: "syris secrets export --recipient age1… --to secrets.age" }
  ])
)

export const importSecrets = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(Argument.withDescription("What syris secrets export wrote")),
    identity: Flag.String("identity").pipe(
      Flag.withDescription("Open it with the identities of this file, as age-keygen writes it"),
      Flag.optional
    ),
    replace: Flag.Boolean("replace").pipe(
      Flag.withDescription("Remove the secrets that are not in the file"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Say what would change, and change nothing"),
      Flag.withDefault(false),
      Flag.withoutNegation
    )
  },
  Effect.fn(function*({ dryRun, file, identity, replace }) {
    const { identitiesIn, isForPassphrase, maximumExport, openExport } = yield* ageFile
    const bytes = yield* read(file, maximumExport)
    const identityFile = Option.getOrUndefined(identity)
    if (identityFile === undefined && !isForPassphrase(bytes)) {
      return yield* failed(
        `${
          visible(file)
        } was not sealed with a passphrase: give the identity of its recipient with --identity FILE. If it is ` +
          "no age file, make one with syris secrets export."
      )
    }
    const identities = identityFile === undefined
      ? undefined
      : identitiesIn((yield* read(identityFile, 1_048_576)).toString("utf8"))
    if (identities?.length === 0) {
      return yield* failed(
        `There is no identity in ${
          visible(identityFile!)
        }: it has a line that begins with AGE-SECRET-KEY-, as age-keygen writes it.`
      )
    }
    const given = yield* openExport(
      bytes,
      identities === undefined
        ? { kind: "passphrase", passphrase: yield* passphraseFor("known") }
        : { kind: "identities", identities }
    )
    if (replace && given.length === 0) {
      return yield* failed(
        "The file has no secrets: with --replace all of this home would be removed. Nothing was changed."
      )
    }
    const { notes, store } = yield* openSecrets
    const { added, removed, replaced, same } = yield* store.imported(given, { replace, dry: dryRun })
    for (
      const [what, secrets] of [["new", added], ["replaced", replaced], ["removed", removed]] as const
    ) {
      for (const { key, name } of secrets) yield* Console.log(`${what.padEnd(8)}  ${visible(name)} ${visible(key)}`)
    }
    const changed = added.length + replaced.length + removed.length
    yield* Console.log(
      (dryRun ? `${counted(changed)} would change` : `${counted(changed)} changed`) +
        (same.length === 0
          ? "."
          : `; ${counted(same.length)} of the file ${same.length === 1 ? "is" : "are"} here already.`)
    )
    yield* sayNotes(notes)
  })
).pipe(
  Command.withDescription(
    "Take in what syris secrets export wrote, all of it or nothing: secrets of the file replace those of the same name and " +
      `key here; the others stay. The passphrase is asked for, or read from ${variable} or ${variable}_FILE.`
  ),
  Command.withShortDescription("Take in a file of syris secrets export"),
  Command.withExamples([
    { command: "syris secrets import secrets.age --dry-run", description: "Says what would change" },
    { command: "syris secrets import secrets.age --identity key.txt" }
  ])
)

const counted = (count: number): string => count === 1 ? "1 secret" : `${count} secrets`

const passphraseFor = Effect.fnUntraced(function*(what: "known" | "new") {
  const { passphraseIn } = yield* Effect.promise(() => import("../secrets/Passphrase.ts"))
  const { askHidden } = yield* Effect.promise(() => import("../secrets/AskPassphrase.ts"))
  const given = yield* passphraseIn(process.env, variable)
  const isTerminal = process.stdin.isTTY && process.stderr.isTTY
  if (given === undefined && !isTerminal) {
    return yield* misused(
      `There is nobody to ask for the passphrase: give it in ${variable}, or in a file that ${variable}_FILE names.`
    )
  }
  const passphrase = given ?? Redacted.make(yield* askHidden("Passphrase of the file: "))
  if (what === "known") return passphrase
  if (Redacted.value(passphrase).length < minimumLength) {
    return yield* failed(`A passphrase for the file has at least ${minimumLength} characters; take several words.`)
  }
  if (given === undefined && (yield* askHidden("The same again: ")) !== Redacted.value(passphrase)) {
    return yield* failed("The passphrases were not the same; nothing was written.")
  }
  return passphrase
})

const read = (file: string, most: number): Effect.Effect<Buffer, CommandFailed> =>
  Effect.try({
    try: () => {
      if (fs.statSync(file).size > most) throw new Error(`it is longer than ${most / 1_048_576} MiB`)
      return fs.readFileSync(file)
    },
    catch: (cause) => failedFile(file, "read", cause)
  })

const failedFile = (file: string, what: string, cause: unknown): CommandFailed => {
  const { code, message } = cause as NodeJS.ErrnoException
  const why = code === "ENOENT"
    ? "there is no such file or folder"
    : code === "EEXIST"
    ? "it is there already"
    : message
  return failed(`${visible(file)} can't be ${what}: ${visible(why)}.`)
}
