/**
 * The operator's answer to a question for approval, brought by a channel with the code that the question had. The channel has
 * made sure who wrote; here it is decided what the code is worth.
 *
 * - The code is used up in the transaction of the decision: a message that comes twice decides once, over crashes too.
 * - The decision is the ordinary one (`ApprovalCommands.ts`): of this, the chat and HTTP one is first, and the others are
 *   told what it is now.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { Notifications, workChannel } from "../database/Notifications.ts"
import { Alarms } from "../health/Alarms.ts"
import type { Answered } from "../plugin/Plugin.ts"
import { type RegisteredChannel, Registry } from "../plugin/Registry.ts"
import { ApprovalCodes, type Judged, mostRefusalsTold, mostWrong } from "../safety/ApprovalCodes.ts"
import { IntegrationSwitches } from "../safety/IntegrationSwitches.ts"
import { Settings } from "../plugin/Settings.ts"
import { ApprovalCommands } from "./ApprovalCommands.ts"

export class CodeAnswers extends Context.Service<CodeAnswers, {
  /** What can't be decided now, because the database is away, fails: to be brought again. */
  readonly answer: (
    connector_id: string,
    code: string,
    decision: "approve" | "deny"
  ) => Effect.Effect<Answered, SqlError.SqlError>
}>()("syris/tools/CodeAnswers") {
  static readonly layer = Layer.effect(CodeAnswers, Effect.suspend(() => make))
}

/** What the operator switches a connector off by: a server of the same name has the plain id. */
export const integrationOf = (connector_id: string, servers: ReadonlyArray<{ readonly server: string }>): string =>
  servers.some(({ server }) => server === connector_id) ? `channel.${connector_id}` : connector_id

const unknown = (message: string): Answered => ({ outcome: "unknown", message })

const timeOf = (date: Date): string => `${date.toISOString().slice(11, 16)} UTC`

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const codes = yield* ApprovalCodes
  const commands = yield* ApprovalCommands
  const notifications = yield* Notifications
  const registry = yield* Registry
  const { mcp } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const switches = yield* IntegrationSwitches

  const reject = Effect.fnUntraced(function*(
    { channel, connector_id }: RegisteredChannel,
    trace_id: string,
    code: string,
    message: string,
    data: Record<string, unknown>
  ) {
    yield* audit.append({
      type: "event.rejected",
      trace_id,
      at: new Date(yield* Clock.currentTimeMillis),
      summary: message,
      data: { channel: channel.name, connector_id, ...data, error: { code, message, retryable: false } }
    })
  })

  const wrong = Effect.fnUntraced(function*(where: RegisteredChannel, { until, wrong }: Judged & { _tag: "Wrong" }) {
    const { connector_id } = where
    const trace_id = newId()
    yield* reject(
      where,
      trace_id,
      "approval.code_wrong",
      `A code came on ${connector_id} that is good for nothing there (${wrong} of ${mostWrong} within 10 minutes).`,
      { wrong }
    )
    if (until === undefined) return unknown(`Nothing that waits has this code on ${connector_id}.`)
    yield* alarms.open({
      type: "approvals.guessed",
      severity: "error",
      dedupe_key: `approvals.guessed ${connector_id}`,
      message:
        `${mostWrong} wrong codes for approvals came on ${connector_id} within 10 minutes: no answer is taken there ` +
        `until ${timeOf(until)}. Find out who writes there; answer in the chat or with syris approve.`,
      trace_id
    })
    return unknown(
      `Nothing that waits has this code on ${connector_id}, and it was the ${mostWrong}th wrong one: no answer is taken ` +
        `there until ${timeOf(until)}.`
    )
  })

  const refused = Effect.fnUntraced(function*(where: RegisteredChannel, judged: Judged & { _tag: "Refused" }) {
    const { connector_id } = where
    const message = `An answer on ${connector_id} was not looked at: too many wrong codes came, none is taken until ${
      timeOf(judged.until)
    }.`
    if (judged.refused <= mostRefusalsTold) {
      yield* reject(where, newId(), "approval.answers_refused", message, { refused: judged.refused })
    }
    return unknown(`${message} Answer in the chat or with syris approve.`)
  })

  const decide = (
    { channel, connector_id }: RegisteredChannel,
    { approval_id, use }: Judged & { _tag: "Known" },
    decision: "approve" | "deny"
  ) => {
    const word = { by: `operator by ${channel.name}`, connector_id }
    return (decision === "approve" ? commands.approve(approval_id, word) : commands.deny(approval_id, word)).pipe(
      Effect.tap(() => use),
      Effect.map(({ number, tool }): Answered => ({
        outcome: "decided",
        message: `${decision === "approve" ? "Approved" : "Denied"} ${number}: ${tool}.`
      })),
      // It has rolled back what it did, or has given the call up.
      Effect.catchTags({
        ApprovalConflict: ({ detail }) => Effect.succeed<Answered>({ outcome: "late", message: detail }),
        ApprovalNotFound: ({ message }) => Effect.succeed(unknown(message))
      })
    )
  }

  const answer: CodeAnswers["Service"]["answer"] = Effect.fnUntraced(function*(connector_id, code, decision) {
    const where = registry.channels().find((one) => one.connector_id === connector_id)
    if (where?.channel.operator === undefined || where.channel.send === undefined) {
      return unknown(`Nobody is asked for an approval on ${connector_id}.`)
    }
    const integration_id = integrationOf(connector_id, mcp)
    if (switches.isOff(integration_id)) {
      return unknown(`${connector_id} is switched off (syris integrations enable ${integration_id}).`)
    }
    const brought = yield* codes.read(connector_id, code)
    return yield* sql.withTransaction(Effect.gen(function*() {
      const judged = yield* codes.judge(connector_id, brought)
      switch (judged._tag) {
        case "Known":
          return yield* decide(where, judged, decision)
        case "Used":
          return unknown("This code was used already: it is good for one answer.")
        case "Wrong":
          return yield* wrong(where, judged)
        case "Refused":
          return yield* refused(where, judged)
      }
    })).pipe(
      // Whoever looked for work while this held the lock has passed the row over.
      Effect.tapError(() => notifications.notify(workChannel, ""))
    )
  })

  return CodeAnswers.of({ answer })
})
