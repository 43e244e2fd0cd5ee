/**
 * `syris approvals`: what waits for the operator's yes, or one approval whole: what will run, why it asks, how to decide.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { Approval } from "../contract/Approval.ts"
import { findApproval } from "./approvalSearch.ts"
import { drawApproval, leftOf } from "./approvalView.ts"
import { Client } from "./client.ts"
import { json, spell } from "./flags.ts"
import { coloured, duration, paints, table } from "./layout.ts"
import { listed } from "./list.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

export const approvals = Command.make(
  "approvals",
  {
    which: Argument.String("approval").pipe(
      Argument.withDescription("One of them, by its number or the beginning or end of its id (default: list them)"),
      Argument.optional
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Also those that are decided or over"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn(function*({ all, json, which }) {
    if (Option.isNone(which)) return yield* list(all, json)
    const approval = yield* findApproval(which.value)
    if (json) return yield* Console.log(visibleJson(approval, 2))
    yield* show(approval)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "List what waits for your yes, newest first, or show one with all that you need to decide; with --json one object a line"
  ),
  Command.withShortDescription("List what waits for your yes, or show one"),
  Command.withExamples([
    { command: "syris approvals" },
    { command: "syris approvals 7", description: "What exactly would run, and why it asks" },
    { command: "syris approvals --all" }
  ])
)

/** Prints one whole. */
export const show = Effect.fn("approvals.show")(function*(approval: Approval) {
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const now = yield* Clock.currentTimeMillis
  const lines = drawApproval(approval, { now, paint: paints(canColor), say: yield* spell })
  for (const line of lines) yield* Console.log(line)
})

const list = Effect.fn("approvals.list")(function*(all: boolean, json: boolean) {
  const found = yield* listed<Approval>("/approvals", all ? {} : { status: "pending" }, 200)
  if (json) return yield* Effect.forEach(found.items, (one) => Console.log(visibleJson(one)), { discard: true })
  const say = yield* spell
  if (found.items.length === 0) {
    return yield* Console.log(
      all ? "Nothing has asked yet." : `Nothing waits for your yes. See what did: ${say("approvals", "--all")}`
    )
  }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const now = yield* Clock.currentTimeMillis
  const rows = found.items.map((one) => [
    String(one.number),
    ...(all ? [coloured(visible(one.status), paint)] : []),
    clipped(one.tool, 40),
    visible(one.risk),
    duration(Math.max(0, now - Date.parse(one.created_at))),
    ...(all ? [] : [leftOf(one, now)]),
    clipped(JSON.stringify(one.what) ?? "", 60),
    clipped(one.why, 120)
  ])
  const head = ["NO", ...(all ? ["STATUS"] : []), "TOOL", "RISK", "AGE", ...(all ? [] : ["EXPIRES IN"]), "WHAT", "WHY"]
  for (const line of table([head.map(paint.dim), ...rows])) yield* Console.log(line)
  if (found.more) yield* Console.log(paint.dim("There are more."))
  if (!all) {
    yield* Console.log(
      paint.dim(
        `Decide with ${say("approve", "NO")} or ${say("deny", "NO")}; see one whole with ${say("approvals", "NO")}`
      )
    )
  }
})
