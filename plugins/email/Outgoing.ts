/**
 * A mail that goes out, as bytes. Nothing that is put into it can end a header and begin another: the parts are checked, and
 * written by a library that folds and encodes them.
 */
import MailComposer from "nodemailer/lib/mail-composer"
import type { Account } from "./Account.ts"
import { isMessageId } from "./MessageId.ts"

export interface Outgoing {
  readonly to: ReadonlyArray<string>
  readonly cc?: ReadonlyArray<string>
  readonly subject: string
  readonly text: string
  /** The thread that it answers in, oldest first. */
  readonly references: ReadonlyArray<string>
  readonly inReplyTo: string | undefined
}

const bracketed = (id: string): string => `<${id}>`

const maximumReferences = 30

export const compose = (
  account: Pick<Account, "address">,
  mail: Outgoing,
  messageId: string,
  date: Date
): Promise<Buffer> => {
  const answers = mail.inReplyTo !== undefined && isMessageId(mail.inReplyTo) ? mail.inReplyTo : undefined
  const all = [...new Set([...mail.references, ...(answers === undefined ? [] : [answers])])].filter(isMessageId)
  const references = all.length <= maximumReferences ? all : [all[0]!, ...all.slice(1 - maximumReferences)]
  return new MailComposer({
    from: account.address,
    to: [...mail.to],
    ...(mail.cc === undefined || mail.cc.length === 0 ? {} : { cc: [...mail.cc] }),
    subject: mail.subject,
    text: mail.text.replaceAll("\0", "").toWellFormed(),
    messageId: bracketed(messageId),
    ...(answers === undefined ? {} : { inReplyTo: bracketed(answers) }),
    ...(references.length === 0 ? {} : { references: references.map(bracketed) }),
    date,
    // RFC 3834: whoever answers by itself does not answer that.
    headers: { "Auto-Submitted": mail.inReplyTo === undefined ? "auto-generated" : "auto-replied" },
    disableFileAccess: true,
    disableUrlAccess: true,
    newline: "win"
  }).compile().build()
}
