/**
 * `syris approve`, `syris deny`, `syris edit`: the operator's decision on what asks.
 *
 * An approval is given with the hash of the input that was just read, so that what was seen is what is approved. Of
 * several each is decided by itself: one that can't be is said, and the others are decided.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { Approval } from "../contract/Approval.ts"
import { toMillis } from "../plugin/DurationInput.ts"
import { show } from "./approvals.ts"
import { findApproval } from "./approvalSearch.ts"
import { Client } from "./client.ts"
import { CommandFailed, misused } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { ruleInWords, type StandingRule } from "./ruleInWords.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

const which = Argument.String("approval").pipe(
  Argument.withDescription("An approval, by its number or the beginning or end of its id")
)

export const approve = Command.make(
  "approve",
  {
    which: which.pipe(Argument.atLeast(1)),
    always: Flag.Boolean("always").pipe(
      Flag.withDescription("And make a rule of it: its like runs from now on without asking, for a time"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    for: Flag.String("for").pipe(
      Flag.withDescription("How long the rule holds, such as \"30 days\""),
      Flag.withMetavar("time"),
      Flag.optional
    ),
    fields: Flag.String("fields").pipe(
      Flag.withDescription("The fields that must be the same for the rule, such as to,subject (default: all)"),
      Flag.withMetavar("names"),
      Flag.optional
    ),
    json
  },
  Effect.fn(function*({ always, fields, for: time, json, which }) {
    if (!always && (Option.isSome(time) || Option.isSome(fields))) {
      return yield* misused("--for and --fields go with --always only.")
    }
    const expires_in_ms = Option.isNone(time) ? undefined : toMillis(time.value)
    if (Option.isSome(time) && !(expires_in_ms !== undefined && expires_in_ms > 0 && Number.isFinite(expires_in_ms))) {
      return yield* misused("--for takes a time, such as \"30 days\" or \"12 hours\".")
    }
    const names = Option.getOrUndefined(fields)?.split(",").map((name) => name.trim()).filter((name) => name !== "")
    if (names?.length === 0) return yield* misused("--fields takes names of fields, such as to,subject.")
    const client = yield* Client
    yield* decideEach(
      which,
      Effect.fnUntraced(function*(approval) {
        const approved = yield* decide(approval, "approve", { what_hash: approval.what_hash })
        yield* Console.log(json ? visibleJson(approved) : `Approved ${inWords(approved)}`)
        if (!always) return
        const { body } = yield* client.request("/policy", {
          method: "POST",
          body: {
            approval_id: approved.approval_id,
            ...(names === undefined ? {} : { fields: names }),
            ...(expires_in_ms === undefined ? {} : { expires_in_ms: Math.round(expires_in_ms) })
          }
        })
        yield* Console.log(json ? visibleJson(body) : ruleInWords(body as StandingRule))
      })
    )
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Let what asks run: exactly the input that it asked with, once"),
  Command.withShortDescription("Let what asks run, once"),
  Command.withExamples([
    { command: "syris approve 7" },
    { command: "syris approve 7 8 9", description: "Several at once" },
    {
      command: "syris approve 7 --always --fields to --for \"30 days\"",
      description: "And do not ask again where `to` is the same"
    }
  ])
)

export const deny = Command.make(
  "deny",
  {
    which: which.pipe(Argument.atLeast(1)),
    reason: Flag.String("reason").pipe(Flag.withDescription("Why; kept with it, and told"), Flag.optional),
    json
  },
  Effect.fn(function*({ json, reason, which }) {
    const body = Option.match(reason, { onNone: () => ({}), onSome: (reason) => ({ reason }) })
    yield* decideEach(
      which,
      Effect.fnUntraced(function*(approval) {
        const denied = yield* decide(approval, "deny", body)
        yield* Console.log(json ? visibleJson(denied) : `Denied ${inWords(denied)}`)
      })
    )
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Refuse what asks: it will not run, and the task that waits for it hears so"),
  Command.withShortDescription("Refuse what asks"),
  Command.withExamples([{ command: "syris deny 7 --reason \"too much\"" }])
)

export const edit = Command.make(
  "edit",
  {
    which,
    input: Argument.String("input").pipe(Argument.withDescription("The whole new input, as JSON")),
    json
  },
  Effect.fn(function*({ input: text, json, which }) {
    const input = yield* Effect.try({
      try: () => JSON.parse(text) as unknown,
      catch: () => new CommandFailed({ sentence: "The input is not JSON: give it whole, in quotes.", exit_code: 2 })
    })
    const old = yield* findApproval(which)
    const client = yield* Client
    const { body } = yield* client.request(`/approvals/${old.approval_id}/edit`, { method: "POST", body: { input } })
    const made = body as Approval
    if (json) return yield* Console.log(visibleJson(made, 2))
    yield* Console.log(`Approval ${made.number} takes the place of ${old.number}.`)
    yield* show(made)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Ask for another input instead: it is judged afresh and gets an approval of its own"),
  Command.withShortDescription("Ask for another input instead"),
  Command.withExamples([{ command: "syris edit 7 '{\"to\":\"me@example.org\"}'" }])
)

const decide = Effect.fn("approve.decide")(
  function*({ approval_id }: Approval, verb: "approve" | "deny", body: unknown) {
    const client = yield* Client
    const answer = yield* client.request(`/approvals/${approval_id}/${verb}`, { method: "POST", body })
    return answer.body as Approval
  }
)

/** All are found before the first is decided. */
const decideEach = Effect.fnUntraced(function*<E extends { readonly message: string }, R>(
  which: ReadonlyArray<string>,
  one: (approval: Approval) => Effect.Effect<void, E, R>
) {
  const found = yield* Effect.forEach(which, findApproval)
  const [only] = found
  if (found.length === 1 && only !== undefined) return yield* one(only)
  let refused = 0
  for (const approval of new Map(found.map((approval) => [approval.approval_id, approval])).values()) {
    yield* Effect.catch(one(approval), (error) => {
      refused++
      return Console.error(`syris: ${approval.number}: ${error.message}`)
    })
  }
  if (refused > 0) return yield* new CommandFailed({ sentence: "", exit_code: 1 })
})

const inWords = ({ number, tool, what }: Approval): string =>
  `${number}: ${visible(tool)} ${clipped(JSON.stringify(what) ?? "", 400)}`
