/**
 * `syris send`: says something to SYRIS and prints what came of it.
 * Exit code 0: done, or on its way; 1: failed, or unknown whether it happened; 2: nothing acted on it.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import { Client } from "./client.ts"
import { CommandFailed, misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { paints } from "./layout.ts"
import { visible, visibleJson, visibleLines } from "../contract/Visible.ts"

/** The host holds an answer no longer. */
const longestWait = 60

/** The answer of `POST /events` with `Prefer: wait`. */
export interface Sent {
  readonly event_id: string
  readonly trace_id: string
  readonly deduped?: boolean
  readonly conflict?: boolean
  readonly settled?: boolean
  readonly outcome?: string
  readonly reply?: string
}

export const send = Command.make(
  "send",
  {
    text: Argument.String("text").pipe(
      Argument.withDescription("What to say; the words need no quotes"),
      Argument.atLeast(1)
    ),
    channel: Flag.String("channel").pipe(
      Flag.withDescription("The channel that it comes in on (default: chat)"),
      Flag.withDefault("chat")
    ),
    thread: Flag.String("thread").pipe(Flag.withDescription("The conversation that it belongs to"), Flag.optional),
    messageId: Flag.String("message-id").pipe(
      Flag.withDescription("Your own id of this message: the same one is handled once, however often it is sent"),
      Flag.optional
    ),
    wait: Flag.Int("wait").pipe(
      Flag.withDescription("How long to wait for the end of it, in seconds (default: 10)"),
      Flag.withMetavar("seconds"),
      Flag.withDefault(10)
    ),
    json
  },
  Effect.fn(function*({ channel, json, messageId, text, thread, wait }) {
    if (wait < 0 || wait > longestWait) return yield* misused(`--wait takes 0 to ${longestWait} seconds.`)
    const client = yield* Client
    const { body } = yield* client.request("/events", {
      method: "POST",
      ...(wait === 0 ? {} : { headers: { prefer: `wait=${wait}` } }),
      body: {
        channel,
        connector_id: "cli",
        text: text.join(" "),
        ...(Option.isSome(thread) ? { thread_id: thread.value } : {}),
        ...(Option.isSome(messageId) ? { message_id: messageId.value } : {})
      },
      seconds: wait + 30
    })
    const sent = body as Sent
    if (json) yield* Console.log(visibleJson(sent, 2))
    else {
      const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
      const paint = paints(canColor)
      const say = yield* spell
      const isPaused = wait > 0 && sent.outcome === undefined && sent.deduped !== true && (yield* pausedNow)
      for (const line of inWords(sent, wait, say, isPaused)) yield* Console.log(line)
      yield* Console.log(
        paint.dim(`Trace ${visible(sent.trace_id)}. See what happened: ${say("trace", visible(sent.trace_id))}`)
      )
    }
    const exit_code = exitCode(sent)
    if (exit_code !== 0) return yield* new CommandFailed({ sentence: "", exit_code })
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Say something to SYRIS, and see its answer. Exit code 0: done, or on its way; 1: failed, or unknown whether it happened; 2: nothing acted on it."
  ),
  Command.withShortDescription("Say something to SYRIS, and see its answer"),
  Command.withExamples([
    { command: "syris send \"set a timer for 5 minutes\"" },
    { command: "syris send --thread home --wait 60 \"what is on today?\"", description: "Wait up to a minute" }
  ])
)

const pausedNow = Effect.gen(function*() {
  const { body } = yield* (yield* Client).request("/state")
  return (body as { readonly paused: boolean }).paused
}).pipe(Effect.orElseSucceed(() => false))

/** What came of it, for a person. */
export const inWords = (
  sent: Sent,
  wait: number,
  say: (...args: ReadonlyArray<string>) => string,
  isPaused = false
): ReadonlyArray<string> => {
  const lines: Array<string> = []
  if (sent.deduped === true) {
    lines.push(
      sent.conflict === true
        ? "A message with this id came before, with another text: that one counts, and nothing new was done."
        : "This message came before: nothing new was done."
    )
  }
  if (sent.reply !== undefined && sent.reply !== "") lines.push(...visibleLines(sent.reply))
  switch (sent.outcome) {
    case "succeeded":
      if (lines.length === 0) lines.push("Done.")
      break
    case "failed":
      lines.push("It failed; the trace says why.")
      break
    case "unknown":
      lines.push("It is unknown whether this happened: look there yourself before you send it again.")
      break
    case "waiting":
      lines.push("It waits, for you or for its time.")
      break
    case "dropped":
      lines.push("A filter dropped it; the trace says which.")
      break
    case "unhandled":
      lines.push(
        `Nothing matched this text, so nothing was done. Try: ${say("send", "\"set a timer for 5 minutes\"")}`,
        "To have it understood, add a plugin with an intent for it to syris.config.ts."
      )
      break
    case undefined:
      if (sent.deduped !== true) {
        lines.push(
          wait === 0
            ? "Taken in."
            : isPaused
            ? `Taken in. Everything is paused; it goes on after: ${say("resume")}`
            : `Taken in, and not finished after ${wait} s; it goes on by itself.`
        )
      }
      break
    default:
      lines.push(`It ended as ${visible(sent.outcome)}.`)
  }
  return lines
}

/** 0 where nothing went wrong so far. */
export const exitCode = ({ outcome }: Sent): number =>
  outcome === "failed" || outcome === "unknown" ? 1 : outcome === "unhandled" || outcome === "dropped" ? 2 : 0
