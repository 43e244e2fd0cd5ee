/**
 * `syris export`: events and audit as JSON lines, newest first, to a file or standard output. It ends well only where the
 * export is whole: its last line says so.
 */
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import * as fs from "node:fs"
import * as path from "node:path"
import { Readable, type Writable } from "node:stream"
import { visible, visibleJson } from "../contract/Visible.ts"
import { instant } from "./auditRows.ts"
import { Client } from "./client.ts"
import { CommandFailed, failed, misused } from "./CommandFailed.ts"

const filter = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

const filters = {
  kind: filter("kind", "events, audit, or events,audit (default: both)"),
  text: filter("text", "Only what this stands in, in any case of its letters; nothing in it is a wildcard"),
  since: filter("since", "Only from then on: a time (2026-11-22T08:00:00Z) or an age (90s, 15m, 1h, 2d)"),
  until: filter("until", "Only before then: a time or an age"),
  trace: filter("trace", "Only this trace"),
  channel: filter("channel", "Only of this channel"),
  connector: filter("connector", "Only of this connector"),
  actor: filter("actor", "Only what this actor did"),
  thread: filter("thread", "Events: only of this thread"),
  type: filter("type", "Audit: only this type, such as tool_call.failed"),
  tool: filter("tool", "Audit: only of this tool"),
  risk: filter("risk", "Audit: only of this risk: low, medium, high or critical"),
  outcome: filter("outcome", "Audit: only with this outcome: success, failure, suppressed or info"),
  task: filter("task", "Audit: only of this task")
}

/** What the host calls a filter, where it has another name. */
const parameters: Readonly<Record<string, string>> = {
  trace: "trace_id",
  connector: "connector_id",
  actor: "actor_id",
  thread: "thread_id",
  task: "task_id"
}

export const exportRecords = Command.make(
  "export",
  {
    to: Flag.String("to").pipe(Flag.withDescription("Write this file; without it, standard output"), Flag.optional),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Write the file in place of one that is there"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    ...filters
  },
  Effect.fn(function*({ force, to, ...given }) {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(given)) {
      if (Option.isNone(value)) continue
      const isTime = name === "since" || name === "until"
      query.set(parameters[name] ?? name, isTime ? yield* instant(value.value) : value.value)
    }
    const file = Option.getOrUndefined(to)
    if (file === undefined && force) return yield* misused("--force goes with --to FILE.")
    const client = yield* Client
    const closing = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const target = `/export${query.size === 0 ? "" : `?${query.toString()}`}`
    const asked = client.stream(target, {}, closing.signal, "application/x-ndjson")
    if (file === undefined) return void (yield* copied(yield* asked, process.stdout, process.stdout.isTTY))
    const whole = path.resolve(file)
    if (!force && fs.existsSync(whole)) {
      return yield* failed(`${visible(file)} is there already: name another file, or write over it with --force.`)
    }
    const there = fs.lstatSync(whole, { throwIfNoEntry: false })
    if (there !== undefined && !there.isFile() && !there.isSymbolicLink()) {
      return yield* failed(`${visible(file)} is no file: name another one; without --to it goes to standard output.`)
    }
    // Written beside it first: what broke off is never taken for an export.
    const beside = `${whole}.${process.pid}.${randomBytes(4).toString("hex")}.part`
    const counts = yield* Effect.acquireUseRelease(
      Effect.try({ try: () => fs.openSync(beside, "wx", 0o600), catch: (cause) => unwritten(file, cause) }),
      (handle) =>
        Effect.gen(function*() {
          const out = fs.createWriteStream(beside, { fd: handle, autoClose: false })
          const counts = yield* copied(yield* asked, out, false)
          yield* Effect.try({
            try: () => {
              fs.fsyncSync(handle)
              if (force) return fs.renameSync(beside, whole)
              fs.linkSync(beside, whole)
            },
            catch: (cause) => unwritten(file, cause)
          })
          return counts
        }),
      (handle) =>
        Effect.sync(() => {
          fs.closeSync(handle)
          fs.rmSync(beside, { force: true })
        })
    )
    yield* Console.log(`Exported ${counts.events} events and ${counts.audit} audit rows to ${visible(file)}.`)
  }, Effect.scoped)
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Write events and audit as JSON lines, newest first: one object a line, with its kind, and last one of the kind \"end\" with " +
      "their numbers. What is secret is not in it. The file is yours alone to read (0600)."
  ),
  Command.withShortDescription("Write events and audit as JSON lines"),
  Command.withExamples([
    { command: "syris export --to syris.jsonl" },
    { command: "syris export --kind audit --outcome failure --since 7d | jq .summary" }
  ])
)

interface Counts {
  readonly events: number
  readonly audit: number
}

/** Copies line by line, at the pace of who takes them; fails where the last line is not the end. */
const copied = (
  body: ReadableStream<Uint8Array>,
  out: Writable,
  shown: boolean
): Effect.Effect<Counts, CommandFailed> =>
  Effect.tryPromise({
    try: async (signal) => {
      const source = Readable.fromWeb(body as never, { signal })
      let broken: unknown
      source.on("error", (error) => void (broken = error))
      out.once("error", (error) => void source.destroy(error))
      let last = ""
      for await (const line of linesOf(source)) {
        last = line
        if (!out.write(`${shown ? visibleJson(JSON.parse(line)) : line}\n`)) await once(out, "drain", { signal })
      }
      if (broken !== undefined) throw broken
      // Until the last of it has arrived there.
      await new Promise<void>((resolve, reject) => out.write("", (error) => error ? reject(error) : resolve()))
      return endOf(last)
    },
    catch: asFailure
  })

/** A line ends with \n and with nothing else: whatever of the kind stands in a text belongs to it. */
async function* linesOf(source: Readable): AsyncGenerator<string> {
  let rest = ""
  for await (const chunk of source.setEncoding("utf8")) {
    const lines = (rest + String(chunk)).split("\n")
    rest = lines.pop() ?? ""
    yield* lines
  }
  if (rest !== "") yield rest
}

const endOf = (line: string): Counts => {
  try {
    const end = JSON.parse(line) as { readonly kind?: unknown } & Counts
    if (end.kind === "end") return end
  } catch {
    // It was cut.
  }
  throw new Error("cut")
}

const asFailure = (cause: unknown): CommandFailed => {
  if (cause instanceof CommandFailed) return cause
  if ((cause as NodeJS.ErrnoException).code === "EPIPE") return new CommandFailed({ sentence: "", exit_code: 1 })
  if ((cause as NodeJS.ErrnoException).code === "ENOSPC") return failed("The disk is full: the export is not whole.")
  return failed("The export broke off, so it is not whole: see what SYRIS printed, then run it again.")
}

const unwritten = (file: string, cause: unknown): CommandFailed => {
  const { code, message } = cause as NodeJS.ErrnoException
  return failed(
    code === "EEXIST"
      ? `${visible(file)} is there already: name another file, or write over it with --force.`
      : code === "ENOENT"
      ? `${visible(file)} can't be written: there is no such folder.`
      : `${visible(file)} can't be written: ${visible(message)}.`
  )
}
