/**
 * Looks into the mailbox: which mail there is, and what one says. Both are words of strangers.
 */
import { defineTool, Schema, ToolRefused } from "syris"
import type { Account } from "./Account.ts"
import { addressOf } from "./Address.ts"
import { openImap, uidsOf } from "./Imap.ts"
import { fetchedBytes, readLetter } from "./Letter.ts"
import { isMessageId, withoutMark } from "./MessageId.ts"
import { clip, clipLine } from "./PlainText.ts"

const short = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))

const Query = Schema.Struct({
  /** Anywhere in the mail. */
  words: Schema.optionalKey(short),
  from: Schema.optionalKey(short),
  subject: Schema.optionalKey(short),
  /** A day: mail from then on. */
  since: Schema.optionalKey(Schema.String.check(
    Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/, { expected: "a day such as 2026-11-01" })
  )),
  /** Default: where mail comes in. */
  mailbox: Schema.optionalKey(short),
  /** Default 20. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })))
})

const Found = Schema.Struct({
  message: Schema.String,
  total: Schema.Int,
  items: Schema.Array(Schema.Struct({
    uid: Schema.Int,
    message_id: Schema.optionalKey(Schema.String),
    from: Schema.String,
    subject: Schema.String,
    date: Schema.optionalKey(Schema.String),
    seen: Schema.Boolean
  }))
})

const Reference = Schema.Struct({
  /** As `email.search` and events name it. */
  message_id: Schema.String.check(Schema.isMaxLength(1_000)),
  mailbox: Schema.optionalKey(short)
})

const Mail = Schema.Struct({
  message: Schema.String,
  from: Schema.String,
  to: Schema.Array(Schema.String),
  subject: Schema.String,
  date: Schema.optionalKey(Schema.String),
  text: Schema.String,
  attachments: Schema.Array(Schema.String)
})

const maximumRead = 32_768

const common = {
  effect: "read" as const,
  risk: "low" as const,
  scopes: ["email.read"],
  trust: "untrusted" as const,
  timeout: "60 seconds" as const,
  concurrency: 2
}

const dotted = (account: Account, name: string): string =>
  account.connector === "email" ? `email.${name}` : `email.${account.connector}.${name}`

export const searchTools = (account: Account) => [
  defineTool({
    ...common,
    name: dotted(account, "search"),
    description: `Search the mail of ${account.address}, the newest first.`,
    input: Query,
    output: Found,
    run: async ({ from, limit = 20, mailbox = account.mailbox, since, subject, words }, ctx) => {
      await using imap = await openImap(account, ctx)
      const { client } = imap
      await client.mailboxOpen(mailbox, { readOnly: true })
      const uids = await uidsOf(client, {
        all: true,
        ...(words === undefined ? {} : { text: words }),
        ...(from === undefined ? {} : { from }),
        ...(subject === undefined ? {} : { subject }),
        ...(since === undefined ? {} : { since: new Date(since) })
      })
      const wanted = uids.slice(-limit)
      const found = wanted.length === 0
        ? []
        : await client.fetchAll(wanted.join(","), { uid: true, envelope: true, flags: true }, { uid: true })
      const items = found.toSorted((left, right) => right.uid - left.uid).map(({ envelope, flags, uid }) => {
        const [sender] = envelope?.from ?? []
        const date = new Date(envelope?.date ?? NaN)
        const id = envelope?.messageId?.replace(/^<|>$/g, "")
        return {
          uid,
          ...(id === undefined || !isMessageId(id) ? {} : { message_id: id }),
          from: clipLine(`${sender?.name ?? ""} <${sender?.address ?? ""}>`, 300),
          subject: clipLine(envelope?.subject ?? "", 300),
          ...(Number.isNaN(Number(date)) ? {} : { date: date.toISOString() }),
          seen: flags?.has("\\Seen") === true
        }
      })
      const lines = items.map((item) => `${item.from}: ${item.subject}`)
      return {
        message: clip([`${uids.length} found in ${mailbox}.`, ...lines].join("\n"), 4_000),
        total: uids.length,
        items
      }
    }
  }),
  defineTool({
    ...common,
    name: dotted(account, "read"),
    description: `Read one mail of ${account.address} by its Message-ID.`,
    input: Reference,
    output: Mail,
    run: async ({ mailbox = account.mailbox, message_id }, ctx) => {
      const id = withoutMark(message_id).replace(/^<|>$/g, "")
      if (!isMessageId(id)) throw new ToolRefused("That is no Message-ID: email.search has those of the mailbox.")
      await using imap = await openImap(account, ctx)
      const { client } = imap
      await client.mailboxOpen(mailbox, { readOnly: true })
      const [uid] = await uidsOf(client, { header: { "message-id": `<${id}>` } })
      if (uid === undefined) throw new ToolRefused(`There is no mail with this Message-ID in ${mailbox}.`)
      const fetched = await client.fetchOne(
        String(uid),
        { uid: true, source: { start: 0, maxLength: fetchedBytes } },
        { uid: true }
      )
      if (fetched === false || fetched.source === undefined) throw new ToolRefused("It was deleted meanwhile.")
      const letter = await readLetter(account, fetched.source)
      if ("code" in letter) throw new ToolRefused(`It can't be read. ${letter.message}`)
      const text = clip(letter.body, maximumRead)
      return {
        message: clip(`From ${letter.from}: ${letter.subject}\n\n${text}`, 4_000),
        from: addressOf(letter.sender ?? "") ?? letter.from,
        to: letter.to,
        subject: letter.subject,
        ...(letter.date === undefined ? {} : { date: letter.date.toISOString() }),
        text,
        attachments: [...letter.attachments.map(({ name }) => name), ...letter.leftOut]
      }
    }
  })
]
