/**
 * The tool `email.send`, by which answers go out, too.
 */
import { type Channel, Schema, type ToolContext } from "syris"
import type { Account } from "./Account.ts"
import { addressesOf } from "./Address.ts"
import { deliver, probe, type Sending } from "./Delivery.ts"
import { withoutMark } from "./MessageId.ts"
import type { Outgoing } from "./Outgoing.ts"
import { clipLine, maximumText } from "./PlainText.ts"

const mostRecipients = 20

const Recipients = Schema.String.check(
  Schema.isMaxLength(2_000),
  Schema.makeFilter((text: string) => {
    const all = addressesOf(text)
    return all !== undefined && all.length <= mostRecipients
  }, { expected: `an e-mail address, or up to ${mostRecipients} with commas between them` })
)

const Input = Schema.Struct({
  to: Recipients,
  cc: Schema.optionalKey(Recipients),
  subject: Schema.optionalKey(Schema.String.check(
    Schema.isMaxLength(500),
    // oxlint-disable-next-line no-control-regex -- it is what is refused
    Schema.isPattern(/^[^\u0000-\u001f\u007f]*$/, { expected: "one line" })
  )),
  text: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(maximumText)),
  thread_id: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
  /** The id of the message that it answers. */
  in_reply_to: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_000))),
  /** Those before it in the thread, oldest first. */
  references: Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.isMaxLength(1_000))).check(Schema.isMaxLength(100))
  )
})
type Input = typeof Input.Type

const recipientsOf = ({ cc, to }: Input): ReadonlyArray<string> => [
  ...new Set([...addressesOf(to) ?? [], ...cc === undefined ? [] : addressesOf(cc) ?? []])
]

const mailOf = (input: Input): Outgoing => {
  const to = addressesOf(input.to) ?? []
  return {
    to,
    cc: (input.cc === undefined ? [] : addressesOf(input.cc) ?? []).filter((one) => !to.includes(one)),
    subject: input.subject ?? (clipLine(input.text.trimStart().split("\n")[0]!, 78) || "(no subject)"),
    text: input.text,
    references: input.references ?? [],
    inReplyTo: input.in_reply_to === undefined ? undefined : withoutMark(input.in_reply_to)
  }
}

const sendingOf = (ctx: ToolContext): Sending => ({
  secret: (option) => ctx.secret(option),
  signal: ctx.signal,
  log: ctx.log,
  key: ctx.idempotencyKey,
  now: ctx.now()
})

const listOf = (all: ReadonlyArray<string>): string => all.join(", ")

export const sendBy = (account: Account): NonNullable<Channel["send"]> => {
  const known = (address: string): boolean => account.trustedSenders.has(address) || address === account.operator
  return {
    description: `Send an e-mail from ${account.address}.`,
    input: Input,
    output: Schema.Struct({ message: Schema.String, message_id: Schema.String, filed: Schema.Boolean }),
    effect: "write",
    // To those whom the operator has put on the list it may go as any answer may.
    risk: (input: Input) => recipientsOf(input).every(known) ? "low" : "medium",
    scopes: ["email.send"],
    guarantee: "probe",
    target: (input: Input) => recipientsOf(input).toSorted().join(","),
    blastRadius: (input: Input) => recipientsOf(input).length,
    timeout: "2 minutes",
    concurrency: 3,
    preview: (input: Input) => {
      const { subject, text } = mailOf(input)
      return `would send to ${listOf(recipientsOf(input))} from ${account.address}, subject "${subject}":\n${text}`
    },
    probe: (input: Input, ctx) => probe(account, mailOf(input), sendingOf(ctx)),
    run: async (input: Input, ctx) => {
      const { filed, messageId, rejected } = await deliver(account, mailOf(input), sendingOf(ctx))
      const refused = rejected.length === 0
        ? ""
        : ` The server did not take it for all of them: ${rejected.join("; ")}.`
      const where = filed ? "" : " It could not be moved to the folder of sent mail."
      return { message: `Sent to ${listOf(recipientsOf(input))}.${refused}${where}`, message_id: messageId, filed }
    }
  }
}
