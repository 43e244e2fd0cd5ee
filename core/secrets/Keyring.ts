/**
 * The key in the keyring of the operating system, through its own program: `secret-tool` of libsecret on Linux, `security`
 * on macOS. The key goes to the program on its standard input, never on its command line.
 *
 * - A program that does not answer within 5 seconds is ended: a keyring that is locked waits for a person.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { randomBytes, randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { visible } from "../contract/Visible.ts"
import type { KeyringRecord } from "./KeyRecord.ts"
import { KeyUnavailable, type MasterKeySource } from "./MasterKey.ts"
import type { Variables } from "./Passphrase.ts"

const patience = 5_000
const service = "syris"

export interface KeyringOptions {
  readonly env: Variables
  readonly platform?: NodeJS.Platform
  readonly patienceMs?: number
}

interface Ran {
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

interface Program {
  readonly name: string
  readonly store: (account: string, key: string) => Spoken
  readonly lookup: (account: string) => Spoken
  readonly clear: (account: string) => Spoken
  readonly missing: string
}
interface Spoken {
  readonly args: ReadonlyArray<string>
  readonly input?: string
}

const programs: Partial<Record<NodeJS.Platform, Program>> = {
  linux: {
    name: "secret-tool",
    store: (account, key) => ({
      args: ["store", "--label=SYRIS: the key of the secrets", "service", service, "account", account],
      input: key
    }),
    lookup: (account) => ({ args: ["lookup", "service", service, "account", account] }),
    clear: (account) => ({ args: ["clear", "service", service, "account", account] }),
    missing: "there is no secret-tool; on Debian it is in the package libsecret-tools"
  },
  darwin: {
    name: "security",
    store: (account, key) => ({
      args: ["-i"],
      input: `add-generic-password -U -s ${service} -a ${account} -w ${key}\n`
    }),
    lookup: (account) => ({ args: ["find-generic-password", "-s", service, "-a", account, "-w"] }),
    clear: (account) => ({ args: ["delete-generic-password", "-s", service, "-a", account] }),
    missing: "there is no program security"
  }
}

export const makeKeyring = (
  { env, patienceMs = patience, platform = process.platform }: KeyringOptions
): MasterKeySource<KeyringRecord> => {
  const program = programs[platform]

  const speak = Effect.fnUntraced(function*({ args, input }: Spoken) {
    const problem = whyAbsent(program, platform, env)
    if (problem !== undefined) return yield* unavailable(problem)
    return yield* run(program!.name, args, input, env, patienceMs)
  })
  const lookup = Effect.fnUntraced(function*(account: string) {
    const { code, err, out } = yield* speak(program?.lookup(account) ?? { args: [] })
    const text = out.trim()
    if (code === 0 && /^[0-9a-f]{64}$/.test(text)) return Buffer.from(text, "hex")
    return yield* unavailable(
      err.trim() === "" ? "it has no key of this home" : `it says: ${firstLine(err)}`
    )
  })

  return {
    read: ({ account }) => lookup(account),
    make: Effect.suspend(() => {
      const problem = whyAbsent(program, platform, env)
      return problem === undefined
        ? Effect.succeed({ record: { source: "keyring" as const, account: randomUUID() }, key: randomBytes(32) })
        : Effect.fail(unavailable(problem))
    }),
    keep: Effect.fnUntraced(function*({ key, record: { account } }) {
      const { code, err } = yield* speak(program?.store(account, key.toString("hex")) ?? { args: [] })
      if (code !== 0) {
        return yield* unavailable(`it says: ${firstLine(err) || `exit code ${code}`}`)
      }
      // Some say that they kept it, and did not.
      const kept = yield* lookup(account)
      if (!kept.equals(key)) return yield* unavailable("it gives back another key")
    }),
    destroy: ({ account }) => Effect.asVoid(speak(program?.clear(account) ?? { args: [] })),
    where: ({ account }) => `the OS keyring (account ${account})`
  }
}

const unavailable = (why: string): KeyUnavailable =>
  new KeyUnavailable({
    detail:
      `The OS keyring can't be used for the key of the secrets (${why}): run SYRIS in a session where it is there ` +
      "and unlocked; to keep the key in a file instead, run there: syris secrets rotate --key-source file",
    why
  })

const firstLine = (said: string): string => visible(said.trim().split("\n")[0]!.slice(0, 200))

const whyAbsent = (program: Program | undefined, platform: string, env: Variables): string | undefined => {
  if (program === undefined) return `SYRIS knows none on ${platform}`
  const folders = (env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== "")
  if (!folders.some((folder) => fs.existsSync(path.join(folder, program.name)))) return program.missing
  const socket = env["XDG_RUNTIME_DIR"] === undefined ? undefined : path.join(env["XDG_RUNTIME_DIR"], "bus")
  if (
    platform === "linux" && (env["DBUS_SESSION_BUS_ADDRESS"] ?? "") === "" &&
    (socket === undefined || !fs.existsSync(socket))
  ) return "this session has no D-Bus"
  return undefined
}

/** What a program of the session needs, and no secret: how it finds the bus, whom it asks, and in which language. */
const session =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|LANG|LANGUAGE|LC_.*|DBUS_.*|XDG_.*|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY)$/

const sessionOf = (env: Variables): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => session.test(name)))

const run = (
  name: string,
  args: ReadonlyArray<string>,
  input: string | undefined,
  env: Variables,
  patienceMs: number
): Effect.Effect<Ran, KeyUnavailable> =>
  Effect.callback<Ran, KeyUnavailable>((resume) => {
    const child = spawn(name, args, { env: sessionOf(env), stdio: ["pipe", "pipe", "pipe"] })
    let out = ""
    let err = ""
    const failed = (why: string) => resume(Effect.fail(unavailable(why)))
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      failed(`it did not answer within ${patienceMs / 1_000} seconds; it may be locked`)
    }, patienceMs)
    child.stdout.setEncoding("utf8").on("data", (text: string) => out = (out + text).slice(0, 4_096))
    child.stderr.setEncoding("utf8").on("data", (text: string) => err = (err + text).slice(0, 4_096))
    child.on("error", (error) => {
      clearTimeout(timer)
      failed(error.message)
    })
    child.on("close", (code) => {
      clearTimeout(timer)
      resume(Effect.succeed({ code: code ?? undefined, out, err }))
    })
    child.stdin.on("error", () => {}).end(input ?? "")
    return Effect.sync(() => {
      clearTimeout(timer)
      child.kill("SIGKILL")
    })
  })
