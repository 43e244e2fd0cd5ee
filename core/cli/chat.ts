/**
 * `syris chat`: a conversation with SYRIS in the terminal, or of the lines that are piped in. A person may go on typing
 * while something is done; a pipe gets line by line what came of each.
 */
import { Effect, Fiber, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as crypto from "node:crypto"
import { Client } from "./client.ts"
import { converse } from "./conversation.ts"
import { TypedLines } from "./typing.ts"
import { visible } from "../contract/Visible.ts"

/** How long the answer to a person's line is held, and to a program's, in seconds. */
const waits = { person: 30, program: 60 }

/** A line goes after the one before is answered, or so long after it: the host gets them in the order they are typed. */
const inOrder = "1 second"

export const chat = Command.make(
  "chat",
  {
    thread: Flag.String("thread").pipe(
      Flag.withDescription("The conversation to go on with (default: a new one)"),
      Flag.withMetavar("name"),
      Flag.optional
    )
  },
  Effect.fn(function*({ thread }) {
    const thread_id = Option.getOrElse(thread, () => `cli-${crypto.randomBytes(4).toString("hex")}`)
    const typing = yield* yield* TypedLines
    const { hear, say } = yield* converse(thread_id, typing)

    const aside = (text: string) =>
      say(text, waits.person).pipe(Effect.catch((error) => typing.note(`syris: ${error.sentence}`)))

    const talk = Effect.gen(function*() {
      while (true) {
        const line = yield* typing.next
        const text = line?.trim()
        if (text === undefined || text === "/quit") return
        if (text === "") continue
        if (typing.person) {
          const saying = yield* Effect.forkScoped(aside(text))
          yield* Effect.timeoutOption(Fiber.await(saying), inOrder)
        } else {
          yield* say(text, waits.program)
        }
      }
    })

    if (typing.person) {
      yield* typing.print(
        `Conversation ${
          visible(thread_id)
        }. What waits for your word: "approvals"; answer it with "approve", "approve 2", "deny 2 because …", or look at it with "show 1". /quit ends.`
      )
    }
    yield* Effect.raceFirst(hear, talk)
  }, Effect.scoped)
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Talk with SYRIS: what you type is said to it, and what it says is printed as it comes, its questions too. Ends with /quit, Ctrl-D or Ctrl-C; lines that are piped in are said one by one, each with what came of it."
  ),
  Command.withShortDescription("Talk with SYRIS, and answer its questions"),
  Command.withExamples([
    { command: "syris chat" },
    { command: "syris chat --thread home", description: "Go on with a conversation" },
    { command: "echo \"what is on today?\" | syris chat" }
  ])
)
